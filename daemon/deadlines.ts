/**
 * Many deadlines, one timer. Requests come and go a hundred thousand times a second, and hardly one ever times out, so
 * adding and removing must cost next to nothing: a deadline goes into the bucket of its 16 ms, and whoever owns the
 * clock asks for what is due.
 *
 * @module
 */

/** How exactly a deadline is kept. It is never early. */
export const BUCKET_MS = 16;

/** A set of things that each have a deadline. */
export class Deadlines<T extends { readonly deadline_ms: number }> {
  readonly #buckets = new Map<number, Set<T>>();
  #spare: Set<T> | undefined;
  size = 0;

  add(item: T): void {
    const key = bucket(item.deadline_ms);
    let items = this.#buckets.get(key);
    if (items === undefined) {
      items = this.#spare ?? new Set();
      this.#spare = undefined;
      this.#buckets.set(key, items);
    }
    items.add(item);
    this.size++;
  }

  remove(item: T): void {
    const key = bucket(item.deadline_ms), items = this.#buckets.get(key);
    if (items === undefined || !items.delete(item)) return;
    this.size--;
    if (items.size === 0) {
      this.#buckets.delete(key);
      this.#spare = items;
    }
  }

  /** Takes out everything that is due. */
  due(now_ms: number): T[] {
    const due: T[] = [];
    // The number of buckets is bounded by how many different deadlines are open, and this runs 60 times a second.
    for (const [key, items] of this.#buckets) {
      if (key * BUCKET_MS > now_ms) continue;
      due.push(...items);
      this.#buckets.delete(key);
    }
    this.size -= due.length;
    return due;
  }
}

function bucket(deadline_ms: number): number {
  return Math.ceil(deadline_ms / BUCKET_MS);
}
