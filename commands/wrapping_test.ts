import assert from "node:assert/strict";
import { dispatch } from "./dispatch.ts";
import { EXIT } from "./exit_codes.ts";
import { TOPICS } from "./help/topics.ts";
import { memoryIo } from "./testing.ts";
import { VERBS } from "./verbs.ts";
import { itemText, wrapText } from "./wrapping.ts";

Deno.test("wrapText() breaks at spaces, and leaves long words whole", () => {
  assert.deepEqual(wrapText("one two  three", 7), ["one two", "three"]);
  assert.deepEqual(wrapText("a incomprehensible b", 5), ["a", "incomprehensible", "b"]);
});

Deno.test("itemText() puts a description below its term where there is no room beside it", () => {
  assert.equal(itemText("-x", 4, "a b", 80), "  -x    a b");
  assert.equal(
    itemText("-x", 4, "word ".repeat(8).trim(), 38),
    `  -x    ${"word ".repeat(6).trim()}\n        word word`,
  );
  assert.equal(itemText("--long", 6, "a b", 30), "  --long\n      a b");
});

for (const columns of [40, 100, 200]) {
  Deno.test(`all help keeps to ${columns} columns, but for commands to be copied`, async () => {
    const widths: number[] = [];
    for (const about of [undefined, ...VERBS.map(({ name }) => name), ...TOPICS.map(({ name }) => name)]) {
      const io = memoryIo({ columns, env: { HOME: "/h" } });
      assert.equal(await dispatch(about === undefined ? ["help"] : ["help", about], io), EXIT.OK);
      const [text] = io.stdout.text.split("\nExamples:\n");
      for (const line of text!.split("\n").filter((line) => !line.startsWith("Usage: ") && /\S\s+\S/.test(line))) {
        assert.ok(line.length <= columns, `${about}: ${line}`);
        widths.push(line.length);
      }
    }
    assert.ok(Math.max(...widths) > columns * 0.6, "the room is not used");
  });
}
