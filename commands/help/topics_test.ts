import assert from "node:assert/strict";
import { KEYS, variableOf } from "../../config/keys.ts";
import { EXIT } from "../exit_codes.ts";
import { TOPICS } from "./topics.ts";
import { memoryIo } from "../testing.ts";
import { OTHER_VARIABLES } from "./variables.ts";

async function topic(name: string): Promise<string> {
  const found = TOPICS.find((topic) => topic.name === name);
  return await found!.text(100, memoryIo({ env: { HOME: "/h" } }));
}

Deno.test("ipc help exit-codes has every code, and README has it too", async () => {
  const text = await topic("exit-codes"), readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const table = readme.slice(readme.indexOf("## Exit codes"), readme.indexOf("## Which tool"));
  for (const code of Object.values(EXIT)) {
    assert.match(text, new RegExp(`^  ${code} +\\S`, "m"));
    if (code < 128) assert.match(table, new RegExp(`^\\| (\\d+, )*${code}[ ,]`, "m"));
  }
});

Deno.test("ipc help configuration and environment have every key", async () => {
  const configuration = await topic("configuration"), environment = await topic("environment");
  for (const key of KEYS) {
    assert.ok(configuration.includes(`\n  ${key} = `), key);
    assert.match(environment, new RegExp(`^  ${variableOf(key)}\\s`, "m"));
  }
  assert.ok(configuration.includes("/h/.config/ipc/config.toml (missing)"));
});

Deno.test("ipc help environment has the other variables that docs/configuration.md has", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/configuration.md", import.meta.url));
  const section = page.slice(page.indexOf("## Variables that are not settings"));
  const documented = [
    ...new Set([...section.matchAll(/`(IPC_[A-Z_]*[A-Z]|NO_COLOR|TERM)[`=]/g)].map(([, name]) => name)),
  ];
  assert.deepEqual(OTHER_VARIABLES.map(([name]) => name).sort(), documented.sort());
  for (const [name] of OTHER_VARIABLES) assert.match(await topic("environment"), new RegExp(`^  ${name}\\s`, "m"));
});

Deno.test("ipc help formats has what ipc listen can print", async () => {
  const text = await topic("formats");
  for (const option of ["--json", "-0, --null", "--raw", "-F, --format"]) assert.ok(text.includes(`\n  ${option}`));
});
