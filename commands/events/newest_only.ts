/**
 * Work that is done for the newest of what comes, one at a time: what came meanwhile is skipped, but for the last.
 *
 * @module
 */

/** Something that waits for its turn. */
export interface Waiting<Item> {
  item: Item;
  /** How many before it were skipped for it. */
  skipped: number;
}

/** See the module's head. */
export class NewestOnly<Item> {
  readonly #debounce_ms: number;
  readonly #start: (item: Item, skipped: number) => Promise<void> | undefined;
  #waiting: Waiting<Item> | undefined;
  #busy = false;
  #ended = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param debounce_ms How long nothing newer must have come; 0 starts at once.
   * @param start Starts the work, and says when it has ended. The next starts then.
   */
  constructor(debounce_ms: number, start: (item: Item, skipped: number) => Promise<void> | undefined) {
    this.#debounce_ms = debounce_ms;
    this.#start = start;
  }

  /** @param count How many this is the last of. */
  offer(item: Item, count = 1): void {
    if (this.#ended) return;
    const before = this.#waiting === undefined ? 0 : this.#waiting.skipped + 1;
    this.#waiting = { item, skipped: before + count - 1 };
    if (this.#debounce_ms === 0) return this.#next();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#next();
    }, this.#debounce_ms);
  }

  /** Starts nothing more. @returns What still waited. */
  end(): Waiting<Item> | undefined {
    this.#ended = true;
    clearTimeout(this.#timer);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  #next(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#busy || this.#timer !== undefined) return;
    this.#waiting = undefined;
    const ended = this.#start(waiting.item, waiting.skipped);
    if (ended === undefined) return;
    this.#busy = true;
    ended.finally(() => {
      this.#busy = false;
      this.#next();
    });
  }
}
