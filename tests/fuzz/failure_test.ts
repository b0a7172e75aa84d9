import assert from "node:assert/strict";
import { episodeOf } from "./broker/episode.ts";
import { inputOf } from "./engine.ts";
import { replay, writeFailure } from "./failure.ts";
import { DECODERS } from "./targets/mod.ts";

async function inDirectory(work: () => Promise<void>): Promise<void> {
  const before = Deno.cwd(), directory = Deno.makeTempDirSync({ prefix: "ipc-fuzz-" });
  Deno.chdir(directory);
  try {
    await work();
  } finally {
    Deno.chdir(before);
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("replay() runs the input of a decoder that writeFailure() has written", () =>
  inDirectory(async () => {
    const target = DECODERS[0]!, input = inputOf(target, "s", 7);
    const file = writeFailure({ target: target.name, seed: "s", number: 7, input, smallest: input, error: "x" }, "s");
    assert.equal(file, `fuzz-failure-${target.name}-7.json`);
    assert.equal(await replay(file), undefined);
    const written = JSON.parse(Deno.readTextFileSync(file));
    Deno.writeTextFileSync(file, JSON.stringify({ ...written, target: "other" }));
    await assert.rejects(replay(file), /no target is called "other"/);
  }));

Deno.test("replay() plays the episodes that writeFailure() has written", () =>
  inDirectory(async () => {
    const file = writeFailure({ episodes: [episodeOf("s", 1)], error: "x" }, "s");
    assert.equal(file, "fuzz-failure-broker-1.json");
    assert.equal(await replay(file), undefined);
  }));
