/**
 * No broker at all: a child of the driver that reads and writes, which is the most that kernel and driver can do. Whoever
 * comes near it may be held up by the driver.
 *
 * @module
 */
import type { Peer } from "./peer.ts";

/** The limit. */
export const RELAY: Peer = {
  name: "relay",
  version: "copies only",
  start: () =>
    Promise.resolve({
      protocol: "relay",
      address: undefined,
      pid: undefined,
      open: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};
