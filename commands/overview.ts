/**
 * What `ipc` says where no verb is named, or none that there is: the overview of all verbs, and the options that stand
 * before them.
 *
 * @module
 */
import { type Command, Option } from "@commander-js/extra-typings";
import { argumentParser, type DescribedParser, parseArguments, usageError, type Verb } from "./verb.ts";
import { VERBS } from "./verbs.ts";

/** Its parser never comes to an end: it asks for help, or is a mistake. */
export const overview: Verb<never> = {
  parse(argv) {
    const program = programParser();
    if (argv.length > 0) parseArguments(program, argv);
    throw usageError(program, "a verb is missing");
  },
  run: (never) => never,
};

/** The parser of all that stands before a verb. */
export function programParser(): Command & DescribedParser {
  const program = argumentParser("", "Lets the processes of a machine talk: events, requests and replies.", [
    "ipc listen deploys                 # prints what is sent; starts a broker if none runs",
    'ipc send deploys "v1.4 is live"',
    "ipc handle wc -- wc -w             # answers requests by running a command",
    "ipc request wc < README.md",
  ]).name("ipc").usage("[options] <verb> [arguments]").commandsGroup("Verbs:").helpCommand(false);
  program
    .addOption(new Option("-V, --version", "print the version"))
    .option("--profile <profile>", "the broker and settings of profiles/<profile>.toml (IPC_PROFILE)")
    .option("--config <file>", "read this configuration file and no other (IPC_CONFIG)")
    .option("--socket-dir <directory>", "where the sockets stand (IPC_SOCKET_DIR)")
    .option("--connect <url>", "a broker elsewhere, tcp://host:port or tls://host:port (IPC_CONNECT)")
    .option("--ca <file>", "certificate of the authority that signed its certificate (IPC_CA)")
    .option("--token-file <file>", "holds the token that says who this is (IPC_TOKEN_FILE)");
  for (const { name, summary } of VERBS) program.command(name).summary(summary).helpOption(false);
  return program;
}
