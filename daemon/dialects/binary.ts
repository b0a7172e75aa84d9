/**
 * The binary dialect: frames as they stand in `protocol/frame.ts`, passed to the router in place.
 *
 * The loop reads, takes what came, and waits where it must: for its turn to publish, or for room for a reply. While it
 * waits the socket is not read, which is how the kernel comes to hold the sender up. All waiting is in `serveBinary`; what
 * takes the frames is an ordinary function, because it runs for every read and an idle connection should hold little.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { FLAGS, FRAME_TYPES } from "../../protocol/frame.ts";
import type { Channel } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import type { Connection } from "../transport/connection.ts";
import { acknowledge, BYE, byeFrame, FRAMES, refuse, turnAway } from "./binary_frames.ts";
import { handshake } from "./binary_handshake.ts";
import { type BinaryPeer, isDisconnect } from "./binary_peer.ts";
import type { Service } from "./service.ts";

/**
 * Serves one connection until it ends.
 *
 * @param connection Its first byte, 0x89, has been seen and stands in the scanner.
 */
export async function serveBinary(connection: Connection, channel: Channel<Peer>, service: Service): Promise<void> {
  let peer: BinaryPeer | undefined;
  try {
    peer = await handshake(connection, channel, service);
    if (peer === undefined) return connection.finish();
    do {
      for (let wait; (wait = takeFrames(peer)) !== undefined;) {
        connection.held_up = true;
        await wait;
        connection.held_up = false;
      }
    } while (await connection.read());
    service.router.leave(peer.client);
    connection.finish();
  } catch (error) {
    const reason = error instanceof IpcError ? error : undefined;
    if (peer !== undefined) service.router.leave(peer.client, reason);
    if (reason !== undefined) return connection.dismiss(byeFrame(reason));
    connection.close();
    if (!isDisconnect(error)) service.failed(error);
  }
}

/**
 * Takes the complete frames that have arrived.
 *
 * @returns A promise if the next one has to wait: call again when it resolves. `undefined` when all are taken, or the
 *   connection is not to be read any more.
 * @throws {IpcError} PROTOCOL or TOO_LARGE.
 */
function takeFrames(peer: BinaryPeer): Promise<void> | undefined {
  const { connection, client, router } = peer, { scanner } = connection;
  for (let type; connection.open && (type = scanner.next()) !== 0;) {
    if (router.draining && (type === FRAME_TYPES.EVENT || type === FRAME_TYPES.REQUEST)) {
      router.events.abandon(client);
      // What is not accepted stays unread, unless replies that are waited for may stand behind it.
      if (client.serving.size === 0) return connection.closed;
      if (!turnAway(client, scanner.frame())) peer.discarded = true;
      scanner.advance();
    } else if (peer.discarded && type === FRAME_TYPES.PING) {
      // A sender that asks whether all has arrived must not be told yes.
      scanner.advance();
    } else if (type === FRAME_TYPES.EVENT && client.channel === router.control) {
      const error = new IpcError("FORBIDDEN", `events on "${client.channel.name}" are the broker's own`);
      refuse(client, scanner.frame().id, error);
      scanner.advance();
    } else if (type === FRAME_TYPES.EVENT && scanner.frame_target === 0) {
      const turn = router.events.turn(client, scanner.end - scanner.start);
      if (turn !== undefined) return turn;
      if ((scanner.frame_flags & FLAGS.RETAIN) !== 0) takeRetained(peer);
      else takeRun(peer);
    } else {
      const frame = scanner.bytes.subarray(scanner.start, scanner.start + scanner.frame_bytes);
      const room = type === FRAME_TYPES.REPLY ? router.requests.room(client, frame) : undefined;
      if (room !== undefined) return room;
      scanner.advance();
      const take = FRAMES.get(type);
      if (take === undefined) throw new IpcError("PROTOCOL", `a frame of type ${type} has no place here`);
      if (take(client, frame, router) === BYE) connection.finish();
    }
  }
  return undefined;
}

/** The hot path: stamps all events that have arrived and hands them on as one piece. */
function takeRun({ connection: { scanner }, client, router }: BinaryPeer): void {
  const channel = client.channel, first = channel.seq + 1, count = scanner.events(client.id, channel.sequence);
  if (router.events.publish(channel, client, scanner.bytes, scanner.run_start, scanner.start, first, count)) {
    scanner.lend();
  }
  if (scanner.acks.length > 0) {
    acknowledge(client, scanner.acks, router);
    scanner.acks.length = 0;
  }
}

function takeRetained({ connection: { scanner }, client, router }: BinaryPeer): void {
  const { start, bytes, frame_bytes, frame_flags } = scanner, { id } = scanner.frame();
  if (router.events.retain(client, bytes.subarray(start, start + frame_bytes))) scanner.lend();
  scanner.advance();
  if ((frame_flags & FLAGS.ACK) !== 0) acknowledge(client, [id], router);
}
