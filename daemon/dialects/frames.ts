/**
 * What is done with each frame that is no run of events, by a table. Dialects that do not speak frames write what they
 * read as frames, so that the same holds for all.
 *
 * @module
 */
import { decodeRoles, encodeError, encodePosition } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import {
  decodeFrame,
  encodeFrame,
  ENCODINGS,
  FLAGS,
  type Frame,
  FRAME_TYPES,
  idOf,
  OFFSET,
  writeHeader,
} from "../../protocol/frame.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";
import type { Client } from "../registry.ts";
import type { Peer, Router } from "../router/mod.ts";
import { errorFrame, replyFrame } from "../router/requests.ts";
import type { ConnectionPeer } from "./connection_peer.ts";

/** Says that the client has said goodbye. */
const BYE: unique symbol = Symbol("bye");

/** What is done with one frame. */
type Take = (client: Client<Peer>, frame: Uint8Array<ArrayBuffer>, router: Router) => void | typeof BYE;

const FRAMES: ReadonlyMap<number, Take> = new Map<number, Take>([
  [FRAME_TYPES.EVENT, (client, frame, router) => {
    const id = idOf(frame), wants_ack = (frame[OFFSET.flags]! & FLAGS.ACK) !== 0;
    try {
      router.events.direct(client, frame);
      if (wants_ack) client.peer.pushFrames(encodeFrame({ type: FRAME_TYPES.ACK, id, aux: 1 }));
    } catch (error) {
      refuse(client, id, error);
    }
  }],
  [FRAME_TYPES.REQUEST, (client, frame, router) => router.request(client, frame)],
  [FRAME_TYPES.REPLY, (client, frame, router) => router.requests.reply(client, frame)],
  [FRAME_TYPES.CANCEL, (client, frame, router) => router.cancel(client, idOf(frame))],
  [FRAME_TYPES.ROLES, (client, frame, router) => {
    const id = idOf(frame), channel = client.channel;
    const seq = channel.seq;
    try {
      const headers = frame[OFFSET.headers]! | frame[OFFSET.headers + 1]! << 8;
      const roles = decodeRoles(frame.subarray(HEADER_BYTES + headers));
      router.roles(client, roles, false);
      client.peer.pushFrames(encodeFrame({
        type: FRAME_TYPES.ACK,
        flags: ENCODINGS.STRUCTURED,
        id,
        payload: encodePosition({ epoch: channel.epoch, seq }),
      }));
    } catch (error) {
      refuse(client, id, error);
    }
  }],
  // Acknowledged positions belong to durable subscriptions; without one there is nothing to note.
  [FRAME_TYPES.ACK, () => {}],
  [FRAME_TYPES.PING, (client, frame) => {
    const pong = frame.slice();
    pong[OFFSET.type] = FRAME_TYPES.PONG;
    client.peer.pushFrames(pong);
  }],
  [FRAME_TYPES.PONG, () => {}],
  [FRAME_TYPES.BYE, () => BYE],
]);

/**
 * Takes one frame, unless it is an event for all listeners: see {@linkcode takesRun}.
 *
 * @param frame Memory that may be written to, and is the caller's again afterwards.
 * @returns A promise if it has to wait: call again when it resolves. The connection may not be open any more then.
 * @throws {IpcError} PROTOCOL
 */
export function takeFrame(peer: ConnectionPeer, frame: Uint8Array<ArrayBuffer>): Promise<void> | undefined {
  const { client, router } = peer, type = frame[OFFSET.type]!;
  const room = type === FRAME_TYPES.REPLY ? router.requests.room(client, frame) : undefined;
  if (room !== undefined) return room;
  if (router.monitors.active) router.monitors.frames(client, "in", frame);
  if (router.draining && (type === FRAME_TYPES.EVENT || type === FRAME_TYPES.REQUEST)) {
    router.events.abandon(client);
    // What is not accepted stays unread, unless replies that are waited for may stand behind it.
    if (client.serving.size === 0) return peer.connection.closed;
    if (!turnAway(client, decodeFrame(frame))) peer.discarded = true;
  } else if (peer.discarded && type === FRAME_TYPES.PING) {
    // A sender that asks whether all has arrived must not be told yes.
  } else if (type === FRAME_TYPES.EVENT && !client.may.send) {
    const id = idOf(frame), wants_ack = (frame[OFFSET.flags]! & FLAGS.ACK) !== 0;
    refuseEvents(peer, 1, id, wants_ack ? [id] : []);
  } else {
    const take = FRAMES.get(type);
    if (take === undefined) throw new IpcError("PROTOCOL", `a frame of type ${type} has no place here`);
    if (take(client, frame, router) === BYE) peer.connection.finish();
  }
  return undefined;
}

/** Whether the client's events for all listeners are to be published, rather than given to {@linkcode takeFrame}. */
export function takesRun({ client, router }: ConnectionPeer): boolean {
  return !router.draining && client.may.send;
}

/**
 * Says that events are forbidden. Each that wants an ACK is answered; of the others only the first of each read, so that a
 * flood of them is no flood of answers.
 *
 * @param count How many they are.
 * @param id Correlation id of the first.
 * @param acks Those of all that want an ACK.
 */
export function refuseEvents(peer: ConnectionPeer, count: number, id: number, acks: readonly number[]): void {
  const { client, connection, router } = peer, error = router.refusal(client, "send", client.channel.name, count);
  const is_told = acks.length === count || peer.refused_in === connection.reads, ids = is_told ? acks : [id, ...acks];
  if (!is_told) peer.refused_in = connection.reads;
  if (ids.length === 0) return;
  const frame = errorFrame(0, error),
    bytes = new Uint8Array(ids.length * frame.length),
    view = new DataView(bytes.buffer);
  for (let at = 0; at < ids.length; at++) {
    bytes.set(frame, at * frame.length);
    view.setUint32(at * frame.length + OFFSET.id, ids[at]!, true);
  }
  client.peer.pushFrames(bytes);
}

/**
 * Refuses what comes when the broker is going away.
 *
 * @returns Whether its sender was told.
 */
function turnAway(client: Client<Peer>, { type, flags, id }: Frame): boolean {
  const error = new IpcError("SHUTDOWN", "the broker is going away");
  if (type === FRAME_TYPES.REQUEST) client.peer.pushFrames(replyFrame(id, error));
  else if ((flags & FLAGS.ACK) !== 0) client.peer.pushFrames(errorFrame(id, error));
  else return false;
  return true;
}

/** Answers everything that one run wanted acknowledged in one piece. */
export function acknowledge(client: Client<Peer>, ids: readonly number[], router: Router): void {
  const bytes = new Uint8Array(ids.length * HEADER_BYTES), view = new DataView(bytes.buffer);
  const listeners = router.events.reach(client);
  for (let at = 0; at < ids.length; at++) {
    writeHeader(view, at * HEADER_BYTES, HEADER_BYTES, FRAME_TYPES.ACK, 0, 0, 0, 0, ids[at]!, listeners);
  }
  client.peer.pushFrames(bytes);
}

/** Tells a client what could not be done with its frame. */
export function refuse(client: Client<Peer>, id: number, error: unknown): void {
  if (!(error instanceof IpcError)) throw error;
  client.peer.pushFrames(errorFrame(id, error));
}

/** The last frame of a connection. */
export function byeFrame(error: IpcError): Uint8Array<ArrayBuffer> {
  return encodeFrame({
    type: FRAME_TYPES.BYE,
    flags: ENCODINGS.STRUCTURED,
    aux: error.code,
    payload: encodeError(error),
  });
}
