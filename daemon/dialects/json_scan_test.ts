import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../../tests/random.ts";
import { JsonError, scanJson } from "./json_scan.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What is wrong with a text, if anything is. */
function fault(text: string | Uint8Array<ArrayBuffer>, depth_max = 64): JsonError | undefined {
  const bytes = typeof text === "string" ? encode(text) : text;
  try {
    scanJson(bytes, 0, bytes.length, depth_max);
  } catch (error) {
    if (error instanceof JsonError) return error;
    throw error;
  }
  return undefined;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

Deno.test("scanJson() takes what JSON.parse() takes, and nothing else", () => {
  const texts = [
    ...["0", "-0", "1.5e-7", "1E+9", "[]", "{}", " [ 1 , 2 ] ", '"a\\u00fc\\n\\/"', '"\\ud800"', "null", "true", '""'],
    ...["", "-", "01", "1.", ".5", "1e", "+1", "nul", "nulll", "[1,]", "[,1]", "{,}", '{"a"}', '{"a":}', '{"a":1,}'],
    ...[
      "{a:1}",
      "'a'",
      '"\\x41"',
      '"\\u12g4"',
      '"\\u\u00104\u00104"',
      '"\t"',
      "[1 2]",
      "1 2",
      "]",
      "[}",
      "NaN",
      "[1]]",
    ],
    ...["\ufeff1", "tru\u0001", "1e+", "--1", "1e5.5", "0x1", "\u00a01", '"\u007f"', '{"a":1 "b":2}', '{"a" 1}'],
  ];
  for (const text of texts) assert.equal(fault(text) === undefined, parses(text), text);
});

Deno.test("scanJson() agrees with JSON.parse() on random values, cut, changed and whole", () => {
  checkRandomly(
    fc.property(
      fc.json({ maxDepth: 4 }),
      fc.nat(),
      fc.constantFrom(...'{}[],:"\\ 0-.eEtn\u0001ü'),
      (text, place, other) => {
        const at = place % (text.length + 1);
        for (const changed of [text, text.slice(0, at), text.slice(0, at) + other + text.slice(at + 1), text + other]) {
          // A text of fast-check may hold half a surrogate pair after a cut, which UTF-8 cannot say.
          if (changed.isWellFormed()) assert.equal(fault(changed) === undefined, parses(changed), changed);
        }
      },
    ),
  );
});

Deno.test("scanJson() says of every beginning of an object that it is only cut", () => {
  const text = '{"a":[1,-2.5e+3,true,null,"\\u00fc\\n"],"b":{"c":{}}}';
  for (let length = 0; length < text.length; length++) {
    assert.equal(fault(text.slice(0, length))?.cut, true, text.slice(0, length));
  }
  assert.equal(fault('{"a":x')?.cut, false);
  assert.equal(fault(`${text}}`)?.cut, false);
});

Deno.test("scanJson() limits nesting, however much of it there is", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  assert.equal(fault(nested(64)), undefined);
  assert.match(fault(nested(65))!.message, /nests deeper than 64/);
  assert.match(fault('{"a":'.repeat(1_000_000))!.message, /nests deeper than 64 at byte 321/);
  assert.equal(fault("1", 0), undefined);
  assert.match(fault("[]", 0)!.message, /nests deeper/);
});

Deno.test("scanJson() refuses what is not UTF-8, in texts and in names", () => {
  for (
    const bytes of [[0x22, 0xff, 0x22], [0x22, 0xc3, 0x22], [0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]]
  ) {
    assert.match(fault(new Uint8Array(bytes))!.message, /not UTF-8/);
  }
  assert.equal(fault('"grün €"'), undefined);
});

Deno.test("scanJson() tells the members of the outermost object only, as they are written, names without escapes", () => {
  const bytes = encode('xx {"a": 1.50 ,"\\u0062":{"a":2},"__proto__":[3],"a":"\\n"} xx'),
    members: [string, string][] = [];
  scanJson(bytes, 2, bytes.length - 3, 64, (name, start, end) => {
    members.push([name, new TextDecoder().decode(bytes.subarray(start, end))]);
  });
  assert.deepEqual(members, [["a", "1.50"], ["b", '{"a":2}'], ["__proto__", "[3]"], ["a", '"\\n"']]);
});
