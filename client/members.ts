/**
 * Who is on the channel, as far as the broker has told us: for listeners of presence that come later than the first, and
 * for saying that nobody is known any more when the connection breaks.
 *
 * @module
 */
import type { Presence } from "../protocol/bodies.ts";
import { type Disposer, disposer } from "./disposer.ts";

type Callback = (presence: Presence) => void;

/** See the module's head. */
export class Members {
  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;
  readonly #known: Map<number, Presence> = new Map();
  #callbacks: readonly Callback[] = [];
  #early: boolean;

  /**
   * @param early Whether to take note before the first callback.
   * @param changed Told when the first callback comes or the last goes.
   * @param failed Told of what a callback throws.
   */
  constructor(early: boolean, changed: () => void, failed: (error: unknown) => void) {
    this.#early = early;
    this.#changed = changed;
    this.#failed = failed;
  }

  /** Whether presence is wanted. */
  get wanted(): boolean {
    return this.#callbacks.length > 0 || this.#early;
  }

  /** Tells of everybody who is there, then of changes. */
  add(listener: Callback): Disposer {
    // One of its own, if the same function is given twice.
    const callback: Callback = (presence) => listener(presence);
    if (this.wanted) {
      // In a turn of its own: the caller does not have its disposer yet.
      queueMicrotask(() => {
        if (!added) return;
        this.#early = false;
        for (const presence of this.#known.values()) this.#call(callback, presence);
        this.#callbacks = [...this.#callbacks, callback];
      });
    } else {
      this.#callbacks = [callback];
      this.#changed();
    }
    let added = true;
    return disposer(() => {
      added = this.#early = false;
      this.#callbacks = this.#callbacks.filter((other) => other !== callback);
      if (this.wanted) return;
      this.#known.clear();
      this.#changed();
    });
  }

  /** PRESENCE came. */
  tell(presence: Presence): void {
    if (presence.event === "leave") this.#known.delete(presence.client);
    else this.#known.set(presence.client, { ...presence, event: "join" });
    for (const callback of this.#callbacks) this.#call(callback, presence);
  }

  /** The connection is gone: nobody is known to be there. */
  forget(): void {
    for (const presence of [...this.#known.values()]) {
      this.tell({ ...presence, event: "leave", reason: "the connection broke" });
    }
  }

  #call(callback: Callback, presence: Presence): void {
    try {
      callback(presence);
    } catch (error) {
      this.#failed(error);
    }
  }
}
