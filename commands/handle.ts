/**
 * `ipc handle`: answers a channel's requests by running a command for each.
 *
 * The payload is the command's standard input and its standard output is the reply, text if it is UTF-8, else bytes. What
 * it writes to standard error travels as it comes, and its exit status with the reply. When the requester gives up, the
 * command is ended together with all that it started.
 *
 * @module
 */
import { type Channel, type IncomingRequest, IpcError } from "../client/mod.ts";
import { autostartWanted, openChannel } from "./connection.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { isUtf8 } from "./message_options.ts";
import { noticesOf } from "./notice.ts";
import { dataText } from "./payload_text.ts";
import { checkCommand, KILL_AFTER_MS, runCommand } from "./run_command.ts";
import { endingSignals } from "./signals.ts";
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
  /** How many run at once. */
  workers: number;
  /** How long one may run; Infinity: as long as it takes. */
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
  ])
    .usage("[options] <channel> -- <command> [argument...]")
    .argument("<channel>", "whose requests")
    .option("--workers <n>", "how many commands may run at once", countArgument, 1)
    .option(
      "--timeout <duration>",
      "end a command that runs longer; the requester gets TIMEOUT",
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
  return {
    channel,
    command,
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
  const running = new Set<Promise<unknown>>();
  const enough = Promise.withResolvers<number>();
  let started = 0;
  const handler = channel.handle(async (request) => {
    if (started === options.count) throw new IpcError("HANDLER_GONE", "the handler has answered as many as it was to");
    started++;
    const answer = answerWith(request, options, channel, signals.signal);
    running.add(answer);
    try {
      return await answer;
    } finally {
      running.delete(answer);
      if (started === options.count && running.size === 0) enough.resolve(EXIT.OK);
    }
  }, { concurrency: options.workers });
  const lost = channel.closed.then((error) => {
    throw error ?? new IpcError("SHUTDOWN", `channel ${channel.name} was closed`);
  });
  try {
    const code = await Promise.race([enough.promise, signals.ended, lost]);
    if (code === EXIT.OK) await channel.flush();
    return code;
  } finally {
    handler();
    await Promise.allSettled(running);
  }
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
      stdin: dataText(request.data),
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

function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  return isUtf8(bytes) ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) : bytes;
}

/** What a command has written, up to the limit of a message. */
class ReplyBytes {
  readonly #parts: Uint8Array[] = [];
  readonly #limit_bytes: number;
  #length = 0;

  constructor(limit_bytes: number) {
    this.#limit_bytes = limit_bytes;
  }

  push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#length > this.#limit_bytes) {
      throw new IpcError("TOO_LARGE", `the reply is too long, limit is ${this.#limit_bytes} bytes (max_message)`);
    }
    this.#parts.push(bytes);
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
