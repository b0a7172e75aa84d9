/**
 * Locks and barriers as data: who is in, who waits, whose turn it is. A lock is a gate with one place, a semaphore one
 * with several. Nothing here knows what a client is, or what time.
 *
 * Both forget everything once nobody is there, so the next to come decides anew how many places or parties there are.
 *
 * @module
 */

/** Lets so many in at a time, in the order in which they came. */
export class Gate<Who> {
  #places = 0;
  // Sets, because they keep the order and lose one from the middle at no cost.
  readonly #holders = new Set<Who>();
  readonly #waiting = new Set<Who>();

  /** How many may be in, which who came first has said. */
  get places(): number {
    return this.#places;
  }

  /** Who is in, the first to come first. */
  get holders(): ReadonlySet<Who> {
    return this.#holders;
  }

  /** Who waits, whose turn is next first. */
  get waiting(): ReadonlySet<Who> {
    return this.#waiting;
  }

  /** Whether there is nobody. */
  get empty(): boolean {
    return this.#holders.size === 0;
  }

  /** Whether somebody who says that there are so many places is at the right gate. */
  agrees(places: number): boolean {
    return this.empty || places === this.#places;
  }

  /**
   * Lets somebody in, or has them wait behind all who wait.
   *
   * @param who Somebody who is not there yet.
   * @param places What {@linkcode agrees} was asked.
   * @param waits Whether they wait if there is no place; else they go.
   * @returns Whether they are in.
   */
  enter(who: Who, places: number, waits: boolean): boolean {
    if (this.empty) this.#places = places;
    // Nobody waits while there is a place.
    const free = this.#holders.size < this.#places;
    if (free) this.#holders.add(who);
    else if (waits) this.#waiting.add(who);
    return free;
  }

  /**
   * Lets somebody go, whether they are in or wait.
   *
   * @returns Who is in now because of it.
   */
  leave(who: Who): Who | undefined {
    if (!this.#holders.delete(who)) {
      this.#waiting.delete(who);
      return undefined;
    }
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      this.#holders.add(next);
      return next;
    }
    return undefined;
  }
}

/** Keeps everybody until so many are there, then lets all of them go on together. */
export class Barrier<Who> {
  #parties = 0;
  readonly #present = new Set<Who>();

  /** How many it takes, which who came first has said. */
  get parties(): number {
    return this.#parties;
  }

  /** Who is there, the first to come first. */
  get present(): ReadonlySet<Who> {
    return this.#present;
  }

  /** Whether there is nobody. */
  get empty(): boolean {
    return this.#present.size === 0;
  }

  /** Whether somebody who says that it takes so many is at the right barrier. */
  agrees(parties: number): boolean {
    return this.empty || parties === this.#parties;
  }

  /** @returns All of them, if this was the last who was missing. Then the barrier is empty again. */
  arrive(who: Who, parties: number): readonly Who[] | undefined {
    this.#parties = parties;
    this.#present.add(who);
    if (this.#present.size < parties) return undefined;
    const all = [...this.#present];
    this.#present.clear();
    return all;
  }

  /** Somebody does not wait any more. */
  leave(who: Who): void {
    this.#present.delete(who);
  }
}
