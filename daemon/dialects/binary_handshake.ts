/**
 * How a binary connection begins: eight bytes, HELLO, WELCOME.
 *
 * @module
 */
import { decodeHello, type Hello } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import { FRAME_TYPES, PREFACE } from "../../protocol/frame.ts";
import { HANDSHAKE_BYTES_MAX } from "../../protocol/limits.ts";
import type { Connection } from "../transport/connection.ts";
import { BinaryPeer } from "./binary_peer.ts";
import { type Door, welcome } from "./entrance.ts";
import type { Service } from "./service.ts";

/**
 * Waits for HELLO and answers it.
 *
 * @returns The client, which has its roles by then; `undefined` if the connection ended first.
 * @throws {IpcError} What is wrong with what it said.
 */
export async function handshake(
  connection: Connection,
  door: Door,
  service: Service,
): Promise<BinaryPeer | undefined> {
  if (!await preface(connection)) return undefined;
  const hello = await firstFrame(connection);
  if (hello === undefined) return undefined;
  const peer = new BinaryPeer(connection, service.router);
  return await welcome(peer, "binary", door, hello, service) ? peer : undefined;
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
