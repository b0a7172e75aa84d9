/**
 * Who is measured against whom.
 *
 * @module
 */
import type { BuildInfo } from "../../../commands/build_info.ts";
import { ipcPeer } from "./ipc.ts";
import { findMosquitto } from "./mosquitto.ts";
import { findNats } from "./nats.ts";
import type { Peer } from "./peer.ts";
import { findRedis } from "./redis.ts";

export { RELAY } from "./relay.ts";
export type { Broker, Peer, PeerOptions } from "./peer.ts";

/** The brokers that are installed, ours first. */
export interface Peers {
  ipc: ReturnType<typeof ipcPeer>;
  nats: Peer | undefined;
  redis: Peer | undefined;
  mosquitto: Peer | undefined;
}

/** Looks for them. @param build What is in dist/. */
export async function findPeers(build: BuildInfo): Promise<Peers> {
  const [nats, redis, mosquitto] = await Promise.all([findNats(), findRedis(), findMosquitto()]);
  return { ipc: ipcPeer(build), nats, redis, mosquitto };
}

/** Those that are there. */
export function installed(peers: Peers): Peer[] {
  return [peers.ipc, peers.nats, peers.redis, peers.mosquitto].filter((peer) => peer !== undefined);
}
