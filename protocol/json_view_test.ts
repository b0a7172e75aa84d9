import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { toJsonText } from "./json_view.ts";
import { structuredCodec } from "./structured_clone.ts";

Deno.test("toJsonText() writes what people expect", () => {
  const table: [data: unknown, text: string][] = [
    ['a\n\u2028"\ud800', '"a\\n\u2028\\"\\ud800"'],
    [undefined, "null"],
    [{ a: undefined, b: [undefined] }, '{"a":null,"b":[null]}'],
    [NaN, "null"],
    [-0, "0"],
    [2n ** 53n - 1n, "9007199254740991"],
    [-(2n ** 53n), '"-9007199254740992"'],
    [3n ** 100n, `"${3n ** 100n}"`],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [new Date(NaN), "null"],
    [/a\/b/gi, '"/a\\\\/b/gi"'],
    [new Map<string, unknown>([["a", 1], ["b", new Map()]]), '{"a":1,"b":{}}'],
    [new Map<unknown, unknown>([["a", 1], [2, "b"]]), '[["a",1],[2,"b"]]'],
    [new Set([1, "a", [new Set()]]), '[1,"a",[[]]]'],
    [new Uint8Array([1, 2, 255]), '{"encoding":"base64","data":"AQL/"}'],
    [new Uint16Array([1]), '{"encoding":"base64","data":"AQA="}'],
    [new Uint8Array([9, 1, 2]).buffer, '{"encoding":"base64","data":"CQEC"}'],
    [new DataView(new Uint8Array([9, 1, 2]).buffer, 1), '{"encoding":"base64","data":"AQI="}'],
    [new TypeError("no", { cause: { a: 1n } }), '{"name":"TypeError","message":"no","cause":{"a":1}}'],
    [
      new AggregateError([new Error("a")], "all"),
      '{"name":"AggregateError","message":"all","errors":[{"name":"Error","message":"a"}]}',
    ],
    [() => 0, "null"],
    [JSON.parse('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}'],
  ];
  for (const [data, text] of table) assert.equal(toJsonText(data), text);
});

Deno.test("toJsonText() writes what JSON can say as JSON does", () => {
  checkRandomly(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
    assert.equal(toJsonText(value), JSON.stringify(value));
  }));
});

Deno.test("toJsonText() writes one line that is JSON, whatever the payload", () => {
  const value = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
  });
  checkRandomly(
    fc.property(value, (value) => {
      const text = toJsonText(value);
      JSON.parse(text);
      assert.ok(!text.includes("\n"));
    }),
    500,
  );
});

Deno.test("toJsonText() says what is inside itself, and writes what is merely there twice, twice", () => {
  const row = { a: 1 }, object: Record<string, unknown> = { rows: [row, row] };
  object.self = object;
  object.map = new Map([["in", object]]);
  assert.equal(toJsonText(object), '{"rows":[{"a":1},{"a":1}],"self":"[Circular]","map":{"in":"[Circular]"}}');
  const error = new Error("e");
  error.cause = new Set([error]);
  assert.equal(toJsonText(error), '{"name":"Error","message":"e","cause":["[Circular]"]}');
});

Deno.test("toJsonText() writes what stands in several places as if it stood in each alone", () => {
  const inner = { x: [{ y: new Set([new Map([["z", [1]]])]) }] },
    a: Record<string, unknown> = { n: 1, inner },
    b = { a };
  a.b = b;
  const of_inner = '{"x":[{"y":[{"z":[1]}]}]}', of_b = `{"a":{"n":1,"inner":${of_inner},"b":"[Circular]"}}`;
  const of_a = `{"n":1,"inner":${of_inner},"b":{"a":"[Circular]"}}`;
  assert.equal(toJsonText([inner, b, a, inner, b, a]), `[${[of_inner, of_b, of_a, of_inner, of_b, of_a].join()}]`);
});

Deno.test("toJsonText() stays small for a payload that holds one thing 2^60 times", () => {
  let tower: unknown = ["x".repeat(1000)];
  for (let level = 0; level < 60; level++) tower = [tower, tower];
  const bytes = structuredCodec.encode(tower);
  assert.ok(bytes.length < 2500);
  const text = toJsonText(structuredCodec.decode(bytes));
  assert.ok(text.length < 2_000_000 && text.includes('"[Repeated]"'));
  JSON.parse(text);
});

Deno.test("toJsonText() stays smaller yet if everything contains itself", () => {
  const floor: unknown[] = ["x".repeat(1000)];
  let tower: unknown[] = floor;
  for (let level = 0; level < 60; level++) tower = [tower, tower, floor];
  floor.push(tower);
  const text = toJsonText(tower);
  assert.ok(text.length < 200_000 && text.includes('"[Repeated]"') && text.includes('"[Circular]"'));
  JSON.parse(text);
});

Deno.test("toJsonText() writes what nests 100,000 deep up to a depth", () => {
  const deep: unknown = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  assert.equal(toJsonText(deep), "[".repeat(1000) + '"[Nested too deep]"' + "]".repeat(1000));
});

Deno.test("toJsonText() ends where the line would be longer than it may be", () => {
  const rows = Array.from({ length: 100 }, () => ({ a_name_that_is_written_once: 1 }));
  assert.throws(() => toJsonText(rows, 1_000), /more than 1000 characters/);
  assert.equal(toJsonText(rows, 10_000).length, 100 * 34 - 1 + 2);
});
