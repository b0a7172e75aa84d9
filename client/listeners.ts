/**
 * All listeners of a channel on this side, and whether more may be read for them.
 *
 * @module
 */
import type { IpcError } from "../protocol/errors.ts";
import { type Disposer, disposer } from "./disposer.ts";
import { Events } from "./events.ts";
import type { GapNotice } from "./notice.ts";
import type { Run } from "./run.ts";
import { type Listener, Subscription, type Surroundings } from "./subscription.ts";

/** See the module's head. */
export class Listeners {
  readonly #channel: Surroundings;
  readonly #changed: () => void;
  /** Replaced when it changes, so that a listener may come or go while a run is given out. */
  #all: readonly Subscription[] = [];
  readonly #iterators: Set<Events> = new Set();
  /** Takes what comes before the first listener, if the role was asked for in HELLO. */
  #backlog: Subscription | undefined;

  /**
   * @param early Whether to keep what comes before the first listener.
   * @param changed Told when the first comes or the last goes.
   */
  constructor(channel: Surroundings, early: boolean, changed: () => void) {
    this.#channel = channel;
    this.#changed = changed;
    if (early) {
      this.#backlog = new Subscription(channel, {});
      this.#all = [this.#backlog];
    }
  }

  /** Whether the channel's events are wanted. */
  get wanted(): boolean {
    return this.#all.length > 0;
  }

  /** Whether one of them has more than it can take. */
  get full(): boolean {
    for (const subscription of this.#all) if (subscription.full) return true;
    return false;
  }

  /** Whether one of them takes messages apart. */
  get decodes(): boolean {
    for (const subscription of this.#all) if (subscription.decodes) return true;
    return false;
  }

  add(listener: Listener): Disposer {
    return disposer(this.#subscribe(listener).leave);
  }

  events(gap: ((notice: GapNotice) => void) | undefined): Events {
    const iterator = new Events((listener) => {
      const { subscription, leave } = this.#subscribe(listener);
      return {
        subscription,
        leave: () => {
          this.#iterators.delete(iterator);
          leave();
        },
      };
    }, gap);
    this.#iterators.add(iterator);
    return iterator;
  }

  push(run: Run): void {
    for (const subscription of this.#all) subscription.push(run);
  }

  gap(notice: GapNotice): void {
    // Each has its own: an overflow may be added to it.
    for (const subscription of this.#all) subscription.gap({ ...notice });
  }

  /** Nothing more will come. What waits is still delivered, unless it is let go. */
  close(error: IpcError | undefined, let_go: boolean): void {
    if (let_go) { for (const subscription of this.#all) subscription.end(); }
    for (const iterator of this.#iterators) iterator.finish(error);
    this.#iterators.clear();
  }

  #subscribe(listener: Listener): { subscription: Subscription; leave: () => void } {
    let subscription = this.#backlog;
    this.#backlog = undefined;
    if (subscription !== undefined) subscription.adopt(listener);
    else {
      subscription = new Subscription(this.#channel, listener);
      this.#all = [...this.#all, subscription];
      if (this.#all.length === 1) this.#changed();
    }
    const leave = (): void => {
      subscription.end();
      if (!this.#all.includes(subscription)) return;
      this.#all = this.#all.filter((other) => other !== subscription);
      if (this.#all.length === 0) this.#changed();
    };
    return { subscription, leave };
  }
}
