/**
 * Waiting that can be given up, and limits of time.
 *
 * A program's first `setTimeout` costs 4 ms in Deno 2.9, a quarter of the whole start of `ipc send`, and its first
 * `AbortSignal.timeout` with a listener 0.4. So what every program passes through (connecting, asking, closing) is timed
 * by `Atomics.waitAsync`, which costs 0.05 and keeps nothing alive.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import type { Connection } from "./runtime.ts";

/** Resolves after a while, or as soon as the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms)); // a time that is over already is none to warn of
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
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  let wanted = true;
  Promise.resolve(Atomics.waitAsync(nobody, 0, 0, ms).value).then(() => {
    if (wanted) call();
  });
  return () => {
    wanted = false;
    Atomics.notify(nobody, 0);
  };
}

/** A limit of time for several steps together. */
export interface Deadline {
  /** Aborted with an {@linkcode IpcError}: TIMEOUT when time is up, CANCELLED when the caller's own signal says so. */
  signal: AbortSignal;
  /** Closed then; it is what the step at hand waits for. */
  connection: Connection | undefined;
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
  const end = (error: IpcError): void => {
    if (controller.signal.aborted) return;
    controller.abort(error);
    limit.connection?.close();
  };
  const cancel = (): void => end(new IpcError("CANCELLED", `Cannot ${what}: cancelled`, { cause: outer?.reason }));
  const disarm = after(ms, () => {
    end(new IpcError("TIMEOUT", `Cannot ${what}: not done within ${ms} ms. Is the broker stopped, or overloaded?`));
  });
  const limit: Deadline = {
    signal: controller.signal,
    connection: undefined,
    clear() {
      disarm();
      outer?.removeEventListener("abort", cancel);
    },
  };
  if (outer?.aborted) cancel();
  else outer?.addEventListener("abort", cancel);
  return limit;
}
