/**
 * From the arguments to one verb, and from whatever comes of it to an exit code.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import { ELSEWHERE_VARIABLES, isElsewhere, takeGlobalOptions, withVariables } from "./broker_options.ts";
import { describeError, EXIT, exitCodeOf } from "./exit_codes.ts";
import { BrokenPipe, type Io, type Output, WriteError } from "./io.ts";
import { notice, writeNotice } from "./notice.ts";
import type { Verb } from "./verb.ts";
import { loadChannelGuess, loadOverview, loadProfile, VERBS } from "./verbs.ts";

/**
 * Runs the verb that the arguments name, with the options that stand before it.
 *
 * @param all The arguments, without the program's name.
 * @param surroundings Where it reads, writes and hears signals.
 * @returns The exit code.
 */
export async function dispatch(all: readonly string[], surroundings: Io): Promise<number> {
  const { argv, values, incomplete } = takeGlobalOptions(all);
  let io = withVariables(surroundings, values);
  try {
    if (incomplete !== undefined) return await mistake(`option '${incomplete} <value>' argument missing`, io);
    const name = argv[0] === "--version" || argv[0] === "-V" ? "version" : argv[0];
    const entry = VERBS.find((entry) => entry.name === name);
    if (entry === undefined) {
      // "--help" and mistakes are the overview's, which is the help of no verb.
      const { overview } = await loadOverview();
      return await parseAndRun(overview, argv, io);
    }
    if (!entry.unconfigured && io.env("IPC_PROFILE")) io = await (await loadProfile()).withProfile(io);
    const elsewhere = values.has("IPC_PROFILE") && entry.name !== "config" && isElsewhere(io);
    if (entry.local && (elsewhere || [...values.keys()].some((variable) => ELSEWHERE_VARIABLES.includes(variable)))) {
      return await mistake(`${entry.name} is about this machine and cannot be asked of a broker elsewhere`, io);
    }
    const { verb } = await entry.load();
    return await parseAndRun(verb, argv.slice(1), io);
  } catch (error) {
    return report(error, io.stderr);
  }
}

async function parseAndRun<Options>(verb: Verb<Options>, argv: readonly string[], io: Io): Promise<number> {
  let options: Options;
  try {
    options = await verb.parse(argv);
  } catch (error) {
    return await explain(error, io);
  }
  try {
    return await verb.run(options, io);
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    const { withChannelGuess } = await loadChannelGuess();
    throw await withChannelGuess(error, options, io);
  }
}

/** The arguments before the verb are wrong. */
async function mistake(message: string, io: Io): Promise<number> {
  const { UsageError } = await import("./verb.ts");
  return await explain(new UsageError(message, 'Usage: ipc [options] <verb> [arguments]\nTry "ipc --help".'), io);
}

/** Help on request is what was asked for; help because of a mistake is a notice. */
async function explain(error: unknown, io: Io): Promise<number> {
  const { HelpRequested, HELP_COLUMNS, UsageError } = await import("./verb.ts");
  if (error instanceof HelpRequested) {
    io.stdout.write(error.textFor(io.stdout.columns ?? HELP_COLUMNS));
    return EXIT.OK;
  }
  if (!(error instanceof UsageError)) throw error;
  notice(io.stderr, error.message.replace("unknown command", "unknown verb"));
  writeNotice(io.stderr, `${error.help}\n`);
  return EXIT.USAGE;
}

function report(error: unknown, stderr: Output): number {
  if (error instanceof SuppressedError) {
    // What failed first says why; what failed after that, while tidying up, what it cost: events that are in doubt.
    const code = report(error.suppressed, stderr);
    // Closing a second time fails with the same error as the first.
    if (code !== EXIT.BROKEN_PIPE && error.error !== error.suppressed) report(error.error, stderr);
    return code;
  }
  if (error instanceof BrokenPipe) return EXIT.BROKEN_PIPE;
  if (error instanceof WriteError) {
    notice(stderr, error.message);
    return EXIT.OUTPUT;
  }
  notice(stderr, describeError(error));
  return exitCodeOf(error);
}
