/**
 * What the canaries report, and what is to be said of it: what was lost, doubled or reordered, and whether the gaps that
 * a listener was told of are exactly those that it has.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Stretch, Stretches } from "./stretches.ts";

/** Where in a canary's payload the time stands at which it was sent, in milliseconds. */
export const CLOCK_AT = 12;

/** What a publisher reports. */
export interface Publisher {
  /** How many events it has sent; they are numbered from 1. */
  sent: number;
  /** Those of which it does not know whether the broker has them. */
  unconfirmed: Stretch[];
  /** Each epoch in which something was accepted, and the first number that was. */
  epochs: [epoch: string, first: number][];
  /** Why it is closed for good. */
  closed?: string;
}

/** What a listener was told it misses. */
export interface Gap {
  /** The number of the event before. */
  behind: number;
  from: number;
  to: number | null;
  reason: string;
  /** The epoch that goes on behind it. */
  epoch: string;
}

/** What a listener reports. */
export interface Listener {
  received: number;
  /** Events that are no canary's. */
  others: number;
  /** Places where the sequence numbers jump and no gap was told, or another than there is. */
  jumps: number;
  /** The highest number. */
  last: number;
  /** The numbers that were not there when a higher one came. */
  skipped: Stretch[];
  doubled: number;
  /** The numbers that came after a higher one. */
  late: number[];
  gaps: Gap[];
  /** What else happened, as the library says it: "disconnected CHANNEL_RECV", "reconnected". */
  notices: string[];
  /** The longest time between two events. */
  longest_pause_ms: number;
  /** The longest time from sending to receiving. */
  longest_delay_ms: number;
  closed?: string;
}

/** What is to be said of a pair. */
export interface PairReport {
  channel: string;
  sent: number;
  /** Events that the broker is known to have had. */
  accepted: number;
  received: number;
  /** Accepted, not received, and not told to be missing. */
  lost: number;
  doubled: number;
  reordered: number;
  /** Accepted, not received, and told to be missing. */
  missed: number;
  /** The gaps that were told. */
  gaps: Gap[];
  /** What is wrong with them; empty if they are exact. */
  wrong_gaps: string[];
  others: number;
  longest_pause_ms: number;
  longest_delay_ms: number;
  notices: string[];
  closed: string[];
}

/** See the module's head. */
export class CanaryReport {
  constructor(readonly pairs: readonly PairReport[]) {}

  /** Nothing at all has happened to them. */
  assertFaultless(): void {
    this.assertAccounted();
    for (const { channel, sent, accepted, received, missed, gaps, notices } of this.pairs) {
      assert.deepEqual(
        { channel, accepted, received, missed, gaps, notices },
        { channel, accepted: sent, received: sent, missed: 0, gaps: [], notices: [] },
      );
    }
  }

  /** Every event that was accepted was received once and in order, or its listener was told exactly that it was not. */
  assertAccounted(): void {
    for (const { channel, sent, lost, doubled, reordered, wrong_gaps, others, closed } of this.pairs) {
      assert.deepEqual(
        { channel, lost, doubled, reordered, wrong_gaps, others, closed },
        { channel, lost: 0, doubled: 0, reordered: 0, wrong_gaps: [], others: 0, closed: [] },
      );
      assert(sent > 1, `the canary of ${channel} has not sung`);
    }
  }

  /** A field of all pairs added up. */
  sum(field: "sent" | "accepted" | "received" | "lost" | "doubled" | "reordered" | "missed"): number {
    return this.pairs.reduce((sum, pair) => sum + pair[field], 0);
  }

  /** The longest that any listener has waited. */
  longest(field: "longest_pause_ms" | "longest_delay_ms"): number {
    return Math.max(...this.pairs.map((pair) => pair[field]));
  }

