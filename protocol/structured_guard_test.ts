import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { IpcError } from "./errors.ts";
import { structuredCodec } from "./structured_clone.ts";

/** Everything that the encoding has, so that cutting and changing it meets every branch. */
const SAMPLE: unknown = (() => {
  const shared = { name: "shared", at: new Date(1234), list: [1, -1, 300, 1e10, 0.5, "x".repeat(40)] };
  const map = new Map<unknown, unknown>([["a", shared], [new Set([1n, 2n ** 70n]), /x/g]]);
  map.set("error", new TypeError("t", { cause: new AggregateError([map], "all") }));
  return [map, shared, new Float32Array(2), new Uint8Array(3), new ArrayBuffer(2), undefined, { name: 1 }];
})();

function isRefused(what: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof IpcError && error.reason === "SERIALIZATION" && what.test(error.message);
}

function refused(bytes: Iterable<number>, what: RegExp): void {
  assert.throws(() => structuredCodec.decode(new Uint8Array(bytes)), isRefused(what));
}

function* repeated(times: number, ...bytes: number[]): Iterable<number> {
  for (let left = times; left > 0; left--) yield* bytes;
}

Deno.test("guardStructured() refuses a value truncated at each byte, and one with a byte too many", () => {
  const bytes = structuredCodec.encode(SAMPLE);
  for (let cut = 0; cut < bytes.length; cut++) refused(bytes.subarray(0, cut), /./);
  refused([...bytes, 0], /has 1 bytes behind its end/);
});

Deno.test("guardStructured() takes a value with any byte changed or refuses it, and nothing else happens", () => {
  const bytes = structuredCodec.encode(SAMPLE);
  const before = Object.getOwnPropertyNames(Object.prototype).length;
  for (let at = 0; at < bytes.length; at++) {
    for (let byte = 0; byte < 256; byte++) {
      const changed = bytes.slice();
      changed[at] = byte;
      try {
        structuredCodec.decode(changed);
      } catch (error) {
        assert.ok(isRefused(/./)(error), `${at} ${byte} ${error}`);
      }
    }
  }
  assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before);
});

Deno.test("guardStructured() takes any bytes or refuses them, and nothing else happens", () => {
  const telling = fc.constantFrom(
    0xd4,
    0xd6,
    0xc7,
    0x65,
    0x69,
    0x70,
    0x72,
    0x73,
    0x74,
    0x78,
    0x42,
    0xff,
    0x40,
    0x91,
    0x81,
    0xa1,
  );
  checkRandomly(
    fc.property(fc.array(fc.oneof(telling, fc.nat(3), fc.nat(255)), { maxLength: 60 }), (bytes) => {
      try {
        structuredCodec.decode(new Uint8Array(bytes));
      } catch (error) {
        assert.ok(isRefused(/./)(error), String(error));
      }
    }),
    5000,
  );
});

Deno.test("guardStructured() refuses what nests 100,000 deep, of every kind that nests", () => {
  const kinds = {
    array: [0x91],
    array16: [0xdc, 0, 1],
    map: [0x81, 0xc0],
    map_key: [0x81],
    set: [0xd4, 0x73, 0, 0x91],
    cause: [0xd4, 0x65, 0, 0x93, 0xa0, 0xa0],
    error_name: [0xd4, 0x65, 0, 0x93],
    record: [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61],
  };
  for (const [kind, bytes] of Object.entries(kinds)) {
    assert.throws(
      () => structuredCodec.decode(new Uint8Array(repeated(100_000, ...bytes))),
      isRefused(/nests deeper than 1000 levels/),
      kind,
    );
  }
  const ids = Array.from({ length: 2000 }, (_, at) => [0xd6, 0x69, 0, 0, at >> 8, at & 0xff]);
  refused(ids.flat(), /nests deeper than 1000 levels/);
});

