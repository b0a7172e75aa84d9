import assert from "node:assert/strict";

const BUILD = new URL("build.ts", import.meta.url).pathname;

/** The files that Deno reads before the first line of one runs. Those for later are hidden: `import(String("..."))`. */
async function readAtOnce(directory: string, file: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(file)) return found;
  found.add(file);
  const text = await Deno.readTextFile(`${directory}/${file}`);
  for (const [, next] of text.matchAll(/\b(?:from|import) ?\(?"\.\/([^"]+)"/g)) {
    await readAtOnce(directory, next!, found);
  }
  return found;
}

Deno.test("build.ts puts all that a start needs into one file beside cli.js", async () => {
  const directory = await Deno.makeTempDir({ prefix: "ipc-build-" });
  try {
    const args = ["run", "-A", BUILD, `${directory}/dist`];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const files = await readAtOnce(`${directory}/dist`, "cli.js");
    assert.equal(files.size, 2, [...files].join(", "));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
