/**
 * `ipc listen`: prints the events of channels as they come, or runs a command for each.
 *
 * @module
 */
import { type Overflow, OVERFLOWS } from "../protocol/bodies.ts";
import { Option } from "@commander-js/extra-typings";
import { autostartWanted } from "./connection.ts";
import { DIRECTIVES_HELP, type EventFormat, jsonFormat, payloadFormat, textFormat } from "./event_format.ts";
import type { Io } from "./io.ts";
import { checkCommand } from "./run_command.ts";
import {
  argumentParser,
  countArgument,
  durationArgument,
  nameArgument,
  numberArgument,
  parseArguments,
  splitCommand,
  usageError,
  type Verb,
} from "./verb.ts";

/** Options of `ipc listen`. */
export interface ListenOptions {
  /** Channel names and globs. */
  channels: readonly string[];
  /** Leave after this many events. */
  count: number;
  /** Leave after this long. */
  timeout_ms: number;
  /** Leave when no event has come for this long. */
  idle_ms: number;
  /** One JSON object a line, gaps and presence included. */
  json: boolean;
  format: EventFormat;
  /** Whether the format shows the names of senders. */
  names: boolean;
  /** The command to run for each event; empty to print them. */
  command: readonly string[];
  /** How many commands run at once. */
  jobs: number;
  /** Tell who comes and goes. */
  presence: boolean;
  /** A gap is an error. */
  strict: boolean;
  overflow: Overflow | undefined;
  /** Begin with this many of the latest events. */
  last: number;
  /** File descriptor to write a line to when all is set up. */
  ready_fd: number | undefined;
  autostart: boolean;
  name: string;
}

export const verb: Verb<ListenOptions> = { parse: parseListen, run: runListen };

export function parseListen(argv: readonly string[]): ListenOptions {
  const parser = argumentParser("listen", "Print the events of channels as they come, or run a command for each.", [
    "ipc listen deploys",
    "ipc listen --json 'sensor.*' | jq .data",
    "ipc listen -n 1 -t 30s deploys",
    "ipc listen deploys -- notify-send Deployed",
  ])
    .usage("[options] <channel or glob>... [-- <command> [argument...]]")
    .argument("<channel...>", "names, or globs with * ? [a-z]; channels that appear later are included")
    .option("-n, --count <n>", "leave after this many events", countArgument, Infinity)
    .option("-t, --timeout <duration>", "leave with 124 after this long", durationArgument, Infinity)
    .option("--idle <duration>", "leave when no event has come for this long", durationArgument, Infinity)
    .option("--json", "print one JSON object a line: channel, seq, source, name, time, data")
    .option("-0, --null", "end each event with a NUL byte instead of a line feed")
    .option("--raw", "print payloads and nothing else, not even line feeds")
    .option("-F, --format <text>", `print this for each: ${DIRECTIVES_HELP}`)
    .option("--exec <command>", "run this in a shell for each event, the payload on its standard input")
    .option("--jobs <n>", "how many commands may run at once", countArgument, 1)
    .option("--presence", "tell who comes and goes, on standard error or, with --json, as objects")
    .option("--strict", "exit 1 when events were missed")
    .addOption(new Option("--overflow <policy>", "when this listener is too slow").choices(OVERFLOWS))
    .option("--last <n>", "begin with this many of the latest events, as far as the broker has them", numberArgument, 0)
    .option("--ready-fd <n>", "write a line to this file descriptor once nothing can be missed", numberArgument)
    .option("--no-autostart", "exit 69 if no broker runs, instead of starting one")
    .option("--name <name>", "what others see as the listener's name", nameArgument, "ipc listen");
  const { own, command } = splitCommand(argv);
  const { args: [channels], options } = parseArguments(parser, own);
  const chosen = (["json", "raw", "format", "exec"] as const).filter((name) => options[name] !== undefined);
  if (chosen.length > 1) throw usageError(parser, `--${chosen[0]} and --${chosen[1]} exclude each other`);
  if (options.raw && options.null) throw usageError(parser, "--raw and --null exclude each other");
  if (command.length > 0 && chosen.length > 0) {
    throw usageError(parser, `--${chosen[0]} and a command exclude each other`);
  }
  const run = options.exec === undefined ? command : ["/bin/sh", "-c", options.exec];
  const terminator = options.raw ? "" : options.null ? "\0" : "\n";
  let format: EventFormat;
  try {
    if (options.json) format = jsonFormat(terminator);
    else if (options.format !== undefined) format = textFormat(options.format, terminator);
    else format = payloadFormat(terminator, options.raw ?? false);
  } catch (error) {
    throw usageError(parser, `--format: ${(error as Error).message}`);
  }
  return {
    channels,
    count: options.count,
    timeout_ms: options.timeout,
    idle_ms: options.idle,
    json: options.json ?? false,
    format,
    names: options.json === true || /%[nj]/.test(options.format ?? "") || run.length > 0,
    command: run,
    jobs: options.jobs,
    presence: options.presence ?? false,
    strict: options.strict ?? false,
    overflow: options.overflow,
    last: options.last,
    ready_fd: options.readyFd,
    autostart: options.autostart,
    name: options.name,
  };
}

export async function runListen(options: ListenOptions, io: Io): Promise<number> {
  if (options.command.length > 0) await checkCommand(options.command[0]!, io.env("PATH"));
  const { Listening } = await import("./listening.ts");
  await using listening = new Listening({ ...options, autostart: autostartWanted(options.autostart, io) }, io);
  return await listening.run();
}
