import assert from "node:assert/strict";
import { encodeFrame, ENCODINGS, FRAME_TYPES } from "../../protocol/frame.ts";
import { encodeBody } from "../../protocol/msgpack.ts";
import { structuredCodec } from "../../protocol/structured_clone.ts";
import { fittingFrames } from "./filter.ts";
import { eachFrame } from "./frames.ts";
import { StructuredNeeded } from "../payload_text.ts";
import { parseCondition } from "./where.ts";

const encoder = new TextEncoder();

function event(payload: string | Uint8Array, flags: number = ENCODINGS.TEXT): Uint8Array {
  const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
  return encodeFrame({
    type: FRAME_TYPES.EVENT,
    flags,
    headers: encodeBody({ k: "v" }),
    payload: bytes as Uint8Array<ArrayBuffer>,
  });
}

function run(...frames: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(frames.flatMap((frame) => [...frame]));
}

function fitting(text: string, frames: Uint8Array<ArrayBuffer>): string[] {
  const kept = fittingFrames(frames, parseCondition(text), structuredCodec);
  return [...eachFrame(kept)].map(({ payload }) => new TextDecoder().decode(payload));
}

Deno.test("fittingFrames() keeps the events that fit, whatever says that they are JSON", () => {
  const frames = run(
    event('{"n":1}', ENCODINGS.JSON),
    event('{"n":2}'),
    event('{"n":2}', ENCODINGS.BYTES),
    event("no JSON"),
    event(new Uint8Array([0xff]), ENCODINGS.BYTES),
    event("{broken", ENCODINGS.JSON),
    event(""),
  );
  assert.deepEqual(fitting("@.n >= 2", frames), ['{"n":2}', '{"n":2}']);
  assert.deepEqual(fitting("@ == 'no JSON'", frames), ["no JSON"]);
  assert.deepEqual(fitting("@.n == 3", frames), []);
  // Bytes that are no text are no value.
  assert.equal(fitting("@", frames).length, 6);
  assert.equal(fittingFrames(frames, () => true, undefined), frames);
});

Deno.test("fittingFrames() reads structured payloads as --json shows them, and asks for the codec first", () => {
  const frames = run(event(structuredCodec.encode(new Map([["at", new Date(0)]])), ENCODINGS.STRUCTURED));
  assert.throws(() => fittingFrames(frames, () => true, undefined), StructuredNeeded);
  assert.equal(fitting("@.at == '1970-01-01T00:00:00.000Z'", frames).length, 1);
  assert.equal(fitting("@", run(event(new Uint8Array([0xc1]), ENCODINGS.STRUCTURED))).length, 0);
});
