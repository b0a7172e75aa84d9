/**
 * The binary dialect: frames as they stand in `protocol/frame.ts`, passed to the router in place.
 *
 * The loop reads, takes what came, and waits where it must: for its turn to publish, or for room for a reply. While it
 * waits the socket is not read, which is how the kernel comes to hold the sender up. All waiting is in `serveBinary`; what
 * takes the frames is an ordinary function, because it runs for every read and an idle connection should hold little.
 *
 * @module
 */
import { FLAGS, FRAME_TYPES } from "../../protocol/frame.ts";
import type { Connection } from "../transport/connection.ts";
import { handshake } from "./binary_handshake.ts";
import type { BinaryPeer } from "./binary_peer.ts";
import { type Door, endAfter } from "./entrance.ts";
import { acknowledge, byeFrame, refuseEvents, takeFrame, takesRun } from "./frames.ts";
import type { Service } from "./service.ts";

/**
 * Serves one connection until it ends.
 *
 * @param connection Its first byte, 0x89, has been seen and stands in the scanner.
 */
export async function serveBinary(connection: Connection, door: Door, service: Service): Promise<void> {
  let peer: BinaryPeer | undefined;
  try {
    peer = await handshake(connection, door, service);
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
    endAfter(error, connection, peer, service, byeFrame);
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
    if (type === FRAME_TYPES.EVENT && scanner.frame_target === 0 && takesRun(peer)) {
      const turn = router.events.turn(client, scanner.end - scanner.start);
      if (turn !== undefined) return turn;
      if ((scanner.frame_flags & FLAGS.RETAIN) !== 0) takeRetained(peer);
      else takeRun(peer);
    } else if (type === FRAME_TYPES.EVENT && scanner.frame_target === 0 && refusesRun(peer)) {
      refuseRun(peer);
    } else {
      const wait = takeFrame(peer, scanner.bytes.subarray(scanner.start, scanner.start + scanner.frame_bytes));
      if (wait !== undefined) return wait;
      scanner.advance();
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

/** What {@linkcode takeRun} would take, where a rule forbids it. */
function refuseRun(peer: BinaryPeer): void {
  const { scanner } = peer.connection, { id } = scanner.frame(), count = scanner.events(0, { low: 0, high: 0 });
  refuseEvents(peer, count, id, scanner.acks);
  scanner.acks.length = 0;
}

function refusesRun({ connection: { scanner }, client, router }: BinaryPeer): boolean {
  return !client.may.send && !router.draining && (scanner.frame_flags & FLAGS.RETAIN) === 0;
}

function takeRetained({ connection: { scanner }, client, router }: BinaryPeer): void {
  const { start, bytes, frame_bytes, frame_flags } = scanner, { id } = scanner.frame();
  if (router.events.retain(client, bytes.subarray(start, start + frame_bytes))) scanner.lend();
  scanner.advance();
  if ((frame_flags & FLAGS.ACK) !== 0) acknowledge(client, [id], router);
}
