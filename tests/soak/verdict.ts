/**
 * Whether something stays flat. A process breathes: a garbage collector lets memory grow and takes it back, an allocator
 * keeps what it may need again. So the beginning does not count (the first fifth, and 20 s at least), and what does is
 * how the last third of the rest differs from its first third.
 *
 * - Memory of the process: the medians, at most 8 MiB and a tenth apart, whichever is more.
 * - The heap and what hangs on it: how far they go down, as the quantile of 10 percent: at most 4 MiB apart. What is not
 *   given back shows there, whatever lies on top.
 * - Descriptors, clients, channels: the medians, at most 3 apart.
 *
 * The slope is that of the least squares over everything that counts, for an hour. It is printed, and not judged: of a
 * short soak it says more about where the collector happened to be than about the broker.
 *
 * @module
 */
import { quantile } from "../../scripts/bench/statistics.ts";

/** The broker at one moment. */
export interface Sample {
  /** Since the soak began. */
  at_ms: number;
  rss_bytes: number;
  heap_bytes: number;
  external_bytes: number;
  descriptors: number;
  channels: number;
  clients: number;
  queued_bytes: number;
  history_bytes: number;
}

/** What of a sample is judged. */
export type Series = "rss_bytes" | "heap_bytes" | "external_bytes" | "descriptors" | "clients" | "channels";

/** What is to be said of one series. */
export interface Judgement {
  series: Series;
  /** In the first and in the last third. */
  first: number;
  last: number;
  /** How much more there may be in the last. */
  allowed: number;
  slope_per_hour: number;
  flat: boolean;
}

const MIB = 1024 * 1024;
const WARM_SHARE = 0.2, WARM_MS_MIN = 20_000;

interface Rule {
  /** What of a third is compared: this part of its samples is lower. */
  share: number;
  allowed: (first: number) => number;
}

const RULES: Readonly<Record<Series, Rule>> = {
  rss_bytes: { share: 0.5, allowed: (first) => Math.max(8 * MIB, first / 10) },
  heap_bytes: { share: 0.1, allowed: () => 4 * MIB },
  external_bytes: { share: 0.1, allowed: () => 4 * MIB },
  descriptors: { share: 0.5, allowed: () => 3 },
  clients: { share: 0.5, allowed: () => 3 },
  channels: { share: 0.5, allowed: () => 3 },
};

/** The samples that count. */
export function warm(samples: readonly Sample[]): readonly Sample[] {
  const all_ms = samples.at(-1)?.at_ms ?? 0;
  const from_ms = Math.max(all_ms * WARM_SHARE, Math.min(WARM_MS_MIN, all_ms / 2));
  return samples.filter(({ at_ms }) => at_ms >= from_ms);
}

/**
 * Judges every series.
 *
 * @param samples In their order; those of the beginning are left out here. At least six.
 */
export function judge(samples: readonly Sample[]): Judgement[] {
  const counted = warm(samples), third = Math.floor(counted.length / 3);
  return (Object.keys(RULES) as Series[]).map((series) => {
    const { share, allowed } = RULES[series];
    const level = (part: readonly Sample[]) =>
      quantile(part.map((sample) => sample[series]).sort((a, b) => a - b), share);
    const first = level(counted.slice(0, third)), last = level(counted.slice(-third)), most = allowed(first);
    const slope_per_hour = slope(counted.map((sample) => [sample.at_ms / 3_600_000, sample[series]]));
    return { series, first, last, allowed: most, slope_per_hour, flat: last - first <= most };
  });
}

/** How much y rises for each x, by least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const count = points.length;
  const mean_x = points.reduce((sum, [x]) => sum + x, 0) / count,
    mean_y = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const both = points.reduce((sum, [x, y]) => sum + (x - mean_x) * (y - mean_y), 0);
  const square = points.reduce((sum, [x]) => sum + (x - mean_x) ** 2, 0);
  return square === 0 ? 0 : both / square;
}
