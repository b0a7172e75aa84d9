/**
 * What ends a subscription: a function, and a resource for `using`.
 *
 * @module
 */

/**
 * Ends what it was given for. Calling it a second time does nothing.
 *
 * @example
 * ```ts
 * import { disposer } from "./disposer.ts";
 *
 * let listening = true;
 * {
 *   using _listener = disposer(() => listening = false);
 * }
 * if (listening) throw new Error("was not ended at the end of its block");
 * ```
 */
export interface Disposer extends Disposable {
  (): void;
}

/** Makes a {@linkcode Disposer} of what is to be done once. */
export function disposer(end: () => void): Disposer {
  let ended = false;
  const dispose = (): void => {
    if (ended) return;
    ended = true;
    end();
  };
  return Object.assign(dispose, { [Symbol.dispose]: dispose });
}
