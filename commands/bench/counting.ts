/**
 * What `ipc bench sub` counts: events that somebody else publishes, from the first one on.
 *
 * @module
 */
import type { Channel, GapNotice } from "../../client/mod.ts";
import { formatBytes, formatDuration } from "../../config/units.ts";
import { FLAGS, OFFSET } from "../../protocol/frame.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";
import { counted, rateText } from "./report.ts";

/** So long after the last event it is taken that no more will come. */
export const IDLE_MS = 1000;

/** What has been counted. */
export interface Counted {
  channel: string;
  /** How many listened. Everything else is of all of them together. */
  clients: number;
  messages: number;
  /** Of their payloads. */
  bytes: number;
  /** From the first to the last. */
  took_ms: number;
  /** `null` if they came too much at once for a rate. */
  per_s: number | null;
  bytes_per_s: number | null;
  /** How often events were missing, and how many. */
  gaps: number;
  missed: number;
}

/** Counts. What was retained before is no event of this time. */
export class Counting {
  readonly #channel: string;
  readonly #clients: number;
  #first = { at_ms: 0, messages: 0, bytes: 0 };
  #last_ms = 0;
  #messages = 0;
  #bytes = 0;
  #gaps = 0;
  #missed = 0;

  /** Begins, on connections to one channel. */
  constructor(channel: string, listeners: readonly Channel[]) {
    this.#channel = channel;
    this.#clients = listeners.length;
    for (const listener of listeners) listener.listenRuns((run, gap) => this.#take(run, gap));
  }

  #take(run: Uint8Array<ArrayBuffer>, gap: GapNotice | undefined): void {
    if (gap !== undefined) {
      this.#gaps++;
      this.#missed += (gap.direct ?? 0) + (gap.from === 0 || gap.to === null ? 0 : gap.to - gap.from + 1);
      return;
    }
    const view = new DataView(run.buffer, run.byteOffset, run.length), before = this.#messages;
    for (let at = 0; at < run.length;) {
      const length = view.getUint32(at + OFFSET.length, true);
      if ((view.getUint8(at + OFFSET.flags) & FLAGS.RETAIN) === 0) {
        this.#messages++;
        this.#bytes += length - HEADER_BYTES - view.getUint16(at + OFFSET.headers, true);
      }
      at += length;
    }
    if (this.#messages === before) return;
    this.#last_ms = performance.now();
    if (before === 0) this.#first = { at_ms: this.#last_ms, messages: this.#messages, bytes: this.#bytes };
  }

  /** Whether no more are to be counted. @param duration_ms For how long from the first one on. */
  over(duration_ms: number): boolean {
    const now_ms = performance.now();
    return this.#messages > 0 && (now_ms - this.#last_ms >= IDLE_MS || now_ms - this.#first.at_ms >= duration_ms);
  }

  /** What it has come to. What came at once with the first event took no time, so the rate is that of the others. */
  get counted(): Counted {
    const took_ms = this.#last_ms - this.#first.at_ms;
    const rate = (all: number, first: number): number | null => took_ms > 0 ? (all - first) / took_ms * 1000 : null;
    return {
      channel: this.#channel,
      clients: this.#clients,
      messages: this.#messages,
      bytes: this.#bytes,
      took_ms,
      per_s: rate(this.#messages, this.#first.messages),
      bytes_per_s: rate(this.#bytes, this.#first.bytes),
      gaps: this.#gaps,
      missed: this.#missed,
    };
  }
}

/** The same in words, on one line. */
export function countedText({ channel, clients, messages, bytes, took_ms, gaps, missed, ...rate }: Counted): string {
  const { per_s, bytes_per_s } = rate;
  const speed = per_s === null || bytes_per_s === null ? "at once" : rateText({ per_s, bytes_per_s });
  return `${counted(messages, "event")} on ${channel}, ${formatBytes(bytes)}, in ${
    formatDuration(Math.round(took_ms))
  }` +
    `${clients === 1 ? "" : ` by ${clients} listeners together`}: ${speed}; ` +
    (gaps === 0 ? "none missed" : `${missed} missed in ${counted(gaps, "gap")}`);
}
