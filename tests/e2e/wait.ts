/**
 * Waiting for what must happen, with a limit. The limits only tell a failure from a machine that is slow, so they are
 * generous; where a limit of time is itself what is required, the test says so.
 *
 * @module
 */

/** How long anything may take that usually takes no time. */
export const WAIT_MS = 60_000;

const POLL_MS = 20;

/**
 * A promise's value, if it comes in time.
 *
 * @param what Did not happen, for the error. A function is asked only then.
 */
export function within<T>(promise: Promise<T>, what: string | (() => string), ms = WAIT_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${ms} ms went by: ${typeof what === "string" ? what : what()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Asks again until the answer is something.
 *
 * @param ask Gives `undefined` or `false` for "not yet".
 */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  what: string | (() => string),
  ms = WAIT_MS,
): Promise<Exclude<Awaited<T>, undefined | false>> {
  const until = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer as Exclude<Awaited<T>, undefined | false>;
    if (performance.now() > until) throw new Error(`${ms} ms went by: ${typeof what === "string" ? what : what()}`);
    await pause(POLL_MS);
  }
}

/** Lets time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
