/**
 * `ipc barrier`: waits until so many are there, then all go on.
 *
 * @module
 */
import { barrier } from "../client/mod.ts";
import { autostartWanted, reachBroker } from "./connection.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import { formatDuration } from "../config/units.ts";
import type { Io } from "./io.ts";
import {
  argumentParser,
  durationArgument,
  nameArgument,
  parseArguments,
  partiesArgument,
  usageError,
  type Verb,
} from "./verb.ts";

/** Options of `ipc barrier`. */
export interface BarrierOptions {
  channel: string;
  /** How many it takes. */
  parties: number;
  timeout_ms: number;
  autostart: boolean;
  name: string;
}

export const verb: Verb<BarrierOptions> = { parse: parseBarrier, run: runBarrier };

export function parseBarrier(argv: readonly string[]): BarrierOptions {
  const parser = argumentParser("barrier", "Wait until so many are there, then all go on.", [
    "ipc barrier -n 3 ready",
    "ipc barrier -n 3 -t 1m ready || exit",
  ])
    .argument("<channel>", "where they meet")
    .option("-n, --parties <n>", "how many it takes, this one included; all have to say the same", partiesArgument)
    .option("-t, --timeout <duration>", "exit 124 if they are not there after this long", durationArgument, Infinity)
    .option("--no-autostart", "exit 69 if no broker runs, instead of starting one")
    .option("--name <name>", "what others see as this one's name", nameArgument, "ipc barrier");
  const { args: [channel], options } = parseArguments(parser, argv);
  if (options.parties === undefined) throw usageError(parser, "how many it takes is missing: -n");
  return {
    channel,
    parties: options.parties,
    timeout_ms: options.timeout,
    autostart: options.autostart,
    name: options.name,
  };
}

export async function runBarrier(options: BarrierOptions, io: Io): Promise<number> {
  const { channel, parties, timeout_ms, name } = options;
  const until_ms = performance.now() + timeout_ms;
  try {
    await reachBroker(io, autostartWanted(options.autostart, io), (where) => {
      return barrier(channel, parties, { ...where, name, timeout_ms: Math.max(1, until_ms - performance.now()) });
    });
  } catch (error) {
    if (performance.now() < until_ms) throw error;
    const late = `${parties} did not come to the barrier of ${channel} within ${formatDuration(timeout_ms)}`;
    throw new Failure(EXIT.TIMEOUT, late);
  }
  return EXIT.OK;
}
