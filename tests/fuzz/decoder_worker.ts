/**
 * Runs the decoders in a thread of its own, so that one that never comes back is noticed. Is sent an {@linkcode Order};
 * answers with a {@linkcode Result}. Before each case it writes down which.
 *
 * @module
 */
import { type Finding, noTally, runCases, type Tally } from "./engine.ts";
import { forgetFiles } from "./targets/config.ts";
import { DECODERS } from "./targets/mod.ts";

/** What is to be done. */
export interface Order {
  /** Names of targets. */
  targets: readonly string[];
  seed: string;
  /** How long in all, and how many cases of each target at most. */
  ms: number;
  cases_max: number;
  /** Where the case at hand is written: which target of the order, which number; third, whether to stop; fourth, whether it has failed. */
  at: Int32Array;
}

/** What came of it. */
export interface Result {
  tallies: Tally[];
  finding: Finding | undefined;
}

/** A target runs for this long, then the next one. */
const TURN_MS = 100;

/** The part of a worker's scope that the types of a program lack. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage: (result: Result) => void;
};

scope.onmessage = ({ data }) => {
  void obey(data).finally(forgetFiles).then((result) => scope.postMessage(result));
};

async function obey({ targets, seed, ms, cases_max, at }: Order): Promise<Result> {
  const chosen = targets.map((name) => DECODERS.find((target) => target.name === name)!);
  const tallies = chosen.map(({ name }) => noTally(name)), until_ms = performance.now() + ms;
  while (performance.now() < until_ms && Atomics.load(at, 2) === 0 && tallies.some(({ cases }) => cases < cases_max)) {
    for (const [which, target] of chosen.entries()) {
      const tally = tallies[which]!, turn_ends_ms = Math.min(until_ms, performance.now() + TURN_MS);
      const over = (number: number): boolean => {
        Atomics.store(at, 0, which);
        Atomics.store(at, 1, number);
        return number >= cases_max || performance.now() > turn_ends_ms || Atomics.load(at, 2) !== 0;
      };
      const finding = await runCases(target, seed, tally.cases, over, tally, () => Atomics.store(at, 3, 1));
      if (finding !== undefined) return { tallies, finding };
    }
  }
  return { tallies, finding: undefined };
}
