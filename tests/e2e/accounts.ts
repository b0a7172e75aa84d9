/**
 * What the programs of the tests report, and what is to be said of it together.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { PlainTally } from "./programs/numbered.ts";
import type { Worker } from "./harness.ts";
import { eventually } from "./wait.ts";

/** What a publisher reports. */
export interface PublisherReport {
  /** How many events it has handed to the library. */
  sent: number;
  /** The last one of which the library said that the broker has it. */
  confirmed: number;
  /** Where the library said that it does not know. */
  failures: { from: number; to: number; reason: string; message: string; events: { events: number } }[];
  epoch: string;
}

/** What a listener reports. */
export interface ListenerReport extends PlainTally {
  epoch: string;
  notices: { kind: string; reason?: string; [about: string]: unknown }[];
}

/** Waits for a listener to have so many events, those that it was told it missed included. */
export async function settled(listener: Worker, events: number): Promise<ListenerReport> {
  let report: ListenerReport | undefined;
  return await eventually(
    async () => {
      report = await listener.ask("report") as ListenerReport;
      return report.received + report.missed >= events ? report : undefined;
    },
    () => `a listener has not ${events} events but ${JSON.stringify(report)}`,
  );
}

/** Says that a listener has every event of some publishers, each once and in order. */
export function assertComplete(report: ListenerReport, sent: readonly number[]): void {
  assertAccounted(report, sent);
  assert.deepEqual({ missed: report.missed, restarts: report.restarts }, { missed: 0, restarts: 0 });
}

/** Says that a listener has every event in order, or was told exactly which it has not. */
export function assertAccounted(report: ListenerReport, sent: readonly number[]): void {
  const { disordered, jumps, others } = report;
  assert.deepEqual({ disordered, jumps, others }, { disordered: 0, jumps: 0, others: 0 });
  assert.equal(report.received + report.missed, sent.reduce((sum, events) => sum + events, 0));
}

/** How many numbers a listener was not given. */
export function missing(report: ListenerReport): number {
  let events = 0;
  for (const { skipped } of Object.values(report.publishers)) {
    for (const [first, last] of skipped) events += last - first + 1;
  }
  return events;
}
