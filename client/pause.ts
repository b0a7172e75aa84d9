/**
 * Waiting that can be given up, and limits of time.
 *
 * A program's first `setTimeout` costs 3.5 ms in Deno 2.9, a quarter of the whole start of `ipc send`. So what every
 * program passes through (connecting, asking, closing) is timed by `AbortSignal.timeout`, which costs 0.2 ms. Such a
 * timer cannot be taken back, but it keeps nothing alive.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";

/** Resolves after a while, or as soon as the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

/** Timers take no more (24.8 days). */
const TIMER_MS_MAX = 0x7fff_ffff;

/**
 * Calls back after a while, unless everything else in the program has ended before.
 *
 * @returns Makes it not call.
 */
export function after(ms: number, call: () => void): () => void {
  if (ms > TIMER_MS_MAX) return () => {};
  const signal = AbortSignal.timeout(ms);
  signal.addEventListener("abort", call);
  return () => signal.removeEventListener("abort", call);
}

/** A limit of time for several steps together. */
export interface Deadline {
  /** Aborted with an {@linkcode IpcError}: TIMEOUT when time is up, CANCELLED when the caller's own signal says so. */
  signal: AbortSignal;
  /** To be called when the steps are done. */
  clear(): void;
}

/**
 * @param ms How long the steps may take.
 * @param what Could not be done, for the error.
 * @param outer Ends it earlier.
 */
export function deadline(ms: number, what: string, outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  const cancel = (): void =>
    controller.abort(new IpcError("CANCELLED", `Cannot ${what}: cancelled`, { cause: outer?.reason }));
  const disarm = after(ms, () => {
    controller.abort(
      new IpcError("TIMEOUT", `Cannot ${what}: not done within ${ms} ms. Is the broker stopped, or overloaded?`),
    );
  });
  if (outer?.aborted) cancel();
  else outer?.addEventListener("abort", cancel);
  return {
    signal: controller.signal,
    clear() {
      disarm();
      outer?.removeEventListener("abort", cancel);
    },
  };
}
