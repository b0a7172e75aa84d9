/**
 * Runs a target, case by case. A case follows from the seed, the target's name and the case's number alone, so that it
 * can be had again; one that fails is made smaller.
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { Random } from "./random.ts";
import { shrunk } from "./shrink.ts";
import { checkPrototypes, type Target, type Timed } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** No input may take longer, of this process's time: where much else is done, none passes without waiting. */
export const CASE_MS_MAX = 100;
/** A machine that does something else is slow, too; an input is so each time. */
const RETRIES = 4;

/** A case that failed. */
export interface Finding {
  target: string;
  seed: string;
  number: number;
  /** As it was made, and as small as it could be made. */
  input: Bytes;
  smallest: Bytes;
  error: string;
}

/** What a target has been through. */
export interface Tally {
  target: string;
  cases: number;
  bytes: number;
  /** The input that took longest, and how long. */
  slowest_ms: number;
  slowest: number;
  slowest_bytes: number;
}

/** A tally of nothing yet. */
export function noTally(target: string): Tally {
  return { target, cases: 0, bytes: 0, slowest_ms: 0, slowest: 0, slowest_bytes: 0 };
}

/** The input of a case. */
export function inputOf(target: Target, seed: string, number: number): Bytes {
  return target.input(new Random(`${seed} ${target.name} ${number}`));
}

/**
 * Runs cases from a number on.
 *
 * @param over Asked before each case.
 * @param shrinking Told that one has failed, and will be made smaller.
 * @returns The first that failed.
 */
export async function runCases(
  target: Target,
  seed: string,
  first: number,
  over: (number: number) => boolean,
  tally: Tally,
  shrinking: () => void = () => {},
): Promise<Finding | undefined> {
  for (let number = first; !over(number); number++) {
    const input = inputOf(target, seed, number);
    const { error, ms } = await tried(target, input);
    tally.cases++;
    tally.bytes += input.length;
    if (ms > tally.slowest_ms) {
      const slowest_ms = Math.min(ms, (await once(target, input)).ms, (await once(target, input)).ms);
      if (slowest_ms > tally.slowest_ms) {
        Object.assign(tally, { slowest_ms, slowest: number, slowest_bytes: input.length });
      }
    }
    if (error === undefined) continue;
    shrinking();
    const smallest = await shrunk(
      input,
      async (smaller) => kindOf((await tried(target, smaller)).error) === kindOf(error),
    );
    return { target: target.name, seed, number, input, smallest, error: String(error) };
  }
  return undefined;
}

/** Runs one input. */
export async function tried(target: Target, input: Bytes): Promise<{ error: Error | undefined; ms: number }> {
  let least_ms = Infinity;
  for (let left = RETRIES; left > 0; left--) {
    const { error, ms } = await once(target, input);
    least_ms = Math.min(least_ms, ms);
    if (error !== undefined || least_ms <= CASE_MS_MAX) return { error, ms: least_ms };
  }
  return { error: new Slow(`an input of ${input.length} bytes takes ${Math.round(least_ms)} ms`), ms: least_ms };
}

/** What only takes too long. */
class Slow extends Error {
  override readonly name = "Slow";
}

async function once(target: Target, input: Bytes): Promise<{ error: Error | undefined; ms: number }> {
  let ms = 0;
  const timed: Timed = (work) => {
    const began_ms = performance.now(), began = cpuUsage();
    const over = () => {
      const { user, system } = cpuUsage(began);
      ms = Math.max(ms, Math.min(performance.now() - began_ms, (user + system) / 1000));
    };
    let result;
    try {
      result = work();
    } catch (error) {
      over();
      throw error;
    }
    if (result instanceof Promise) return result.finally(over) as typeof result;
    over();
    return result;
  };
  try {
    const checking = target.check(input, timed);
    if (checking !== undefined) await checking;
    checkPrototypes();
    return { error: undefined, ms };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)), ms };
  }
}

/** What makes two failures the same: not the values in them, which change as the input becomes smaller. */
function kindOf(error: Error | undefined): string | undefined {
  return error && `${error.name} ${error.message.split("\n")[0]!.replaceAll(/[\d"'`].*$/g, "")}`;
}
