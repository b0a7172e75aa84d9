/**
 * Looks for input that a decoder or a live broker does not take as documented.
 *
 *     deno task fuzz [--minutes N] [--seed S] [--target NAME]... [--case N] [--replay FILE]
 *
 * Ends with 1 if something was found, and says how to have it again.
 *
 * @module
 */
import { Progress } from "../../scripts/bench/progress.ts";
import { onSignals } from "../../scripts/bench/signals.ts";
import { episodeOf } from "./broker/episode.ts";
import { type BrokerFinding, fuzzBroker, replayEpisodes } from "./broker/fuzz_broker.ts";
import { fuzzDecoders } from "./decoders.ts";
import { CASE_MS_MAX, type Finding, inputOf, type Tally, tried } from "./engine.ts";
import { replay, writeFailure } from "./failure.ts";
import { type Options, parseOptions } from "./options.ts";
import { forgetFiles } from "./targets/config.ts";
import { DECODERS } from "./targets/mod.ts";
import { usageExit } from "../../scripts/usage.ts";

const NAMES: ReadonlyMap<string, string> = new Map(DECODERS.map(({ name, about }) => [name, about]));

if (import.meta.main) Deno.exitCode = await main(Deno.args);

async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(args, NAMES, crypto.getRandomValues(new Uint8Array(6)).toHex());
  } catch (error) {
    return usageExit(error);
  }
  const { replay: file, only, seed } = options;
  try {
    if (file !== undefined) return verdict(await replay(file), file);
    if (only !== undefined) return verdict(await runOne(options, only), `case ${only} of seed ${seed}`);
  } finally {
    forgetFiles();
  }
  return await fuzz(options);
}

async function fuzz({ seed, decoders, broker, ms }: Options): Promise<number> {
  console.error(`seed ${seed}`);
  const interrupted = new AbortController();
  using _signals = onSignals(() => interrupted.abort());
  using progress = new Progress(Number(decoders.length > 0) + Number(broker));
  const share_ms = decoders.length > 0 && broker ? ms / 2 : ms, tallies: Tally[] = [], figures: string[] = [];
  const findings: (Finding | BrokerFinding)[] = [], began_ms = performance.now();
  const step = (what: string) => progress.step((performance.now() - began_ms) % share_ms, share_ms, what);
  if (decoders.length > 0) {
    progress.begin("decoders");
    const order = { targets: decoders, seed, ms: share_ms, cases_max: Infinity };
    const result = await fuzzDecoders(order, step, interrupted.signal);
    tallies.push(...result.tallies);
    if (result.finding !== undefined) findings.push(result.finding);
    progress.end();
  }
  if (broker && !interrupted.signal.aborted) {
    progress.begin("broker");
    const result = await fuzzBroker({ seed, ms: share_ms, saying: step, signal: interrupted.signal });
    tallies.push(result.tally);
    figures.push(...result.figures);
    if (result.finding !== undefined) findings.push(result.finding);
    progress.end();
  }
  for (const finding of findings) progress.print(told(finding, seed));
  console.log(summary(tallies));
  for (const figure of figures) console.log(figure);
  const cases = tallies.reduce((sum, { cases }) => sum + cases, 0);
  console.log(
    `seed ${seed}: ${cases} cases, ${findings.length === 0 ? "nothing was found" : `${findings.length} failed`}`,
  );
  if (interrupted.signal.aborted) return 130;
  return findings.length === 0 ? 0 : 1;
}

/** Runs one case of each target by itself. */
async function runOne({ seed, decoders, broker }: Options, number: number): Promise<string | undefined> {
  for (const target of DECODERS.filter(({ name }) => decoders.includes(name))) {
    const { error } = await tried(target, inputOf(target, seed, number));
    if (error !== undefined) return `${target.name}: ${error.stack}`;
  }
  return broker ? await replayEpisodes([episodeOf(seed, number)]) : undefined;
}

function verdict(wrong: string | undefined, what: string): number {
  console.log(wrong === undefined ? `${what}: nothing goes wrong` : `${what}: ${wrong}`);
  return wrong === undefined ? 0 : 1;
}

/** What was found, and how to have it again. */
function told(finding: Finding | BrokerFinding, seed: string): string {
  const file = writeFailure(finding, seed), lines = [`FAILED ${finding.error}`];
  if ("episodes" in finding) {
    if (finding.episodes.length === 1) {
      lines.push(`  deno task fuzz --target broker --seed ${seed} --case ${finding.episodes[0]!.number}`);
    }
  } else {
    lines.push(`  smallest input, ${finding.smallest.length} bytes: ${finding.smallest.toHex().slice(0, 400)}`);
    lines.push(`  deno task fuzz --target ${finding.target} --seed ${seed} --case ${finding.number}`);
  }
  return [...lines, `  deno task fuzz --replay ${file}`].join("\n");
}

function summary(tallies: readonly Tally[]): string {
  const rows = tallies.map(({ target, cases, bytes, slowest_ms, slowest, slowest_bytes }) => [
    target,
    String(cases),
    `${(bytes / 1e6).toFixed(1)} MB`,
    target === "broker" ? "" : `${slowest_ms.toFixed(1)} ms`,
    target === "broker" ? "" : `case ${slowest}, ${slowest_bytes} bytes`,
  ]);
  const head = ["target", "cases", "bytes", "slowest", `(${CASE_MS_MAX} ms at most)`];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  return [head, ...rows].map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)).join("  ").trimEnd()).join("\n");
}
