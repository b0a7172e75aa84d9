/**
 * The command line of the benchmark.
 *
 * @module
 */
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import type { Case } from "./case.ts";

/** What was asked for. */
export interface Options {
  cases: Case[];
  runs: number;
  quick: boolean;
  json: boolean;
  /** Where the chart goes; nowhere if not every case was measured and nobody named a file. */
  chart: string | undefined;
}

const RUNS = 5, QUICK_RUNS = 1;

/**
 * @param all Every case that there is.
 * @param chart Where the chart of a whole benchmark goes.
 * @throws {CommanderError} If help was asked for or something is wrong; it has been printed then.
 */
export function parseOptions(args: readonly string[], all: readonly Case[], chart: string): Options {
  const program = new Command("deno task bench")
    .description("Measures ipc against nats-server, redis-server and mosquitto, as far as they are installed.")
    .option("--case <name>", "only cases whose name contains this; may be repeated", collect, [] as string[])
    .option("--runs <n>", `how often each is measured (default: ${RUNS})`, count)
    .option("--quick", "only see whether everything works: short runs that say nothing", false)
    .option("--json", "print JSON", false)
    .option("--chart <file>", `write the chart there (default, for all cases: ${chart})`)
    .addHelpText("after", `\nCases:\n${all.map(({ name, title }) => `  ${name.padEnd(18)} ${title}`).join("\n")}`)
    .exitOverride();
  const options = program.parse(args, { from: "user" }).opts();
  const cases = options.case.length === 0 ? [...all] : casesNamed(options.case, all);
  if (cases.length === 0) program.error(`error: no case is called "${options.case.join('" or "')}"; see --help`);
  const whole = cases.length === all.length && !options.quick;
  return {
    cases,
    runs: options.runs ?? (options.quick ? QUICK_RUNS : RUNS),
    quick: options.quick,
    json: options.json,
    chart: options.chart ?? (whole ? chart : undefined),
  };
}

/** A case that has exactly that name, else all that contain it. */
function casesNamed(names: readonly string[], all: readonly Case[]): Case[] {
  const chosen = new Set(names.flatMap((name) => {
    const exact = all.filter((one) => one.name === name);
    return exact.length > 0 ? exact : all.filter((one) => one.name.includes(name));
  }));
  return all.filter((one) => chosen.has(one));
}

function collect(name: string, names: string[]): string[] {
  return [...names, name];
}

function count(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("Write a whole number of at least 1.");
  return Number(text);
}
