import assert from "node:assert/strict";
import { painted, wantsColor } from "./color.ts";

Deno.test("wantsColor() wants a terminal that can, and no NO_COLOR", () => {
  const wants = (is_terminal: boolean, variables: Record<string, string>) =>
    wantsColor({ is_terminal }, { env: (name) => variables[name] });
  assert.equal(wants(true, { TERM: "xterm" }), true);
  assert.equal(wants(true, { TERM: "xterm", NO_COLOR: "" }), true);
  assert.equal(wants(true, { TERM: "xterm", NO_COLOR: "1" }), false);
  assert.equal(wants(true, { TERM: "dumb" }), false);
  assert.equal(wants(false, { TERM: "xterm" }), false);
});

Deno.test("painted() puts a text between colours, or leaves it as it is", () => {
  assert.equal(painted("a", "31"), "\x1b[31ma\x1b[0m");
  assert.equal(painted("a", ""), "a");
});
