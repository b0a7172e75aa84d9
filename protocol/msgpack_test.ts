import assert from "node:assert/strict";
import fc from "fast-check";
import { unpack } from "msgpackr/unpack";
import { checkRandomly } from "../tests/random.ts";
import { IpcError } from "./errors.ts";
import { type Body, decodeBody, encodeBody, type Plain, type Value } from "./msgpack.ts";

function refused(bytes: Uint8Array, what: RegExp): void {
  assert.throws(
    () => decodeBody(bytes),
    (error) => error instanceof IpcError && error.reason === "SERIALIZATION" && what.test(error.message),
  );
}

/** A map whose key "a" holds what follows. */
function holding(...bytes: number[]): Uint8Array {
  return new Uint8Array([0x81, 0xa1, 0x61, ...bytes]);
}

const NUMBERS = [0, 1, 31, 63, 64, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];

Deno.test("encodeBody() and decodeBody() keep every number", () => {
  const doubles = [-0, 0.1, 1e300, 2 ** 53, 2 ** 64, Infinity, -Infinity, NaN];
  const negative = [-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53) + 1];
  for (const number of [...NUMBERS, ...negative, ...doubles]) {
    assert.ok(Object.is(decodeBody(encodeBody({ number })).get("number"), number), String(number));
  }
});

Deno.test("encodeBody() writes lengths that every msgpack reads", () => {
  for (const length of [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
    const body = {
      text: "x".repeat(length),
      wide: "ü".repeat(length),
      bytes: new Uint8Array(length).fill(7),
      array: new Array<number>(length).fill(1),
      map: Object.fromEntries(Array.from({ length }, (_, at) => [`k${at}`, at])),
    };
    const bytes = encodeBody(body), other = unpack(bytes);
    assert.deepEqual({ ...other, bytes: new Uint8Array(other.bytes) }, body);
    const own = decodeBody(bytes);
    assert.equal(own.get("text"), body.text);
    assert.equal(own.get("wide"), body.wide);
    assert.deepEqual(own.get("bytes"), body.bytes);
    assert.deepEqual(own.get("array"), body.array);
    assert.deepEqual(own.get("map"), new Map(Object.entries(body.map)));
  }
});

function asValue(plain: Plain): Value {
  if (Array.isArray(plain)) return plain.map(asValue);
  if (typeof plain !== "object" || plain === null || plain instanceof Uint8Array) return plain as Value;
  return new Map(Object.entries(plain).map(([key, item]) => [key, asValue(item)]));
}

const plain = fc.letrec<{ value: Plain; body: { [key: string]: Plain } }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.string({ unit: "binary" }),
    fc.uint8Array(),
    fc.array(tie("value"), { maxLength: 5 }),
    tie("body"),
  ),
  body: fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { maxKeys: 5 }),
}));

Deno.test("encodeBody() and decodeBody() are each other's inverse", () => {
  checkRandomly(fc.property(plain.body, (body) => {
    assert.deepEqual(decodeBody(encodeBody(body)), asValue(body));
  }));
});

Deno.test("decodeBody() refuses a body truncated at each byte, and one with a byte too many", () => {
  checkRandomly(
    fc.property(plain.body, (body) => {
      const bytes = encodeBody(body);
      for (let cut = 0; cut < bytes.length; cut++) refused(bytes.subarray(0, cut), /ends early/);
      refused(new Uint8Array([...bytes, 0xc0]), /has 1 bytes behind its end/);
    }),
    50,
  );
});

Deno.test("decodeBody() takes any bytes or refuses them, and nothing else happens", () => {
  checkRandomly(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeBody(bytes);
      } catch (error) {
        assert.ok(error instanceof IpcError && error.reason === "SERIALIZATION", String(error));
      }
    }),
    2000,
  );
});

Deno.test("decodeBody() refuses what nests 100,000 deep", () => {
  const arrays = new Uint8Array(100_000).fill(0x91), maps = new Uint8Array(100_000).fill(0x81);
  refused(new Uint8Array([0x81, 0xa1, 0x61, ...arrays]), /nests deeper than 64/);
  refused(maps, /nests deeper than 64/);
  const within = holding(...new Uint8Array(63).fill(0x91), 0xc0);
  assert.equal(decodeBody(within).size, 1);
});

Deno.test("encodeBody() refuses what decodeBody() would", () => {
  const inside: Plain[] = [];
  inside.push(inside);
  assert.throws(() => encodeBody({ inside }), RangeError);
  for (const value of [1n, () => 0, Symbol()]) {
    assert.throws(() => encodeBody({ value: value as unknown as Plain }), TypeError);
  }
  assert.throws(() => encodeBody(new Map([[1, 2]]) as unknown as Body), TypeError);
});

Deno.test("decodeBody() refuses counts and lengths beyond what is left, before it makes room for them", () => {
  const huge = [0xff, 0xff, 0xff, 0xff];
  for (const head of [0xc6, 0xdb, 0xdd, 0xdf]) refused(holding(head, ...huge), /ends early/);
  for (const head of [0xc5, 0xda, 0xdc, 0xde]) refused(holding(head, 0xff, 0xff), /ends early/);
  refused(new Uint8Array([0xdf, ...huge]), /ends early/);
  refused(new Uint8Array([0xdf, 0, 0, 0, 1, 0xa0]), /ends early/);
});

Deno.test("decodeBody() refuses extensions, keys that are no text, text that is not UTF-8, and what is no map", () => {
  for (const head of [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
    refused(holding(head, ...new Uint8Array(20)), /has no place in it/);
  }
  refused(new Uint8Array([0x81, 0x01, 0x01]), /key that is not text/);
  refused(holding(0xa2, 0xc3, 0x28), /not UTF-8/);
  refused(holding(0xd9, 40, ...new Uint8Array(39).fill(0x61), 0x80), /not UTF-8/);
  for (const byte of [0x01, 0x90, 0xc0]) refused(new Uint8Array([byte]), /is not a map/);
  refused(new Uint8Array(0), /ends early/);
});

Deno.test("decodeBody() takes keys that mean something to objects as words", () => {
  const body = decodeBody(encodeBody(JSON.parse('{"__proto__":{"polluted":1},"constructor":2}')));
  assert.deepEqual([...body.keys()], ["__proto__", "constructor"]);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

Deno.test("decodeBody() keeps nothing of the memory it read", () => {
  const bytes = encodeBody({ bytes: new Uint8Array([1, 2, 3]) }), body = decodeBody(bytes);
  bytes.fill(0);
  assert.deepEqual(body.get("bytes"), new Uint8Array([1, 2, 3]));
});
