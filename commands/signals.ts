/**
 * The signals that end a command which has something to clean up. A command that has nothing listens to none, so that
 * the signal ends it as it ends any program. And those that a command sends.
 *
 * @module
 */
import { type EndingSignal, SIGNAL_EXITS } from "./exit_codes.ts";
import type { Io } from "./io.ts";

/** Listens until it is disposed. */
export interface EndingSignals extends Disposable {
  /** Resolves with the exit code of the first signal that comes. */
  ended: Promise<number>;
  /** Aborted by it. */
  signal: AbortSignal;
}

/** Starts to listen. */
export function endingSignals(io: Io): EndingSignals {
  const { promise, resolve } = Promise.withResolvers<number>();
  const controller = new AbortController();
  const removers = (Object.keys(SIGNAL_EXITS) as EndingSignal[]).map((signal) =>
    io.onSignal(signal, () => {
      resolve(SIGNAL_EXITS[signal]);
      controller.abort();
    })
  );
  return {
    ended: promise,
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const remove of removers) remove();
    },
  };
}

/**
 * Sends a signal.
 *
 * @param pid Of a process; negative for a whole group.
 * @returns Whether there is such a one.
 */
export function sendSignal(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
