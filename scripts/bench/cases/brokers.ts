/**
 * Broker against broker, all driven by the same driver.
 *
 * @module
 */
import type { Bench, Case, Contestant, Entry, Metric, Sample, Summaries, Target } from "../case.ts";
import type { DriverResult, Load } from "../driver.ts";
import { installed, type Peer, RELAY } from "../peers/mod.ts";

/** A run should take so long: enough to be told from noise. */
const RUN_MS = 1_000, QUICK_RUN_MS = 50;
/** Pairs have channels bench0, bench1, ... */
const CHANNEL = "bench";
/** A driver that works all the time may be what holds a broker up, and a broker this near to the relay is. */
const BUSY = 0.95, NEAR_RELAY = 0.7;

interface BrokerCase {
  name: string;
  title: string;
  load: Load;
  metrics: readonly Metric[];
  targets: readonly Target[];
  /** Broker and driver share one core. */
  one_core?: true;
  /** Who cannot take part. */
  without?: readonly string[];
}

const EVENTS: Metric[] = [{ key: "per_s", title: "events/s", better: "more" }];
const DELIVERIES: Metric[] = [{ key: "deliveries_per_s", title: "deliveries/s", better: "more" }];
const REQUESTS: Metric[] = [{ key: "per_s", title: "requests/s", better: "more" }];
const P50: Metric = { key: "p50_us", title: "p50, µs", better: "less" };
const P99: Metric = { key: "p99_us", title: "p99, µs", better: "less" };

const atLeast = (factor: number, against: string, { key }: Metric = EVENTS[0]!): Target => ({
  metric: key,
  against,
  at_least: factor,
});
const atMost = (factor: number, against: string, { key }: Metric): Target => ({
  metric: key,
  against,
  at_most: factor,
});

const events = (name: string, title: string, options: Record<string, number>, targets: Target[]): BrokerCase => ({
  name,
  title: `${title}, 1 publisher to 1 listener`,
  load: { kind: "throughput", options },
  metrics: EVENTS,
  targets,
});

const fanout = (listeners: number): BrokerCase => ({
  name: `fanout-${listeners}`,
  title: `16 B events, 1 publisher to ${listeners} listeners`,
  load: { kind: "throughput", options: { size: 16, listeners } },
  metrics: DELIVERIES,
  targets: [atLeast(6, "nats", DELIVERIES[0])],
});

const NO_REQUESTS = ["redis", "mosquitto"];

const CASES: readonly BrokerCase[] = [
  events("events-16", "16 B events", { size: 16 }, [atLeast(4, "nats"), atLeast(8, "redis"), atLeast(0.3, "relay")]),
  fanout(4),
  fanout(64),
  events("events-128", "128 B events", { size: 128 }, [atLeast(3, "nats")]),
  events("events-1k", "1 KiB events", { size: 1024 }, [atLeast(1.8, "nats")]),
  events("events-64k", "64 KiB events", { size: 65536 }, [atLeast(1.5, "nats")]),
  {
    name: "publishers-256",
    title: "256 publishers, one 128 B event each at a time",
    load: { kind: "single", options: { size: 128, publishers: 256 } },
    metrics: EVENTS,
    targets: [atLeast(2, "nats"), atLeast(1.2, "redis")],
  },
  {
    name: "pairs-64",
    title: "64 pairs on 64 channels at once, 128 B",
    load: { kind: "pairs", options: { size: 128, pairs: 64 } },
    metrics: EVENTS,
    targets: [atLeast(2, "nats")],
  },
  {
    name: "latency",
    title: "one 16 B event at a time, all on one core",
    load: { kind: "pingpong", options: { size: 16 } },
    metrics: [P50, P99],
    targets: [P50, P99].flatMap((metric) => [atMost(1.2, "redis", metric), atMost(0.6, "nats", metric)]),
    one_core: true,
  },
  {
    name: "request",
    title: "one 16 B request at a time, all on one core",
    load: { kind: "requests", options: { size: 16, requesters: 1 } },
    metrics: [P50, P99],
    targets: [atMost(0.7, "nats", P50)],
    one_core: true,
    without: NO_REQUESTS,
  },
  {
    name: "requests-64",
    title: "64 requesters with one 16 B request open each",
    load: { kind: "requests", options: { size: 16, requesters: 64 } },
    metrics: REQUESTS,
    targets: [atLeast(1.5, "nats")],
    without: NO_REQUESTS,
  },
];

