import assert from "node:assert/strict";
import { inputPath, outputPath, whyNotOpened } from "./special_files.ts";

Deno.test("inputPath() and outputPath() know the other names of the standard streams", () => {
  for (const path of ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "-"]) assert.equal(inputPath(path), "-");
  for (const path of ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-"]) assert.equal(outputPath(path), "-");
  for (const path of ["/dev/fd/63", "stdin", "/dev/stdout"]) assert.equal(inputPath(path), path);
  assert.equal(outputPath("/dev/stdin"), "/dev/stdin");
});

Deno.test("whyNotOpened() names the way around Deno's own rule, and else what the system says", () => {
  assert.match(
    whyNotOpened(new Deno.errors.NotCapable("all"), "/proc/version", "<"),
    /give - instead, and < \/proc\/version$/,
  );
  assert.equal(whyNotOpened(new Deno.errors.NotFound("no such file"), "f", "<"), "no such file");
});
