/**
 * docs/recipes.md: each script, as it stands there, prints what stands behind it. And shellcheck, on these and on every
 * other shell script of the project.
 *
 * @module
 */
import assert from "node:assert/strict";
import { launcher } from "../scripts/install.ts";
import { forEach } from "./cli/rows.ts";
import { CliSandbox } from "./cli/sandbox.ts";

const PAGE = Deno.readTextFileSync(new URL("../docs/recipes.md", import.meta.url));

/** A script, and what it prints. */
interface Recipe {
  heading: string;
  script: string;
  prints: string;
}

const RECIPES: readonly Recipe[] = PAGE.split(/^## /m).slice(1).map((section) => {
  const heading = section.split("\n", 1)[0]!;
  const parts = section.match(/^```sh\n([^]*?)^```\n\n```text\n([^]*?)^```$/m);
  assert(parts !== null, `"${heading}" has no script with what it prints behind it`);
  return { heading, script: parts[1]!, prints: parts[2]! };
});

Deno.test("docs/recipes.md: every recipe prints what stands behind it", async () => {
  assert(RECIPES.length >= 7);
  await forEach(RECIPES, async ({ heading, script, prints }) => {
    await using cli = new CliSandbox();
    Deno.mkdirSync(`${cli.directory}/here`);
    Deno.writeTextFileSync(`${cli.directory}/recipe.sh`, script);
    const { code, stdout, stderr } = await cli.sh("cd here && timeout 60 sh -eu ../recipe.sh");
    assert.deepEqual({ code, stdout }, { code: 0, stdout: prints }, `${heading}:\n${stderr}`);
  });
});

const SHELLCHECK = (() => {
  try {
    return new Deno.Command("shellcheck", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
})();
if (!SHELLCHECK) console.error("tests/recipes_test.ts: without shellcheck, shell scripts are only run");

Deno.test({
  name: "shellcheck has nothing to say about the recipes, the launcher and every script of the project",
  ignore: !SHELLCHECK,
  async fn() {
    await using cli = new CliSandbox();
    const write = (name: string, text: string) => Deno.writeTextFileSync(`${cli.directory}/${name}.sh`, text);
    for (const { heading, script } of RECIPES) {
      write(heading.replaceAll(/\W+/g, "-"), `#!/bin/sh\n${script}`);
      // What a recipe writes to a file and runs is a script, too.
      for (const [at, inner] of [...script.matchAll(/<<'([A-Z]+)'\n([^]*?)^\1$/gm)].entries()) {
        write(`${heading.replaceAll(/\W+/g, "-")}-${at}`, `#!/bin/sh\n${inner[2]}`);
      }
    }
    write("launcher", launcher(Deno.execPath(), "/opt/an ipc's/cli.js"));
    const { code, stdout } = await cli.sh(
      `{ ls "$PWD"/*.sh; git -C "$ROOT" ls-files -- '*.sh' | sed "s|^|$ROOT|"; } | tr '\\n' '\\0' | xargs -0 shellcheck`,
      { env: { ROOT: new URL("..", import.meta.url).pathname } },
    );
    assert.equal(code, 0, stdout);
  },
});
