import assert from "node:assert/strict";
import { ENCODINGS } from "../../protocol/frame.ts";
import { encodeBody } from "../../protocol/msgpack.ts";
import { CONTEXT, event, run } from "../testing.ts";
import { DIRECTIVES, ESCAPES, textFormat } from "./text_format.ts";
import { TIME_CONVERSIONS } from "./strftime.ts";

function printed(text: string, frames: Uint8Array<ArrayBuffer>, terminator: "" | "\n" = ""): string {
  return new TextDecoder().decode(textFormat(text, terminator).format(frames, Infinity, CONTEXT).bytes);
}

Deno.test("textFormat() fills in its directives", () => {
  const frames = run(event("p%q", { headers: encodeBody({ k: "v" }) }));
  for (
    const [text, expected] of [
      ["%c %s %i %n %p", "deploys 4294967299 7 bo\\x1bb p%q\n"],
      ["%h", '{"k":"v"}\n'],
      ["100%% \\t|\\n|\\\\|\\x", "100% \t|\n|\\|\\x\n"],
      ["%b", "3\n"],
      ["", "\n"],
      ["ünicode", "ünicode\n"],
    ] as const
  ) assert.equal(printed(text, frames, "\n"), expected, text);
  assert.match(printed("%t", frames), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.equal(JSON.parse(printed("%j", frames)).data, "p%q");
});

Deno.test("textFormat() refuses directives that it does not know", () => {
  for (const text of ["%q", "a%", "%%%", "%5%", "%20", "%-", "%.p", "%t{%H", "%t{%Q}", "%10000c", "%.10000c"]) {
    assert.throws(() => textFormat(text, "\n"), RangeError, text);
  }
});

Deno.test("textFormat() shows the time as it is told to", () => {
  const frames = run(event("p"));
  assert.match(printed("%t{%H:%M:%S} %p", frames), /^\d\d:\d\d:\d\d p$/);
  assert.match(printed("[%12t{%F}] {", frames), /^\[ {2}\d{4}-\d\d-\d\d\] \{$/);
  assert.equal(printed("%t{}", frames), "");
  assert.equal(printed("%p{%%}", frames), "p{%}");
});

Deno.test("textFormat() fills up and cuts in columns of a terminal", () => {
  for (
    const [text, payload, expected] of [
      ["%9c|", "", "  deploys|"],
      ["%-9c|", "", "deploys  |"],
      ["%3c|", "", "deploys|"],
      ["%.3c|", "", "dep|"],
      ["%-5.3c|", "", "dep  |"],
      ["%5.3c|", "", "  dep|"],
      ["%8p|", "東京", "    東京|"],
      ["%-8p|", "e\u0301", "e\u0301       |"],
      ["%-4.3p|", "東京", "東  |"],
      ["%-4.3p|", "e\u0301te\u0301s", "e\u0301te\u0301 |"],
      ["%2.4p|", "🚀🚀🚀", "🚀🚀|"],
      ["%0p|", "x", "x|"],
      ["%.0p|", "x", "|"],
      ["%-5p|", "", "     |"],
      ["%5p|", "a\nb", "   a\nb|"],
    ] as const
  ) assert.equal(printed(text, run(event(payload))), expected, text);
});

Deno.test("textFormat() passes on what is no text as it is, each byte a column", () => {
  const frames = run(event(new Uint8Array([0xff, 0, 0xfe]), { flags: ENCODINGS.BYTES }));
  const bytes = (text: string) => [...textFormat(text, "").format(frames, Infinity, CONTEXT).bytes];
  assert.deepEqual(bytes("%p"), [0xff, 0, 0xfe]);
  assert.deepEqual(bytes("%4p"), [0x20, 0x20, 0xff, 0, 0xfe]);
  assert.deepEqual(bytes("%.1p"), [0xff]);
});

Deno.test("textFormat() says whether it shows names", () => {
  for (const text of ["%n", "%-20n", "%j", "%.5j"]) assert.ok(textFormat(text, "").names, text);
  for (const text of ["%c", "%%n", "%t{%j}", "n"]) assert.ok(!textFormat(text, "").names, text);
});

Deno.test("docs/listen.md has the directives, escapes and times of the code, and no others", () => {
  const page = Deno.readTextFileSync(new URL("../../docs/listen.md", import.meta.url));
  const [formats, times] = page.split("| in `%t{}` |") as [string, string];
  const rows = (text: string, start: string) =>
    [...text.matchAll(/^\| `([%\\])([^`]+)` +\| (.*?) +\|$/gm)].filter((row) => row[1] === start);
  assert.deepEqual(rows(formats, "%").map((row) => row[2]), [...DIRECTIVES.keys(), "t{FORMAT}", "%"]);
  assert.deepEqual(rows(formats, "\\").map((row) => row[2]), [...ESCAPES.keys()]);
  assert.deepEqual(
    rows(times, "%").map(([, , letter, shows]) => [letter, shows]),
    [...TIME_CONVERSIONS].map(([letter, { shows }]) => [letter, shows]),
  );
});
