/**
 * Tables of what is there: the same text in a pipe, in a file and on any terminal, and columns that stand where they
 * should whatever clients call themselves.
 *
 * @module
 */
import assert from "node:assert/strict";
import { displayWidth } from "../../commands/display_width.ts";
import { CliSandbox } from "./sandbox.ts";

/** Where the text goes; COMMAND stands for what writes it. */
const PLACES: readonly (readonly [where: string, command: string])[] = [
  ["pipe", "COMMAND | cat >got"],
  ["file, no colour", "NO_COLOR=1 COMMAND >got"],
  ["terminal of 40 columns", "script -qec 'stty cols 40 -opost; COMMAND' /dev/null </dev/null >got"],
  ["dumb terminal of 200 columns", "TERM=dumb script -qec 'stty cols 200 -opost; COMMAND' /dev/null </dev/null >got"],
  ["terminal without colour", "NO_COLOR=1 script -qec 'stty -opost; COMMAND' /dev/null </dev/null >got"],
];

/** Names that clients give themselves, and how they are shown. */
const NAMES: readonly (readonly [name: string, shown: string])[] = [
  ["plain", "plain"],
  ["東京", "東京"],
  ["e\u0301te\u0301", "e\u0301te\u0301"],
  ["🚀", "🚀"],
];

/** Takes out what is another thing each time. */
const SETTLED: Readonly<Record<string, (text: string) => string>> = {
  "ipc clients": (text) => text.replaceAll(/ +\S+$/gm, ""),
  "ipc inspect x": (text) => text.replaceAll(/ +\S+$/gm, ""),
  "ipc stats": (text) => text.replaceAll(/\d[\d.]*(?:[KMG]?i?B|m?s)?/g, "N"),
};

Deno.test("ipc channels, clients, inspect, stats and config print the same everywhere", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  for (const [name] of NAMES) await cli.listen(`--name '${name}' x`);
  await cli.listen("--name z a-longer-name-of-a-channel");
  for (const command of ["ipc channels", "ipc clients", "ipc inspect x", "ipc stats", "ipc config show"]) {
    const texts: string[] = [];
    for (const [where, line] of PLACES) {
      const { code, stderr } = await cli.sh(line.replace("COMMAND", command));
      assert.deepEqual([code, stderr], [0, ""], `${command}: ${where}`);
      texts.push((SETTLED[command] ?? String)(Deno.readTextFileSync(`${cli.directory}/got`)));
    }
    for (const [at, text] of texts.entries()) assert.equal(text, texts[0], `${command}: ${PLACES[at]![0]}`);
  }
  assert.equal(
    (await cli.sh("ipc channels")).stdout,
    "CHANNEL                     CLIENTS  LISTENERS  HANDLERS  EVENTS  REQUESTS  PER SECOND\n" +
      "a-longer-name-of-a-channel        1          1         0       0         0           0\n" +
      "x                                 4          4         0       0         0           0\n",
  );
  const [heading, ...lines] = (await cli.sh("ipc clients x")).stdout.trimEnd().split("\n");
  const column = heading!.indexOf("NAME");
  assert.deepEqual(lines.map((line) => line.slice(column).split(/ {2,}/)[0]), NAMES.map(([, shown]) => shown));
  const roles = new Set(lines.map((line) => displayWidth(line.slice(0, line.indexOf("listen")))));
  assert.deepEqual([...roles], [heading!.indexOf("ROLES")]);
  // What could command a terminal is no name.
  const refused = await cli.sh(`ipc listen --name "$(printf 'red\\033[31m')" x`);
  assert.equal(refused.code, 64);
  assert.match(refused.stderr, /control characters/);
  assert(!refused.stderr.includes("\x1b"), refused.stderr);
});