Deno.test("guardStructured() refuses counts and lengths beyond what is left, before it makes room for them", () => {
  const huge = [0xff, 0xff, 0xff, 0xff];
  for (const head of [0xc6, 0xc9, 0xdb, 0xdd, 0xdf]) refused([head, ...huge, 0x74, 0x10], /ends early/);
  for (const head of [0xc5, 0xc8, 0xda, 0xdc, 0xde]) refused([head, 0xff, 0xff, 0x74, 0x10], /ends early/);
  refused([0xd4, 0x73, 0, 0xdd, ...huge], /ends early/);
  refused([0xd4, 0x72, 0x40, 0xdd, ...huge], /ends early/);
  refused([0xd4, 0x65, 0, 0xdd, ...huge], /ends early/);
  refused([0xd4, 0x72, 0x40, 0x93, 0xa1, 0x61, 0xa1, 0x62, 0xa1, 0x63, 1, 2], /ends early/);
});

Deno.test("guardStructured() refuses more objects than their bytes could justify", () => {
  const count = 2_000_000;
  const array = (
    bytes: Iterable<number>,
  ) => [0xdd, count >> 24, count >> 16 & 0xff, count >> 8 & 0xff, count & 0xff, ...bytes];
  for (const kind of [[0x80], [0xd4, 0x73, 0, 0x90], [0xc4, 0], [0xd4, 0xff, 0], [0xc7, 1, 0x74, 0x10]]) {
    refused(array(repeated(count, ...kind)), /too many objects for its size/);
  }
  const rows = Array.from({ length: 300_000 }, (_, at) => [at & 31]);
  assert.equal((structuredCodec.decode(structuredCodec.encode(rows)) as unknown[]).length, rows.length);
});

/** A record, and that many more of its shape with the same values. */
function* records(times: number, keys: string[]): Iterable<number> {
  const values = keys.map(() => 1);
  yield* [0xdd, times >> 24, times >> 16 & 0xff, times >> 8 & 0xff, times & 0xff];
  yield* [0xd4, 0x72, 0x40, 0xdc, keys.length >> 8, keys.length & 0xff];
  for (const key of keys) yield* [0xa0 | key.length, ...new TextEncoder().encode(key)];
  yield* values;
  yield* repeated(times - 1, 0x40, ...values);
}

Deno.test("guardStructured() refuses small records that take much memory", () => {
  const wide = Array.from({ length: 1000 }, (_, at) => `k${at}`);
  for (const [keys, allowed, too_many] of [[["900"], 2500, 4000], [wide, 1000, 3000]] as const) {
    const decoded = structuredCodec.decode(new Uint8Array(records(allowed, [...keys]))) as unknown[];
    assert.equal(decoded.length, allowed);
    refused(records(too_many, [...keys]), /too many objects for its size/);
  }
  const table = Array.from({ length: 1000 }, (_, at) => String(at));
  assert.equal((structuredCodec.decode(new Uint8Array(records(500, table))) as unknown[]).length, 500);
});

Deno.test("guardStructured() refuses more shapes to be compiled than are worth it", () => {
  const shape = [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1, 0x40, 1, 0x40, 1, 0x40, 1];
  refused([0xdd, 0, 1, 0, 0, ...repeated(0x4000, ...shape)], /too many objects for its size/);
});

Deno.test("guardStructured() refuses a large array that contains itself, but not one in two places", () => {
  const id = [0xd6, 0x69, 0, 0, 0, 1], pointer = [0xd6, 0x70, 0, 0, 0, 1], count = 1_000_000;
  const array = [0xdd, count >> 24, count >> 16 & 0xff, count >> 8 & 0xff, count & 0xff];
  const items = new Uint8Array(count - 1).fill(1);
  refused([...id, ...array, ...items, ...pointer], /too many objects for its size/);
  const twice = structuredCodec.decode(new Uint8Array([0x92, ...id, ...array, ...items, 1, ...pointer])) as unknown[];
  assert.equal(twice[0], twice[1]);
});

Deno.test("guardStructured() refuses a RegExp that takes much memory to read", () => {
  const source = new TextEncoder().encode("(?:".repeat(100_000) + ")".repeat(100_000));
  refused([0xd4, 0x78, 0, 0x92, 0xdb, 0, 6, 0x1a, 0x80, ...source, 0xa0], /too many objects for its size/);
  const long = new RegExp("a".repeat(100_000));
  assert.deepEqual(structuredCodec.decode(structuredCodec.encode(long)), long);
  assert.throws(() => structuredCodec.encode(new RegExp("a".repeat(1_000_000))), isRefused(/too many objects/));
});

