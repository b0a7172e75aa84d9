/**
 * Measures how long each verb takes from its start to its end, against an empty Deno program, as a user has them: the bundle,
 * started by the script that `deno task install` writes.
 *
 *     deno task bench:start [--runs N] [--verb NAME]... [--json]
 *
 * In each round all are run once, one after the other, beginning with another one each time: what disturbs the machine for a
 * while disturbs all. A verb that would not end by itself is measured by its --help, and the table says so.
 *
 * @module
 */
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { connect } from "../../client/mod.ts";
import { RUN_FLAGS } from "../../commands/permissions.ts";
import { tableText } from "../../commands/table.ts";
import { VERBS } from "../../commands/verbs.ts";
import { installIpc } from "./peers/ipc.ts";
import { Progress } from "./progress.ts";
import { onSignals } from "./signals.ts";
import { summarize, type Summary } from "./statistics.ts";
import { Interrupted, type StartOptions, Workshop } from "./workshop.ts";
import { usageExit } from "../usage.ts";

/** One of those that are compared. */
interface Runner {
  /** Verb and arguments, or what else it is. */
  title: string;
  program: string;
  options: StartOptions;
}

/** How long one took. */
export interface StartResult {
  title: string;
  /** Milliseconds. */
  took: Summary;
  /** The median of what it took in a round, divided by what the empty program took in the same. */
  ratio: number;
}

const RUNS = 20;
const EMPTY = "empty Deno program";

/** How each verb is run so that it ends by itself; where there is none, by `--help`. FILE is a file with an event in it. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  send: ["bench", "hello"],
  request: ["bench", "hello"],
  listen: ["-n", "1", "kept"],
  lock: ["bench", "--", "/bin/true"],
  semaphore: ["-n", "1", "bench", "--", "/bin/true"],
  barrier: ["-n", "1", "bench"],
  wait: ["kept", "--message"],
  record: ["-n", "1", "kept", "-o", "-"],
  replay: ["FILE"],
  channels: [],
  inspect: ["bench"],
  clients: [],
  stats: [],
  ping: ["-n", "1"],
  daemon: ["status"],
  config: ["show"],
  sockname: ["bench"],
  completion: ["bash"],
  help: [],
  version: [],
};

if (import.meta.main) Deno.exitCode = await main(Deno.args);

async function main(args: readonly string[]): Promise<number> {
  let options: { runs: number; verb: string[]; json: boolean };
  try {
    options = new Command("deno task bench:start")
      .description("Measures how long each verb takes to start and end, against an empty Deno program.")
      .option("--runs <n>", "how often each is run", count, RUNS)
      .option("--verb <name>", "only this one; may be repeated", verbs, [] as string[])
      .option("--json", "print JSON", false)
      .exitOverride().parse(args, { from: "user" }).opts();
  } catch (error) {
    return usageExit(error);
  }
  await using workshop = await Workshop.open();
  using _signals = onSignals(() => workshop.interrupt());
  try {
    const names = VERBS.map(({ name }) => name).filter((name) =>
      options.verb.length === 0 || options.verb.includes(name)
    );
    const results = await measureStarts(workshop, names, options.runs);
    console.log(options.json ? JSON.stringify(results) : startsText(results).trimEnd());
    return 0;
  } catch (error) {
    if (error instanceof Interrupted || workshop.interrupted) return 130;
    throw error;
  }
}

/** Builds and runs them. The empty program comes first. */
export async function measureStarts(
  workshop: Workshop,
  verbs: readonly string[],
  runs: number,
): Promise<StartResult[]> {
  const ipc = await installIpc(workshop), broker = await ipc.start(workshop);
  await using kept = await connect("kept", { socket_dir: broker.socket_dir });
  await kept.broadcast("hello", { ack: true, retain: true });
  await using bench = await connect("bench", { socket_dir: broker.socket_dir });
  bench.handle(({ data }) => data);
  await bench.flush();
  const { directory } = workshop, empty = `${directory}/empty.js`, tape = `${directory}/tape`;
  await Deno.writeTextFile(empty, "");
  await Deno.writeTextFile(tape, '{"channel":"bench","data":"hello"}\n');
  const runners: Runner[] = [{
    title: EMPTY,
    program: Deno.execPath(),
    options: { args: ["run", ...RUN_FLAGS, empty] },
  }];
  for (const verb of verbs) {
    const words = [verb, ...LINES[verb] ?? ["--help"]];
    const args = words.map((word) => word === "FILE" ? tape : word);
    runners.push({ title: words.join(" "), program: ipc.command, options: { args, env: broker.env } });
  }
  const took: number[][] = runners.map(() => []);
  using progress = new Progress(1);
  progress.begin("start");
  // The first round is to have everything in memory that is read from the disk.
  for (let round = -1; round < runs; round++) {
    for (let at = 0; at < runners.length; at++) {
      const which = (at + round + runners.length) % runners.length, runner = runners[which]!;
      progress.step((round + 1) * runners.length + at, (runs + 1) * runners.length, runner.title);
      const ms = await timeOf(workshop, runner);
      if (round >= 0) took[which]!.push(ms);
    }
  }
  progress.end();
  const [of_empty] = took;
  return runners.map(({ title }, at) => ({
    title,
    took: summarize(took[at]!),
    ratio: summarize(took[at]!.map((ms, round) => ms / of_empty![round]!)).median,
  }));
}

async function timeOf(workshop: Workshop, { program, options }: Runner): Promise<number> {
  const begin_ms = performance.now();
  await using started = workshop.start(program, options);
  await started.finish();
  return performance.now() - begin_ms;
}

/** A table, in milliseconds. */
export function startsText(results: readonly StartResult[]): string {
  return tableText(
    [
      { heading: "PROGRAM" },
      { heading: "MEDIAN MS", right: true },
      { heading: "LEAST", right: true },
      { heading: "MOST", right: true },
      { heading: "RATIO", right: true },
    ],
    results.map(({ title, took, ratio }) => [
      title,
      took.median.toFixed(1),
      took.min.toFixed(1),
      took.max.toFixed(1),
      ratio.toFixed(2),
    ]),
  );
}

function count(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("Write a whole number of at least 1.");
  return Number(text);
}

function verbs(name: string, names: string[]): string[] {
  if (VERBS.some((verb) => verb.name === name)) return [...names, name];
  throw new InvalidArgumentError(`There is no such verb: ${VERBS.map(({ name }) => name).join(", ")}.`);
}
