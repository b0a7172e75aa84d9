import assert from "node:assert/strict";
import { fieldsText, tableText } from "./table.ts";

Deno.test("tableText() lines up columns, numbers at the right", () => {
  const text = tableText([{ heading: "NAME" }, { heading: "COUNT", right: true }, { heading: "ON" }], [
    ["a", 1, true],
    ["longer", 100_000, undefined],
  ]);
  assert.equal(text, "NAME     COUNT  ON\na            1  yes\nlonger  100000  -\n");
});

Deno.test("tableText() counts columns as a terminal does", () => {
  const rows = [["東京", 1], ["e\u0301te\u0301", 2]];
  assert.equal(tableText([{ heading: "NAME" }, { heading: "N" }], rows), "NAME  N\n東京  1\ne\u0301te\u0301   2\n");
});

Deno.test("tableText() prints nothing for no rows", () => assert.equal(tableText([{ heading: "NAME" }], []), ""));

Deno.test("fieldsText() makes control characters visible", () => {
  assert.equal(fieldsText([["name", "a\u001b[2Jb\n"], ["pid", 7]]), "name  a\\x1b[2Jb\\x0a\npid   7\n");
});
