import assert from "node:assert/strict";
import { CliSandbox } from "./sandbox.ts";

Deno.test("help keeps to the width of a real terminal, and has 100 columns in a pipe", async () => {
  await using cli = new CliSandbox();
  const widest = (text: string) =>
    Math.max(
      ...text.split("\nExamples:\n")[0]!.split("\n").filter((line) => !line.startsWith("Usage:"))
        .map((line) => line.length),
    );
  for (const columns of [40, 200]) {
    const { code, stdout } = await cli.terminal(`stty cols ${columns}; ipc listen --help`);
    assert.equal(code, 0);
    const width = widest(stdout);
    assert.ok(width <= columns && width > columns * 0.6, `${width} of ${columns} columns:\n${stdout}`);
  }
  const piped = await cli.sh("ipc listen --help");
  assert.ok(widest(piped.stdout) <= 100);
  const terminal = await cli.terminal("stty cols 100; ipc listen --help");
  assert.equal(terminal.stdout, piped.stdout);
});
