/**
 * Did you mean?
 *
 * @module
 */

/**
 * The known name that a misspelt one most likely stands for.
 *
 * @param name What somebody wrote.
 * @param known What they may have meant.
 * @returns `undefined` if nothing is near: at most two edits, and less than half of the name.
 *
 * @example
 * ```ts
 * import { closest } from "./suggest.ts";
 *
 * if (closest("quue", ["queue", "history"]) !== "queue") throw new Error("not suggested");
 * ```
 */
export function closest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined;
  const plain = (text: string) => text.toLowerCase().replaceAll("-", "_"), wanted = plain(name);
  let best: string | undefined, edits = Math.min(3, Math.ceil(wanted.length / 2));
  for (const other of known) {
    const distance = distanceOf(wanted, plain(other));
    if (distance < edits) [best, edits] = [other, distance];
  }
  return best ??
    known.find((other) => wanted.length >= 4 && (plain(other).startsWith(wanted) || wanted.startsWith(plain(other))));
}

/** What to say of a key that no table of this name has. */
export function unknownKey(table: string, name: string, known: readonly string[]): string {
  const guess = closest(name, known), key = `${table}.${name}`;
  const advice = guess === undefined ? `known here: ${known.join(", ")}` : `did you mean ${guess}?`;
  return `unknown key ${/^[\w.[\]-]+$/.test(key) ? key : JSON.stringify(key)}: ${advice}`;
}

/** Edits from one word to another; two neighbours exchanged are one edit. */
function distanceOf(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      let least = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        least = Math.min(least, before[j - 2]! + 1);
      }
      next.push(least);
    }
    [before, row] = [row, next];
  }
  return row[to.length]!;
}
