/**
 * Connections that have not said HELLO. They are the only ones that anybody can make without saying anything, so there
 * are at most 64 of them, for at most 5 s each. When all places are taken the oldest gives way, provided that it had a
 * quarter of a second to begin, and a tenth to finish what it has begun: so a flood of silent connections cannot keep out one that says HELLO at once, as every
 * honest client does. Until then nothing is accepted, and the kernel's backlog holds who comes.
 *
 * A process that had no time for so long finds everybody old and has read nothing of what they said. So the
 * clock alone does not do: those who are to give way are found old first, and then everything that came is read. That is
 * done for all who are old at once: one by one, 64 of them would take the places of the next for 60 ms longer.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import {
  HANDSHAKE_BEGUN_GRACE_MS,
  HANDSHAKE_GRACE_MS,
  HANDSHAKE_MS_MAX,
  HANDSHAKES_MAX,
} from "../../protocol/limits.ts";
import type { Connection } from "./connection.ts";

/** For how long it holds that what came was read. A process that was stopped has to look again. */
const READ_MS_MAX = 50;

/** See the module's head. */
export class Strangers {
  readonly #since = new Map<Connection, number>();
  readonly #now: () => number;
  readonly #refuse: (connection: Connection, error: IpcError) => void;
  /** Whose time was over by `due_ms` was found to be late, and had said nothing more that could be read `at_ms`. */
  #late = { due_ms: -Infinity, at_ms: -Infinity };
  #waiting: { promise: Promise<void>; resolve: () => void; timer: ReturnType<typeof setTimeout> } | undefined;

  /**
   * @param now Milliseconds of a clock that never goes back.
   * @param refuse Says why and closes: OVERLOADED or TIMEOUT.
   */
  constructor(now: () => number, refuse: (connection: Connection, error: IpcError) => void) {
    this.#now = now;
    this.#refuse = refuse;
  }

  add(connection: Connection): void {
    if (this.#since.size >= HANDSHAKES_MAX) this.#evictOldest();
    this.#since.set(connection, this.#now());
  }

  /** It was taken for somebody, and is a stranger after all. Nobody has to give way: it was let in long ago. */
  addAgain(connection: Connection): void {
    this.#since.set(connection, this.#now());
  }

  /** It has said HELLO, or is gone. */
  remove(connection: Connection): void {
    if (this.#since.delete(connection)) this.#wake();
  }

  /** Resolves when it is worth asking again; `undefined` if another may come in at once. */
  ready(): Promise<void> | undefined {
    if (this.#since.size < HANDSHAKES_MAX) return undefined;
    const [oldest, since_ms] = this.#since.entries().next().value!, now_ms = this.#now(), late = this.#late;
    const due_ms = since_ms + (oldest.reads > 0 ? HANDSHAKE_BEGUN_GRACE_MS : HANDSHAKE_GRACE_MS);
    if (due_ms <= late.due_ms && now_ms - late.at_ms <= READ_MS_MAX) return undefined;
    if (this.#waiting === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = due_ms > now_ms ? this.#wakeAfter(due_ms - now_ms) : this.#afterReading(now_ms);
      this.#waiting = { promise, resolve, timer };
    }
    return this.#waiting.promise;
  }

  /** Closes those whose time is over. */
  tick(): void {
    const limit = this.#now() - HANDSHAKE_MS_MAX;
    for (const [connection, since] of this.#since) {
      if (since > limit) break;
      this.#turnAway(connection, new IpcError("TIMEOUT", `no HELLO within ${HANDSHAKE_MS_MAX} ms`));
    }
  }

  /** Forgets all: the broker is going away. Returns who they were. */
  close(): Connection[] {
    const all = [...this.#since.keys()];
    this.#since.clear();
    this.#wake();
    return all;
  }

  #wakeAfter(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#wake(), ms);
  }

  /** Timers run before what has come is read, so it takes two of them. */
  #afterReading(due_ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      if (this.#waiting === undefined) return;
      this.#waiting.timer = setTimeout(() => {
        this.#late = { due_ms, at_ms: this.#now() };
        this.#wake();
      }, 0);
    }, 0);
  }

  #evictOldest(): void {
    for (const connection of this.#since.keys()) {
      const why = `${HANDSHAKES_MAX} connections have not said HELLO, and this is the oldest`;
      return this.#turnAway(connection, new IpcError("OVERLOADED", why));
    }
  }

  #turnAway(connection: Connection, error: IpcError): void {
    this.remove(connection);
    this.#refuse(connection, error);
  }

  #wake(): void {
    clearTimeout(this.#waiting?.timer);
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
