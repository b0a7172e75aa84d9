/**
 * Events of dialects that have each in memory of its own, rather than a run in the read buffer.
 *
 * @module
 */
import { FLAGS, idOf, OFFSET } from "../../protocol/frame.ts";
import type { Connection } from "../transport/connection.ts";
import type { ConnectionPeer } from "./connection_peer.ts";
import { acknowledge, takesRun } from "./frames.ts";

/**
 * Publishes one EVENT for all listeners when it is its turn.
 *
 * @param frame Memory that nobody writes to any more.
 * @returns False if the broker takes none any more, a rule denies it, or the client has left. The first two are for
 *   {@linkcode takeFrame} to answer.
 */
export async function publish(peer: ConnectionPeer, frame: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const { client, connection, router } = peer;
  for (let turn; takesRun(peer) && (turn = router.events.turn(client, frame.length)) !== undefined;) {
    await held(connection, frame, turn);
    if (!connection.open) return false;
  }
  if (!takesRun(peer)) return false;
  const flags = frame[OFFSET.flags]!, id = idOf(frame);
  if ((flags & FLAGS.RETAIN) !== 0) router.events.retain(client, frame);
  else router.events.single(client, frame);
  if ((flags & FLAGS.ACK) !== 0) acknowledge(client, [id], router);
  return true;
}

/** Waits with a message that cannot go on: its connection is not read from meanwhile, and it counts as what that holds. */
export async function held(connection: Connection, frame: Uint8Array<ArrayBuffer>, wait: Promise<void>): Promise<void> {
  connection.held_up = true;
  connection.keep(frame);
  await wait;
  connection.letGo(frame);
  connection.held_up = false;
}
