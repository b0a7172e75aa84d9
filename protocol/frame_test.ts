import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { decodeFrame, encodeFrame, FLAGS, type Frame, FRAME_TYPES, OFFSET, PREFACE, RULES } from "./frame.ts";
import { HEADERS_BYTES_MAX } from "./limits.ts";

Deno.test("encodeFrame() and decodeFrame() are each other's inverse, wherever the frame stands", () => {
  const u32 = fc.nat(0xffff_ffff), bytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes));
  const frames = fc.record({
    type: fc.constantFrom(...Object.values(FRAME_TYPES)),
    flags: fc.nat(255),
    source: u32,
    target: u32,
    id: u32,
    aux: u32,
    headers: bytes,
    payload: bytes,
  }, { noNullPrototype: true });
  checkRandomly(fc.property(frames, fc.nat(50), (frame: Frame, before) => {
    const encoded = encodeFrame(frame), memory = new Uint8Array(before + encoded.length + 7).fill(0xaa);
    memory.set(encoded, before);
    assert.deepEqual(decodeFrame(memory, before), frame);
    assert.deepEqual(decodeFrame(memory.subarray(before)), frame);
  }));
});

Deno.test("encodeFrame() writes each field where OFFSET says", () => {
  const bytes = encodeFrame({
    type: FRAME_TYPES.REPLY,
    flags: FLAGS.MORE,
    source: 1,
    target: 2,
    id: 3,
    aux: 4,
    headers: new Uint8Array(5),
    payload: new Uint8Array(6),
  });
  const view = new DataView(bytes.buffer);
  assert.equal(view.getUint32(OFFSET.length, true), 35);
  assert.equal(view.getUint8(OFFSET.type), FRAME_TYPES.REPLY);
  assert.equal(view.getUint8(OFFSET.flags), FLAGS.MORE);
  assert.equal(view.getUint16(OFFSET.headers, true), 5);
  for (const [at, name] of (["source", "target", "id", "aux"] as const).entries()) {
    assert.equal(view.getUint32(OFFSET[name], true), at + 1);
  }
});

Deno.test("encodeFrame() refuses a headers block that its length field cannot say", () => {
  const type = FRAME_TYPES.EVENT;
  assert.equal(decodeFrame(encodeFrame({ type, headers: new Uint8Array(HEADERS_BYTES_MAX) })).headers.length, 65_535);
  assert.throws(() => encodeFrame({ type, headers: new Uint8Array(HEADERS_BYTES_MAX + 1) }), RangeError);
});

Deno.test("RULES knows every type, and no flag beyond bit 6", () => {
  const types: number[] = Object.values(FRAME_TYPES);
  for (let type = 0; type < 256; type++) {
    assert.equal(RULES[type] !== 0, types.includes(type), `type ${type}`);
    assert.equal(RULES[type]! & 0x80, 0);
  }
});

Deno.test("PREFACE begins with a byte that neither text nor Simple IPC begins with", () => {
  assert.deepEqual([...PREFACE], [0x89, 0x49, 0x50, 0x43, 1, 0, 0, 0]);
});