/** In the order of the table. */
export const BROKER_CASES: readonly Case[] = CASES.map((one): Case => ({
  ...one,
  section: "brokers",
  entries: (bench) => entries(one, bench),
  caution: (results) => one.one_core ? [] : cautions(one, results),
}));

function entries({ name, load, one_core, without = [] }: BrokerCase, bench: Bench): Entry[] {
  if (!bench.driver.can(load)) {
    bench.notice(`${name} is left out: it takes the driver in C`);
    return [];
  }
  if (one_core && bench.core === undefined) {
    bench.notice(`${name} is left out: it takes taskset (util-linux)`);
    return [];
  }
  const peers = installed(bench.peers).filter((peer) => !without.includes(peer.name));
  const all = bench.driver.fallback ? peers : [...peers, RELAY];
  const core = one_core ? bench.core : undefined;
  return all.map((peer) => ({ name: peer.name, open: () => open(peer, load, bench, core) }));
}

/** Starts a broker, lets it get hot, and finds out how many events make a run long enough. */
async function open(peer: Peer, load: Load, bench: Bench, core: number | undefined): Promise<Contestant> {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await peer.start(bench.workshop, { core }));
  const run = async (count: number, check: boolean) => {
    await broker.open(...channels(load));
    return await bench.driver.run(broker, { kind: load.kind, options: { ...load.options, count } }, { core, check });
  };
  const wanted_s = (bench.quick ? QUICK_RUN_MS : RUN_MS) / 1000, least = 2 * (load.options.publishers ?? 1) * 10;
  let count = firstCount(load);
  for (let seconds = 0; seconds < wanted_s / 3;) {
    const result = await run(count, true);
    seconds = Math.max(result.seconds, 1e-4);
    // The first run's rate says little about the tenth's: at most ten times as many as in the run before.
    count = Math.max(least, Math.round(result.events * Math.min(10, wanted_s / seconds)));
  }
  const kept = stack.move();
  return {
    run: async () => sampleOf(await run(count, false)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function channels({ kind, options }: Load): string[] {
  return kind === "pairs" ? Array.from({ length: options.pairs! }, (_, i) => `${CHANNEL}${i}`) : [CHANNEL];
}

/** So that the first run is over soon with the slowest of brokers. */
function firstCount({ options: { size = 16, listeners = 1, publishers = 1, pairs = 1 } }: Load): number {
  const least = Math.max(publishers, pairs) * 20;
  return Math.max(least, Math.round(Math.min(5_000, 20e6 / size) / Math.min(10, listeners)));
}

function sampleOf(result: DriverResult): Sample {
  const { seconds, events, driver_cpu_s, broker_cpu_s, p50_us, p99_us } = result;
  return {
    per_s: result.events_per_s,
    deliveries_per_s: result.deliveries_per_s,
    ...p50_us === undefined ? {} : { p50_us, p99_us: p99_us! },
    driver_busy: driver_cpu_s / seconds,
    ...broker_cpu_s === undefined ? {} : { broker_cpu_us: broker_cpu_s / events * 1e6 },
  };
}

/** Says where the driver, and not the broker, may be what is measured. */
function cautions({ metrics }: BrokerCase, results: ReadonlyMap<string, Summaries>): string[] {
  const key = metrics[0]!.key, relay = results.get("relay")?.get(key)?.median;
  return [...results].flatMap(([name, summaries]) => {
    if (name === "relay") return [];
    const busy = summaries.get("driver_busy")!.median, rate = summaries.get(key)!.median;
    if (relay !== undefined && metrics[0]!.better === "more" && rate > NEAR_RELAY * relay) {
      return [`${name} is at ${(rate / relay).toFixed(2)} of the relay: driver and kernel are the bottleneck`];
    }
    if (busy > BUSY) return [`the driver was busy all the time with ${name}: ${name} may be able to do more`];
    return [];
  });
}
