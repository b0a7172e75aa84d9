import assert from "node:assert/strict";
import { parseCondition } from "./where.ts";

const PAYLOAD = {
  status: "ok",
  celsius: 81.5,
  sizes: [1, 2, 30],
  "a key": { "": null },
  on: true,
  same: { x: [1, { y: 2 }] },
  again: { x: [1, { y: 2 }] },
  "__proto__x": 1,
};

Deno.test("parseCondition() compares what stands in the payload", () => {
  for (
    const [text, expected] of [
      ["@.status == 'ok'", true],
      ['@.status == "ok"', true],
      ["@.status != 'ok'", false],
      ["@.celsius > 80", true],
      ["80 < @.celsius", true],
      ["@.celsius>=81.5&&@.celsius<=8.15e1", true],
      ["@.celsius < 80 || @.on == true", true],
      ["@.on == true && @.celsius < 80 || @.status == 'ok'", true],
      ["@.on == true && (@.celsius < 80 || @.status == 'no')", false],
      ["@.sizes[0] == 1 && @.sizes[-1] == 30", true],
      ["@.sizes[3] == null", false],
      ["@['a key'][''] == null", true],
      ["@.nothing", false],
      ["!@.nothing", true],
      ["@.on", true],
      ["!(@.on && @.status)", false],
      ["!!@.on", "a condition"],
      ["@.nothing == @.none", true],
      ["@.nothing == null", false],
      ["@.same == @.again", true],
      ["@.same == @.sizes", false],
      ["@.status < 5", false],
      ["@.status >= 5", false],
      ["@.status < 'op'", true],
      ["'\u{1f680}' > '\uff01'", true],
      ["length(@.sizes) == 3 && length(@.status) == 2", true],
      ["length(@.celsius) == 1", false],
      ["length('\u{1f680}') == 1", true],
      ["match(@.status, 'o.')", true],
      ["match(@.status, 'o')", false],
      ["search(@.status, 'k$')", true],
      ["!search(@.celsius, '8')", true],
      ["@.toString", false],
      ["@.sizes.length", false],
      ["@.__proto__", false],
      ['\'it\\\'s "x"\' == "it\'s \\"x\\""', true],
      ["  @.on  ", true],
      ["@ == 1", false],
    ] as const
  ) {
    if (expected === "a condition") assert.throws(() => parseCondition(text), RangeError, text);
    else assert.equal(parseCondition(text)(PAYLOAD), expected, text);
  }
  assert.ok(parseCondition("@ == 'text'")("text"));
  assert.ok(parseCondition("!@")(undefined));
});

Deno.test("parseCondition() says where an expression ends to be one", () => {
  for (
    const [text, message] of [
      ["", /^character 1: expected @, a number.*, found the end$/],
      ["@.a = 1", /^character 5: expected &&, \|\| or the end, found "= 1"$/],
      ["@.a ==", /^character 7: expected @.*, found the end$/],
      ["@..a", /^character 3: expected a name/],
      ["@.*", /^character 3: expected a name/],
      ["@[1.5]", /^character 3: expected a string or a whole number/],
      ["@[a]", /^character 3: expected a string/],
      ["(@.a", /^character 5: expected "\)"/],
      ["@.a == 1 @.b", /^character 10: expected &&/],
      ["'text'", /^character 7: expected ==/],
      ["'un", /^character 1: expected @/],
      ["match(@.a, '(')", /^character 12: Invalid regular expression/],
      ["match(@.a, @.b)", /^character 12: expected a regular expression/],
      ["'\\d' == 1", /^character 1: '\\d' is no string/],
      ["sum(@.a)", /^character 1: expected @/],
      ["$.a == 1", /^character 1: expected @/],
      ["(".repeat(1000), /no more than 100/],
    ] as const
  ) assert.throws(() => parseCondition(text), { name: "RangeError", message }, text);
});

Deno.test("parseCondition() compares payloads of any depth", () => {
  const deep = () => JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  assert.equal(parseCondition("@.a == @.b")({ a: deep(), b: deep() }), false);
});
