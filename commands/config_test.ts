import assert from "node:assert/strict";
import { fixedLimits } from "../config/fixed_limits.ts";
import * as constants from "../protocol/limits.ts";
import { describeLoaded, newFile } from "../config/describe.ts";
import { ConfigError } from "../config/errors.ts";
import { defaultValues, KEYS } from "../config/keys.ts";
import { loadSettings } from "../config/load.ts";
import { MEANINGS, writtenValue } from "../config/meanings.ts";
import { isChannelName } from "../protocol/channel_name.ts";
import { limitText, parseConfig, runConfig } from "./config.ts";
import { Failure } from "./exit_codes.ts";
import { type MemoryIo, memoryIo } from "./testing.ts";
import { UsageError } from "./verb.ts";

const page = await Deno.readTextFile(new URL("../docs/limits.md", import.meta.url));
const rows = page.split("\n").filter((line) => line.startsWith("| `")).map((line) =>
  line.split("|").slice(1, -1).map((cell) => cell.trim())
);

/** A directory of a test's own, and `ipc config` in it. */
function machine(env: Record<string, string> = {}) {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "ipc-config-" }));
  const io: MemoryIo = memoryIo({ cwd: root, env: { HOME: root, ...env } });
  return {
    root,
    io,
    run: (...argv: string[]) => runConfig(parseConfig(argv), io),
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}

Deno.test("fixedLimits() has every constant of protocol/limits.ts with its value and a unit that its name says", () => {
  const limits = fixedLimits();
  const named = Object.entries(constants).filter(([, value]) => typeof value === "number");
  assert.deepEqual(
    Object.fromEntries(limits.map(({ name, value }) => [name, value])),
    Object.fromEntries(named.map(([name, value]) => [name.toLowerCase(), value])),
  );
  for (const { name, unit } of limits) {
    if (unit !== "count") assert(name.split("_").includes(unit), `${name} is in ${unit}`);
  }
  assert(isChannelName("a".repeat(constants.CHANNEL_NAME_BYTES_MAX)));
  assert(!isChannelName("a".repeat(constants.CHANNEL_NAME_BYTES_MAX + 1)));
});

Deno.test("docs/limits.md has every fixed limit and every key's default, as ipc config shows them", () => {
  const limits = fixedLimits().map((limit) => [`\`${limit.name}\``, limitText(limit), limit.meaning]);
  const defaults = defaultValues("linux");
  const keys = KEYS.map((key) => [`\`${key}\``, `\`${writtenValue(key, defaults[key])}\``, MEANINGS[key].text]);
  assert.deepEqual(rows, [...limits, ...keys]);
});

Deno.test("ipc config show prints every key with its value and where that came from, and the fixed limits", async () => {
  using place = machine({ IPC_QUEUE: "1MiB" });
  const file = `${place.root}/ipc.toml`;
  Deno.writeTextFileSync(`${place.root}/tokens`, `a:${"0".repeat(64)}\n`);
  Deno.writeTextFileSync(
    file,
    `history = "3000000"\n[channels.deploys]\nqueue = "64KiB"\n[quota.tokens.a]\nrequests = 0\n` +
      `[[listen]]\ntcp = "127.0.0.1:0"\ntoken_file = "tokens"\n[access.send]\nallow = ["token:a"]\n[access]\ntoken_file = "tokens"\n`,
  );
  await place.run("show", "--json");
  const { files, keys, limits } = JSON.parse(place.io.stdout.text);
  assert.deepEqual(files, [file]);
  assert.deepEqual(limits, fixedLimits());
  const found = new Map<string, { value: string; from: string }>(
    keys.map((row: { key: string; value: string; from: string }) => [row.key, row]),
  );
  for (const key of KEYS) assert(found.has(key), key);
  const of = (key: string) => [found.get(key)?.value, found.get(key)?.from];
  assert.deepEqual(of("queue"), ['"1MiB"', "IPC_QUEUE"]);
  assert.deepEqual(of("history"), ['"3000000B"', file]);
  assert.deepEqual(of("max_message"), ['"16MiB"', "default"]);
  assert.deepEqual(of("channels.deploys.queue"), ['"64KiB"', file]);
  assert.deepEqual(of("quota.tokens.a.requests"), ["0", file]);
  assert.deepEqual(of("access.send.allow"), ['["token:a"]', file]);
  assert.match(of("listen 127.0.0.1:0")[0]!, /^tcp = "127\.0\.0\.1:0", token_file = ".*\/tokens"$/);
  assert(!place.io.stdout.text.includes("0".repeat(64)), "what stands in the files is not shown");
  const table = machine();
  await table.run("show");
  assert.match(table.io.stdout.text, /^KEY +VALUE +FROM +WHAT\nsocket_dir +"\/tmp" +default +where the sockets stand/);
  assert.match(table.io.stdout.text, /\nhandshakes_max +64 +connections that have not said HELLO/);
  table[Symbol.dispose]();
});

