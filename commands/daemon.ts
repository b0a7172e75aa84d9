/**
 * `ipc daemon`: the broker, run in the foreground or started, stopped and asked by hand.
 *
 * @module
 */
import { Argument, Option } from "@commander-js/extra-typings";
import type { Io } from "./io.ts";
import { argumentParser, parseArguments, usageError, type Verb } from "./verb.ts";

/** What can be done with the broker. */
const DAEMON_ACTIONS = ["run", "start", "stop", "restart", "status", "reload"] as const;

/** Options of `ipc daemon`. */
export interface DaemonOptions {
  action: (typeof DAEMON_ACTIONS)[number];
  /** The one configuration file to read, for `run`, `start` and `restart`. */
  config: string | undefined;
  /** A duration that stands in the place of `idle_exit`'s default. */
  idle_exit_default: string | undefined;
  /** `run` only says with which permissions it wants to be run. */
  print_permissions: boolean;
  /** For `status`. */
  json: boolean;
}

export const verb: Verb<DaemonOptions> = { parse: parseDaemon, run: runDaemon };

export function parseDaemon(argv: readonly string[]): DaemonOptions {
  const parser = argumentParser("daemon", "The broker.", [
    "ipc daemon run       # in the foreground: log on standard error, SIGTERM ends it, SIGHUP reads the configuration again",
    "ipc daemon start     # in the background; it stays until it is stopped",
    "ipc daemon status",
  ])
    .addArgument(new Argument("<action>", "what to do").choices(DAEMON_ACTIONS))
    .option("--config <path>", "run, start, restart: read this configuration file and no other")
    .option("--json", "status: as one JSON object")
    .addOption(new Option("--idle-exit-default <duration>", "for brokers that are started on demand").hideHelp())
    .addOption(new Option("--print-permissions", "for the script that starts the broker").hideHelp());
  const { args: [action], options } = parseArguments(parser, argv);
  if (options.json && action !== "status") throw usageError(parser, "--json is for status");
  if (options.config !== undefined && !["run", "start", "restart"].includes(action)) {
    throw usageError(parser, `--config is for run, start and restart: for ${action} it stands before "daemon"`);
  }
  return {
    action,
    config: options.config,
    idle_exit_default: options.idleExitDefault,
    print_permissions: options.printPermissions ?? false,
    json: options.json ?? false,
  };
}

export async function runDaemon(options: DaemonOptions, io: Io): Promise<number> {
  if (options.action === "run") return await (await import("./daemon/run.ts")).runBroker(options, io);
  return await (await import("./daemon/control.ts")).controlBroker(options, io);
}
