import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { IpcError } from "./errors.ts";
import { NESTING_MAX } from "./limits.ts";
import { createStructuredCodec, STRUCTURED_NESTING_MAX, structuredCodec } from "./structured_clone.ts";

/** Everything that the encoding has, so that cutting and changing it meets every branch. */
const SAMPLE: unknown = (() => {
  const shared = { name: "shared", at: new Date(1234), list: [1, -1, 300, 1e10, 0.5, "x".repeat(40)] };
  const map = new Map<unknown, unknown>([["a", shared], [new Set([1n, 2n ** 70n]), /x/g]]);
  map.set("error", new TypeError("t", { cause: new AggregateError([map], "all") }));
  return [map, shared, new Float32Array(2), new Uint8Array(3), new ArrayBuffer(2), undefined, "\ud800", { name: 1 }];
})();

function isRefused(what: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof IpcError && error.reason === "SERIALIZATION" && what.test(error.message);
}

function refused(bytes: Iterable<number>, what: RegExp, codec = structuredCodec): void {
  assert.throws(() => codec.decode(new Uint8Array(bytes)), isRefused(what));
}

function* repeated(times: number, ...bytes: number[]): Iterable<number> {
  for (let left = times; left > 0; left--) yield* bytes;
}

Deno.test("readStructured() refuses a value truncated at each byte, and one with a byte too many", () => {
  const bytes = structuredCodec.encode(SAMPLE);
  for (let cut = 0; cut < bytes.length; cut++) refused(bytes.subarray(0, cut), /./);
  refused([...bytes, 0], /has 1 bytes behind its end/);
});

