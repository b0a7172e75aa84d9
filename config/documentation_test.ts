import { CHANNEL_KEYS, defaultValues, type Key, KEYS, QUOTA_KEYS, variableOf } from "./keys.ts";
import { LISTEN_KEYS } from "./listen.ts";
import { ACCESS_ACTIONS } from "./access.ts";
import { assertHolds, assertIs, assertJson, machine } from "./testing.ts";
import { formatBytes, formatDuration } from "./units.ts";

const page = await Deno.readTextFile(new URL("../docs/configuration.md", import.meta.url));
const cells = page.split("\n").filter((line) => line.startsWith("| `")).map((line) =>
  line.split("|").slice(1, -1).map((cell) => cell.trim())
);

const meanings = page.slice(page.indexOf("## Keys"), page.indexOf("### `[channels.<name>]`"));

const SIZES: ReadonlySet<Key> = new Set(["max_message", "queue", "history", "memory", "quota.queued"]);
const COUNTS: ReadonlySet<Key> = new Set(["quota.connections", "quota.requests", "quota.channels"]);

/** From a heading to the next. */
function sectionOf(heading: string): string {
  const [, section] = page.split(`${heading}\n`);
  return section!.split(/^##/m)[0]!;
}

/** A default as the page writes it. */
function written(key: Key): string {
  const value = defaultValues("linux")[key];
  if (typeof value === "boolean") return String(value);
  if (COUNTS.has(key)) return String(value);
  return JSON.stringify(typeof value === "number" ? (SIZES.has(key) ? formatBytes : formatDuration)(value) : value);
}

for (const key of KEYS) {
  Deno.test(`docs/configuration.md has ${key} with its default and variable`, () => {
    const rows = cells.filter(([name]) => name === `\`${key}\``);
    assertIs(rows.length, 1, `rows for ${key}`);
    assertIs(rows[0]![2], `\`${written(key)}\``);
    assertIs(rows[0]![3], `\`${variableOf(key)}\``);
    const items = meanings.split("\n").filter((line) => line.startsWith("- `"));
    assertIs(items.filter((line) => line.split(": ")[0]!.includes(`\`${key}\``)).length, 1, `explanations of ${key}`);
  });
}

Deno.test("docs/configuration.md names no key that does not exist", () => {
  const settings = cells.filter(([, , , variable]) => variable !== undefined).map(([name]) =>
    name!.replaceAll("`", "")
  );
  assertIs(settings.join(), KEYS.join());
});

Deno.test("docs/configuration.md names the keys that a channel may have", () => {
  const section = sectionOf("### `[channels.<name>]`");
  for (const key of KEYS) {
    assertIs(section.includes(`\`${key}\``), (CHANNEL_KEYS as readonly Key[]).includes(key), key);
  }
});

Deno.test("docs/configuration.md names the keys that a token may have", () => {
  const section = sectionOf("### Quotas");
  for (const key of QUOTA_KEYS) assertHolds(section, `\`${key.slice("quota.".length)}\``);
});

Deno.test("docs/configuration.md has every key of a listener", () => {
  const section = sectionOf("### `[[listen]]`");
  const rows = cells.filter(([name]) => section.includes(`| ${name} `)).map(([name]) => name!.replaceAll("`", ""));
  assertIs(rows.sort().join(), [...LISTEN_KEYS].sort().join());
});

Deno.test("docs/configuration.md has an example that loads", async () => {
  using place = machine();
  const example = /```toml\n([\s\S]*?)```/.exec(sectionOf("## Example"))![1]!;
  const { settings } = await place.load({}, { config_file: place.write("example.toml", example) });
  assertIs(settings.socket_dir, "/run/ipc");
  assertIs(settings.log.format, "json");
  assertIs(settings.channels.get("deploys")?.history_bytes, 16 * 1024 * 1024);
  assertIs(settings.channels.get("metrics.cpu")?.overflow, "drop");
  assertIs(settings.listen[0]?.port, 7410);
  assertHolds(example, "[channels.deploys]");
});

Deno.test("docs/configuration.md has access rules that load, and every action", async () => {
  using place = machine();
  const section = page.slice(page.indexOf("## Access"), page.indexOf("### Tokens"));
  const file = place.write("access.toml", /```toml\n([\s\S]*?)```/.exec(section)![1]!);
  const { settings: { access } } = await place.load({}, { config_file: file });
  assertIs(access.token_file, `${place.root}/tokens`);
  assertJson([...access.channels.keys(), ...access.globs[0]!.channels], ["deploys", "logs.*", "metrics.*"]);
  assertJson(access.globs[0]!.table.handle, { allow: [] });
  for (const action of ACCESS_ACTIONS) assertHolds(section, `\n| \`${action}\``);
});
