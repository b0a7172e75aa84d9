import assert from "node:assert/strict";
import { NESTING_MAX } from "../../protocol/limits.ts";
import { helloOfLine } from "./json_lines_in.ts";

/** A hello whose `resume` makes it nest so deep. */
function nested(depth: number): Uint8Array<ArrayBuffer> {
  const inner = depth - 1;
  return new TextEncoder().encode(`{"ipc":1,"type":"hello","resume":${"[".repeat(inner)}1${"]".repeat(inner)}}`);
}

Deno.test("helloOfLine() refuses what nests too deep, with the error that is documented", () => {
  const refused = (words: RegExp) => ({ name: "IpcError", reason: "PROTOCOL", message: words });
  assert.throws(() => helloOfLine(nested(NESTING_MAX)), refused(/"resume" must be a map/));
  assert.throws(() => helloOfLine(nested(NESTING_MAX + 1)), refused(/nests deeper than 64/));
});
