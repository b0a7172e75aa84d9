/**
 * Makes a failing input smaller: pieces are left out and bytes made plain for as long as it still fails.
 *
 * @module
 */
import { joined } from "../../protocol/joined.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How often it is tried, and for how long. */
const TRIES_MAX = 20_000, SHRINK_MS_MAX = 20_000;

/**
 * @param fails Whether an input fails in the same way.
 * @returns The smallest that was found; the input itself if none was.
 */
export async function shrunk(input: Bytes, fails: (smaller: Bytes) => Promise<boolean>): Promise<Bytes> {
  const until_ms = performance.now() + SHRINK_MS_MAX;
  let best = input, tries = 0;
  const better = async (smaller: Bytes): Promise<boolean> => {
    if (++tries > TRIES_MAX || performance.now() > until_ms || !await fails(smaller)) return false;
    best = smaller;
    return true;
  };
  for (let piece = Math.max(1, best.length >> 1); piece > 0; piece >>= 1) {
    for (let at = 0; at < best.length;) {
      const without = joined([best.subarray(0, at), best.subarray(Math.min(best.length, at + piece))]);
      if (!await better(without)) at += piece;
    }
  }
  for (let at = 0; at < best.length; at++) {
    for (const plain of [0, 0x30, 0x61]) {
      if (best[at] === plain) break;
      const simpler = best.slice();
      simpler[at] = plain;
      if (await better(simpler)) break;
    }
  }
  return best;
}
