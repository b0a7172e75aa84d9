import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { IpcError } from "./errors.ts";
import { ENCODINGS } from "./frame.ts";
import { decodePayload, encodePayload, isStructured, type StructuredCodec, WrittenPayload } from "./payload.ts";
import { structuredCodec } from "./structured_clone.ts";

const { BYTES, TEXT, JSON: JSON_TEXT, STRUCTURED } = ENCODINGS;

function roundTrip(data: unknown): unknown {
  const { encoding, bytes } = encodePayload(data, structuredCodec);
  return decodePayload(encoding, bytes, structuredCodec);
}

Deno.test("encodePayload() chooses the plainest encoding that loses nothing", () => {
  const shared = { a: 1 };
  const table: [data: unknown, encoding: number][] = [
    [new Uint8Array([1]), BYTES],
    ["", TEXT],
    ["\ufeffü\u{1f600}", TEXT],
    ["\ud800", JSON_TEXT],
    [null, JSON_TEXT],
    [true, JSON_TEXT],
    [1.5, JSON_TEXT],
    [[], JSON_TEXT],
    [{}, JSON_TEXT],
    [{ a: [1, "x", null, { b: false }] }, JSON_TEXT],
    [Object.create(null), JSON_TEXT],
    [JSON.parse('{"__proto__":1}'), JSON_TEXT],
    [[shared, shared], JSON_TEXT],
    [undefined, STRUCTURED],
    [NaN, STRUCTURED],
    [-0, JSON_TEXT],
    [Infinity, STRUCTURED],
    [1n, STRUCTURED],
    [{ a: undefined }, STRUCTURED],
    [[1, , 3], STRUCTURED],
    [new Date(0), STRUCTURED],
    [{ deep: [{ at: new Map() }] }, STRUCTURED],
    [new (class Point {})(), STRUCTURED],
    [new (class extends Array {})(), STRUCTURED],
    [new Float64Array(1), STRUCTURED],
    [new ArrayBuffer(1), STRUCTURED],
  ];
  for (const [data, encoding] of table) {
    assert.equal(encodePayload(data, structuredCodec).encoding, encoding, Deno.inspect(data));
    if (encoding !== STRUCTURED) assert.equal(encodePayload(data)?.encoding, encoding);
    else assert.equal(encodePayload(data), undefined);
    assert.equal(isStructured(encoding as 0), encoding === STRUCTURED);
  }
});

Deno.test("encodePayload() takes cycles, and what JSON would write 2^60 times, as structured", () => {
  const cycle: Record<string, unknown> = {};
  cycle.one = [cycle], cycle.other = { cycle };
  assert.equal(encodePayload(cycle), undefined);
  let tower: unknown = [];
  for (let level = 0; level < 60; level++) tower = [tower, tower];
  assert.equal(encodePayload(tower), undefined);
  assert.ok(encodePayload(tower, structuredCodec).bytes.length < 1000);
  let deep: unknown = [];
  for (let level = 0; level < 500; level++) deep = [deep];
  assert.equal(encodePayload(deep), undefined);
  assert.deepEqual(roundTrip(deep), deep);
});

Deno.test("encodePayload() and decodePayload() pass bytes on without copying", () => {
  const bytes = new Uint8Array([1, 2, 3]).subarray(1);
  assert.equal(encodePayload(bytes)!.bytes, bytes);
  assert.equal(decodePayload(BYTES, bytes), bytes);
});

Deno.test("encodePayload() and decodePayload() keep any JSON value and any text", () => {
  const value = fc.oneof(
    // As JSON has it, so without -0.
    fc.jsonValue({ maxDepth: 6, noUnicodeString: false }).map((value): unknown => JSON.parse(JSON.stringify(value))),
    fc.string({ unit: "binary", maxLength: 3000 }),
    fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
  );
  checkRandomly(fc.property(value, (value) => assert.deepEqual(roundTrip(value), value)), 500);
});

Deno.test("decodePayload() refuses bytes that are not what their encoding says", () => {
  const invalid = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [...new Uint8Array(40).fill(0x61), 0xc0, 0x80]];
  const cases: [encoding: 1 | 2 | 3, bytes: number[], what: RegExp][] = [
    ...invalid.map((bytes) => [TEXT, bytes, /is not UTF-8/] as [1, number[], RegExp]),
    ...invalid.map((bytes) => [JSON_TEXT, bytes, /is not UTF-8/] as [2, number[], RegExp]),
    [JSON_TEXT, [], /is not JSON/],
    [JSON_TEXT, [0x7b], /is not JSON/],
    [JSON_TEXT, [0x31, 0x20, 0x32], /is not JSON/],
    [STRUCTURED, [], /ends early/],
  ];
  for (const [encoding, bytes, what] of cases) {
    assert.throws(
      () => decodePayload(encoding, new Uint8Array(bytes), structuredCodec),
      (error) => error instanceof IpcError && error.reason === "SERIALIZATION" && what.test(error.message),
    );
  }
});

Deno.test("decodePayload() takes JSON nested 100,000 deep without running out of stack", () => {
  const text = "[".repeat(100_000) + "]".repeat(100_000);
  assert.ok(Array.isArray(decodePayload(JSON_TEXT, new TextEncoder().encode(text))));
});

Deno.test("decodePayload() gives JSON whose keys reach no prototype", () => {
  const data = decodePayload(JSON_TEXT, new TextEncoder().encode('{"__proto__":{"polluted":1}}'));
  assert.ok(Object.hasOwn(data as object, "__proto__"));
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

Deno.test("decodePayload() says that a structured payload needs its codec", () => {
  assert.throws(() => decodePayload(STRUCTURED, new Uint8Array([0xc0])), TypeError);
  const codec: StructuredCodec = { encode: () => new Uint8Array(1), decode: () => "decoded" };
  assert.equal(decodePayload(STRUCTURED, new Uint8Array(1), codec), "decoded");
});

Deno.test("encodePayload() leaves a WrittenPayload as it is", () => {
  const written = new WrittenPayload(ENCODINGS.JSON, new TextEncoder().encode('{"n": 12345678901234567890}'));
  assert.equal(encodePayload(written), written);
});
