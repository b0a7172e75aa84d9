/**
 * What is fuzzed: something that makes inputs, and says of each whether what must hold does hold.
 *
 * @module
 */
import { type ErrorName, IpcError } from "../../protocol/errors.ts";
import type { Choices } from "./random.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Does a piece of work and notes how long it took: what must not be slow is done by this. */
export type Timed = <T>(work: () => T) => T;

/** See the module's head. */
export interface Target {
  readonly name: string;
  /** What it is, for people. */
  readonly about: string;
  /** Makes an input; the same for the same choices. */
  input(choices: Choices): Bytes;
  /** Throws if something does not hold. All that it does follows from the input. */
  check(input: Bytes, timed: Timed): void | Promise<void>;
}

/** An error that nobody is told to expect: with a cause, what was thrown. */
export class Untyped extends Error {
  override readonly name = "Untyped";
}

/** What came of an attempt. */
export type Outcome<T> = { value: T; error?: undefined } | { value?: undefined; error: Error };

/**
 * Tries something that may fail, but only with an IpcError.
 *
 * @param reasons That the error may have; any if left out.
 * @throws {Untyped} For any other error.
 */
export function attempt<T>(work: () => T, ...reasons: ErrorName[]): Outcome<T> {
  return attemptWith(
    work,
    (error) =>
      error instanceof IpcError && (reasons.length === 0 || (reasons as readonly string[]).includes(error.reason)),
  );
}

/**
 * Tries something that may fail, but only as documented.
 *
 * @throws {Untyped} For any other error.
 */
export function attemptWith<T>(work: () => T, documented: (error: unknown) => boolean): Outcome<T> {
  try {
    return { value: work() };
  } catch (error) {
    if (documented(error)) return { error: error as Error };
    throw new Untyped(`an error that is not documented: ${error instanceof Error ? error.stack : error}`, {
      cause: error,
    });
  }
}

const PROTOTYPES: readonly (readonly [name: string, prototype: object, keys: number])[] = [
  ["Object", Object.prototype],
  ["Array", Array.prototype],
  ["Map", Map.prototype],
  ["Error", Error.prototype],
  ["Function", Function.prototype],
].map(([name, prototype]) => [name as string, prototype as object, Reflect.ownKeys(prototype as object).length]);

/** @throws If somebody has put something on what all objects have. */
export function checkPrototypes(): void {
  for (const [name, prototype, keys] of PROTOTYPES) {
    if (Reflect.ownKeys(prototype).length !== keys) throw new Error(`${name}.prototype was changed`);
  }
}
