/**
 * The options that say what a message is and where it comes from, the same for `send` and `request`.
 *
 * @module
 */
import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import type { MessageOptions } from "./options.ts";
import { inputPath } from "../special_files.ts";
import {
  argumentParser,
  nameArgument,
  type NamedParser,
  parseArguments,
  usageError,
  waitOption,
  withBareWait,
} from "../verb.ts";

/** What differs between the verbs that take a message. */
export interface MessageVerb {
  /** The verb, `send`. */
  name: string;
  description: string;
  examples: readonly string[];
  /** Whom `--wait` waits for: `a listener`. */
  awaited: string;
  /** Whose name `--name` is, and who sees it. */
  named: string;
}

/** A parser that has the shared options. Its inferred type would take the compiler minutes to write down. */
type MessageParser = Command<[string, string | undefined], ParsedMessageOptions>;

/** A verb's parser with the shared options. */
export function messageParser({ name, description, examples, awaited, named }: MessageVerb): MessageParser {
  const complete: unknown = argumentParser(name, description, examples)
    .argument("<channel>", "where to")
    .argument("[message]", "what; without it, or as -, standard input is read")
    .option("-f, --file <path>", "read the message from a file; - is standard input")
    .option("-l, --lines", "each line is a message, sent as it comes, without its line feed")
    .option("-0, --null", "each record that ends in a NUL byte is a message")
    .option("-H, --header <key:value>", "put beside the message; may be repeated", addHeader, new Map<string, string>())
    .option("--json", "the message is JSON")
    .option("--text", "the message is text: refuse what is not UTF-8")
    .option("--bytes", "the message is bytes; without any of these it is text if it is UTF-8, else bytes")
    .addOption(waitOption(`for ${awaited}`))
    .option("--name <name>", named, nameArgument, `ipc ${name}`);
  return complete as MessageParser;
}

/** What {@linkcode messageParser} parses to. A type, because an interface has no index signature. */
type ParsedMessageOptions = {
  file?: string;
  lines?: true;
  null?: true;
  header: Map<string, string>;
  json?: true;
  text?: true;
  bytes?: true;
  wait?: number;
  name: string;
};

/** Runs a parser that {@linkcode messageParser} has begun. @throws {UsageError | HelpRequested} */
export function parseMessage<Options extends ParsedMessageOptions>(
  parser: Command<[string, string | undefined], Options>,
  argv: readonly string[],
): { message: MessageOptions; options: Options } {
  const { args, options } = parseArguments(parser, withBareWait(argv));
  return { message: messageOptions(parser, args, options), options };
}

function messageOptions(
  parser: NamedParser,
  args: readonly [string, string | undefined],
  parsed: ParsedMessageOptions,
): MessageOptions {
  const [channel, message] = args;
  const encodings = (["json", "text", "bytes"] as const).filter((encoding) => parsed[encoding]);
  if (encodings.length > 1) throw usageError(parser, `--${encodings[0]} and --${encodings[1]} exclude each other`);
  if (parsed.lines && parsed.null) throw usageError(parser, "--lines and --null exclude each other");
  const records = parsed.lines ? "lines" : parsed.null ? "null" : "whole";
  const options: MessageOptions = {
    channel,
    message: undefined,
    file: inputPath(parsed.file ?? "-"),
    records,
    encoding: encodings[0] ?? "auto",
    headers: parsed.header,
    wait_ms: parsed.wait,
    name: parsed.name,
  };
  if (message === undefined || message === "-") return options;
  if (parsed.file !== undefined) throw usageError(parser, "a message and --file exclude each other");
  if (records !== "whole") throw usageError(parser, `--${records} reads standard input or --file, not a message`);
  return { ...options, message };
}

function addHeader(text: string, headers: Map<string, string>): Map<string, string> {
  const colon = text.indexOf(":");
  if (colon < 1) throw new InvalidArgumentError("It must be KEY:VALUE.");
  return new Map(headers).set(text.slice(0, colon).trim(), text.slice(colon + 1).trim());
}
