/**
 * `ipc wait`: until something is so on a channel. If it is so already, it is done at once: what is waited for is a state,
 * and whether it began before or after the command was started makes no difference.
 *
 * @module
 */
import type { AwaitedState } from "./awaited.ts";
import type { Io } from "./io.ts";
import { argumentParser, durationArgument, nameArgument, parseArguments, usageError, type Verb } from "./verb.ts";

/** Options of `ipc wait`. */
export interface WaitOptions {
  channel: string;
  state: AwaitedState;
  /** How long to wait; 0 is not at all. */
  timeout_ms: number;
  /** Only look. */
  no_wait: boolean;
  name: string;
}

export const verb: Verb<WaitOptions> = { parse: parseWait, run: runWait };

export function parseWait(argv: readonly string[]): WaitOptions {
  const parser = argumentParser("wait", "Wait until something is so on a channel; if it is so already, no longer.", [
    "ipc wait jobs --handler && ipc request jobs build",
    "ipc wait deploys --client web-1 -t 30s",
    "ipc wait deploys --message --match live",
    "ipc wait logs --idle 10s",
  ])
    .argument("<channel>", "its name")
    .option("--listener", "another client listens there")
    .option("--handler", "another client answers requests there")
    .option("--client <name>", "a client of this name is there", nameArgument)
    .option("--message", "a message comes, or is retained there; it is printed")
    .option("--match <text>", "with --message: one that contains this text")
    .option("--regex <regex>", "with --message: one that this regular expression of JavaScript fits")
    .option("--idle <duration>", "no message has come for this long", durationArgument)
    .option("-t, --timeout <duration>", "exit 124 if it is not so after this long", durationArgument, Infinity)
    .option("-n, --no-wait", "do not wait: exit 1 if it is not so now")
    .option("--name <name>", "what others see as this client's name", nameArgument, "ipc wait");
  const { args: [channel], options } = parseArguments(parser, argv);
  const wanted = (["listener", "handler", "client", "message", "idle"] as const)
    .filter((name) => options[name] !== undefined);
  const choice = options.match !== undefined ? "match" : options.regex !== undefined ? "regex" : undefined;
  if (choice !== undefined && !options.message) throw usageError(parser, `--${choice} is for --message`);
  if (wanted.length === 0) {
    throw usageError(parser, "what to wait for is missing: --listener, --handler, --client, --message or --idle");
  }
  if (wanted.length > 1) throw usageError(parser, `--${wanted[0]} and --${wanted[1]} exclude each other`);
  if (options.client === "") throw usageError(parser, "--client: the name to wait for is empty");
  if (options.match !== undefined && options.regex !== undefined) {
    throw usageError(parser, "--match and --regex exclude each other");
  }
  if (options.idle === Infinity) throw usageError(parser, "--idle needs a duration: for ever is never over");
  let fits: (text: string) => boolean = () => true;
  if (options.match !== undefined) {
    const text = options.match;
    fits = (message) => message.includes(text);
  } else if (options.regex !== undefined) {
    try {
      const regex = new RegExp(options.regex, "su");
      fits = (message) => regex.test(message);
    } catch (error) {
      throw usageError(parser, `--regex: ${(error as Error).message}`);
    }
  }
  const what = wanted[0]!;
  return {
    channel,
    state: what === "client"
      ? { what, name: options.client! }
      : what === "message"
      ? { what, fits }
      : what === "idle"
      ? { what, idle_ms: options.idle! }
      : { what },
    timeout_ms: options.timeout,
    no_wait: !options.wait,
    name: options.name,
  };
}

export async function runWait(options: WaitOptions, io: Io): Promise<number> {
  const { awaitState } = await import("./awaited.ts");
  return await awaitState(options, io);
}
