/**
 * Lets a broker live for a while under a load that changes all the time, and says whether it stays as it is.
 *
 *     deno task soak [--minutes N] [--svg FILE] [--json FILE]
 *
 * Ends with 1 if something was lost, or memory, descriptors, clients or channels have grown.
 *
 * @module
 */
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { Progress } from "../../scripts/bench/progress.ts";
import { onSignals } from "../../scripts/bench/signals.ts";
import { drawSoak } from "./plot.ts";
import { asText, shown, soak } from "./soak.ts";
import { usageExit } from "../../scripts/usage.ts";

const MINUTES = 10, MINUTES_MIN = 0.5;
/** How often a line is said where there is no terminal. */
const LINE_MS = 30_000;

if (import.meta.main) Deno.exitCode = await main(Deno.args);

async function main(args: readonly string[]): Promise<number> {
  let options;
  try {
    options = parseOptions(args);
  } catch (error) {
    return usageExit(error);
  }
  const ms = options.minutes * 60_000, interrupted = new AbortController();
  using _signals = onSignals(() => interrupted.abort());
  using progress = new Progress(1);
  progress.begin("soak");
  const report = await soak({
    ms,
    signal: interrupted.signal,
    saying: (done_ms, sample) => {
      const line = `${Math.round(done_ms / 1000)} s: RSS ${shown("rss_bytes", sample.rss_bytes)}, heap ` +
        `${shown("heap_bytes", sample.heap_bytes)}, ${sample.descriptors} descriptors, ${sample.clients} clients`;
      progress.step(done_ms, ms, line);
      if (!Deno.stderr.isTerminal() && done_ms % LINE_MS === 0) progress.print(line);
    },
  });
  progress.end();
  if (options.svg !== undefined) await Deno.writeTextFile(options.svg, drawSoak(report));
  if (options.json !== undefined) await Deno.writeTextFile(options.json, `${JSON.stringify(report)}\n`);
  console.log(asText(report));
  if (interrupted.signal.aborted) return 130;
  return report.passed ? 0 : 1;
}

function parseOptions(args: readonly string[]) {
  return new Command("deno task soak")
    .description("Lets a broker live for a while under a load that changes all the time.")
    .option("--minutes <n>", `how long (default: ${MINUTES})`, minutes, MINUTES)
    .option("--svg <file>", "draw memory and descriptors over time there")
    .option("--json <file>", "write all samples and figures there")
    .exitOverride()
    .parse(args, { from: "user" })
    .opts();
}

function minutes(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text) || Number(text) < MINUTES_MIN) {
    throw new InvalidArgumentError(`Write a number of at least ${MINUTES_MIN}.`);
  }
  return Number(text);
}
