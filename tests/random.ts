/**
 * Random tests that can be replayed. Each run has one seed for all of them; a failure says how to have it again:
 *
 *     IPC_TEST_SEED=-1234 deno test -A protocol/scanner_test.ts
 *
 * @module
 */
import fc from "fast-check";

const given = Deno.env.get("IPC_TEST_SEED");
/** The seed of this run. */
export const seed: number = given === undefined ? crypto.getRandomValues(new Int32Array(1))[0]! : Number(given);

/**
 * Looks for an input for which a property does not hold.
 *
 * @throws If there is one, with the smallest that was found and with the seed.
 */
export function checkRandomly<Input>(property: fc.IRawProperty<Input, false>, runs = 200): void {
  const result = fc.check(property, { seed, numRuns: runs });
  if (!result.failed) return;
  throw new Error(`IPC_TEST_SEED=${seed} replays this: ${fc.defaultReportMessage(result)}`, {
    cause: result.errorInstance,
  });
}