  /** In a line. */
  toString(): string {
    const { pairs } = this, sum = (field: Parameters<CanaryReport["sum"]>[0]) => this.sum(field);
    return `${pairs.length} canary pairs: ${sum("received")} of ${sum("accepted")} accepted events received, ` +
      `${sum("missed")} told to be missing, ${sum("lost")} lost, ${sum("doubled")} doubled, ` +
      `${sum("reordered")} out of order; longest pause ${this.longest("longest_pause_ms")} ms`;
  }
}

/** Holds what the two of a pair say against each other. */
export function judge(channel: string, publisher: Publisher, listener: Listener): PairReport {
  const { sent } = publisher, { received, doubled, late, gaps, skipped, others, notices } = listener;
  const unconfirmed = new Stretches(publisher.unconfirmed), wrong_gaps: string[] = [];
  const told = Map.groupBy(gaps, ({ behind }) => behind);
  let lost = 0, missed = 0;
  for (const stretch of [...skipped, [listener.last + 1, sent] satisfies Stretch]) {
    const numbers = stretch[1] - stretch[0] + 1 - late.filter((at) => stretch[0] <= at && at <= stretch[1]).length;
    const accepted = Math.max(0, numbers - unconfirmed.within(stretch)), here = told.get(stretch[0] - 1);
    if (here === undefined) lost += accepted;
    else {
      missed += accepted;
      told.delete(stretch[0] - 1);
      const wrong = wrongGap(here, accepted, numbers) ?? wrongRestart(here, stretch, publisher.epochs, unconfirmed);
      if (wrong !== undefined) wrong_gaps.push(wrong);
    }
  }
  // A restart costs nothing if everything had arrived; the listener cannot know, and is told all the same.
  for (const gap of [...told.values()].flat()) {
    if (gap.to !== null) wrong_gaps.push(`nothing is missing at ${text(gap)}`);
  }
  if (listener.jumps > 0) wrong_gaps.push(`${listener.jumps} times the sequence numbers jump`);
  return {
    channel,
    sent,
    accepted: sent - unconfirmed.count,
    received,
    lost,
    doubled,
    reordered: late.length,
    missed,
    gaps,
    wrong_gaps,
    others,
    longest_pause_ms: listener.longest_pause_ms,
    longest_delay_ms: listener.longest_delay_ms,
    notices,
    closed: [publisher.closed, listener.closed].filter((why) => why !== undefined),
  };
}

/** Gaps at one place must speak of as many events as are missing there, but for those that perhaps never were any. */
function wrongGap(gaps: readonly Gap[], accepted: number, numbers: number): string | undefined {
  const known = gaps.reduce((sum, { from, to }) => to === null ? sum : sum + to - from + 1, 0);
  const open = gaps.some(({ to }) => to === null);
  if (known <= numbers && (open || known >= accepted)) return undefined;
  return `${accepted} to ${numbers} events are missing at ${gaps.map(text).join(" and ")}`;
}

/**
 * Where a broker was killed, everything behind the last event is gone that it had accepted. What its successor accepted is
 * not: of that a listener misses what a gap with an end says, and nothing else.
 */
function wrongRestart(
  gaps: readonly Gap[],
  [first, last]: Stretch,
  epochs: Publisher["epochs"],
  unconfirmed: Stretches,
): string | undefined {
  const at = gaps.findLastIndex(({ to }) => to === null);
  const begun = epochs.find(([epoch]) => epoch === gaps[at]?.epoch)?.[1];
  if (begun === undefined || begun > last) return undefined;
  const fresh: Stretch = [Math.max(begun, first), last], numbers = fresh[1] - fresh[0] + 1;
  const accepted = numbers - unconfirmed.within(fresh);
  const told = gaps.slice(at + 1).reduce((sum, { from, to }) => sum + to! - from + 1, 0);
  if (accepted <= told && told <= numbers) return undefined;
  return `of the new epoch, which begins with ${begun}, ${accepted} to ${numbers} events are missing, and ${told} were told`;
}

function text({ behind, from, to, reason }: Gap): string {
  return `gap ${from}-${to ?? ""} (${reason}) behind ${behind}`;
}
