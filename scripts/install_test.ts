import assert from "node:assert/strict";
import { installBundle, installManual, type Places, places } from "./install.ts";

/** A bundle that prints who it is, and loads a chunk if it is asked to. */
async function bundle(directory: string, name: string): Promise<string> {
  const path = `${directory}/${name}`;
  await Deno.mkdir(`${path}/npm`, { recursive: true });
  await Deno.writeTextFile(`${path}/cli.js`, `console.log((await import("./chunk-${name}.js")).name);`);
  await Deno.writeTextFile(`${path}/chunk-${name}.js`, `export const name = "${name}";`);
  return path;
}

async function withPlaces(test: (target: Places, directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "ipc install's " });
  try {
    await test(places(`${directory}/prefix`), directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function run({ script }: Places): Promise<string> {
  const { stdout } = await new Deno.Command(script, { args: ["version"] }).output();
  return new TextDecoder().decode(stdout).trim();
}

function bundles({ library }: Places): string[] {
  return [...Deno.readDirSync(library)].map(({ name }) => name).sort();
}

Deno.test("installBundle() starts the new bundle, keeps the one before it, and removes older ones", () =>
  withPlaces(async (target, directory) => {
    await installBundle(await bundle(directory, "one"), target);
    assert.equal(await run(target), "one");
    const [one] = bundles(target);
    assert.deepEqual([...Deno.readDirSync(`${target.library}/${one}`)].map(({ name }) => name).sort(), [
      "chunk-one.js",
      "cli.js",
    ]);
    await installBundle(await bundle(directory, "two"), target);
    assert.equal(await run(target), "two");
    const [kept, two] = bundles(target);
    assert.equal(kept, one);
    await Deno.writeTextFile(`${target.library}/chunk-old.js`, "left behind");
    await installBundle(await bundle(directory, "three"), target);
    assert.equal(await run(target), "three");
    const now = bundles(target);
    assert.deepEqual([now.length, now[0]], [2, two]);
    assert.deepEqual([...Deno.readDirSync(target.bin)].map(({ name }) => name), ["ipc"]);
  }));

Deno.test("installBundle() leaves a program that is not its own alone", () =>
  withPlaces(async (target, directory) => {
    await Deno.mkdir(target.bin, { recursive: true });
    await Deno.writeTextFile(target.script, "#!/bin/sh\necho somebody else's\n");
    await assert.rejects(installBundle(await bundle(directory, "one"), target), /is not ipc's/);
    assert.match(await Deno.readTextFile(target.script), /somebody else's/);
    await assert.rejects(Deno.stat(target.library), Deno.errors.NotFound);
  }));

Deno.test("installManual() replaces its own pages and leaves others alone", () =>
  withPlaces(async (target) => {
    const section = `${target.manual}/man1`;
    await installManual(target);
    const page = await Deno.readTextFile(`${section}/ipc-send.1`);
    await Deno.writeTextFile(`${section}/ipc-gone.1`, page);
    await Deno.writeTextFile(`${section}/ipc-other.1`, ".TH IPC-OTHER 1\n");
    await installManual(target);
    const names = [...Deno.readDirSync(section)].map(({ name }) => name);
    assert.ok(names.includes("ipc.1") && names.includes("ipc-send.1") && names.includes("ipc-other.1"));
    assert.ok(!names.includes("ipc-gone.1"), "a page of an earlier installation is left");
    await Deno.stat(`${target.manual}/man5/ipc.toml.5`);
  }));
