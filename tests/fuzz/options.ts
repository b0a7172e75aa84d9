/**
 * The command line of the fuzzer.
 *
 * @module
 */
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";

/** What was asked for. */
export interface Options {
  ms: number;
  seed: string;
  /** Names of decoders. */
  decoders: string[];
  broker: boolean;
  /** Only this case of each. */
  only: number | undefined;
  /** A file of a failure, to be run again. */
  replay: string | undefined;
}

const MINUTES = 1;

/**
 * @param names Every decoder that there is, with what it is.
 * @param seed For who names none.
 * @throws {CommanderError} If help was asked for or something is wrong; it has been printed then.
 */
export function parseOptions(args: readonly string[], names: ReadonlyMap<string, string>, seed: string): Options {
  const all = [...names.keys()];
  const program = new Command("deno task fuzz")
    .description("Looks for input that a decoder or a live broker does not take as documented.")
    .option("--minutes <n>", `how long in all (default: ${MINUTES})`, minutes, MINUTES)
    .option("--seed <text>", "the same cases as a run before; it has printed its seed")
    .option("--target <name>", "decoder, broker, all or one of those below; may be repeated", collect, [] as string[])
    .option("--case <number>", "only the case of this number", count)
    .option("--replay <file>", "run what a failure has written")
    .addHelpText("after", `\nDecoders:\n${all.map((name) => `  ${name.padEnd(18)} ${names.get(name)}`).join("\n")}`)
    .exitOverride();
  const options = program.parse(args, { from: "user" }).opts(), decoders = new Set<string>();
  let broker = false;
  for (const target of options.target.length === 0 ? ["all"] : options.target) {
    if (target === "all" || target === "decoder") { for (const name of all) decoders.add(name); }
    else if (names.has(target)) decoders.add(target);
    else if (target !== "broker") program.error(`error: no target is called "${target}"; see --help`);
    if (target === "all" || target === "broker") broker = true;
  }
  return {
    ms: options.minutes * 60_000,
    seed: options.seed ?? seed,
    decoders: [...decoders],
    broker,
    only: options.case,
    replay: options.replay,
  };
}

function collect(name: string, names: string[]): string[] {
  return [...names, name];
}

function minutes(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text) || Number(text) === 0) throw new InvalidArgumentError("Write a number above 0.");
  return Number(text);
}

function count(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("Write a whole number.");
  return Number(text);
}
