/**
 * Connections that have not said HELLO. They are the only ones that anybody can make without saying anything, so there
 * are at most 64 of them, for at most 5 s each. When all places are taken the oldest gives way, provided that it had a
 * tenth of a second to speak: so a flood of silent connections cannot keep out one that says HELLO at once, as every
 * honest client does. Until then nothing is accepted, and the kernel's backlog holds who comes.
 *
 * @module
 */
import { HANDSHAKE_MS_MAX, HANDSHAKES_MAX } from "../../protocol/limits.ts";
import type { Connection } from "./connection.ts";

/** How long a connection may be silent before it can be made to give way. */
const GRACE_MS = 100;

/** See the module's head. */
export class Strangers {
  /** How many were turned away. */
  refused = 0;
  readonly #since = new Map<Connection, number>();
  readonly #now: () => number;
  readonly #refuse: (connection: Connection, why: string) => void;
  #waiting: (() => void)[] = [];

  /**
   * @param now Milliseconds of a clock that never goes back.
   * @param refuse Says why and closes.
   */
  constructor(now: () => number, refuse: (connection: Connection, why: string) => void) {
    this.#now = now;
    this.#refuse = refuse;
  }

  add(connection: Connection): void {
    if (this.#since.size >= HANDSHAKES_MAX) this.#evictOldest();
    this.#since.set(connection, this.#now());
  }

  /** It has said HELLO, or is gone. */
  remove(connection: Connection): void {
    if (this.#since.delete(connection)) this.#wake();
  }

  /** Resolves when another may come in; `undefined` if it may at once. */
  ready(): Promise<void> | undefined {
    if (this.#since.size < HANDSHAKES_MAX || this.#oldestAge() >= GRACE_MS) return undefined;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GRACE_MS);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Closes those whose time is over. */
  tick(): void {
    const limit = this.#now() - HANDSHAKE_MS_MAX;
    for (const [connection, since] of this.#since) {
      if (since > limit) break;
      this.#turnAway(connection, `no HELLO within ${HANDSHAKE_MS_MAX} ms`);
    }
  }

  /** Closes all: the broker is going away. */
  close(): void {
    for (const connection of this.#since.keys()) this.#turnAway(connection, "the broker is going away");
    this.#wake();
  }

  #oldestAge(): number {
    for (const since of this.#since.values()) return this.#now() - since;
    return 0;
  }

  #evictOldest(): void {
    for (const connection of this.#since.keys()) {
      return this.#turnAway(connection, `${HANDSHAKES_MAX} connections have not said HELLO, and this is the oldest`);
    }
  }

  #turnAway(connection: Connection, why: string): void {
    this.#since.delete(connection);
    this.refused++;
    this.#refuse(connection, why);
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }
}
