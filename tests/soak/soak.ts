/**
 * A soak: a real broker, canaries in processes of their own, and a load that changes all the time; once a second the
 * broker is measured, by what it says itself and by what the kernel says of it.
 *
 * @module
 */
import { control } from "../../client/mod.ts";
import { mib } from "../faults/figures.ts";
import { startCanaries } from "../faults/canaries.ts";
import { Sandbox, type Worker } from "../e2e/harness.ts";
import { pause } from "../e2e/wait.ts";
import { CONFIG, Load } from "./load.ts";
import { judge, type Judgement, type Sample, type Series } from "./verdict.ts";

/** How long, and who looks on. */
export interface SoakOptions {
  ms: number;
  /** Told after each sample. */
  saying?: (done_ms: number, sample: Sample) => void;
  /** Ends it early. */
  signal?: AbortSignal;
}

/** What came of it. */
export interface SoakReport {
  ms: number;
  samples: Sample[];
  judgements: Judgement[];
  /** What has happened how often. */
  accounts: [what: string, count: number][];
  canaries: string;
  /** What was not as it must be; nothing of this may be. */
  faults: string[];
  /** Nothing was lost, and everything stayed flat. */
  passed: boolean;
}

const SAMPLE_MS = 1_000;
const CANARIES = { pairs: 5, rate_per_s: 100 };

/** Runs one. */
export async function soak({ ms, saying = () => {}, signal }: SoakOptions): Promise<SoakReport> {
  await using sandbox = new Sandbox();
  Deno.writeTextFileSync(sandbox.config_file, CONFIG);
  const broker = await sandbox.broker();
  await using canaries = await startCanaries(sandbox, CANARIES);
  const load = new Load(sandbox.socket_dir), samples: Sample[] = [], began_ms = performance.now();
  load.start();
  for (let next_ms = SAMPLE_MS; next_ms <= ms && broker.running && !signal?.aborted; next_ms += SAMPLE_MS) {
    await pause(Math.max(0, began_ms + next_ms - performance.now()));
    const sample = await measured(broker, sandbox.socket_dir, performance.now() - began_ms);
    samples.push(sample);
    saying(next_ms, sample);
  }
  await load.stop();
  const sung = await canaries.stop(), faults = [...load.faults];
  try {
    sung.assertFaultless();
  } catch (error) {
    faults.push(`a canary has noticed: ${error}`);
  }
  if (!broker.running) faults.push(`the broker has ended: ${broker.stderr.slice(-2_000)}`);
  for (const line of broker.stderr.split("\n")) {
    if (/^\S+ error /.test(line)) faults.push(`the broker has logged: ${line}`);
  }
  const judgements = judge(samples);
  return {
    ms: samples.at(-1)?.at_ms ?? 0,
    samples,
    judgements,
    accounts: [...load.accounts],
    canaries: String(sung),
    faults,
    passed: faults.length === 0 && judgements.every(({ flat }) => flat),
  };
}

interface Stats {
  channels: number;
  clients: number;
  queued_bytes: number;
  history_bytes: number;
  memory: { heap_bytes: number; external_bytes: number };
}

async function measured(
  broker: Pick<Worker, "memoryBytes" | "descriptors">,
  socket_dir: string,
  at_ms: number,
): Promise<Sample> {
  const { memory, channels, clients, queued_bytes, history_bytes } = await control("stats", {}, {
    socket_dir,
  }) as Stats;
  return {
    at_ms: Math.round(at_ms),
    rss_bytes: broker.memoryBytes(),
    heap_bytes: memory.heap_bytes,
    external_bytes: memory.external_bytes,
    descriptors: broker.descriptors(),
    channels,
    clients,
    queued_bytes,
    history_bytes,
  };
}

/** What each series is, for people. */
export const TITLES: Readonly<Record<Series, string>> = {
  rss_bytes: "memory (RSS), median",
  heap_bytes: "heap, 10 % quantile",
  external_bytes: "external, 10 % quantile",
  descriptors: "descriptors, median",
  clients: "clients, median",
  channels: "channels, median",
};

/** A value of a series, for people. */
export function shown(series: Series, value: number): string {
  return series.endsWith("_bytes") ? mib(value) : String(Math.round(value * 10) / 10);
}

/** The report, for people. */
export function asText({ ms, judgements, accounts, canaries, faults, passed }: SoakReport): string {
  const rows = judgements.map(({ series, first, last, allowed, slope_per_hour, flat }) => [
    TITLES[series],
    shown(series, first),
    shown(series, last),
    `+${shown(series, allowed)}`,
    `${slope_per_hour < 0 ? "" : "+"}${shown(series, slope_per_hour)}/h`,
    flat ? "flat" : "NOT FLAT",
  ]);
  const head = ["", "first third", "last third", "allowed", "slope", ""];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  const table = [head, ...rows].map((row) =>
    row.map((cell, at) => at === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[at]!))
  );
  return [
    `${Math.round(ms / 1000)} s, of which the first fifth, at least 20 s, does not count`,
    ...table.map((row) => row.join("  ").trimEnd()),
    "",
    ...accounts.map(([what, count]) => `${String(count).padStart(8)} ${what} (${(count / ms * 1000).toFixed(1)}/s)`),
    canaries,
    ...faults.map((fault) => `FAULT ${fault}`),
    passed ? "flat, and nothing was lost" : faults.length > 0 ? "FAILED" : "NOT FLAT",
  ].join("\n");
}
