/**
 * What docs/coordination.md shows, run as it stands.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CliSandbox } from "./cli/sandbox.ts";

const PAGE = Deno.readTextFileSync(new URL("../docs/coordination.md", import.meta.url));
const BLOCKS = [...PAGE.matchAll(/^```sh\n([^]*?)^```/gm)].map((match) => match[1]!);

Deno.test("docs/coordination.md: every block of shell does what it says", async () => {
  assert(BLOCKS.length >= 2);
  for (const block of BLOCKS) {
    await using cli = new CliSandbox();
    const { code, stdout, stderr } = await cli.sh(`timeout 60 sh -eu <<'END'\n${block}END`);
    assert.equal(code, 0, `${block}\n${stdout}\n${stderr}`);
  }
});
