import { STRUCTURED_NESTING_MAX } from "./limits.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { IpcError } from "./errors.ts";
import { structuredCodec } from "./structured_clone.ts";

const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
];

function roundTrip<Value>(value: Value): Value {
  return structuredCodec.decode(structuredCodec.encode(value)) as Value;
}

function isRefused(what: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof IpcError && error.reason === "SERIALIZATION" && what.test(error.message);
}

const BIGINTS = [
  0n,
  1n,
  -1n,
  127n,
  2n ** 63n - 1n,
  2n ** 63n,
  -(2n ** 63n),
  -(2n ** 63n) - 1n,
  2n ** 64n - 1n,
  2n ** 64n,
]
  .concat([-(2n ** 64n), 2n ** 127n, -(2n ** 127n), -(2n ** 127n) - 1n, 3n ** 500n, -(3n ** 500n), 7n ** 40_000n]);
const DATES = [0, 1, 999, 1000, -1, -1000, 1_700_000_000_123, (2 ** 32 - 1) * 1000, 2 ** 32 * 1000, 2 ** 32 * 1000 + 7]
  .concat([(2 ** 34 - 1) * 1000 + 999, 2 ** 34 * 1000, -62_135_596_800_001, 8.64e15, -8.64e15, NaN]);
const TEXTS = ["", "a", "\ufeff", "ü".repeat(20), "\u{1f600}", "\u{1f600}".repeat(100), "x".repeat(70_000), "\0"];
const NUMBERS = [0, 31, 32, 63, 64, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 64, 0.1]
  .concat([-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, NaN, Infinity, -Infinity, 5e-324]);

Deno.test("structuredCodec keeps every number, BigInt, text and date", () => {
  for (const value of [...NUMBERS, ...BIGINTS, ...TEXTS, null, undefined, true, false]) {
    assert.ok(Object.is(roundTrip(value), value), Deno.inspect(value));
    assert.deepEqual(roundTrip(new Map([[value, { value }]])), new Map([[value, { value }]]));
  }
  for (const ms of DATES) assert.ok(Object.is(roundTrip(new Date(ms)).getTime(), ms), String(ms));
});

Deno.test("structuredCodec keeps Map, Set, RegExp, objects and arrays", () => {
  const values: unknown[] = [
    new Map<unknown, unknown>([["a", 1], [{ k: 1 }, new Set([[], {}])], [NaN, undefined]]),
    new Set<unknown>([1, "1", 1n, null]),
    [/a\/b[\n]/dgimsuy, /(?:)/v],
    { a: { b: { c: [] } }, "": 1, "not a name": 2, hasOwnProperty: 3, constructor: "x" },
    { toJSON: 4, then: null },
    { toJSON: "x", constructor: null, inner: { constructor: 1, toJSON: [{}] } },
    Array.from({ length: 300 }, (_, at) => ({ [`shape${at % 150}`]: at, same: true })),
    Object.fromEntries(Array.from({ length: 70_000 }, (_, at) => [`k${at}`, at])),
  ];
  for (const value of values) assert.deepEqual(roundTrip(value), value);
  assert.deepEqual(roundTrip([1, , 3]), [1, undefined, 3]);
});

Deno.test("structuredCodec keeps every view, ArrayBuffer and DataView, and gives them memory of their own", () => {
  for (const View of VIEWS) {
    const memory = crypto.getRandomValues(new Uint8Array(64)), view = new View(memory.buffer, 8, 3);
    for (const value of [view, new View(0)]) {
      const copy = roundTrip(value);
      assert.equal(copy.constructor, View);
      assert.deepEqual(new Uint8Array(copy.buffer), new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    }
  }
  const data = roundTrip(new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2));
  assert.ok(data instanceof DataView && data.byteLength === 2 && data.getUint16(0) === 0x0203);
  assert.deepEqual(roundTrip(new Uint8Array([1, 2]).buffer), new Uint8Array([1, 2]).buffer);
  for (const length of [255, 65_535, 65_536]) {
    assert.deepEqual(roundTrip([new Uint8Array(length), new Int8Array(length)])[1], new Int8Array(length));
  }
  const bytes = structuredCodec.encode([new Uint8Array([7]), new Int8Array([7])]);
  const decoded = structuredCodec.decode(bytes) as Uint8Array[];
  bytes.fill(0);
  assert.deepEqual([decoded[0]![0], decoded[1]![0]], [7, 7]);
});

