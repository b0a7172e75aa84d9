/**
 * Correlation ids: 32 bits, never 0, never one that still waits for its answer.
 *
 * @module
 */
import { ID_MAX } from "../protocol/limits.ts";

/** Counts up and around, past what is in use. */
export class Correlation {
  #last: number;
  readonly #used: (id: number) => boolean;

  /**
   * @param used Whether an id still waits for its answer.
   * @param last The id before the first.
   */
  constructor(used: (id: number) => boolean, last = 0) {
    this.#used = used;
    this.#last = last;
  }

  next(): number {
    do this.#last = this.#last === ID_MAX ? 1 : this.#last + 1; while (this.#used(this.#last));
    return this.#last;
  }
}
