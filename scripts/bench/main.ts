/**
 * Measures `ipc` against other brokers on this machine. docs/benchmarks.md says how to read what it prints.
 *
 *     deno task bench [--case NAME]... [--runs N] [--quick] [--json] [--chart FILE]
 *
 * @module
 */
import { type Bench, measure } from "./case.ts";
import { CASES } from "./cases/mod.ts";
import { drawChart } from "./chart.ts";
import { openDriver } from "./driver.ts";
import { describeMachine, findProgram } from "./machine.ts";
import { type Options, parseOptions } from "./options.ts";
import { findPeers, installed } from "./peers/mod.ts";
import { Progress } from "./progress.ts";
import { asJson, asText, type Report } from "./report.ts";
import { onSignals } from "./signals.ts";
import { Interrupted, Workshop } from "./workshop.ts";
import { usageExit } from "../usage.ts";

const CHART = "docs/bench.svg";

if (import.meta.main) Deno.exitCode = await main(Deno.args);

async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(args, CASES, CHART);
  } catch (error) {
    return usageExit(error);
  }
  await using workshop = await Workshop.open();
  using _signals = onSignals(() => workshop.interrupt());
  try {
    const report = await runBenchmark(workshop, options);
    if (options.chart !== undefined) await Deno.writeTextFile(options.chart, drawChart(report));
    await writeOut(options.json ? `${asJson(report)}\n` : asText(report));
    return report.failures.length === 0 ? 0 : 1;
  } catch (error) {
    if (workshop.interrupted) return 130;
    throw error;
  }
}

async function runBenchmark(workshop: Workshop, { cases, runs, quick }: Options): Promise<Report> {
  const machine = await describeMachine();
  using progress = new Progress(cases.length);
  const notices: string[] = [];
  const notice = (text: string) => {
    notices.push(text);
    progress.print(text);
  };
  const peers = await findPeers(workshop), driver = await openDriver(workshop, notice);
  for (const name of ["nats", "redis", "mosquitto"] as const) {
    if (peers[name] === undefined) notice(`${name} is not installed, so nothing is compared with it`);
  }
  // Not the first core: that is where most kernels serve interrupts.
  const core = await findProgram("taskset") === undefined ? undefined : machine.cores - 1;
  const bench: Bench = { workshop, peers, driver, quick, core, notice };
  const report: Report = {
    machine,
    versions: Object.fromEntries([...installed(peers).map((peer) => [peer.name, peer.version]), [
      "Deno",
      Deno.version.deno,
    ]]),
    driver: driver.title,
    commit: peers.ipc.commit,
    date: new Date().toISOString(),
    runs,
    quick,
    results: [],
    failures: [],
    notices,
  };
  for (const one of cases) {
    progress.begin(one.name);
    try {
      const result = await measure(one, bench, runs, (done, all, what) => progress.step(done, all, what));
      // What the slower driver shows is no broker's limit, so no target is judged by it.
      const judged = one.section !== "brokers" || !driver.fallback;
      if (result.contestants.size > 0) {
        report.results.push(judged ? result : { ...result, case: { ...one, targets: [] } });
      }
    } catch (error) {
      if (workshop.interrupted) throw new Interrupted();
      report.failures.push({ case: one.name, error: (error as Error).message });
      progress.print(`${one.name} could not be measured: ${(error as Error).message}`);
    }
    progress.end();
  }
  return report;
}

async function writeOut(text: string): Promise<void> {
  const writer = Deno.stdout.writable.getWriter();
  await writer.write(new TextEncoder().encode(text));
  writer.releaseLock();
}
