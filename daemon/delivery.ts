/**
 * The end of a broker: what was accepted is still delivered.
 *
 * @module
 */
import type { IpcError } from "../protocol/mod.ts";
import type { Channel } from "./registry.ts";
import type { Peer, Router } from "./router/mod.ts";

const LOOK_MS = 10;

/**
 * Waits until what a broker has accepted is delivered and answered, and closes its channels: each as soon as it is done,
 * so that its clients may go to the successor and do not pay for others that do not read; those that are not, at last.
 *
 * @param within_ms For how long it waits.
 * @param why What the clients are told.
 * @returns How many bytes were left.
 */
export async function deliver(router: Router, within_ms: number, why: IpcError): Promise<number> {
  const { channels, clients } = router.registry, deadline_ms = performance.now() + within_ms;
  for (;;) {
    for (const channel of [...channels.values()]) if (isQuiet(channel)) router.close(channel, why);
    if (channels.size === 0 || performance.now() >= deadline_ms) break;
    await delay(LOOK_MS);
  }
  let undelivered_bytes = 0;
  for (const { peer } of clients.values()) undelivered_bytes += peer.queued_bytes;
  for (const channel of [...channels.values()]) router.close(channel, why);
  return undelivered_bytes;
}

/** Whether everything that a channel accepted has been delivered and answered. */
function isQuiet(channel: Channel<Peer>): boolean {
  if (channel.requests_open > 0) return false;
  for (const { peer } of channel.clients) if (peer.queued_bytes > 0) return false;
  return true;
}

/** Some time later. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
