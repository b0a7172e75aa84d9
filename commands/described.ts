/**
 * The verbs as their own parsers describe them: what help, completion and manual pages are made from, so that none of
 * them can say anything else.
 *
 * @module
 */
import { programParser } from "./overview.ts";
import { type DescribedArgument, type DescribedOption, type DescribedParser, HelpRequested } from "./verb.ts";
import type { VerbEntry } from "./verbs.ts";

/** The parser of one verb. */
export async function parserOf(entry: VerbEntry): Promise<DescribedParser> {
  const { verb } = await entry.load();
  try {
    await verb.parse(["--help"]);
  } catch (error) {
    if (error instanceof HelpRequested) return error.parser;
    throw error;
  }
  throw new Error(`the parser of ${entry.name} has no --help`);
}

/** The parser of all that stands before the verb. */
export function parserBeforeVerb(): DescribedParser {
  return programParser();
}

/** Options as people may use them, `--help` included. */
export function optionsOf(parser: DescribedParser): readonly DescribedOption[] {
  return [...parser.options.filter(({ hidden }) => !hidden), HELP_OPTION];
}

/** Every parser has it, but does not name it. */
const HELP_OPTION: DescribedOption = {
  flags: "-h, --help",
  short: "-h",
  long: "--help",
  description: "print this",
  required: false,
  optional: false,
  negate: false,
  hidden: false,
};

/** What an option calls its value, `file` for `--file <file>`; `undefined` if it takes none. */
export function valueName({ flags }: DescribedOption): string | undefined {
  return /[<[]=?([^>\]]+)[>\]]/.exec(flags)?.[1]?.replace(/\.\.\.$/, "").toLowerCase();
}

/** Whether a command to run stands behind the `--` of a verb. */
export function takesCommand(parser: DescribedParser): boolean {
  return /-- <command>/.test(parser.usage());
}

/** How an argument is written: `<channel>`, `[file]`, `<channel...>`. */
export function argumentText(argument: DescribedArgument): string {
  const name = argument.name() + (argument.variadic ? "..." : "");
  return argument.required ? `<${name}>` : `[${name}]`;
}
