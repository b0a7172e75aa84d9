/**
 * The binary dialect: frames as they stand in `protocol/frame.ts`, passed to the router in place.
 *
 * The loop reads, takes the runs of events out of what came, and deals with every other frame by a table. It is the only
 * place that waits: for bytes, for its turn to publish, and for room for a reply. While it waits the socket is not read,
 * which is how the kernel comes to hold the sender up.
 *
 * @module
 */
import { decodeRoles, encodeError, encodePosition, encodeWelcome, type Hello } from "../../protocol/bodies.ts";
import { decodeHello } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import {
  encodeFrame,
  ENCODINGS,
  FLAGS,
  type Frame,
  FRAME_TYPES,
  OFFSET,
  PREFACE,
  writeHeader,
} from "../../protocol/frame.ts";
import { HANDSHAKE_BYTES_MAX, HEADER_BYTES } from "../../protocol/limits.ts";
import type { Channel, Client } from "../registry.ts";
import type { Peer, Router } from "../router/mod.ts";
import { errorFrame, replyFrame } from "../router/requests.ts";
import type { Connection } from "../transport/connection.ts";

/** What a connection is served with. */
export interface Service {
  readonly router: Router;
  readonly version: string;
  /** The connection has said HELLO: it no longer counts as a stranger. */
  welcomed(connection: Connection, client: Client<Peer>): void;
}

/**
 * Serves one connection until it ends.
 *
 * @param connection Its first byte, 0x89, has been seen and stands in the scanner.
 */
export async function serveBinary(connection: Connection, channel: Channel<Peer>, service: Service): Promise<void> {
  let client: Client<Peer> | undefined;
  try {
    if (!await preface(connection)) return connection.finish();
    const hello = await firstFrame(connection);
    if (hello === undefined) return connection.finish();
    client = welcome(connection, channel, hello, service);
    connection.scanner.message_bytes_max = channel.rules.max_message_bytes;
    await serve(connection, client, service.router);
    service.router.leave(client);
    connection.finish();
  } catch (error) {
    const reason = error instanceof IpcError ? error : undefined;
    if (client !== undefined) service.router.leave(client, reason);
    if (reason !== undefined) connection.dismiss(byeFrame(reason));
    else connection.close();
    if (reason === undefined && !isDisconnect(error)) throw error;
  }
}

/** The router's way to a binary client: its outbox as it is, and BYE for the end. */
class BinaryPeer implements Peer {
  readonly #connection: Connection;
  readonly #outbox: Connection["outbox"];

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#outbox = connection.outbox;
  }

  get queued_bytes(): number {
    return this.#outbox.queued_bytes;
  }

  get writes(): number {
    return this.#outbox.writes;
  }

  fits(bytes: number): boolean {
    return this.#outbox.fits(bytes);
  }

  pushRun(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number, count: number): void {
    this.#outbox.pushRun(bytes, start, end, first, count);
  }

  pushFrames(bytes: Uint8Array<ArrayBuffer>, start?: number, end?: number): void {
    this.#outbox.pushFrames(bytes, start, end);
  }

  dropOldest(bytes: number): number {
    return this.#outbox.dropOldest(bytes);
  }

  close(error: IpcError): void {
    this.#connection.dismiss(byeFrame(error));
  }
}

/** Whether an error says no more than that the peer has gone. */
export function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
}

async function preface(connection: Connection): Promise<boolean> {
  const scanner = connection.scanner;
  for (let checked = 0; checked < PREFACE.length;) {
    if (scanner.end === checked) {
      if (!await connection.read()) return false;
      continue;
    }
    const byte = scanner.bytes[checked]!;
    if (byte !== PREFACE[checked]) {
      throw new IpcError(
        "PROTOCOL",
        checked === 4
          ? `version ${byte} of the protocol is not spoken here, version ${PREFACE[4]} is`
          : "the connection does not open with the eight bytes of the binary protocol",
      );
    }
    checked++;
  }
  scanner.start = PREFACE.length;
  return true;
}

async function firstFrame(connection: Connection): Promise<Hello | undefined> {
  const scanner = connection.scanner;
  let type: number;
  do {
    type = scanner.next();
    if (scanner.frame_bytes > HANDSHAKE_BYTES_MAX) {
      throw new IpcError("TOO_LARGE", `HELLO of ${scanner.frame_bytes} bytes, limit is ${HANDSHAKE_BYTES_MAX}`);
    }
  } while (type === 0 && await connection.read());
  if (type === 0) return undefined;
  if (type !== FRAME_TYPES.HELLO) throw new IpcError("PROTOCOL", "the first frame must be HELLO");
  const hello = decodeHello(scanner.frame().payload);
  scanner.advance();
  return hello;
}

/** Answers HELLO, then gives the client its roles. */
function welcome(connection: Connection, channel: Channel<Peer>, hello: Hello, service: Service): Client<Peer> {
  const router = service.router;
  if (hello.channel !== undefined && hello.channel !== channel.name) {
    throw new IpcError("CHANNEL_NAME", `this is the socket of channel "${channel.name}", not of "${hello.channel}"`);
  }
  const outbox = connection.outbox;
  outbox.limit_bytes = channel.rules.queue_bytes;
  const client = router.join(channel, new BinaryPeer(connection), "binary", hello);
  connection.onroom = () => router.drained(client);
  connection.onlost = (error) => {
    if (!isDisconnect(error)) return router.slow.giveUp(client, "its queue is full");
    router.leave(client);
    connection.close();
  };
  service.welcomed(connection, client);
  outbox.pushFrames(encodeFrame({
    type: FRAME_TYPES.WELCOME,
    flags: ENCODINGS.STRUCTURED,
    target: client.id,
    payload: encodeWelcome({
      client: client.id,
      channel: channel.name,
      epoch: channel.epoch,
      seq: channel.seq,
      max_message: channel.rules.max_message_bytes,
      server: { name: "ipcd", version: service.version },
      features: ["resume", "presence", "retain", "all"],
    }),
  }));
  // Another epoch's number says nothing here: such a client gets what this epoch still has, from its start.
  const resume = hello.resume && (hello.resume.epoch === channel.epoch ? hello.resume.seq : 0);
  router.roles(client, hello, true, resume);
  return client;
}

