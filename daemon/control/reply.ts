/**
 * How a request to the broker itself is answered.
 *
 * @module
 */
import { encodeError } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import { encodeFrame, ENCODINGS, FLAGS, FRAME_TYPES } from "../../protocol/frame.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";

/** Answers a request. @param flags MORE for a part of an answer. */
export function answer(client: Client<Peer>, id: number, value: unknown, flags = 0): void {
  const payload = new TextEncoder().encode(JSON.stringify(value ?? null));
  reply(
    client,
    encodeFrame({ type: FRAME_TYPES.REPLY, flags: ENCODINGS.JSON | flags, target: client.id, id, payload }),
  );
}

/** Answers a request with an error, which ends it. */
export function fail(client: Client<Peer>, id: number, error: unknown): void {
  const known = error instanceof IpcError
    ? error
    : new IpcError("HANDLER_ERROR", error instanceof Error ? error.message : String(error));
  reply(
    client,
    encodeFrame({
      type: FRAME_TYPES.REPLY,
      flags: FLAGS.ERROR | ENCODINGS.STRUCTURED,
      target: client.id,
      id,
      aux: known.code,
      payload: encodeError(known),
    }),
  );
}

function reply(client: Client<Peer>, frame: Uint8Array<ArrayBuffer>): void {
  client.peer.pushFrames(frame);
  client.bytes_out += frame.length;
}
