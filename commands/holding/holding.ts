/**
 * Runs a command for as long as a lock is held: what `ipc lock` and `ipc semaphore` do.
 *
 * Nothing of the command runs without the lock, as far as this process can see to it: what it left running is ended
 * before the lock is given back, and all of it is ended when the lock is lost.
 *
 * @module
 */
import { IpcError, Lock, lock } from "../../client/mod.ts";
import { formatDuration } from "../../config/units.ts";
import { autostartWanted, noBroker, reachBroker } from "../connection.ts";
import { type EndingSignal, EXIT, Failure, SIGNAL_EXITS } from "../exit_codes.ts";
import type { Io } from "../io.ts";
import { notice } from "../notice.ts";
import { checkCommand, runCommand } from "../run_command.ts";
import { type EndingSignals, endingSignals } from "../signals.ts";

/** Options of `ipc lock` and `ipc semaphore`. */
export interface HoldingOptions {
  channel: string;
  /** The program and its arguments. */
  command: readonly string[];
  /** How many may hold it at a time. */
  places: number;
  /** How long to wait for it. */
  timeout_ms: number;
  /** Only look whether it is free. */
  no_wait: boolean;
  /** The command goes on without the lock. */
  keep_running: boolean;
  /** How long the command may take to end after a signal, before KILL. */
  kill_after_ms: number;
  autostart: boolean;
  name: string;
}

/** How often to look for a broker that has gone while we waited. */
const BROKER_POLL_MS = 50;

/** See the module's head. @returns The command's status, unless a signal or the loss of the lock ended it. */
export async function hold(options: HoldingOptions, io: Io): Promise<number> {
  await checkCommand(options.command[0]!, io.env("PATH"));
  using signals = endingSignals(io);
  const held = await obtain(options, signals, io);
  if (!(held instanceof Lock)) return held;
  await using _held = held;
  const stop = new AbortController();
  let code: number | undefined, lost: unknown;
  signals.ended.then((signal) => {
    code = signal;
    stop.abort(nameOf(signal));
  });
  const onLost = (): void => {
    lost = held.lost.reason;
    const what = `the lock of ${options.channel} is lost: ${(lost as IpcError).message}`;
    notice(io.stderr, options.keep_running ? `${what}; ${options.command[0]} goes on` : what);
    if (!options.keep_running) stop.abort("SIGTERM" satisfies EndingSignal);
  };
  if (held.lost.aborted) onLost();
  else held.lost.addEventListener("abort", onLost);
  const status = await runCommand({
    command: options.command,
    env: { IPC_CHANNEL: options.channel, IPC_LOCK_FENCE: String(held.fence) },
    stdin: "inherit",
    signal: stop.signal,
    kill_after_ms: options.kill_after_ms,
    leaves_nothing: true,
  });
  held.lost.removeEventListener("abort", onLost);
  if (code !== undefined) return code;
  return lost === undefined || options.keep_running ? status : EXIT.UNAVAILABLE;
}

/** Waits for the lock. @returns It, or the exit code. */
async function obtain(options: HoldingOptions, signals: EndingSignals, io: Io): Promise<Lock | number> {
  const { channel, places, no_wait, name } = options, until_ms = performance.now() + options.timeout_ms;
  let autostart = autostartWanted(options.autostart, io), waited = false;
  for (;;) {
    try {
      const held = await reachBroker(io, autostart, (where) =>
        lock(channel, {
          ...where,
          name,
          places,
          wait: !no_wait,
          timeout_ms: Math.max(1, until_ms - performance.now()),
          signal: signals.signal,
          onwaiting: () => waited = true,
        }));
      if (held !== undefined) return held;
      notice(io.stderr, `the lock of ${channel} is taken`);
      return EXIT.NEGATIVE;
    } catch (error) {
      if (signals.signal.aborted) return await signals.ended;
      if (performance.now() >= until_ms) {
        throw new Failure(
          EXIT.TIMEOUT,
          `the lock of ${channel} did not come within ${formatDuration(options.timeout_ms)}`,
        );
      }
      // Who has waited goes on with the broker that comes next, behind those who are there.
      if (!waited || !hasGone(error)) throw error;
      if (!noBroker(error)) notice(io.stderr, `${(error as IpcError).message}; waiting for another one`);
      autostart = false;
    }
    await new Promise((resolve) => setTimeout(resolve, BROKER_POLL_MS));
  }
}

/** Whether a broker went away, or is not there yet. */
function hasGone(error: unknown): boolean {
  return error instanceof IpcError &&
    (error.reason === "SHUTDOWN" || error.reason === "CHANNEL_RECV" || error.reason === "CHANNEL_NOT_FOUND");
}

function nameOf(code: number): EndingSignal {
  return (Object.keys(SIGNAL_EXITS) as EndingSignal[]).find((signal) => SIGNAL_EXITS[signal] === code)!;
}