Deno.test("ipc config check says OK, or everything that is wrong, in the files that are named too", async () => {
  using place = machine();
  await place.run("check");
  assert.equal(place.io.stdout.text, "OK: no file is read, the defaults hold\n");
  const file = `${place.root}/new.toml`;
  Deno.writeTextFileSync(file, 'queue = "64KiB"\n');
  await place.run("check", file);
  assert(place.io.stdout.text.endsWith(`OK: ${file}\n`));
  Deno.writeTextFileSync(file, "quue = 1\nhistory = -1\n");
  await assert.rejects(place.run("check", file), (error: ConfigError) => error.problems.length === 2);
  Deno.writeTextFileSync(
    file,
    '[[listen]]\ntcp = "127.0.0.1:0"\ntoken_file = "none"\n[[listen]]\ntcp = "127.0.0.1:1"\ntoken_file = "nothing"\n',
  );
  await assert.rejects(place.run("check", file), (error: ConfigError) => {
    assert.deepEqual(error.problems.map(({ where }) => where), [`${place.root}/none`, `${place.root}/nothing`]);
    return error instanceof ConfigError;
  });
});

Deno.test("ipc config path says what is read and what is missing", async () => {
  using place = machine();
  Deno.writeTextFileSync(`${place.root}/ipc.toml`, "");
  await place.run("path", "--json");
  const places = JSON.parse(place.io.stdout.text);
  assert.deepEqual(places.slice(0, 2), [
    { path: `${place.root}/ipc.toml`, of: "project", exists: true },
    { path: `${place.root}/.config/ipc/config.toml`, of: "user", exists: false },
  ]);
  assert.equal(places[2].path, "/etc/ipc/config.toml");
  using named = machine({ IPC_CONFIG: "/no/such/file" });
  await named.run("path");
  assert.match(named.io.stdout.text, /^OF +IS +PATH\nnamed +missing +\/no\/such\/file\n$/);
});

Deno.test("ipc config init writes a file that holds the defaults, commented out, and leaves one that exists", async () => {
  using place = machine();
  await place.run("init");
  const file = `${place.root}/ipc.toml`, text = Deno.readTextFileSync(file);
  assert.equal(text, newFile(Deno.build.os));
  assert.equal(Deno.statSync(file).mode! & 0o022, 0);
  await place.run("check", file);
  await assert.rejects(place.run("init"), (error: Failure) => error.code === 78 && error.message.includes("it exists"));
  await place.run("init", "--user");
  assert.equal(Deno.readTextFileSync(`${place.root}/.config/ipc/config.toml`), text);
  await assert.rejects(place.run("init", "no/where.toml"), Failure);
  // With every line in force nothing changes.
  Deno.writeTextFileSync(file, text.replaceAll(/^# (?=[a-z_]+ = |\[)/gm, "").split("[channels.deploys]")[0]!);
  const options = { cwd: place.root, env: () => undefined };
  const written = await loadSettings({ ...options, config_file: file });
  const defaults = await loadSettings({ ...options, config_file: "/dev/null" });
  assert.deepEqual(written.values, defaults.values);
  assert.deepEqual(written.settings, defaults.settings);
  assert(describeLoaded(written).every(({ from }) => from === file));
});

Deno.test("ipc config refuses what cannot be meant", () => {
  for (
    const argv of [
      [],
      ["shown"],
      ["show", "file"],
      ["path", "file"],
      ["check", "--user"],
      ["init", "--json"],
      ["init", "--user", "file"],
    ]
  ) assert.throws(() => parseConfig(argv), UsageError, argv.join(" "));
});
