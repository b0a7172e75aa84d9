/**
 * What `ipc help` says about more than one verb, from the same tables that the program goes by.
 *
 * @module
 */
import { allPlaces } from "../../config/files.ts";
import { defaultValues, KEYS, variableOf } from "../../config/keys.ts";
import { MEANINGS, writtenValue } from "../../config/meanings.ts";
import { optionsOf, parserOf } from "../described.ts";
import { EXIT_MEANINGS, OTHER_CODES } from "./exit_meanings.ts";
import type { Io } from "../io.ts";
import { OTHER_VARIABLES } from "./variables.ts";
import { VERBS } from "../verbs.ts";
import { itemsText, wrapText } from "../wrapping.ts";

/** A topic. */
export interface HelpTopic {
  name: string;
  summary: string;
  text(columns: number, io: Io): string | Promise<string>;
}

/** In the order in which they are listed. */
export const TOPICS: readonly HelpTopic[] = [
  { name: "exit-codes", summary: "what each exit code means", text: exitCodes },
  { name: "configuration", summary: "where it is read from, and every key", text: configuration },
  { name: "environment", summary: "every variable that is looked at", text: environment },
  { name: "formats", summary: "how events are printed, and how sizes and durations are written", text: formats },
];

function paragraph(text: string, columns: number): string {
  return `${wrapText(text, columns).join("\n")}\n`;
}

function exitCodes(columns: number): string {
  const items = EXIT_MEANINGS.map(([code, meaning]) => [String(code), meaning] as const);
  return `Exit codes:\n${itemsText(items, columns)}\n${paragraph(OTHER_CODES, columns)}`;
}

function configuration(columns: number, io: Io): string {
  const defaults = defaultValues(Deno.build.os);
  const files = allPlaces({ cwd: io.cwd(), env: io.env }).map(({ of, path, exists }) =>
    [of, exists ? path : `${path} (missing)`] as const
  );
  return [
    paragraph(
      "What is set first wins, key by key: options before the verb, IPC_* variables, these files (a profile only " +
        "with --profile NAME), the defaults.",
      columns,
    ),
    `Files:\n${itemsText(files, columns)}`,
    `Keys:\n${
      itemsText(KEYS.map((key) => [`${key} = ${writtenValue(key, defaults[key])}`, MEANINGS[key].text]), columns)
    }`,
    paragraph(
      "[channels.NAME] holds what is different for a channel, [quota.tokens.NAME] for a token, [access] who may do " +
        'what, [[listen]] addresses on the network. "ipc config init" writes a file with all keys, "ipc config show" ' +
        "says what holds and why.",
      columns,
    ),
  ].join("\n");
}

function environment(columns: number): string {
  const settings = KEYS.map((key) => [variableOf(key), `${MEANINGS[key].text} (${key})`] as const);
  return `Settings, as in a file:\n${itemsText(settings, columns)}\nOther variables:\n${
    itemsText(OTHER_VARIABLES, columns)
  }`;
}

/** Options of `listen` that say how an event is printed. */
const FORMAT_OPTIONS = ["--json", "--null", "--raw", "--format"];

async function formats(columns: number): Promise<string> {
  const listen = await parserOf(VERBS.find(({ name }) => name === "listen")!);
  const options = optionsOf(listen).filter(({ long }) => FORMAT_OPTIONS.includes(long ?? ""));
  return [
    paragraph("ipc listen prints an event's payload and a line feed, unless it is told otherwise:", columns),
    itemsText(options.map(({ flags, description }) => [flags, description]), columns),
    "Written values:",
    itemsText([
      ["durations", "500ms, 5s, 2m, 1h; a bare number is seconds; 0 or infinity is none"],
      ["sizes", "64KiB, 16MiB, 1GiB are powers of 1024, 64kB, 16MB, 1GB of 1000; a bare number is bytes"],
      ["globs", "* any characters, ? one, [a-z] one of these"],
    ], columns),
  ].join("\n");
}
