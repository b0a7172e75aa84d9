/**
 * `ipc stats`: the broker in numbers, for people, scripts and Prometheus.
 *
 * @module
 */
import { formatAge, formatBytes } from "../config/units.ts";
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { type ChannelLine, channelsText } from "./channels.ts";
import { askBroker } from "./connection.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { type Stats, statsMetrics } from "./stats/metrics.ts";
import { fieldsText } from "./table.ts";
import { argumentParser, parseArguments, usageError, type Verb } from "./verb.ts";

/** Options of `ipc stats`. */
export interface StatsOptions {
  /** Channels to be shown one by one; none without it. */
  glob: string | undefined;
  form: "table" | "json" | "prometheus";
}

export const verb: Verb<StatsOptions> = { parse: parseStats, run: runStats };

export function parseStats(argv: readonly string[]): StatsOptions {
  const parser = argumentParser("stats", "Show the broker in numbers.", [
    "ipc stats",
    "ipc stats 'sensor.*'              # these channels one by one, too",
    "ipc stats --prometheus > ipc.prom # docs/monitoring.md has a timer that does",
  ])
    .argument("[glob]", "also each channel that fits: * ? [a-z]")
    .option("--json", "as one JSON object")
    .option("--prometheus", "as metrics in Prometheus' text format");
  const { args: [glob], options } = parseArguments(parser, argv);
  if (options.json && options.prometheus) throw usageError(parser, "--json and --prometheus exclude each other");
  return { glob, form: options.json ? "json" : options.prometheus ? "prometheus" : "table" };
}

export async function runStats({ glob, form }: StatsOptions, io: Io): Promise<number> {
  const stats = await askBroker("stats", {}, io) as Stats;
  const all = glob === undefined ? [] : await askBroker("channels", { glob }, io) as ChannelLine[];
  const channels = all.filter(({ channel }) => channel !== CONTROL_CHANNEL || glob === CONTROL_CHANNEL);
  if (form === "prometheus") io.stdout.write(statsMetrics(stats, channels));
  else if (form === "json") {
    const object = glob === undefined ? stats : { ...stats, channel_list: channels };
    io.stdout.write(`${JSON.stringify(object)}\n`);
  } else {
    const table = channelsText(channels);
    io.stdout.write(table === "" ? statsText(stats) : `${statsText(stats)}\n${table}`);
  }
  return EXIT.OK;
}

/** Fields for people: what there is now, then what was counted since the start. */
export function statsText(stats: Stats): string {
  return fieldsText([
    ["broker", `${stats.draining ? "going away" : "running"}, version ${stats.version}, pid ${stats.pid}`],
    ["running for", formatAge(stats.uptime_ms)],
    ["channels", stats.channels],
    ["clients", stats.clients],
    ["open requests", stats.requests_open],
    ["queued", formatBytes(stats.queued_bytes)],
    ["histories", formatBytes(stats.history_bytes)],
    ["memory", `${formatBytes(stats.memory.rss_bytes)}, ${formatBytes(stats.memory.held_bytes)} of it for messages`],
    ["events", `${stats.events} (${formatBytes(stats.bytes)})`],
    ["requests", stats.requests],
    ["connections", stats.connections],
    ["slow consumers", stats.slow_consumers],
    ["missed events", stats.gaps],
    ["refused", countsText(stats.refused_for)],
    ["overloaded", countsText(stats.overloaded)],
  ]);
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? "0" : parts.join(", ");
}
