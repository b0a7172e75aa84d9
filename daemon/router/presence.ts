/**
 * Presence: who comes, goes and changes roles on a channel, for clients that asked to be told. A new watcher is first
 * told of everybody who is there, so that it never has to ask and cannot miss anyone in between.
 *
 * @module
 */
import { encodePresence, type Presence } from "../../protocol/bodies.ts";
import { encodeFrame, ENCODINGS, FRAME_TYPES } from "../../protocol/frame.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "./peer.ts";

/** Tells everybody who watches the client's channel. */
export function tellWatchers(client: Client<Peer>, event: Presence["event"], reason?: string): void {
  const watchers = client.channel.watchers;
  if (watchers.size === 0) return;
  const frame = presenceFrame(client, event, reason);
  for (const watcher of watchers) if (watcher !== client) watcher.peer.pushFrames(frame);
}

/** Tells a new watcher who is there. */
export function introduce(watcher: Client<Peer>): void {
  for (const client of watcher.channel.clients) watcher.peer.pushFrames(presenceFrame(client, "join"));
}

function presenceFrame(client: Client<Peer>, event: Presence["event"], reason?: string): Uint8Array<ArrayBuffer> {
  const presence: Presence = {
    event,
    client: client.id,
    name: client.name,
    listen: client.listen,
    handle: client.handle,
  };
  if (reason !== undefined) presence.reason = reason;
  return encodeFrame({
    type: FRAME_TYPES.PRESENCE,
    flags: ENCODINGS.STRUCTURED,
    source: client.id,
    payload: encodePresence(presence),
  });
}