async function serve(connection: Connection, client: Client<Peer>, router: Router): Promise<void> {
  const scanner = connection.scanner, channel = client.channel, sequence = channel.sequence;
  let discarded = false;
  do {
    for (let type; connection.open && (type = scanner.next()) !== 0;) {
      if (router.draining) {
        if (type === FRAME_TYPES.EVENT || type === FRAME_TYPES.REQUEST) {
          // What is not accepted stays unread, unless replies that are waited for may stand behind it.
          if (client.serving.size === 0) return await connection.closed;
          if (!turnAway(client, scanner.frame())) discarded = true;
          scanner.advance();
          continue;
        }
        if (type === FRAME_TYPES.PING && discarded) {
          // A sender that asks whether all has arrived must not be told yes.
          scanner.advance();
          continue;
        }
      }
      if (type === FRAME_TYPES.EVENT && channel === router.control) {
        const error = new IpcError("FORBIDDEN", `events on "${channel.name}" are the broker's own`);
        refuse(client, scanner.frame().id, error);
        scanner.advance();
        continue;
      }
      if (type === FRAME_TYPES.EVENT && scanner.frame_target === 0) {
        const turn = router.events.turn(client, scanner.end - scanner.start);
        if (turn !== undefined) {
          connection.held_up = true;
          await turn;
          connection.held_up = false;
          if (!connection.open) return;
          if (router.draining) {
            router.events.abandon(client);
            continue;
          }
        }
        if ((scanner.frame_flags & FLAGS.RETAIN) !== 0) {
          const { start, bytes, frame_bytes } = scanner, wants_ack = (scanner.frame_flags & FLAGS.ACK) !== 0;
          const id = scanner.frame().id;
          if (router.events.retain(client, bytes.subarray(start, start + frame_bytes))) scanner.lend();
          scanner.advance();
          if (wants_ack) acknowledge(client, [id], router);
          continue;
        }
        const first = channel.seq + 1, count = scanner.events(client.id, sequence);
        if (router.events.publish(channel, client, scanner.bytes, scanner.run_start, scanner.start, first, count)) {
          scanner.lend();
        }
        if (scanner.acks.length > 0) {
          acknowledge(client, scanner.acks, router);
          scanner.acks.length = 0;
        }
        continue;
      }
      const frame = scanner.bytes.subarray(scanner.start, scanner.start + scanner.frame_bytes);
      if (type === FRAME_TYPES.REPLY) {
        let room;
        while ((room = router.requests.room(client, frame)) !== undefined) {
          connection.held_up = true;
          await room;
          if (!connection.open) return;
        }
        connection.held_up = false;
      }
      scanner.advance();
      const take = FRAMES.get(type);
      if (take === undefined) throw new IpcError("PROTOCOL", `a frame of type ${type} has no place here`);
      if (take(client, frame, router) === BYE) return;
    }
  } while (await connection.read());
}

const BYE = Symbol("bye");

type Take = (client: Client<Peer>, frame: Uint8Array<ArrayBuffer>, router: Router) => void | typeof BYE;

/** What is done with each frame that is no run of events. The frame is a view of the read buffer. */
const FRAMES: ReadonlyMap<number, Take> = new Map<number, Take>([
  [FRAME_TYPES.EVENT, (client, frame, router) => {
    const id = u32(frame, OFFSET.id), wants_ack = (frame[OFFSET.flags]! & FLAGS.ACK) !== 0;
    try {
      router.events.direct(client, frame);
      if (wants_ack) client.peer.pushFrames(ackFrame(id, 1));
    } catch (error) {
      refuse(client, id, error);
    }
  }],
  [FRAME_TYPES.REQUEST, (client, frame, router) => router.request(client, frame)],
  [FRAME_TYPES.REPLY, (client, frame, router) => router.requests.reply(client, frame)],
  [FRAME_TYPES.CANCEL, (client, frame, router) => router.requests.cancel(client, u32(frame, OFFSET.id))],
  [FRAME_TYPES.ROLES, (client, frame, router) => {
    const id = u32(frame, OFFSET.id), channel = client.channel;
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
function acknowledge(client: Client<Peer>, ids: readonly number[], router: Router): void {
  const bytes = new Uint8Array(ids.length * HEADER_BYTES), view = new DataView(bytes.buffer);
  const listeners = router.events.reach(client);
  for (let at = 0; at < ids.length; at++) {
    writeHeader(view, at * HEADER_BYTES, HEADER_BYTES, FRAME_TYPES.ACK, 0, 0, 0, 0, ids[at]!, listeners);
  }
  client.peer.pushFrames(bytes);
}

function ackFrame(id: number, listeners: number): Uint8Array<ArrayBuffer> {
  return encodeFrame({ type: FRAME_TYPES.ACK, id, aux: listeners });
}

function refuse(client: Client<Peer>, id: number, error: unknown): void {
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

function u32(frame: Uint8Array<ArrayBuffer>, at: number): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(at, true);
}
