/**
 * How a binary connection begins: eight bytes, HELLO, WELCOME.
 *
 * @module
 */
import { decodeHello, encodeWelcome, type Hello } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import { encodeFrame, ENCODINGS, FRAME_TYPES, PREFACE } from "../../protocol/frame.ts";
import { HANDSHAKE_BYTES_MAX } from "../../protocol/limits.ts";
import type { Channel } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import type { Connection } from "../transport/connection.ts";
import { BinaryPeer } from "./binary_peer.ts";
import type { Service } from "./service.ts";

/**
 * Waits for HELLO and answers it.
 *
 * @returns The client, which has its roles by then; `undefined` if the connection ended first.
 * @throws {IpcError} What is wrong with what it said.
 */
export async function handshake(
  connection: Connection,
  channel: Channel<Peer>,
  service: Service,
): Promise<BinaryPeer | undefined> {
  if (!await preface(connection)) return undefined;
  const hello = await firstFrame(connection);
  return hello && welcome(connection, channel, hello, service);
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
function welcome(connection: Connection, channel: Channel<Peer>, hello: Hello, service: Service): BinaryPeer {
  const router = service.router;
  if (hello.channel !== undefined && hello.channel !== channel.name) {
    throw new IpcError("CHANNEL_NAME", `this is the socket of channel "${channel.name}", not of "${hello.channel}"`);
  }
  const outbox = connection.outbox;
  outbox.limit_bytes = channel.rules.queue_bytes;
  const peer = new BinaryPeer(connection, router);
  const client = peer.client = router.join(channel, peer, "binary", hello);
  connection.owner = peer;
  connection.scanner.message_bytes_max = channel.rules.max_message_bytes;
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
  return peer;
}
