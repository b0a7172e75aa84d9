import assert from "node:assert/strict";
import { EXIT, Failure } from "./exit_codes.ts";
import { type IfThere, openOutput } from "./file_output.ts";
import { WriteError } from "./io.ts";

Deno.test("openOutput() refuses, overwrites or adds to what is there, and leaves other than files alone", async () => {
  const directory = Deno.makeTempDirSync(), path = `${directory}/file`;
  const write = async (if_there: IfThere, text: string) => {
    using file = await openOutput(path, if_there);
    file.write(text);
    file.write(new Uint8Array([10]));
    return Deno.readTextFileSync(path);
  };
  const refused = (where: string) => (error: unknown) =>
    error instanceof Failure && error.code === EXIT.OUTPUT && error.message.includes(where);
  try {
    assert.equal(await write("refuse", "a"), "a\n");
    await assert.rejects(write("refuse", "b"), refused("is there already: --force"));
    assert.equal(await write("append", "c"), "a\nc\n");
    assert.equal(await write("overwrite", "d"), "d\n");
    await assert.rejects(openOutput(directory, "overwrite"), refused(`cannot write to ${directory}`));
    await assert.rejects(openOutput(`${directory}/no/file`, "append"), refused(`cannot write to ${directory}/no/file`));
    using full = await openOutput("/dev/full", "refuse");
    assert.throws(() => full.write("a"), (error) => error instanceof WriteError && error.message.includes("/dev/full"));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
