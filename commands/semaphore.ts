/**
 * `ipc semaphore`: runs a command while no more than so many others do.
 *
 * @module
 */
import type { HoldingOptions } from "./holding/holding.ts";
import { holdingOptions, runHolding, withHoldingOptions } from "./holding/options.ts";
import { argumentParser, parseArguments, partiesArgument, splitCommand, usageError, type Verb } from "./verb.ts";

export const verb: Verb<HoldingOptions> = { parse: parseSemaphore, run: runHolding };

export function parseSemaphore(argv: readonly string[]): HoldingOptions {
  const parser = withHoldingOptions(
    argumentParser("semaphore", "Run a command while no more than so many do, and exit with its status.", [
      "ls *.wav | xargs -P 0 -I{} ipc semaphore -n 4 encoders -- flac {}",
    ]),
    "--no-wait",
    "ipc semaphore",
  ).option("-n, --places <n>", "how many may run at a time; all have to say the same", partiesArgument);
  const { own, command } = splitCommand(argv);
  const { args: [channel], options } = parseArguments(parser, own);
  if (options.places === undefined) throw usageError(parser, "how many may run at a time is missing: -n");
  return holdingOptions(parser, channel, command, options.places, options);
}
