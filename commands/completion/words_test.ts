import assert from "node:assert/strict";
import { GLOBAL_OPTIONS } from "../broker_options.ts";
import { complete, type Names, unquoted } from "./words.ts";
import { optionsOf, parserBeforeVerb, parserOf } from "../described.ts";
import { completionText } from "../completion.ts";
import { TOPICS } from "../help/topics.ts";
import { VERBS } from "../verbs.ts";

const NAMES: Names = {
  profiles: () => [{ value: "prod", description: "" }],
  channels: () => Promise.resolve(["deploys", "logs.web"].map((value) => ({ value, description: "" }))),
  clients: (channel) =>
    Promise.resolve([{ value: channel === undefined ? "anybody" : `on ${channel}`, description: "" }]),
};

/** The values that may stand at the end of some words, or what else may. */
async function at(...words: string[]): Promise<string> {
  const completion = await complete(words, NAMES);
  if (completion.kind !== "values") return completionText(completion).trimEnd();
  return completion.candidates.map(({ value }) => value).join(" ");
}

Deno.test("complete() offers verbs and the options before them", async () => {
  assert.equal(await at(""), VERBS.map(({ name }) => name).join(" "));
  assert.equal(await at("lis"), "listen");
  assert.equal(await at("--socket-dir", "/x", "lis"), "listen");
  assert.equal(await at("--so"), "--socket-dir");
  assert.equal(await at("--socket-dir", ""), ":directories");
  assert.equal(await at("--config", "a"), ":files");
  assert.equal(await at("--config=a"), ":files --config=");
  assert.equal(await at("nonsense", ""), "");
  assert.equal(await at("--profile", "p"), "prod");
});

Deno.test("complete() offers each verb its own options", async () => {
  for (const entry of VERBS) {
    const words = (await at(entry.name, "--")).split(" ");
    const long = optionsOf(await parserOf(entry)).map(({ long }) => long).filter((name) => name !== undefined);
    assert.deepEqual(words, long, entry.name);
    assert.ok(long.includes("--help"));
  }
  assert.equal(await at("daemon", "--print"), "", "what is hidden is offered");
});

Deno.test("complete() offers the values of options and arguments", async () => {
  assert.equal(await at("listen", "--overflow", ""), "block disconnect drop");
  assert.equal(await at("listen", "--overflow=d"), "--overflow=disconnect --overflow=drop");
  assert.equal(await at("daemon", "re"), "restart reload");
  assert.equal(await at("completion", ""), "bash zsh fish");
  assert.equal(await at("help", "exit"), "exit-codes");
  for (const { name } of TOPICS) assert.ok((await at("help", "")).split(" ").includes(name));
  assert.equal(await at("send", "-f", ""), ":files");
  assert.equal(await at("send", "--file", "x"), ":files");
  assert.equal(await at("send", "--file=x"), ":files --file=");
  assert.equal(await at("config", "check", ""), ":files");
  assert.equal(await at("listen", "-n", ""), "");
  assert.equal(await at("listen", "-Fn", ""), "deploys logs.web", "a value that is attached");
});

Deno.test("complete() offers channels and clients where they are taken", async () => {
  assert.equal(await at("send", ""), "deploys logs.web");
  assert.equal(await at("send", "--json", "de"), "deploys");
  assert.equal(await at("send", "deploys", ""), "");
  assert.equal(await at("send", "--wait", ""), "deploys logs.web", "a bare --wait has no value");
  assert.equal(await at("listen", "deploys", "l"), "logs.web");
  assert.equal(await at("channels", ""), "deploys logs.web");
  assert.equal(await at("send", "--to", ""), "anybody");
  assert.equal(await at("send", "deploys", "--to="), "--to=on deploys");
  assert.equal(await at("wait", "deploys", "--client", ""), "on deploys");
});

Deno.test("complete() leaves the command behind -- to the shell", async () => {
  assert.equal(await at("listen", "x", "--", ""), ":command 4");
  assert.equal(await at("--config", "c", "handle", "x", "--", "wc", "-"), ":command 6");
  assert.equal(await at("send", "--", ""), "deploys logs.web");
  assert.equal(await at("send", "--", "-"), "");
});

Deno.test("the options before the verb are those that are taken there", () => {
  const described = optionsOf(parserBeforeVerb()).map(({ long }) => long).filter((name) => GLOBAL_OPTIONS.has(name!));
  assert.deepEqual(described, [...GLOBAL_OPTIONS.keys()]);
});

Deno.test("unquoted() reads a word as a shell does", () => {
  for (
    const [typed, read] of [
      ["plain", "plain"],
      [`ipc\\ listen`, "ipc listen"],
      [`"ipc li`, "ipc li"],
      [`'a"\\'b`, `a"\\b`],
      [`"a\\"b"`, `a"b`],
    ] as const
  ) assert.equal(unquoted(typed), read);
});

Deno.test("completionText() leaves out what could command a terminal", () => {
  const candidates = [{ value: "a\x1b[2J", description: "" }, { value: "b", description: "c\td" }];
  assert.equal(completionText({ kind: "values", candidates }), ":values\nb\tc\\x09d\n");
});