Deno.test("guardStructured() refuses bytes behind a value at once, however often the value holds itself", () => {
  let tower: unknown = [];
  for (let level = 0; level < 60; level++) tower = [tower, tower];
  refused([...structuredCodec.encode(tower), 1], /has 1 bytes behind its end/);
});

Deno.test("structuredCodec.decode() lets no key reach a prototype", () => {
  for (const key of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__keys__", "length"]) {
    const record = [0xd4, 0x72, 0x40, 0x91, 0xa0 | key.length, ...new TextEncoder().encode(key), 0x81, 0xa1, 0x61, 1];
    const again = repeated(5, 0x40, 0x81, 0xa1, 0x61, 1);
    for (const object of structuredCodec.decode(new Uint8Array([0x96, ...record, ...again])) as object[]) {
      assert.equal(Object.getPrototypeOf(object), Object.prototype);
      assert.deepEqual(Object.entries(object), [[key === "__proto__" ? "__proto_" : key, new Map([["a", 1]])]]);
    }
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

Deno.test("structuredCodec.decode() refuses what no writer writes", () => {
  const table: [bytes: number[], what: RegExp][] = [
    [[0xc1], /0xc1/],
    [[0xd4, 0x01, 0], /extension 0x01 of 1 bytes/],
    [[0xd5, 0x72, 0x60, 0x01, 0x90], /extension 0x72/],
    [[0xd6, 0x62, 0, 0, 0, 0], /extension 0x62/],
    [[0xd5, 0x00, 0, 0], /extension 0x00/],
    [[0xd5, 0x73, 0, 0, 0x90], /extension 0x73/],
    [[0xd4, 0x69, 1, 0xc0], /extension 0x69/],
    [[0xd6, 0x70, 0, 0, 0, 1], /points at value 1, which is not there/],
    [[0xd6, 0x69, 0, 0, 0, 1, 0xd6, 0x69, 0, 0, 0, 1, 0x90], /gives the number 1 twice/],
    [[0xd6, 0x69, 0, 0, 0, 1, 0xd4, 0x65, 0, 0x93, 0xa0, 0xa0, 0xd6, 0x70, 0, 0, 0, 1], /contains itself/],
    [[0xd4, 0x72, 0x40, 0x91, 0x01, 0x01], /lacks a text/],
    [[0xd4, 0x72, 0x40, 0xa1, 0x61], /lacks an array/],
    [[0xd4, 0x72, 0x40, 0xd6, 0x70, 0, 0, 0, 1], /no keys/],
    [[0x92, 0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xa1, 0x61, 0xd4, 0x72, 0x40, 0xd6, 0x70, 0, 0, 0, 1, 1], /no keys/],
    [[0xd4, 0x73, 0, 0xc0], /lacks an array/],
    [[0xd4, 0x65, 0, 0x91, 0xa0], /Error without/],
    [[0xd4, 0x65, 0, 0x93, 0xc0, 0xa0, 0xc0], /Error without/],
    [[0xd4, 0x78, 0, 0x92, 0xa1, 0x28, 0xa0], /regular expression/i],
    [[0xd4, 0x78, 0, 0x92, 0xa1, 0x61, 0xa1, 0x7a], /Invalid flags/],
    [[0xd4, 0x78, 0, 0x91, 0xa1, 0x61], /no regular expression/],
    [[0xd4, 0x78, 0, 0x92, 0x90, 0xa0], /lacks a text/],
    [[0xc7, 0, 0x42], /extension 0x42 of 0 bytes/],
    [[0xc7, 0, 0x74], /extension 0x74 of 0 bytes/],
    [[0xc7, 2, 0x74, 12, 0], /memory of kind 12/],
    [[0xc7, 2, 0x74, 6, 0], /Uint32Array/],
  ];
  for (const [bytes, what] of table) refused(bytes, what);
});
