/**
 * From the arguments to one verb, and from whatever comes of it to an exit code.
 *
 * @module
 */
import { ELSEWHERE_VARIABLES, takeGlobalOptions, withVariables } from "./broker_options.ts";
import { describeError, EXIT, exitCodeOf } from "./exit_codes.ts";
import { BrokenPipe, type Io, type Output, WriteError } from "./io.ts";
import { notice, writeNotice } from "./notice.ts";
import type { Verb } from "./verb.ts";
import { VERBS } from "./verbs.ts";

/**
 * Runs the verb that the arguments name, with the options that stand before it.
 *
 * @param all The arguments, without the program's name.
 * @param surroundings Where it reads, writes and hears signals.
 * @returns The exit code.
 */
export async function dispatch(all: readonly string[], surroundings: Io): Promise<number> {
  const { argv, values, incomplete } = takeGlobalOptions(all), io = withVariables(surroundings, values);
  try {
    if (incomplete !== undefined) return await mistake(`option '${incomplete} <value>' argument missing`, io);
    const name = argv[0] === "--version" || argv[0] === "-V" ? "version" : argv[0];
    const entry = VERBS.find((entry) => entry.name === name);
    if (entry === undefined) return await overview(argv, io);
    if (entry.local && [...values.keys()].some((variable) => ELSEWHERE_VARIABLES.includes(variable))) {
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
    options = verb.parse(argv);
  } catch (error) {
    return await explain(error, io);
  }
  return await verb.run(options, io);
}

/** The arguments before the verb are wrong. */
async function mistake(message: string, io: Io): Promise<number> {
  const { UsageError } = await import("./verb.ts");
  return await explain(new UsageError(message, 'Usage: ipc [options] <verb> [arguments]\nTry "ipc --help".'), io);
}

/** What is no verb: `--help`, `help [verb]`, nothing at all, or a mistake. */
async function overview(argv: readonly string[], io: Io): Promise<number> {
  if (argv[0] === "help" && argv[1] !== undefined) {
    return await dispatch(VERBS.some(({ name }) => name === argv[1]) ? [argv[1], "--help"] : [argv[1]], io);
  }
  const { argumentParser, parseArguments, UsageError } = await import("./verb.ts");
  const program = argumentParser("", "Lets the processes of a machine talk: events, requests and replies.", [
    "ipc listen deploys                 # prints what is sent; starts a broker if none runs",
    'ipc send deploys "v1.4 is live"',
    "ipc handle wc -- wc -w             # answers requests by running a command",
    "ipc request wc < README.md",
  ]).name("ipc").usage("[options] <verb> [arguments]").commandsGroup("Verbs:").helpCommand(
    "help [verb]",
    "print the help of a verb",
  );
  program.option("-V, --version", "print the version");
  program.option("--config <file>", "read this configuration file and no other (IPC_CONFIG)");
  program.option("--socket-dir <directory>", "where the sockets stand (IPC_SOCKET_DIR)");
  program.option("--connect <url>", "a broker elsewhere, tcp://host:port or tls://host:port (IPC_CONNECT)");
  program.option("--ca <file>", "certificate of the authority that signed its certificate (IPC_CA)");
  program.option("--token-file <file>", "holds the token that says who this is (IPC_TOKEN_FILE)");
  for (const { name, summary } of VERBS) program.command(name).summary(summary).helpOption(false);
  try {
    if (argv.length > 0) parseArguments(program, argv[0] === "help" ? ["--help"] : argv);
    throw new UsageError("a verb is missing", program.helpInformation());
  } catch (error) {
    return await explain(error, io);
  }
}

/** Help on request is what was asked for; help because of a mistake is a notice. */
async function explain(error: unknown, io: Io): Promise<number> {
  const { HelpRequested, UsageError } = await import("./verb.ts");
  if (error instanceof HelpRequested) {
    io.stdout.write(error.message);
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
    if (code !== EXIT.BROKEN_PIPE) report(error.error, stderr);
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
