/**
 * A link is a connection that has been through its handshake: preface and HELLO went out, WELCOME came back.
 *
 * @module
 */
import { decodeError, decodeWelcome, encodeHello, type Hello, type Welcome } from "../protocol/bodies.ts";
import { IpcError } from "../protocol/errors.ts";
import { encodeFrame, FRAME_TYPES, FROM_BROKER, PREFACE } from "../protocol/frame.ts";
import { MESSAGE_BYTES_DEFAULT, MESSAGE_BYTES_MAX } from "../protocol/limits.ts";
import { Scanner } from "../protocol/scanner.ts";
import { socketPath } from "../protocol/socket_path.ts";
import type { Address } from "./address.ts";
import { openNetwork } from "./network.ts";
import type { Deadline } from "./pause.ts";
import type { Connection } from "./runtime.ts";
import { openSocket } from "./socket.ts";

/** How often in a row a process is taken to be late with HELLO, before it is taken to talk to something else. */
const LATE_MAX = 3;

/** See the module's head. */
export interface Link {
  conn: Connection;
  /** Whether it is closed on this side. */
  shut: boolean;
  /** Holds what came behind WELCOME. */
  scanner: Scanner;
  welcome: Welcome;
}

/**
 * What came was no frame. A broker takes whoever is silent at first for a text client that listens, and sends it events
 * as text: so it goes with a process that was stopped, or had no time, between connecting and HELLO.
 */
class SpokeLate extends IpcError {
  constructor(place: string, cause: unknown) {
    super("PROTOCOL", `Cannot connect to ${JSON.stringify(place)}: what answers there does not speak this protocol`, {
      cause,
    });
  }
}

/**
 * Connects. Who was late with HELLO tries again.
 *
 * @param address Where the broker is.
 * @param channel The channel.
 * @param hello What to say, beside the channel.
 * @param limit Gives up; its signal's reason is thrown.
 * @returns `undefined` if nobody listens there.
 * @throws {IpcError} What the broker answered instead of WELCOME, or what {@linkcode openSocket} or
 *   {@linkcode openNetwork} throws.
 */
export async function openLink(
  address: Address,
  channel: string,
  hello: Hello,
  broker_uid: number | undefined,
  limit: Deadline,
): Promise<Link | undefined> {
  for (let late = 1;; late++) {
    try {
      return await tryLink(address, channel, hello, broker_uid, limit);
    } catch (error) {
      if (!(error instanceof SpokeLate) || late === LATE_MAX) throw error;
    }
  }
}

async function tryLink(
  address: Address,
  channel: string,
  hello: Hello,
  broker_uid: number | undefined,
  limit: Deadline,
): Promise<Link | undefined> {
  const place = placeOf(address, channel), shared = address.transport !== "unix", { signal } = limit;
  const conn = await (shared ? openNetwork(address, signal) : openSocket(place, broker_uid, signal));
  if (conn === undefined) return undefined;
  if (signal.aborted) {
    conn.close();
    throw signal.reason;
  }
  limit.connection = conn;
  try {
    const first = encodeFrame({
      type: FRAME_TYPES.HELLO,
      payload: encodeHello(shared ? { ...hello, channel } : hello),
    });
    const opening = new Uint8Array(PREFACE.length + first.length);
    opening.set(PREFACE);
    opening.set(first, PREFACE.length);
    await writeAll(conn, opening);
    const scanner = new Scanner(FROM_BROKER, MESSAGE_BYTES_DEFAULT);
    const welcome = await readWelcome(conn, scanner, place);
    return { conn, shut: false, scanner, welcome };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    conn.close();
    if (error instanceof IpcError) throw error;
    throw new IpcError("CHANNEL_RECV", `Cannot connect to ${JSON.stringify(place)}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    limit.connection = undefined;
  }
}

/** Closes its connection, once. */
export function shut(link: Link | undefined): void {
  if (link === undefined || link.shut) return;
  link.shut = true;
  try {
    link.conn.close();
  } catch {
    // It broke, and closed itself.
  }
}

/** What is connected to, for people: a socket's path, or a URL. */
export function placeOf(address: Address, channel: string): string {
  return address.transport === "unix" ? socketPath(address.socket_dir, channel) : `${address.url}/${channel}`;
}

async function readWelcome(conn: Connection, scanner: Scanner, place: string): Promise<Welcome> {
  for (;;) {
    const type = firstType(scanner, place);
    if (type === FRAME_TYPES.WELCOME) {
      const welcome = decodeWelcome(scanner.frame().payload);
      scanner.advance();
      // The channel's limit is for what is sent. The broker's own answers (a list of all clients, say) are not bound to it,
      // and a reload may raise it for others while we are connected.
      scanner.message_bytes_max = MESSAGE_BYTES_MAX;
      return welcome;
    }
    if (type === FRAME_TYPES.BYE) throw decodeError(scanner.frame().payload);
    if (type !== 0) throw new IpcError("PROTOCOL", `the broker answered HELLO with a frame of type ${type}`);
    const got = await conn.read(scanner.space());
    if (got === null) {
      throw new IpcError("CHANNEL_RECV", `Cannot connect to ${JSON.stringify(place)}: the broker hung up on HELLO`);
    }
    scanner.filled(got);
  }
}

function firstType(scanner: Scanner, place: string): number {
  try {
    return scanner.next();
  } catch (error) {
    throw new SpokeLate(place, error);
  }
}

/** `conn.write` takes what fits; this writes all. */
export async function writeAll(conn: Connection, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  let done = await conn.write(bytes);
  while (done < bytes.length) done += await conn.write(bytes.subarray(done));
}