Deno.test("readStructured() takes a value with any byte changed or refuses it, and nothing else happens", () => {
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

Deno.test("readStructured() takes any bytes or refuses them, and nothing else happens", () => {
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

Deno.test("readStructured() refuses what nests 100,000 deep, of every kind that nests", () => {
  const kinds = {
    array: [0x91],
    array16: [0xdc, 0, 1],
    map: [0x81, 0xc0],
    map_key: [0x81],
    set: [0xd4, 0x73, 0, 0x91],
    cause: [0xd4, 0x65, 0, 0x93, 0xa0, 0xa0],
    error_name: [0xd4, 0x65, 0, 0x93],
    regexp: [0xd4, 0x78, 0, 0x92],
    record: [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61],
    record_keys: [0xd4, 0x72, 0x40],
    id: [0xd6, 0x69, 0, 0, 0, 1, 0x91],
  };
  for (const [kind, bytes] of Object.entries(kinds)) {
    assert.throws(
      () => structuredCodec.decode(new Uint8Array(repeated(100_000, ...bytes))),
      isRefused(/nests deeper than 1000 levels/),
      kind,
    );
  }
  refused(repeated(100_000, 0xd6, 0x69, 0, 0, 0, 1), /gives one value two numbers/);
});

Deno.test("createStructuredCodec() limits nesting alike both ways", () => {
  for (const nesting of [NESTING_MAX, STRUCTURED_NESTING_MAX]) {
    const codec = createStructuredCodec(nesting);
    let value: unknown = 1;
    for (let level = 0; level < nesting; level++) value = level % 2 === 0 ? [value] : new Map([["k", value]]);
    assert.deepEqual(codec.decode(codec.encode(value)), value);
    assert.throws(() => codec.encode([[value]]), isRefused(/nests deeper/));
    if (nesting < STRUCTURED_NESTING_MAX) {
      assert.throws(() => codec.decode(structuredCodec.encode([[value]])), isRefused(/nests deeper/));
    }
  }
  assert.throws(() => createStructuredCodec(STRUCTURED_NESTING_MAX + 1), RangeError);
  assert.throws(() => createStructuredCodec(NaN), RangeError);
});

Deno.test("readStructured() refuses counts and lengths beyond what is left, before it makes room for them", () => {
  const huge = [0xff, 0xff, 0xff, 0xff];
  for (const head of [0xc6, 0xc9, 0xdb, 0xdd, 0xdf]) refused([head, ...huge, 0x74, 0x10], /ends early/);
  for (const head of [0xc5, 0xc8, 0xda, 0xdc, 0xde]) refused([head, 0xff, 0xff, 0x74, 0x10], /ends early/);
  refused([0xd4, 0x73, 0, 0xdd, ...huge], /ends early/);
  refused([0xd4, 0x72, 0x40, 0xdd, ...huge], /ends early/);
  refused([0xd4, 0x65, 0, 0xdd, ...huge], /ends early/);
  refused([0xd4, 0x72, 0x40, 0x93, 0xa1, 0x61, 0xa1, 0x62, 0xa1, 0x63, 1, 2], /ends early/);
});

Deno.test("readStructured() refuses more objects than their bytes could justify", () => {
  const count = 2_000_000;
  const array = (
    bytes: Iterable<number>,
  ) => [0xdd, count >> 24, count >> 16 & 0xff, count >> 8 & 0xff, count & 0xff, ...bytes];
  for (const kind of [[0x80], [0xd4, 0x73, 0, 0x90], [0xc4, 0], [0xd4, 0xff, 0], [0xc7, 1, 0x74, 0x10]]) {
    refused(array(repeated(count, ...kind)), /too many objects for its size/);
  }
  const maps = Array.from({ length: 200_000 }, () => new Map());
  assert.throws(() => structuredCodec.encode(maps), isRefused(/more than the other side would take/));
  const rows = Array.from({ length: 300_000 }, (_, at) => [at & 31]);
  assert.equal((structuredCodec.decode(structuredCodec.encode(rows)) as unknown[]).length, rows.length);
});

Deno.test("readStructured() lets no key reach a prototype", () => {
  const keys = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__keys__", "length"];
  const value = Object.fromEntries(keys.map((key) => [key, { polluted: true }]));
  Object.defineProperty(value, "__proto__", {
    value: { polluted: true },
    enumerable: true,
    configurable: true,
    writable: true,
  });
  for (let time = 0; time < 5; time++) {
    const copy = structuredCodec.decode(structuredCodec.encode([value, value, { ...value }])) as object[];
    assert.equal(Object.getPrototypeOf(copy[0]), Object.prototype);
    assert.deepEqual(Object.keys(copy[0]!), Object.keys(value));
    assert.deepEqual(copy[0], value);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  assert.equal((Object as { polluted?: unknown }).polluted, undefined);
});

Deno.test("readStructured() refuses what its description does not have", () => {
  const table: [bytes: number[], what: RegExp][] = [
    [[0xc1], /0xc1/],
    [[0xd4, 0x01, 0], /extension 0x01 of 1 bytes/],
    [[0xd5, 0x72, 0x60, 0x01, 0x90], /extension 0x72/],
    [[0xd6, 0x62, 0, 0, 0, 0], /extension 0x62/],
    [[0xd5, 0x00, 0, 0], /extension 0x00/],
    [[0xd5, 0x73, 0, 0, 0x90], /extension 0x73/],
    [[0xd4, 0x69, 1, 0xc0], /extension 0x69/],
    [[0xd6, 0x70, 0, 0, 0, 1], /points at value 1, which is not there/],
    [[0xd6, 0x69, 0, 0, 0, 1, 0xd6, 0x70, 0, 0, 0, 1], /points at value 1/],
    [[0xd4, 0x72, 0x40, 0x91, 0x01, 0x01], /no keys/],
    [[0xd4, 0x72, 0x40, 0xa1, 0x61], /no keys/],
    [[0xd4, 0x73, 0, 0xc0], /lacks an array/],
    [[0xd4, 0x65, 0, 0x92, 0xa0, 0xa0], /error without/],
    [[0xd4, 0x65, 0, 0x93, 0xc0, 0xa0, 0xc0], /error without/],
    [[0xd4, 0x78, 0, 0x92, 0xa1, 0x28, 0xa0], /regular expression/],
    [[0xd4, 0x78, 0, 0x92, 0xa1, 0x61, 0xa1, 0x7a], /regular expression/],
    [[0xd4, 0x78, 0, 0x91, 0xa1, 0x61], /regular expression/],
    [[0xc7, 0, 0x42], /number of no bytes/],
    [[0xc7, 0, 0x74], /memory/],
    [[0xc7, 2, 0x74, 12, 0], /memory of kind 12/],
    [[0xc7, 2, 0x74, 6, 0], /Uint32Array of 1 bytes/],
    [[0xd5, 0xff, 0, 0], /date of 2 bytes/],
    [[0xc7, 3, 0x6a, 0x22, 0xff, 0x5d], /not JSON/],
    [[0xd4, 0x6a, 0x31], /not JSON/],
    [[0xa2, 0xc3, 0x28], /not UTF-8/],
  ];
  for (const [bytes, what] of table) refused(bytes, what);
});

Deno.test("readStructured() gives errors no stack of its own, and leaves the limit of stacks as it was", () => {
  const limit = Error.stackTraceLimit,
    error = structuredCodec.decode(structuredCodec.encode(new TypeError("x"))) as Error;
  assert.equal(error.stack, "TypeError: x");
  assert.equal(Error.stackTraceLimit, limit);
});