Deno.test("structuredCodec keeps errors: class, name, message, cause and those within", () => {
  for (const Class of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
    const error = roundTrip(new Class("no", { cause: new Map([["a", 1n]]) }));
    assert.deepEqual([error.constructor, error.name, error.message, error.cause], [
      Class,
      Class.name,
      "no",
      new Map([["a", 1n]]),
    ]);
    assert.deepEqual(Object.keys(error), []);
    assert.equal("cause" in roundTrip(new Class("no")), false);
  }
  const all = roundTrip(new AggregateError([new TypeError("a"), 5], "many", { cause: "why" }));
  assert.ok(all instanceof AggregateError && all.errors[0] instanceof TypeError);
  assert.deepEqual([all.message, all.cause, all.errors.length, all.errors[1]], ["many", "why", 2, 5]);
  class Own extends TypeError {
    override name = "Own";
  }
  for (const [error, name] of [[new Own("x"), "Own"], [new DOMException("x", "AbortError"), "AbortError"]] as const) {
    const copy = roundTrip<Error>(error);
    assert.deepEqual([copy.constructor, copy.name, copy.message], [Error, name, "x"]);
  }
  for (const name of ["constructor", "__proto__", "toString", ""]) {
    const copy = roundTrip(Object.assign(new Error("x"), { name }));
    assert.deepEqual([Object.getPrototypeOf(copy), copy.name, copy.message], [Error.prototype, name, "x"]);
  }
});

Deno.test("structuredCodec keeps what is in several places one thing, cycles included", () => {
  // deno-lint-ignore no-explicit-any -- what it is about has no type
  const object: any = {}, array: any[] = [0], map = new Map<any, any>(), set = new Set<any>(), cause: any[] = [];
  const error = new Error("e", { cause });
  Object.assign(object, { object, array, map, set, errors: [error, error], date: new Date(5) });
  array.push(array, object, object.date, object.date);
  map.set(map, map).set("array", array);
  set.add(set).add(map);
  cause.push(cause, object.date);
  for (const value of [object, array, map, set, error]) assert.deepEqual(roundTrip(value), value);
  const copy = roundTrip(object);
  assert.equal(copy.object, copy);
  assert.equal(copy.array[1], copy.array);
  assert.equal(copy.array[3], copy.array[4]);
  assert.equal(copy.map.get(copy.map), copy.map);
  assert.ok(copy.set.has(copy.set) && copy.set.has(copy.map));
  assert.equal(copy.errors[0], copy.errors[1]);
  assert.deepEqual([copy.errors[0].cause[0], copy.errors[0].cause[1]], [copy.errors[0].cause, copy.date]);
});

Deno.test("structuredCodec.encode() takes instances as their fields, or as what toJSON() gives", () => {
  class Point {
    x = 1;
    #y = 2;
    tags = new Set(["a"]);
    get y(): number {
      return this.#y;
    }
  }
  assert.deepEqual(roundTrip<unknown>(new Point()), { x: 1, tags: new Set(["a"]) });
  const url = new URL("http://a/b");
  assert.deepEqual(roundTrip<unknown>([url, url]), ["http://a/b", "http://a/b"]);
  const inner = { toJSON: null, m: structuredCodec.encode(new Map([["k", "x".repeat(100_000)]])) };
  const nested = new (class {
    toJSON = () => structuredCodec.decode(structuredCodec.encode(inner));
  })();
  assert.deepEqual(roundTrip<unknown>([{ before: 1 }, nested, "after"]), [{ before: 1 }, inner, "after"]);
});

Deno.test("structuredCodec.encode() refuses what is no data, instead of sending it empty", () => {
  const values = [
    () => 0,
    Promise.resolve(),
    new WeakMap(),
    new WeakSet(),
    new SharedArrayBuffer(1),
    new Blob([]),
    (function* () {})(),
    Object(1),
    Object("x"),
    new (class extends Map {})(),
    { hasOwnProperty: () => false },
  ];
  for (const value of values) {
    assert.throws(() => structuredCodec.encode({ value }), isRefused(/^value cannot be sent: a \w+ is no data$/));
    assert.throws(() => structuredCodec.encode(value), isRefused(/is no data/));
  }
  assert.throws(() => structuredCodec.encode([Symbol("x")]), isRefused(/symbol/));
  for (const value of [new Float16Array(1), new (class extends Uint8Array {})(1)]) {
    assert.throws(() => structuredCodec.encode(value), isRefused(/value cannot be sent: it holds memory of kind 255/));
  }
  const error = new Error("thrown");
  const throwing = {
    get value() {
      throw error;
    },
  };
  assert.throws(() => structuredCodec.encode(throwing), isRefused(/value cannot be sent: thrown/));
});

Deno.test("structuredCodec.encode() refuses keys that msgpackr would change, and then goes on as before", () => {
  for (const key of ["__proto__", "__keys__"]) {
    const value = JSON.parse(`{"a":{"${key}":1}}`);
    assert.throws(() => structuredCodec.encode(value), isRefused(new RegExp(`an object has the key ${key}`)));
    assert.deepEqual(roundTrip<unknown>([{}, { a: {} }, new Map([[key, {}]])]), [{}, { a: {} }, new Map([[key, {}]])]);
  }
});

