/**
 * The options that `ipc lock` and `ipc semaphore` share.
 *
 * @module
 */
import type { Command } from "@commander-js/extra-typings";
import type { HoldingOptions } from "./holding.ts";
import type { Io } from "../io.ts";
import { KILL_AFTER_MS } from "../run_command.ts";
import { durationArgument, nameArgument, type NamedParser, usageError } from "../verb.ts";

/** Adds them to a parser. */
export function withHoldingOptions(parser: Command, no_wait: "-n, --no-wait" | "--no-wait", name: string) {
  return parser
    .usage("[options] <channel> -- <command> [argument...]")
    .argument("<channel>", "whose lock; what is sent there goes its way, locked or not")
    .option("-t, --timeout <duration>", "exit 124 if its turn has not come after this long", durationArgument, Infinity)
    .option(no_wait, "do not wait: exit 1 if it is taken")
    .option("--keep-running", "let the command go on when the lock is lost, with a notice, instead of ending it")
    .option(
      "--kill-after <duration>",
      "KILL what has not ended this long after a signal",
      durationArgument,
      KILL_AFTER_MS,
    )
    .option("--no-autostart", "exit 69 if no broker runs, instead of starting one")
    .option("--name <name>", "what others see as the holder's name", nameArgument, name);
}

/** What was parsed. */
interface Parsed {
  timeout: number;
  wait: boolean;
  keepRunning?: true | undefined;
  killAfter: number;
  autostart: boolean;
  name: string;
}

export function holdingOptions(
  parser: NamedParser,
  channel: string,
  command: readonly string[],
  places: number,
  options: Parsed,
): HoldingOptions {
  if (command.length === 0) throw usageError(parser, "a command is missing: it stands behind --");
  return {
    channel,
    command,
    places,
    timeout_ms: options.timeout,
    no_wait: !options.wait,
    keep_running: options.keepRunning ?? false,
    kill_after_ms: options.killAfter,
    autostart: options.autostart,
    name: options.name,
  };
}

export async function runHolding(options: HoldingOptions, io: Io): Promise<number> {
  const { hold } = await import("./holding.ts");
  return await hold(options, io);
}
