/**
 * What it costs to have a broker stand there: memory that its process holds, as the kernel counts it. Each run measures a
 * broker that was started for it.
 *
 * @module
 */
import type { Bench, Case, Contestant, Entry, Metric, Sample, Target } from "../case.ts";
import type { Load } from "../driver.ts";
import { residentBytes } from "../machine.ts";
import { type Broker, installed, type Peer } from "../peers/mod.ts";

const CHANNEL = "bench";
/** After this a broker has done what there was to do. */
const SETTLE_MS = 1_000;
const CONNECTIONS = 10_000, CHANNELS = 1_000, FULL_LISTENERS = 16;
const BURST = 10_000_000, BURST_WAIT_MS = 30_000;
/** Descriptors that a broker needs for itself. */
const SPARE_FILES = 100;

const KIB = 1024, MIB = 1024 * 1024;

const metric = (key: string, title: string): Metric => ({ key, title, better: "less" });
const limit = (name: string, at_most: number): Target => ({ metric: name, at_most });

/** In the order of the table. */
export const MEMORY_CASES: readonly Case[] = [
  {
    name: "memory-idle",
    title: "nobody is connected",
    section: "what it costs to stand there",
    metrics: [metric("rss_mib", "MiB")],
    targets: [],
    entries: (bench) =>
      measured(bench, installed(bench.peers), async (broker) => {
        await bench.workshop.pause(SETTLE_MS);
        return { rss_mib: await rss(broker) / MIB };
      }),
  },
  {
    name: "memory-connections",
    title: `each of ${CONNECTIONS} idle connections that listen`,
    section: "what it costs to stand there",
    metrics: [metric("kib_each", "KiB each")],
    targets: [limit("kib_each", 12)],
    entries: idleConnections,
  },
  {
    name: "memory-channels",
    title: `each of ${CHANNELS} idle channels`,
    section: "what it costs to stand there",
    metrics: [metric("kib_each", "KiB each")],
    targets: [limit("kib_each", 16)],
    entries: (bench) =>
      measured(bench, [bench.peers.ipc], async (broker) => {
        const names = Array.from({ length: bench.quick ? 10 : CHANNELS }, (_, i) => `${CHANNEL}${i}`);
        const before = await rss(broker);
        await broker.open(...names);
        await bench.workshop.pause(SETTLE_MS);
        return { kib_each: (await rss(broker) - before) / names.length / KIB };
      }),
  },
  {
    name: "memory-full-queues",
    title: `${FULL_LISTENERS} listeners that do not read, queues full, more than idle`,
    section: "what it costs to stand there",
    metrics: [metric("more_mib", "MiB more")],
    targets: [],
    entries: (bench) => {
      const load: Load = { kind: "full", options: { size: 128, listeners: FULL_LISTENERS } };
      if (!bench.driver.can(load)) return [];
      return measured(bench, [bench.peers.ipc], async (broker) => {
        const before = await rss(broker);
        await using _held = await bench.driver.hold(broker, load);
        return { more_mib: (await rss(broker) - before) / MIB };
      });
    },
  },
  {
    name: "memory-burst",
    title: `${BURST / 1e6} million 128 B events have passed, ${BURST_WAIT_MS / 1000} s later, more than before`,
    section: "what it costs to stand there",
    metrics: [metric("more_mib", "MiB more"), metric("after_mib", "MiB more, right after")],
    targets: [limit("more_mib", 32)],
    at_once: true,
    entries: (bench) => {
      const turns = new Turns();
      const { ipc, nats, redis } = bench.peers;
      return measured(bench, [ipc, nats, redis].filter((peer) => peer !== undefined), async (broker) => {
        const before = await rss(broker);
        await turns.take(async () => {
          await broker.open(CHANNEL); // It may have waited for its turn for longer than a channel stays.
          const count = bench.quick ? BURST / 1000 : BURST;
          await bench.driver.run(broker, { kind: "throughput", options: { size: 128, count } });
        });
        const after = await rss(broker);
        await bench.workshop.pause(bench.quick ? 0 : BURST_WAIT_MS);
        return { more_mib: (await rss(broker) - before) / MIB, after_mib: (after - before) / MIB };
      });
    },
  },
];

async function idleConnections(bench: Bench): Promise<Entry[]> {
  const load = (count: number): Load => ({ kind: "idle", options: { count } });
  if (!bench.driver.can(load(1))) return [];
  const allowed = await openFilesMax() - SPARE_FILES, wanted = bench.quick ? 100 : CONNECTIONS;
  if (allowed < wanted) bench.notice(`only ${allowed} connections instead of ${wanted}: ulimit -Hn allows no more`);
  const count = Math.min(allowed, wanted);
  return measured(bench, installed(bench.peers), async (broker) => {
    const before = await rss(broker);
    await using _held = await bench.driver.hold(broker, load(count));
    await bench.workshop.pause(SETTLE_MS);
    return { kib_each: (await rss(broker) - before) / count / KIB };
  });
}

/** A broker of its own for every run. Somebody has been there before: it has loaded what a first client needs. */
function measured(bench: Bench, peers: readonly Peer[], measure: (broker: Broker) => Promise<Sample>): Entry[] {
  const run = async (peer: Peer): Promise<Sample> => {
    await using broker = await peer.start(bench.workshop);
    await broker.open(CHANNEL);
    await bench.workshop.pause(SETTLE_MS);
    return await measure(broker);
  };
  const contestant = (peer: Peer): Contestant => ({
    run: () => run(peer),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  if (Deno.build.os !== "linux") {
    bench.notice("memory is only measured on Linux");
    return [];
  }
  return peers.map((peer) => ({ name: peer.name, open: () => Promise.resolve(contestant(peer)) }));
}

async function rss(broker: Broker): Promise<number> {
  const bytes = await residentBytes(broker.pid!);
  if (bytes === undefined) throw new Error(`the broker (process ${broker.pid}) is gone`);
  return bytes;
}

/** How many files a process may open if it raises its own limit, as brokers do. */
async function openFilesMax(): Promise<number> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", "ulimit -Hn"] }).output();
  const text = new TextDecoder().decode(stdout).trim();
  return text === "unlimited" ? Infinity : Number(text);
}

/** Lets one at a time do something. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
