/**
 * What a verb of the command line is: a step that turns arguments into an options object, and a step that runs with it.
 * Both can be tested alone: the first as a table of argument lists, the second with streams in memory.
 *
 * @module
 */
import {
  Command,
  CommanderError,
  Help,
  InvalidArgumentError,
  Option,
  type OptionValues,
} from "@commander-js/extra-typings";
import { closest } from "../config/suggest.ts";
import { formatDuration, parseDuration } from "../config/units.ts";
import { checkClientName } from "../protocol/bodies.ts";
import { COORDINATED_MAX } from "../protocol/limits.ts";
import { GLOBAL_OPTIONS } from "./broker_options.ts";
import type { Io } from "./io.ts";
import { itemsText, itemText } from "./wrapping.ts";

/** One verb. Its module exports it as `verb`. */
export interface Verb<Options> {
  /**
   * @param argv What stands behind the verb.
   * @returns The options; a promise of them where a parser is only loaded for arguments that need one.
   * @throws {UsageError | HelpRequested}
   */
  parse(argv: readonly string[]): Options | Promise<Options>;
  /** @returns The exit code. */
  run(options: Options, io: Io): Promise<number>;
}

/** The command line is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** @param help What the right one looks like, to be printed after the message. */
  constructor(message: string, readonly help: string) {
    super(message);
  }
}

/** Help was asked for; the message is its text. */
export class HelpRequested extends Error {
  override readonly name = "HelpRequested";
  /**
   * @param parser Whose help.
   * @param textFor The same for lines of another width.
   */
  constructor(message: string, readonly parser: DescribedParser, readonly textFor: (columns: number) => string) {
    super(message);
  }
}

/** Where help goes on to the next line, if it is not for a terminal. */
export const HELP_COLUMNS = 100;

/** Lines for the end of a parser's help. */
const EXAMPLES = new WeakMap<object, readonly string[]>();

/**
 * A parser of one verb's arguments. It writes nothing and ends nothing: see {@linkcode parseArguments}.
 *
 * @param name The verb, `send`.
 * @param description What it does, for its help.
 * @param examples Lines for the end of its help.
 */
export function argumentParser(name: string, description: string, examples: readonly string[] = []): Command {
  const parser = new Command(`ipc ${name}`)
    .description(description)
    .helpOption("-h, --help", "print this")
    .allowExcessArguments(false)
    .exitOverride()
    .configureHelp({
      minWidthToWrap: 10,
      formatItem: (term, columns, description, { helpWidth }) =>
        itemText(term, columns, description, helpWidth ?? HELP_COLUMNS),
      optionDescription(option) {
        const text = defaultText(option);
        if (text === undefined && option.defaultValue !== undefined) return option.description;
        if (text !== undefined) option.defaultValueDescription = text;
        return Help.prototype.optionDescription.call(this, option);
      },
    });
  EXAMPLES.set(parser, examples);
  if (examples.length > 0) {
    parser.addHelpText(
      "after",
      `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`,
    );
  }
  return parser;
}

/** An option's default as one would write it; `undefined` for none, for what is without end and for an empty list. */
export function defaultText({ flags, defaultValue }: DescribedOption): string | undefined {
  if (typeof defaultValue === "string") return JSON.stringify(defaultValue);
  if (typeof defaultValue !== "number" || defaultValue === Infinity) return undefined;
  return flags.endsWith("<duration>") ? formatDuration(defaultValue) : String(defaultValue);
}

/** What keys do while a verb runs, for the end of its help. */
const KEYS = new WeakMap<object, Items>();

/** Terms, each with its description. */
type Items = readonly (readonly [term: string, description: string])[];

/** Adds to a parser's help what keys do. */
export function describeKeys(parser: Command, keys: Items): Command {
  KEYS.set(parser, keys);
  parser.addHelpText("after", () => {
    const columns = parser.configureOutput().getOutHelpWidth?.() ?? HELP_COLUMNS;
    return `\nKeys:\n${itemsText(keys, columns).trimEnd()}`;
  });
  return parser;
}

/** What keys do, as {@linkcode describeKeys} was told. */
export function keysOf(parser: DescribedParser): Items {
  return KEYS.get(parser) ?? [];
}

/** The examples that a parser was made with. */
export function examplesOf(parser: DescribedParser): readonly string[] {
  return EXAMPLES.get(parser) ?? [];
}

/**
 * Runs a parser.
 *
 * @throws {UsageError} If the arguments are not what the parser takes.
 * @throws {HelpRequested} If they ask for help.
 */
