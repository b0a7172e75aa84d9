/**
 * `ipc lock`: runs a command while nobody else holds the channel's lock.
 *
 * @module
 */
import type { HoldingOptions } from "./holding/holding.ts";
import { holdingOptions, runHolding, withHoldingOptions } from "./holding/options.ts";
import { argumentParser, parseArguments, splitCommand, type Verb } from "./verb.ts";

export const verb: Verb<HoldingOptions> = { parse: parseLock, run: runHolding };

export function parseLock(argv: readonly string[]): HoldingOptions {
  const parser = withHoldingOptions(
    argumentParser("lock", "Run a command while nobody else holds the channel's lock, and exit with its status.", [
      "ipc lock deploys -- ./deploy.sh",
      "ipc lock -n nightly -- ./backup.sh       # exit 1 if another one runs",
    ]),
    "-n, --no-wait",
    "ipc lock",
  );
  const { own, command } = splitCommand(argv);
  const { args: [channel], options } = parseArguments(parser, own);
  return holdingOptions(parser, channel, command, 1, options);
}
