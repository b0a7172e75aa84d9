/**
 * `ipc help`: the overview, the help of a verb, or a topic that is about more than one verb.
 *
 * @module
 */
import { Argument } from "@commander-js/extra-typings";
import { closest } from "../config/suggest.ts";
import { EXIT } from "./exit_codes.ts";
import { TOPICS } from "./help/topics.ts";
import type { Io } from "./io.ts";
import { programParser } from "./overview.ts";
import {
  argumentParser,
  HELP_COLUMNS,
  HelpRequested,
  parseArguments,
  type UsageError,
  usageError,
  type Verb,
} from "./verb.ts";
import { VERBS } from "./verbs.ts";
import { itemsText } from "./wrapping.ts";

/** Options of `ipc help`. */
export interface HelpOptions {
  /** A verb or topic; `undefined` is the overview. */
  about: string | undefined;
}

export const verb: Verb<HelpOptions> = { parse: parseHelp, run: runHelp };

const KNOWN: readonly string[] = [...VERBS, ...TOPICS].map(({ name }) => name);

export function parseHelp(argv: readonly string[]): HelpOptions {
  const argument = new Argument("[verb-or-topic]", "what about").choices(KNOWN);
  const parser = argumentParser("help", "Print the help of a verb, or about a topic.", [
    "ipc help send",
    "ipc help exit-codes",
  ]).addArgument(argument);
  argument.argParser((name) => name); // what is unknown gets a suggestion below instead of all that is known
  const { args: [about] } = parseArguments(parser, argv);
  if (about === undefined || KNOWN.includes(about)) return { about };
  throw unknown(about);
}

function unknown(name: string): UsageError {
  const guess = closest(name, KNOWN);
  const advice = guess === undefined ? "" : `\n(Did you mean ${guess}?)`;
  return usageError(programParser(), `unknown verb or topic '${name}'${advice}`);
}

export async function runHelp({ about }: HelpOptions, io: Io): Promise<number> {
  const columns = io.stdout.columns ?? HELP_COLUMNS;
  const topic = TOPICS.find(({ name }) => name === about), entry = VERBS.find(({ name }) => name === about);
  if (topic !== undefined) io.stdout.write(await topic.text(columns, io));
  else if (entry !== undefined) io.stdout.write(await helpOf((await entry.load()).verb, columns));
  else {
    const topics = itemsText(TOPICS.map(({ name, summary }) => [name, summary]), columns);
    const overview = await helpOf({ parse: (argv) => parseArguments(programParser(), argv) }, columns);
    io.stdout.write(`${overview}\nTopics:\n${topics}`);
  }
  return EXIT.OK;
}

async function helpOf({ parse }: { parse(argv: readonly string[]): unknown }, columns: number): Promise<string> {
  try {
    await parse(["--help"]);
  } catch (error) {
    if (error instanceof HelpRequested) return error.textFor(columns);
    throw error;
  }
  throw new Error("a parser without --help");
}
