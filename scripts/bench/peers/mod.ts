/**
 * Who is measured against whom.
 *
 * @module
 */
import type { Workshop } from "../workshop.ts";
import { installIpc, type IpcPeer } from "./ipc.ts";
import { findMosquitto } from "./mosquitto.ts";
import { findNats } from "./nats.ts";
import type { Peer } from "./peer.ts";
import { findRedis } from "./redis.ts";

export { RELAY } from "./relay.ts";
export type { Broker, Peer, PeerOptions } from "./peer.ts";

/** The brokers that are installed, ours first. */
export interface Peers {
  ipc: IpcPeer;
  nats: Peer | undefined;
  redis: Peer | undefined;
  mosquitto: Peer | undefined;
}

/** Builds ours, looks for the others. */
export async function findPeers(workshop: Workshop): Promise<Peers> {
  const [nats, redis, mosquitto] = await Promise.all([findNats(), findRedis(), findMosquitto()]);
  return { ipc: await installIpc(workshop), nats, redis, mosquitto };
}

/** Those that are there. */
export function installed(peers: Peers): Peer[] {
  return [peers.ipc, peers.nats, peers.redis, peers.mosquitto].filter((peer) => peer !== undefined);
}
