/**
 * Ending on request.
 *
 * @module
 */

/** Calls back when somebody wants this process to end. Disposing of it takes that back. */
export function onSignals(interrupt: () => void): Disposable {
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, interrupt);
  return {
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, interrupt);
    },
  };
}
