/**
 * What the broker counts from its start on. All of it only grows, so that the difference of two looks is what happened in
 * between; what goes up and down is asked of whoever has it.
 *
 * Cost: nothing per event or run. Channels count what passes through them, and leave their sums here when they close.
 *
 * @module
 */
import type { ErrorName } from "../protocol/errors.ts";

/** What somebody can have too much of: the four quotas, the memory of all, and a queue that had no room. */
export type Overload = "connections" | "queued" | "requests" | "channels" | "memory" | "queue";

/** What a channel has counted. */
export interface Passed {
  readonly events: number;
  readonly bytes: number;
  readonly requests: number;
}

/** See the module's head. */
export class Counters {
  /** Connections that were accepted, whatever became of them. */
  connections = 0;
  /** Connections that were turned away before they had said who they are, and what a rule denies, by reason. */
  readonly refused: Map<ErrorName | "UNKNOWN", number> = new Map();
  /** What was answered OVERLOADED, or closed for it, by what there was too much of. */
  readonly overloaded: Map<Overload, number> = new Map();
  #events = 0;
  #bytes = 0;
  #requests = 0;

  /** A channel is gone, and what passed through it is not. */
  keep(channel: Passed): void {
    this.#events += channel.events;
    this.#bytes += channel.bytes;
    this.#requests += channel.requests;
  }

  /** What has passed through all channels: these, and those that were closed. */
  passed(channels: Iterable<Passed>): Passed {
    let events = this.#events, bytes = this.#bytes, requests = this.#requests;
    for (const channel of channels) {
      events += channel.events;
      bytes += channel.bytes;
      requests += channel.requests;
    }
    return { events, bytes, requests };
  }
}

/** Counts one more under a name, or several. */
export function countUnder<K>(counts: Map<K, number>, name: K, more = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + more);
}

/** The sum of all. */
export function sumOf(counts: ReadonlyMap<unknown, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
