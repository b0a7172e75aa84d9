/**
 * Whether targets are reached.
 *
 * @module
 */
import type { Result, Target } from "./case.ts";

/** A target and what became of it. */
export interface Verdict {
  case: string;
  target: Target;
  /** The ratio of medians, or the median itself where the target is a plain limit. */
  value: number;
  met: boolean;
  /** By which factor it is off, or better than asked: 0.8 is a fifth too little (or a quarter too much). */
  margin: number;
}

/** @returns What can be judged: not what takes a contestant that was not there. The worst first. */
export function judge(results: readonly Result[]): Verdict[] {
  return results.flatMap(verdicts).sort((a, b) => a.margin - b.margin);
}

function verdicts({ case: { name, targets }, contestants }: Result): Verdict[] {
  return targets.flatMap((target) => {
    const own = contestants.get("ipc")?.get(target.metric)?.median;
    const other = target.against === undefined ? 1 : contestants.get(target.against)?.get(target.metric)?.median;
    if (own === undefined || other === undefined) return [];
    const value = own / other;
    const margin = target.at_least === undefined ? target.at_most! / value : value / target.at_least;
    return [{ case: name, target, value, met: margin >= 1, margin }];
  });
}
