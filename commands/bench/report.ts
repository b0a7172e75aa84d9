/**
 * What `ipc bench` has measured, for people and for programs.
 *
 * @module
 */
import { formatBytes } from "../../config/units.ts";
import type { Throughput } from "./parts.ts";

/** How long requests took, in milliseconds. */
export interface Latency {
  requests: number;
  min_ms: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
  /** How many took less than so long, and not less than the one before. */
  histogram: { below_ms: number; requests: number }[];
}

/** Something through the broker and over a bare socket; of the medians or rates, the broker's by the socket's. */
export interface Compared<Measured> {
  broker: Measured;
  socket: Measured;
  ratio: number;
}

/** What was measured with payloads of one size. */
export interface BenchResult {
  size: number;
  clients: number;
  events?: Compared<Throughput>;
  request?: Compared<Latency>;
  pub?: Compared<Throughput>;
}

/** @param times_ms Ascending, at least one. */
export function latency(times_ms: Float64Array): Latency {
  const at = (share: number): number => times_ms[Math.min(times_ms.length - 1, Math.floor(share * times_ms.length))]!;
  const histogram: Latency["histogram"] = [];
  for (let from = 0, below_ms = 0.001; from < times_ms.length; below_ms *= 2) {
    let to = from;
    while (to < times_ms.length && times_ms[to]! < below_ms) to++;
    if (to > 0) histogram.push({ below_ms, requests: to - from });
    from = to;
  }
  return { requests: times_ms.length, min_ms: at(0), p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1), histogram };
}

/** A rate in words. */
export function rateText({ per_s, bytes_per_s }: Pick<Throughput, "per_s" | "bytes_per_s">): string {
  return `${Math.round(per_s)} events/s, ${formatBytes(Math.round(bytes_per_s))}/s`;
}

/** A number of something in words. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** Cells of a histogram's longest bar. */
const HISTOGRAM_CELLS = 40;

/** The result in lines, each with its end. */
export function benchText({ size, clients, events, request, pub }: BenchResult): string {
  const lines: string[] = [];
  const rates = (what: string, { broker, socket, ratio }: Compared<Throughput>): void => {
    lines.push(`${what}: ${rateText(broker)}`);
    lines.push(`  bare socket: ${rateText(socket)}; through the broker ${ratio.toFixed(2)} x as many`);
  };
  if (events !== undefined) rates(`events of ${formatBytes(size)} to ${counted(clients, "listener")}`, events);
  if (pub !== undefined) rates(`events of ${formatBytes(size)} from ${counted(clients, "publisher")}`, pub);
  if (request !== undefined) {
    const { broker, socket, ratio } = request, us = (ms: number) => `${(ms * 1000).toFixed(1)} µs`;
    const times = ({ p50_ms, p99_ms, max_ms }: Latency) =>
      `median ${us(p50_ms)}, 99 % ${us(p99_ms)}, most ${us(max_ms)}`;
    lines.push(`requests of ${formatBytes(size)}, ${clients === 1 ? "one" : clients} at a time: ${times(broker)}`);
    lines.push(`  bare socket: ${times(socket)}; through the broker ${ratio.toFixed(2)} x as long`);
    const most = Math.max(...broker.histogram.map(({ requests }) => requests));
    for (const { below_ms, requests } of broker.histogram) {
      const share = `${(requests / broker.requests * 100).toFixed(1)} %`;
      const bar = "#".repeat(Math.ceil(requests / most * HISTOGRAM_CELLS));
      lines.push(`  below ${`${Math.round(below_ms * 1000)} µs`.padStart(10)}  ${share.padStart(7)}  ${bar}`.trimEnd());
    }
  }
  return lines.map((line) => `${line}\n`).join("");
}
