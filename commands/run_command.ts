/**
 * Runs somebody's command for a message: the payload on its standard input, and an end for it and all that it started.
 *
 * A command gets a session, and so a process group, of its own. Ctrl-C in a terminal then reaches ipc alone, which ends
 * the whole group: first TERM, and KILL for what is left after a while. Whatever the command started in the background
 * is in that group too, unless it left it on purpose.
 *
 * @module
 */
import { type EndingSignal, EXIT, Failure, SIGNAL_EXITS } from "./exit_codes.ts";
import { sendSignal } from "./signals.ts";

/** How long a command may take to end after TERM, unless somebody says otherwise. */
export const KILL_AFTER_MS = 2_000;
/** How often to look whether a group that was told to end has. */
const GROUP_POLL_MS = 20;

/** How long what a command left behind may take to end after TERM, once the command has. */
export const LEFT_BEHIND_MS = 200;

/** Gets what a command writes. */
export type TakeOutput = (bytes: Uint8Array<ArrayBuffer>) => Promise<void> | void;

/** What to run, and how. */
export interface CommandOptions {
  /** The program and its arguments; no shell looks at them. */
  command: readonly string[];
  /** Added to the environment. */
  env: Record<string, string>;
  /** What it reads, or "inherit" for ipc's own standard input. */
  stdin: Uint8Array<ArrayBuffer> | "inherit";
  /** Without it, standard output is ipc's own. */
  stdout?: TakeOutput;
  /** Without it, standard error is ipc's own. */
  stderr?: TakeOutput;
  /** Ends the command, with the signal that its reason names, or TERM. */
  signal: AbortSignal;
  /** How long to wait between TERM and KILL. */
  kill_after_ms: number;
  /** Ends what it left running as well, once it has ended by itself. */
  leaves_nothing?: boolean;
}

/**
 * Runs a command to its end: it has exited, and nobody holds the pipes that its output is read from.
 *
 * @returns Its exit status, 128 + n if signal n ended it.
 * @throws {Failure} With 127 if the command is not found, 126 if it cannot be run.
 */
export async function runCommand(options: CommandOptions): Promise<number> {
  const { signal } = options;
  const child = spawn(options);
  const failed = new AbortController();
  const ended = Promise.all([
    child.status,
    writeInput(child, options.stdin),
    readOutput(options.stdout && child.stdout, options.stdout, failed),
    readOutput(options.stderr && child.stderr, options.stderr, failed),
  ]);
  const stop = AbortSignal.any([signal, failed.signal]);
  let stopped: Promise<void> | undefined;
  const onStop = (): void => {
    const first = isEndingSignal(stop.reason) ? stop.reason : "SIGTERM";
    stopped = stopGroup(child.pid, ended, options.kill_after_ms, first);
  };
  if (stop.aborted) onStop();
  else stop.addEventListener("abort", onStop, { once: true });
  const [status] = await ended;
  stop.removeEventListener("abort", onStop);
  if (options.leaves_nothing) stopped ??= stopGroup(child.pid, ended, LEFT_BEHIND_MS, "SIGTERM");
  await stopped;
  if (failed.signal.aborted) throw failed.signal.reason;
  return status.code;
}

function isEndingSignal(reason: unknown): reason is EndingSignal {
  return typeof reason === "string" && Object.hasOwn(SIGNAL_EXITS, reason);
}

/** What {@linkcode spawn} looks at. */
type SpawnOptions =
  & Pick<CommandOptions, "command" | "env" | "stdout" | "stderr">
  & Partial<Pick<CommandOptions, "stdin">>;

/**
 * Starts a command in a session of its own. Its standard input is a pipe, if it is not to be ipc's own.
 *
 * @throws {Failure} With 127 if it is not found, 126 if it cannot be run.
 */
export function spawn({ command, env, stdin, stdout, stderr }: SpawnOptions): Deno.ChildProcess {
  const [program = "", ...args] = command;
  try {
    return new Deno.Command(program, {
      args,
      env,
      detached: true,
      stdin: stdin === "inherit" ? "inherit" : "piped",
      stdout: stdout === undefined ? "inherit" : "piped",
      stderr: stderr === undefined ? "inherit" : "piped",
    }).spawn();
  } catch (error) {
    throw cannotRun(program, error);
  }
}

function cannotRun(program: string, error: unknown): Failure {
  if (error instanceof Deno.errors.NotFound) {
    return new Failure(EXIT.NOT_FOUND, `command ${JSON.stringify(program)} is not found`);
  }
  return new Failure(EXIT.CANNOT_RUN, `command ${JSON.stringify(program)} cannot be run: ${(error as Error).message}`);
}

/** That a command does not read what it is given is its own affair. */
async function writeInput(child: Deno.ChildProcess, payload: CommandOptions["stdin"]): Promise<void> {
  if (payload === "inherit") return;
  const writer = child.stdin.getWriter();
  try {
    await writer.write(payload);
    await writer.close();
  } catch {
    await writer.abort().catch(() => {});
  }
}

async function readOutput(
  stream: ReadableStream<Uint8Array<ArrayBuffer>> | undefined,
  take: TakeOutput | undefined,
  failed: AbortController,
): Promise<void> {
  if (stream === undefined || take === undefined) return;
  for await (const bytes of stream) {
    if (failed.signal.aborted) continue;
    try {
      await take(bytes);
    } catch (error) {
      failed.abort(error);
    }
  }
}

/**
 * A first signal, then KILL to whoever is left. A group can be there although nobody in it runs any more, until all are
 * reaped: so once the command itself has ended, the others get no more than a little time.
 */
export async function stopGroup(
  pid: number,
  ended: Promise<unknown>,
  kill_after_ms: number,
  first: EndingSignal = "SIGTERM",
): Promise<void> {
  let kill_ms = performance.now() + kill_after_ms;
  const leaderEnded = (): void => {
    kill_ms = Math.min(kill_ms, performance.now() + LEFT_BEHIND_MS);
    // What a shell started in the background takes no Ctrl-C.
    if (first !== "SIGTERM") sendSignal(-pid, "SIGTERM");
  };
  ended.then(leaderEnded, leaderEnded);
  sendSignal(-pid, first);
  // A stopped process takes it when it continues.
  while (sendSignal(-pid, "SIGCONT")) {
    if (performance.now() >= kill_ms) return void sendSignal(-pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, GROUP_POLL_MS));
  }
}

/**
 * Makes sure before the first message comes that there is such a command.
 *
 * @param path The variable `PATH`.
 * @throws {Failure} With 127 if it is not found, 126 if it cannot be run.
 */
export async function checkCommand(program: string, path: string | undefined): Promise<void> {
  const places = program.includes("/")
    ? [program]
    : (path ?? "/usr/local/bin:/usr/bin:/bin").split(":").map((directory) => `${directory || "."}/${program}`);
  let found = false;
  for (const place of places) {
    try {
      const { isFile, mode } = await Deno.stat(place);
      if (isFile && ((mode ?? 0o111) & 0o111) !== 0) return;
      found = true;
    } catch { /* not there, or not to be seen: the next one */ }
  }
  if (found) throw cannotRun(program, new Error("it is not an executable file"));
  throw cannotRun(program, new Deno.errors.NotFound());
}
