/**
 * Finds a channel and connects to it. Where each channel has a socket, it asks the broker to open one that has none; a
 * shared listener is told the channel's name and does that by itself.
 *
 * @module
 */
import type { Hello } from "../protocol/bodies.ts";
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { IpcError } from "../protocol/errors.ts";
import type { Address } from "./address.ts";
import { askBroker, CONNECT_TIMEOUT_MS, noBroker } from "./control.ts";
import { type Link, openLink, placeOf } from "./link.ts";
import type { ConnectOptions } from "./options.ts";
import { deadline, pause } from "./pause.ts";

/** The broker takes a limited number of handshakes at a time; one that has too many says OVERLOADED. */
const OVERLOADED_PAUSE_MS = 50;

/**
 * @param hello What to say to the broker.
 * @param signal Gives up, besides `options.signal`.
 * @throws {IpcError} CHANNEL_NOT_FOUND if there is no broker or it may not open the channel, FORBIDDEN for a socket of
 *   somebody else, TIMEOUT, CANCELLED, or what the broker answered.
 */
export async function dial(
  channel: string,
  address: Address,
  hello: Hello,
  options: ConnectOptions,
  signal: AbortSignal | undefined,
): Promise<Link> {
  const limit = deadline(options.connect_timeout_ms ?? CONNECT_TIMEOUT_MS, `connect to channel "${channel}"`, signal);
  try {
    for (let opened = false;;) {
      const link = await patiently(
        () => openLink(address, channel, hello, options.broker_uid, limit),
        limit.signal,
      );
      if (link !== undefined) return link;
      if (channel === CONTROL_CHANNEL || address.transport !== "unix") throw noBroker(address);
      if (opened || options.open === false) {
        const place = placeOf(address, channel);
        throw new IpcError("CHANNEL_NOT_FOUND", `Cannot connect to channel "${channel}": nobody listens on "${place}"`);
      }
      await patiently(() => askBroker("open", { channel }, address, options, limit), limit.signal);
      opened = true;
    }
  } finally {
    limit.clear();
  }
}

async function patiently<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      // Over a quota it stays so until this program, or one with the same token, lets go of something.
      if (error.reason !== "OVERLOADED" || isOverQuota(error)) throw error;
      await pause(OVERLOADED_PAUSE_MS * (1 + Math.random()), signal);
      signal.throwIfAborted();
    }
  }
}

function isOverQuota({ data }: IpcError): boolean {
  return typeof data === "object" && data !== null && Object.hasOwn(data, "quota");
}
