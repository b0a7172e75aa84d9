/**
 * What a case of the benchmark is, and how one is measured.
 *
 * A case has contestants, each of which can be run again and again; a run gives some numbers. Contestants take turns, so
 * that a machine that is slower for a minute is slower for all of them.
 *
 * @module
 */
import type { Driver } from "./driver.ts";
import type { Peers } from "./peers/mod.ts";
import { summarize, type Summary } from "./statistics.ts";
import type { Workshop } from "./workshop.ts";

/** What one run measured, by the name of the number. */
export type Sample = Record<string, number>;

/** A number that a case is about. */
export interface Metric {
  /** Its name in a {@link Sample}. */
  key: string;
  /** As people read it, with its unit. */
  title: string;
  better: "more" | "less";
}

/** What `ipc` is to reach: at least or at most so many times what another has, or so much by itself. */
export interface Target {
  metric: string;
  /** The contestant that it is compared with; without one it is a plain limit. */
  against?: string;
  at_least?: number;
  at_most?: number;
}

/** Somebody who takes part in a case, ready to run. */
export interface Contestant extends AsyncDisposable {
  run(): Promise<Sample>;
}

/** Somebody who can take part in a case. */
export interface Entry {
  name: string;
  /** Starts what it needs, and warms it up. */
  open(): Promise<Contestant>;
}

/** One thing that is measured. */
export interface Case {
  /** Short, for `--case`. */
  name: string;
  title: string;
  section: Section;
  metrics: readonly Metric[];
  targets: readonly Target[];
  /** Who takes part; nobody if what it takes is not there, which is then said by `bench.notice`. */
  entries(bench: Bench): Entry[] | Promise<Entry[]>;
  /** A run is so short that this many times as many are made. */
  times?: number;
  /** Runs that mostly wait, all at the same time; they take turns by themselves where they work. */
  at_once?: true;
  /** Says in a sentence what the numbers alone could be misread for. */
  caution?(results: ReadonlyMap<string, Summaries>): string[];
}

/** Parts of the table. */
export const SECTIONS = ["brokers", "client libraries", "command line", "what it costs to stand there"] as const;
/** One of {@link SECTIONS}. */
export type Section = (typeof SECTIONS)[number];

/** What all cases share. */
export interface Bench {
  workshop: Workshop;
  peers: Peers;
  driver: Driver;
  /** Only see whether everything works. */
  quick: boolean;
  /** The core that both broker and driver are pinned to in cases on one core; none without `taskset`. */
  core: number | undefined;
  /** Tells people something. */
  notice(text: string): void;
}

/** What all runs of one contestant amount to, by the name of the number. */
export type Summaries = ReadonlyMap<string, Summary>;

/** What a case gave, by contestant. */
export interface Result {
  case: Case;
  contestants: ReadonlyMap<string, Summaries>;
}

/** Told how far a case is. */
export type OnStep = (done: number, all: number, what: string) => void;

/** Measures one case. */
export async function measure(one: Case, bench: Bench, runs: number, onstep: OnStep): Promise<Result> {
  await using open = new AsyncDisposableStack();
  const contestants: { name: string; contestant: Contestant; samples: Sample[] }[] = [];
  const entries = await one.entries(bench);
  for (const { name, open: enter } of entries) {
    onstep(0, 1, `${name} warms up`);
    contestants.push({ name, contestant: open.use(await enter()), samples: [] });
  }
  const rounds = runs * (bench.quick ? 1 : one.times ?? 1), all = rounds * contestants.length;
  let done = 0;
  const step = async ({ name, contestant, samples }: (typeof contestants)[number]) => {
    onstep(done, all, name);
    samples.push(await contestant.run());
    onstep(++done, all, name);
  };
  if (one.at_once) {
    const steps = contestants.flatMap((contestant) => Array.from({ length: rounds }, () => step(contestant)));
    await Promise.allSettled(steps);
    await Promise.all(steps);
  } else {
    for (let round = 0; round < rounds; round++) {
      // Whoever is first in a round is another one each time.
      for (let i = 0; i < contestants.length; i++) await step(contestants[(round + i) % contestants.length]!);
    }
  }
  return { case: one, contestants: new Map(contestants.map(({ name, samples }) => [name, summaries(samples)])) };
}

function summaries(samples: readonly Sample[]): Summaries {
  const keys = Object.keys(samples[0] ?? {});
  return new Map(keys.map((key) => [key, summarize(samples.map((sample) => sample[key]!))]));
}
