/**
 * `ipc service`: the broker as a service of systemd.
 *
 * @module
 */
import { Argument } from "@commander-js/extra-typings";
import type { Io } from "./io.ts";
import type { Scope } from "./service/units.ts";
import { argumentParser, parseArguments, usageError, type Verb } from "./verb.ts";

/** What can be done with the service. */
const SERVICE_ACTIONS = ["install", "uninstall", "status", "print"] as const;

/** Options of `ipc service`. */
export interface ServiceOptions {
  action: (typeof SERVICE_ACTIONS)[number];
  /** Whose service; `undefined`: the system's for root, else the user's. */
  scope: Scope | undefined;
  /** For `status`. */
  json: boolean;
}

export const verb: Verb<ServiceOptions> = { parse: parseService, run: runService };

export function parseService(argv: readonly string[]): ServiceOptions {
  const parser = argumentParser("service", "The broker as a service of systemd.", [
    "ipc service install           # for this user; for the whole machine if this is root",
    "ipc service status",
    "ipc service print --system    # shows the units and touches nothing",
  ])
    .addArgument(new Argument("<action>", "what to do").choices(SERVICE_ACTIONS))
    .option("--user", "for this user, in $XDG_CONFIG_HOME/systemd/user")
    .option("--system", "for the whole machine, in /etc/systemd/system, as a user of its own")
    .option("--json", "status: as one JSON object");
  const { args: [action], options } = parseArguments(parser, argv);
  if (options.json && action !== "status") throw usageError(parser, "--json is for status");
  if (options.user && options.system) throw usageError(parser, "--user and --system exclude each other");
  return {
    action,
    scope: options.user ? "user" : options.system ? "system" : undefined,
    json: options.json ?? false,
  };
}

export async function runService(options: ServiceOptions, io: Io): Promise<number> {
  return await (await import("./service/actions.ts")).runServiceAction(options, io);
}
