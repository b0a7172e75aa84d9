/**
 * `ipc listen`: prints the events of channels as they come, or runs a command for each.
 *
 * @module
 */
import { isGlob } from "../protocol/channel_name.ts";
import { type Overflow, OVERFLOWS } from "../protocol/bodies.ts";
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { autostartWanted } from "./connection.ts";
import type { EventCommandsOptions } from "./events/commands.ts";
import { type EventFormat, jsonFormat, payloadFormat } from "./events/format.ts";
import type { Io } from "./io.ts";
import { checkCommand } from "./run_command.ts";
import {
  argumentParser,
  countArgument,
  durationArgument,
  nameArgument,
  type NamedParser,
  numberArgument,
  parseArguments,
  splitCommand,
  usageError,
  type Verb,
} from "./verb.ts";
import { DIRECTIVES_HELP, textFormat } from "./events/text_format.ts";
import { type Condition, parseCondition } from "./events/where.ts";

/** An event of a channel. */
export interface Since {
  /** Which of the channel's sequences; the present one without it. */
  epoch: string | undefined;
  seq: number;
}

/** Options of `ipc listen`. */
export interface ListenOptions extends EventCommandsOptions {
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
  /** The command to run once nothing can be missed; empty for none. */
  then: readonly string[];
  /** Take only events whose payload fits. */
  where: Condition | undefined;
  /** Tell who comes and goes. */
  presence: boolean;
  /** A gap is an error. */
  strict: boolean;
  overflow: Overflow | undefined;
  /** Begin with this many of the latest events. */
  last: number;
  /** Begin behind this event. */
  since: Since | undefined;
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
    "ipc listen cache.dirty --debounce 500ms -- ./rebuild.sh",
    "ipc listen -n 1 -t 5s answers --then -- ipc send questions 'how are you?'",
    "ipc listen sensors --where '@.celsius > 80' -F '%t{%H:%M:%S} %-20n %p'",
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
    .option("--coalesce", "run one command at a time, with the newest event; skip those before it")
    .option("--debounce <duration>", "the same, once no event has come for this long", durationArgument)
    .option("--then", "run the command behind -- once nothing can be missed, and leave with its status")
    .option("--where <condition>", "only events whose payload fits: '@.status == \"ok\" && @.sizes[0] > 3'")
    .option("--presence", "tell who comes and goes, on standard error or, with --json, as objects")
    .option("--strict", "exit 1 when events were missed")
    .addOption(new Option("--overflow <policy>", "when this listener is too slow").choices(OVERFLOWS))
    .option("--last <n>", "begin with this many of the latest events, as far as the broker has them", numberArgument, 0)
    .option("--since <seq>", "begin behind the event of this number (or EPOCH:number)", sinceArgument)
    .option("--ready-fd <n>", "write a line to this file descriptor once nothing can be missed", numberArgument)
    .option("--no-autostart", "exit 69 if no broker runs, instead of starting one")
    .option("--name <name>", "what others see as the listener's name", nameArgument, "ipc listen");
  const { own, command } = splitCommand(argv);
  const { args: [channels], options } = parseArguments(parser, own);
  const chosen = (["json", "raw", "format", "exec"] as const).filter((name) => options[name] !== undefined);
  if (chosen.length > 1) throw usageError(parser, `--${chosen[0]} and --${chosen[1]} exclude each other`);
  if (options.raw && options.null) throw usageError(parser, "--raw and --null exclude each other");
  const then = options.then ? command : [], each = options.then ? [] : command;
  if (options.then && then.length === 0) throw usageError(parser, "--then needs a command behind --");
  const printed = chosen[0] ?? (options.null ? "null" : undefined);
  if (each.length > 0 && printed !== undefined) {
    throw usageError(parser, `--${printed} and a command exclude each other`);
  }
  if (options.exec !== undefined && options.null) throw usageError(parser, "--exec and --null exclude each other");
  const run = options.exec === undefined ? each : ["/bin/sh", "-c", options.exec];
  if (options.jobs > 1 && run.length === 0) throw usageError(parser, "--jobs needs a command to run");
  for (const name of ["coalesce", "debounce"] as const) {
    if (options[name] === undefined) continue;
    if (run.length === 0) throw usageError(parser, `--${name} needs a command to run`);
    if (options.jobs > 1) throw usageError(parser, `--${name} runs one command at a time: it excludes --jobs`);
  }
  if (options.since !== undefined) {
    if (options.last > 0) throw usageError(parser, "--since and --last exclude each other");
    if (channels.length > 1 || isGlob(channels[0]!)) {
      throw usageError(parser, "--since takes one channel: each has numbers of its own");
    }
  }
  const terminator = options.raw ? "" : options.null ? "\0" : "\n";
  const written = options.format === undefined
    ? undefined
    : given(parser, "--format", () => textFormat(options.format!, terminator));
  const format = options.json
    ? jsonFormat(terminator)
    : written?.format ?? payloadFormat(terminator, options.raw ?? false);
  return {
    channels,
    count: options.count,
    timeout_ms: options.timeout,
    idle_ms: options.idle,
    json: options.json ?? false,
    format,
    names: options.json === true || written?.names === true || run.length > 0,
    command: run,
    jobs: options.jobs,
    coalesce: options.coalesce ?? options.debounce !== undefined,
    debounce_ms: options.debounce === undefined || options.debounce === Infinity ? 0 : options.debounce,
    then,
    where: options.where === undefined ? undefined : given(parser, "--where", () => parseCondition(options.where!)),
    presence: options.presence ?? false,
    strict: options.strict ?? false,
    overflow: options.overflow,
    last: options.last,
    since: options.since,
    ready_fd: options.readyFd,
    autostart: options.autostart,
    name: options.name,
  };
}

function sinceArgument(text: string): Since {
  const at = text.lastIndexOf(":"), seq = text.slice(at + 1);
  if (!/^\d{1,15}$/.test(seq)) throw new InvalidArgumentError("It must be a whole number from 0 up, or EPOCH:number.");
  return { epoch: at < 0 ? undefined : text.slice(0, at), seq: Number(seq) };
}

/** Reads what an option holds. @throws {UsageError} If that cannot be read. */
function given<Value>(parser: NamedParser, option: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw usageError(parser, `${option}: ${(error as Error).message}`);
  }
}

export async function runListen(options: ListenOptions, io: Io): Promise<number> {
  for (const [program] of [options.command, options.then]) {
    if (program !== undefined) await checkCommand(program, io.env("PATH"));
  }
  const { Listening } = await import("./events/listening.ts");
  await using listening = new Listening({ ...options, autostart: autostartWanted(options.autostart, io) }, io);
  return await listening.run();
}
