/**
 * What the README tells a new user to type does what the README says, typed line by line in an empty directory that
 * holds nothing but the README.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CliSandbox } from "./cli/sandbox.ts";
import { eventually } from "./e2e/wait.ts";

const README = Deno.readTextFileSync(new URL("../README.md", import.meta.url));

/** The lines of the first block of shell under a heading, without their comments. */
function commandsUnder(heading: string): string[] {
  const block = README.split(`\n${heading}\n`)[1]?.match(/```sh\n([^]*?)```/)?.[1];
  assert(block !== undefined, `the README has no commands under "${heading}"`);
  return block.trim().split("\n").map((line) => line.replace(/\s+# .*$/, ""));
}

Deno.test("README: the tutorial, typed line by line", async () => {
  await using sandbox = new CliSandbox();
  Deno.writeTextFileSync(`${sandbox.directory}/README.md`, README);
  const said: string[] = [];
  for (const line of commandsUnder("## Tutorial")) {
    if (line.endsWith("&")) {
      const [, verb, channel] = line.split(" ");
      sandbox.start(line.slice(0, -1));
      const is_there = `ipc clients ${channel} | grep -q ${verb}`;
      await eventually(async () => (await sandbox.sh(is_there)).code === 0, `still not: ${is_there}`);
    } else if (line.startsWith("tail -F")) {
      // It never ends. Where there is no such log it waits for one.
      assert.equal((await sandbox.sh(`timeout 1 sh -c '${line}'`)).code, 124);
    } else {
      const outcome = await sandbox.sh(line);
      assert.equal(outcome.code, 0, `${line}\n${outcome.stderr}`);
      said.push(outcome.stdout);
    }
  }
  const [sent, words, inspected] = said;
  assert.equal(sent, "");
  assert.equal(Number(words), README.split(/\s+/).filter((word) => word !== "").length);
  assert.match(inspected!, /^CHANNEL .*\ndeploys .*[^]*\nevents +1 /);
});

Deno.test("README: every other command is one that ipc knows", async () => {
  await using sandbox = new CliSandbox();
  const blocks = [...README.matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1]!).join("");
  const verbs = [...blocks.matchAll(/\bipc ([a-z]+)/g)].map((match) => match[1]!);
  assert(verbs.length > 10, `only ${verbs.length} commands`);
  for (const verb of new Set(verbs)) assert.equal((await sandbox.sh(`ipc ${verb} --help`)).code, 0, verb);
});
