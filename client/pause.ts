/**
 * Waiting that can be given up without leaving a timer behind.
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
  const timer = ms === Infinity ? undefined : setTimeout(() => {
    controller.abort(new IpcError("TIMEOUT", `Cannot ${what}: not done within ${ms} ms`));
  }, ms);
  if (outer?.aborted) cancel();
  else outer?.addEventListener("abort", cancel);
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      outer?.removeEventListener("abort", cancel);
    },
  };
}
