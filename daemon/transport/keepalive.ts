/**
 * Finds out about peers that are gone without having closed: one that was silent for 30 s is sent a PING, and closed
 * after two that it did not answer. The PONG has a second use: it is a small read, which makes a connection's read
 * buffer shrink after a burst.
 *
 * A PING waits behind everything that is queued, for minutes if the peer is slow; so a peer that takes what is queued is
 * alive, too.
 *
 * @module
 */
import { KEEPALIVE_MS, KEEPALIVE_UNANSWERED_MAX } from "../../protocol/limits.ts";
import type { Connection } from "./connection.ts";

interface Seen {
  reads: number;
  writes: number;
  since_ms: number;
  unanswered: number;
}

/** See the module's head. */
export class Keepalive {
  readonly #seen = new Map<Connection, Seen>();

  add(connection: Connection, now_ms: number): void {
    this.#seen.set(connection, {
      reads: connection.reads,
      writes: connection.outbox.writes,
      since_ms: now_ms,
      unanswered: 0,
    });
  }

  remove(connection: Connection): void {
    this.#seen.delete(connection);
  }

  /**
   * Looks at everybody.
   *
   * @param ping Sends a PING.
   * @param dead Closes one that did not answer.
   */
  tick(now_ms: number, ping: (connection: Connection) => void, dead: (connection: Connection) => void): void {
    for (const [connection, seen] of this.#seen) {
      const { reads, held_up, outbox } = connection;
      const alive = reads !== seen.reads || held_up || outbox.queued_bytes > 0 && outbox.writes !== seen.writes;
      seen.writes = outbox.writes;
      if (alive) {
        seen.reads = reads;
        seen.since_ms = now_ms;
        seen.unanswered = 0;
      } else if (now_ms - seen.since_ms >= KEEPALIVE_MS) {
        seen.since_ms = now_ms;
        if (seen.unanswered++ === KEEPALIVE_UNANSWERED_MAX) dead(connection);
        else ping(connection);
      }
    }
  }
}
