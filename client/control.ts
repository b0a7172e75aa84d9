/**
 * Asks the broker itself, on its own channel `ipcd`.
 *
 * @module
 */
import { decodeError, type Hello } from "../protocol/bodies.ts";
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { IpcError } from "../protocol/errors.ts";
import { encodeFrame, encodingOf, ENCODINGS, FLAGS, FRAME_TYPES } from "../protocol/frame.ts";
import { decodePayload } from "../protocol/payload.ts";
import { type Address, brokerAddress } from "./address.ts";
import { type Link, openLink, writeAll } from "./link.ts";
import type { BrokerOptions } from "./options.ts";
import { type Deadline, deadline } from "./pause.ts";
import { runtime } from "./runtime_deno.ts";

/** How long connecting may take unless the caller says otherwise. */
export const CONNECT_TIMEOUT_MS = 5_000;
const CONTROL_TIMEOUT_MS = 10_000;
const REQUEST_ID = 1;

/** Options of {@linkcode control}. */
export interface ControlOptions extends BrokerOptions {
  /** How long the answer may take, connecting included. Default 10000. */
  timeout_ms?: number | undefined;
}

/**
 * Asks the broker one question on a connection of its own.
 *
 * @param method One of the control channel's: "channels", "channel", "clients", "stats", "ping", ...
 * @param params What it takes.
 * @param options Where the broker is.
 * @returns The answer.
 * @throws {IpcError} CHANNEL_NOT_FOUND if no broker runs there, else what the broker answered.
 *
 * @example
 * ```ts
 * import { control, IpcError } from "./mod.ts";
 *
 * const error = await control("ping", {}, { socket_dir: "/nobody/is/here" }).catch((error) => error);
 * if (!(error instanceof IpcError) || error.reason !== "CHANNEL_NOT_FOUND") throw new Error("a broker answered?");
 * ```
 */
export async function control(
  method: string,
  params: Record<string, unknown> = {},
  options: ControlOptions = {},
): Promise<unknown> {
  return await controlAt(brokerAddress(options), method, params, options);
}

/** {@linkcode control} at a known place. */
export async function controlAt(
  address: Address,
  method: string,
  params: Record<string, unknown>,
  options: ControlOptions,
): Promise<unknown> {
  const limit = deadline(options.timeout_ms ?? CONTROL_TIMEOUT_MS, `ask the broker for "${method}"`, options.signal);
  try {
    return await askBroker(method, params, address, options, limit);
  } finally {
    limit.clear();
  }
}

/** {@linkcode control} within a deadline that is already running. */
export async function askBroker(
  method: string,
  params: Record<string, unknown>,
  address: Address,
  options: BrokerOptions,
  limit: Deadline,
): Promise<unknown> {
  const link = await openLink(address, CONTROL_CHANNEL, introduction(options), options.broker_uid, limit);
  if (link === undefined) throw noBroker(address);
  limit.connection = link.conn;
  try {
    const payload = new TextEncoder().encode(JSON.stringify({ method, params }));
    await writeAll(
      link.conn,
      encodeFrame({ type: FRAME_TYPES.REQUEST, flags: ENCODINGS.JSON, id: REQUEST_ID, payload }),
    );
    return await readReply(link);
  } catch (error) {
    if (limit.signal.aborted) throw limit.signal.reason;
    if (error instanceof IpcError) throw error;
    throw new IpcError("CHANNEL_RECV", `Cannot ask the broker for "${method}": ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    limit.connection = undefined;
    if (!limit.signal.aborted) link.conn.close();
  }
}

async function readReply({ conn, scanner }: Link): Promise<unknown> {
  for (;;) {
    const type = scanner.next();
    if (type === 0) {
      const got = await conn.read(scanner.space());
      if (got === null) throw new IpcError("CHANNEL_RECV", "the broker hung up instead of answering");
      scanner.filled(got);
      continue;
    }
    const frame = scanner.frame();
    scanner.advance();
    if (type === FRAME_TYPES.BYE) throw decodeError(frame.payload);
    if (type !== FRAME_TYPES.REPLY || frame.id !== REQUEST_ID) continue;
    if ((frame.flags & FLAGS.ERROR) !== 0) throw decodeError(frame.payload);
    return decodePayload(encodingOf(frame.flags), frame.payload);
  }
}

/** The part of HELLO that says who this is. */
export function introduction(options: BrokerOptions): Hello {
  const hello: Hello = { pid: runtime.pid };
  if (options.name !== undefined) hello.name = options.name;
  if (options.token !== undefined) hello.token = options.token;
  return hello;
}

/** What to say where even the control channel is missing. */
export function noBroker(address: Address): IpcError {
  if (address.transport === "unix") {
    const place = JSON.stringify(address.socket_dir);
    return new IpcError(
      "CHANNEL_NOT_FOUND",
      `no broker is running for socket directory ${place}: start one with "ipc daemon start"`,
    );
  }
  const why = address.fallback ? `There are no unix sockets on this system, so ${address.url} was tried. ` : "";
  return new IpcError(
    "CHANNEL_NOT_FOUND",
    `no broker listens at ${address.url}. ${why}A broker does if its configuration has a [[listen]] entry with ` +
      "this address; another one is chosen with url (--connect, IPC_CONNECT)",
  );
}
