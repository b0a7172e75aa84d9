/**
 * `ipc handle`: answers a channel's requests by running a command for each, or by asking commands that run on, see
 * handle/line_workers.ts.
 *
 * With a command for each, the payload is the command's standard input and its standard output is the reply, text if it is UTF-8, else bytes. What
 * it writes to standard error travels as it comes, and its exit status with the reply. When the requester gives up, the
 * command is ended together with all that it started.
 *
 * @module
 */
import { type Channel, type IncomingRequest, IpcError } from "../client/mod.ts";
import { answerRequests } from "./answering.ts";
import { autostartWanted, openChannel } from "./connection.ts";
import { Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { LineWorkers } from "./handle/line_workers.ts";
import { noticesOf } from "./notice.ts";
import { decodedText } from "./payload_text.ts";
import { ReplyBytes, textOrBytes } from "./handle/reply_bytes.ts";
import { checkCommand, KILL_AFTER_MS, runCommand } from "./run_command.ts";
import { endingSignals } from "./signals.ts";
import { Option } from "@commander-js/extra-typings";
import {
  argumentParser,
  countArgument,
  durationArgument,
  nameArgument,
  parseArguments,
  splitCommand,
  usageError,
  type Verb,
} from "./verb.ts";

/** Options of `ipc handle`. */
export interface HandleOptions {
  channel: string;
  /** The program and its arguments. */
  command: readonly string[];
  /** A command for each request, or commands that get a line and give a line. */
  mode: "command" | "lines";
  /** What goes in and out as lines are JSON values. */
  json_lines: boolean;
  /** How many run at once. */
  workers: number;
  /** How long one may run, or take for a line; Infinity: as long as it takes. */
  timeout_ms: number;
  /** How long one may take to end after TERM, before KILL. */
  kill_after_ms: number;
  /** Leave after this many requests. */
  count: number;
  autostart: boolean;
  name: string;
}

export const verb: Verb<HandleOptions> = { parse: parseHandle, run: runHandle };

export function parseHandle(argv: readonly string[]): HandleOptions {
  const parser = argumentParser("handle", "Answer a channel's requests by running a command for each.", [
    "ipc handle wc -- wc -w",
    "ipc handle --workers 4 --timeout 10s thumbs -- convert - -resize 100x100 png:-",
    "ipc handle --mode lines sums -- bc",
    "ipc handle --mode lines --json-lines --workers 2 names -- jq --unbuffered -c .name",
  ])
    .usage("[options] <channel> -- <command> [argument...]")
    .argument("<channel>", "whose requests")
    .addOption(
      new Option("--mode <mode>", "a command for each request, or commands that run on: a line in, a line out")
        .choices(["command", "lines"] as const).default("command" as const),
    )
    .option("--json-lines", "with --mode lines: the lines are JSON, so that any payload fits into one")
    .option("--workers <n>", "how many commands may run at once; with --mode lines, how many run", countArgument, 1)
    .option(
      "--timeout <duration>",
      "end a command that runs longer, or takes longer for a line; the requester gets TIMEOUT",
      durationArgument,
      Infinity,
    )
    .option("--kill-after <duration>", "KILL what has not ended this long after TERM", durationArgument, KILL_AFTER_MS)
    .option("-n, --count <n>", "leave after this many requests", countArgument, Infinity)
    .option("--no-autostart", "exit 69 if no broker runs, instead of starting one")
    .option("--name <name>", "what others see as the handler's name", nameArgument, "ipc handle");
  const { own, command } = splitCommand(argv);
  const { args: [channel], options } = parseArguments(parser, own);
  if (command.length === 0) throw usageError(parser, "a command is missing: it stands behind --");
  if (options.jsonLines && options.mode !== "lines") throw usageError(parser, "--json-lines needs --mode lines");
  return {
    channel,
    command,
    mode: options.mode,
    json_lines: options.jsonLines ?? false,
    workers: options.workers,
    timeout_ms: options.timeout,
    kill_after_ms: options.killAfter,
    count: options.count,
    autostart: options.autostart,
    name: options.name,
  };
}

export async function runHandle(options: HandleOptions, io: Io): Promise<number> {
  await checkCommand(options.command[0]!, io.env("PATH"));
  using signals = endingSignals(io);
  await using channel = await openChannel(options.channel, io, {
    name: options.name,
    handle: true,
    autostart: autostartWanted(options.autostart, io),
    onnotice: noticesOf(options.channel, io.stderr),
  });
  await using workers = options.mode === "lines"
    ? new LineWorkers(options, channel, signals.signal, io.stderr)
    : undefined;
  return await answerRequests(
    channel,
    options,
    signals.ended,
    async (request) => await (workers?.answer(request) ?? answerWith(request, options, channel, signals.signal)),
  );
}

/** Runs the command for one request. @returns What it wrote to its standard output. */
async function answerWith(
  request: IncomingRequest,
  { command, timeout_ms, kill_after_ms }: HandleOptions,
  channel: Channel,
  stopping: AbortSignal,
): Promise<string | Uint8Array> {
  const limit = new AbortController();
  const timer = timeout_ms === Infinity ? undefined : setTimeout(() => limit.abort(), timeout_ms);
  const output = new ReplyBytes(channel.message_bytes_max);
  try {
    request.status = await runCommand({
      command,
      env: { IPC_CHANNEL: request.channel, IPC_SOURCE: String(request.source) },
      stdin: decodedText(request),
      stdout: (bytes) => output.push(bytes),
      stderr: (bytes) => request.writeError(textOrBytes(bytes)),
      signal: AbortSignal.any([request.signal, stopping, limit.signal]),
      kill_after_ms,
    });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    request.status = error.code;
    await request.writeError(`ipc: ${error.message}\n`);
  } finally {
    clearTimeout(timer);
  }
  if (stopping.aborted) throw new IpcError("HANDLER_GONE", "the handler was stopped");
  if (limit.signal.aborted) {
    throw new IpcError("TIMEOUT", `${command[0]} ran longer than ${timeout_ms} ms and was ended`);
  }
  return textOrBytes(output.bytes());
}
