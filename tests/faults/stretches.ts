/**
 * Sets of whole numbers that come in stretches, as what is missing does.
 *
 * @module
 */

/** First and last of numbers that follow each other. */
export type Stretch = [first: number, last: number];

/** A set that grows at its end, mostly. */
export class Stretches {
  /** In order, and no two of them touch, as long as what is added comes in order. */
  readonly all: Stretch[];

  constructor(all: Stretch[] = []) {
    this.all = all;
  }

  /** Adds a stretch. */
  add(first: number, last: number): void {
    const end = this.all.at(-1);
    if (end !== undefined && end[1] + 1 === first) end[1] = last;
    else this.all.push([first, last]);
  }

  /** How many numbers there are. */
  get count(): number {
    return this.all.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }

  /** How many of them lie in a stretch. */
  within([from, to]: Stretch): number {
    let count = 0;
    for (const [first, last] of this.all) count += Math.max(0, Math.min(last, to) - Math.max(first, from) + 1);
    return count;
  }
}