export function parseArguments<Args extends unknown[], Options extends OptionValues>(
  parser: Command<Args, Options>,
  argv: readonly string[],
): { args: Args; options: Options } {
  let help = "", width = HELP_COLUMNS;
  parser.configureOutput({
    writeOut: (text) => help += text,
    writeErr: () => {},
    getOutHelpWidth: () => width,
    getErrHelpWidth: () => width,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  try {
    parser.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) {
      throw new HelpRequested(help, parser, (columns) => {
        [help, width] = ["", columns];
        parser.outputHelp();
        return help;
      });
    }
    throw new UsageError(mistakeText(error, parser, argv), usageOf(parser));
  }
  return { args: parser.processedArgs as Args, options: parser.opts() as Options };
}

/** What is wrong, and what was probably meant. */
function mistakeText({ code, message }: CommanderError, parser: DescribedParser, argv: readonly string[]): string {
  const text = message.replace(/^error: /, "");
  const choice = /^command-argument value '(.*)' is invalid for .*\. Allowed choices are (.*)\.$/s.exec(text);
  if (choice !== null) {
    const value = choice[1]!, choices = choice[2]!, guess = closest(value, choices.split(", "));
    return `'${value}' is none of ${choices}${guess === undefined ? "" : `\n(Did you mean ${guess}?)`}`;
  }
  const before = /^unknown option '(--[^'=]+)[=']/.exec(text)?.[1];
  if (before !== undefined && GLOBAL_OPTIONS.has(before)) {
    const [, verb] = parser.name().split(" ");
    return `option '${before}' stands before the verb: ipc ${before} <value> ${verb} ...`;
  }
  const advice = adviceFor(code, text, parser.usage(), argv);
  return advice === undefined ? text : `${text}\n(${advice}.)`;
}

/** What to do about arguments or options that a parser does not know, if its usage tells. */
function adviceFor(code: string, text: string, usage: string, argv: readonly string[]): string | undefined {
  const too_many = code === "commander.excessArguments";
  if (!too_many && (code !== "commander.unknownOption" || text.includes("Did you mean"))) return undefined;
  if (usage.includes("-- <command>")) return "A command to run, with its options, stands behind --";
  if (!usage.includes("[message]")) return undefined;
  if (!too_many) return argv[0]!.startsWith("-") ? undefined : "A message that begins with - stands behind --";
  const waits = argv.includes("--wait=infinity");
  return waits ? "How long to wait is written --wait=5s" : "A message of several words needs quotes";
}

/** Fails the way the parser itself does, for what only shows when all options are known. */
export function usageError(parser: NamedParser, message: string): UsageError {
  return new UsageError(message, usageOf(parser));
}

/** What is asked of a parser for a message. All of its type would take the compiler minutes to compare. */
export interface NamedParser {
  name(): string;
  usage(): string;
}

/** What a parser says about itself: for help, completion and manual pages. */
export interface DescribedParser extends NamedParser {
  description(): string;
  readonly registeredArguments: readonly DescribedArgument[];
  readonly options: readonly DescribedOption[];
}

/** An argument of a {@linkcode DescribedParser}. */
export interface DescribedArgument {
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly argChoices?: string[] | undefined;
  readonly defaultValue?: unknown;
  name(): string;
}

/** An option of a {@linkcode DescribedParser}. */
export interface DescribedOption {
  readonly flags: string;
  readonly description: string;
  readonly short?: string | undefined;
  readonly long?: string | undefined;
  /** It takes a value. */
  readonly required: boolean;
  /** It may take a value. */
  readonly optional: boolean;
  readonly negate: boolean;
  readonly hidden: boolean;
  readonly argChoices?: string[] | undefined;
  readonly defaultValue?: unknown;
}

function usageOf(parser: NamedParser): string {
  return `Usage: ${parser.name()} ${parser.usage()}\nTry "${parser.name()} --help".`;
}

/** Reads a duration: `500ms`, `5s`, `2m`, `1h`, a bare number of seconds; `0` and `infinity` are none. */
export function durationArgument(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Reads a name for this client. */
export function nameArgument(text: string): string {
  try {
    return checkClientName(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Reads a whole number from 1 up. */
export function countArgument(text: string): number {
  return wholeNumber(text, 1);
}

/** Reads a whole number from 1 to as many as a broker lets wait for each other. */
export function partiesArgument(text: string): number {
  return wholeNumber(text, 1, COORDINATED_MAX);
}

/** Reads a whole number from 0 up. */
export function numberArgument(text: string): number {
  return wholeNumber(text, 0);
}

function wholeNumber(text: string, least: number, most = Infinity): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (number >= least && number <= most) return number;
  throw new InvalidArgumentError(`It must be a whole number from ${least} ${most === Infinity ? "up" : `to ${most}`}.`);
}

/**
 * Splits off a command to run: what stands behind the first `--`.
 *
 * @returns `command` is empty if there is no `--`.
 */
export function splitCommand(argv: readonly string[]): { own: readonly string[]; command: readonly string[] } {
  const at = argv.indexOf("--");
  return at < 0 ? { own: argv, command: [] } : { own: argv.slice(0, at), command: argv.slice(at + 1) };
}

/** The option `--wait[=DURATION]`. Its value must be attached, so that `--wait CHANNEL` waits for as long as it takes. */
export function waitOption(what: string): Option<"--wait <duration>", undefined, undefined, number> {
  const option = new Option("--wait <duration>", `wait ${what} first (and for a broker), for this long or for ever`)
    .argParser(durationArgument);
  option.flags = "--wait[=DURATION]";
  return option;
}

/** Gives a bare `--wait` the value that it stands for. */
export function withBareWait(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return argv.map((text, at) => text === "--wait" && (end < 0 || at < end) ? "--wait=infinity" : text);
}