Deno.test("structuredCodec.encode() refuses what decode() would", () => {
  let deep: unknown = 1;
  for (let level = 0; level < STRUCTURED_NESTING_MAX; level++) deep = level % 2 === 0 ? [deep] : new Map([[0, deep]]);
  let inner = roundTrip(deep), levels = 0;
  for (; typeof inner === "object"; levels++) {
    inner = (inner as Map<number, unknown>).get?.(0) ?? (inner as unknown[])[0];
  }
  assert.equal(levels, STRUCTURED_NESTING_MAX);
  assert.throws(() => structuredCodec.encode([deep]), isRefused(/value cannot be sent: it nests deeper than 1000/));
  for (let level = 0; level < 100_000; level++) deep = [deep];
  assert.throws(() => structuredCodec.encode(deep), isRefused(/value cannot be sent/));
  const error = new Error("x"), all = new AggregateError([], "x");
  error.cause = { error };
  all.errors.push([all]);
  for (const value of [error, all]) {
    assert.throws(() => structuredCodec.encode(value), isRefused(/it holds an Error that contains itself/));
  }
  const maps = Array.from({ length: 200_000 }, () => new Map());
  assert.throws(() => structuredCodec.encode(maps), isRefused(/too many objects for its size/));
});

Deno.test("structuredCodec does not keep -0, lone surrogates and byte order marks of long texts", () => {
  assert.ok(Object.is(roundTrip(-0), 0));
  assert.equal(roundTrip("a\ud800" + "b".repeat(100)), "a\ufffd" + "b".repeat(100));
  assert.equal(roundTrip("\ufeff" + "b".repeat(100)), "b".repeat(100));
  assert.equal(structuredCodec.decode(new Uint8Array([0xa2, 0xc3, 0x28])), "\ufffd(");
});

Deno.test("structuredCodec keeps any value", () => {
  const keys = fc.constantFrom("a", "b", "c", "d e", "constructor", "1", "900");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.constantFrom<unknown>(null, undefined, true, false, ...DATES.map((ms) => new Date(ms)), ...BIGINTS),
      fc.double().filter((number) => !Object.is(number, -0)),
      fc.integer(),
      fc.string({ unit: "grapheme", maxLength: 80 }),
      fc.uint8Array().map((bytes) => new Uint16Array(bytes)),
      fc.tuple(tie("value")).map(([cause]) => new RangeError("x", cause === undefined ? {} : { cause })),
      fc.array(tie("value"), { maxLength: 40 }),
      fc.array(tie("value"), { maxLength: 8 }).map((items) => new Set(items)),
      fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 8 }).map((pairs) => new Map(pairs)),
      fc.array(tie("value"), { maxLength: 3 }).map((items) => [items, items, { items }]),
      fc.dictionary(keys, tie("value"), { noNullPrototype: true }),
    ),
  }));
  checkRandomly(fc.property(value, (value) => assert.deepEqual(roundTrip(value), value)));
});

Deno.test("structuredCodec keeps more shapes than msgpackr has ids for, which it then describes again", () => {
  for (const count of [64, 65, 70, 200]) {
    const rows = Array.from({ length: 1000 }, (_, at) => ({ [`k${at % count}`]: at, same: true }));
    assert.deepEqual(roundTrip(rows), rows);
  }
});

Deno.test("structuredCodec.decode() leaves the bytes as they were, and keeps none of them", () => {
  const bytes = structuredCodec.encode(new Map([["a", new Uint8Array([1])]]));
  const copy = structuredCodec.decode(bytes) as Map<string, Uint8Array>;
  assert.deepEqual(Object.keys(bytes), Object.keys(new Uint8Array(bytes)));
  bytes.fill(0);
  assert.deepEqual(copy.get("a"), new Uint8Array([1]));
  assert.deepEqual(structuredCodec.decode(new Uint8Array([0xc4, 1, 7])), new Uint8Array([7]));
});

Deno.test("structuredCodec.decode() takes plain msgpack", () => {
  assert.deepEqual(
    structuredCodec.decode(new Uint8Array([0x82, 0xa1, 0x61, 0x64, 0xa1, 0x62, 0x92, 0x7f, 0xe0])),
    new Map<string, unknown>([["a", 100], ["b", [127, -32]]]),
  );
  assert.equal(structuredCodec.decode(new Uint8Array([0xca, 0x3f, 0, 0, 0])), 0.5);
  assert.deepEqual(structuredCodec.decode(new Uint8Array([0xdd, 0, 0, 0, 1, 0xd9, 1, 0x61])), ["a"]);
});
