/**
 * What some runs amount to.
 *
 * @module
 */

/** Several measurements of one thing. */
export interface Summary {
  median: number;
  min: number;
  max: number;
  /** In the order measured. */
  values: number[];
}

/** @param values At least one. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: sorted[0]!, max: sorted.at(-1)!, values: [...values] };
}

/**
 * @param sorted At least one value, ascending.
 * @param share 0 for the least, 1 for the greatest; between two values it interpolates.
 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = (sorted.length - 1) * share, below = Math.floor(at);
  const low = sorted[below]!, high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (at - below);
}

const LARGE = [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const;

/** Three digits that matter, and a letter for what they count: `29.1 M`. */
export function figure(value: number): string {
  for (const [unit, letter] of LARGE) {
    if (Math.abs(value) >= unit) return `${digits(value / unit)} ${letter}`;
  }
  return digits(value);
}

function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2);
}
