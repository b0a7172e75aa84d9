/**
 * `ipc bench`: how fast the broker is here and now, beside a bare Unix socket that is measured in the same run. `pub` and
 * `sub` are its two halves, for two terminals.
 *
 * @module
 */
import { Argument, InvalidArgumentError } from "@commander-js/extra-typings";
import { parseSize } from "../config/units.ts";
import { IDLE_MS } from "./bench/counting.ts";
import { runBench } from "./bench/run.ts";
import { argumentParser, countArgument, durationArgument, parseArguments, usageError, type Verb } from "./verb.ts";

/** What can be measured. */
const PARTS = ["events", "request", "pub", "sub"] as const;

/** One of them. */
export type BenchPart = (typeof PARTS)[number];

/** Where `pub` and `sub` meet if no channel is given. */
const CHANNEL = "bench";

/** Options of `ipc bench`. */
export interface BenchOptions {
  /** `sub` stands alone. */
  what: readonly BenchPart[];
  /** For `pub` and `sub`; the others take one of their own. */
  channel: string | undefined;
  /** Bytes of a payload, one run for each. */
  sizes: readonly number[];
  /** How many listen, publish or ask. */
  clients: number;
  /** For how long each part is measured. */
  duration_ms: number;
  json: boolean;
  /** Whether people may be shown how far it has come. */
  progress: boolean;
  /** Whether a broker is started if none runs. */
  autostart: boolean;
}

export const verb: Verb<BenchOptions> = { parse: parseBench, run: runBench };

export function parseBench(argv: readonly string[]): BenchOptions {
  const parser = argumentParser("bench", "Measure the broker that runs, beside a bare Unix socket in the same run.", [
    "ipc bench",
    "ipc bench events --size 16,128,1KiB --clients 4",
    "ipc bench request --for 10s --json",
    "ipc bench sub      # and in another terminal: ipc bench pub",
  ])
    .addArgument(
      new Argument(
        "[what]",
        "events (to listeners of its own), request, or both without it; pub (events to whoever listens), sub (only counts)",
      ).choices(PARTS),
    )
    .argument("[channel]", `pub, sub: where (default: ${CHANNEL})`)
    .option("--size <bytes,...>", "of a payload: 128, 16KiB, or several, one after the other (default: 128)", sizes)
    .option("--clients <n>", "how many listen (events, sub), publish (pub) or ask (request)", countArgument, 1)
    .option(
      "--for <duration>",
      `for how long each of its parts is measured (default: 1s; sub: until nothing has come for ${IDLE_MS / 1000}s)`,
      durationArgument,
    )
    .option("--json", "one JSON object for each size at the end, and nothing else")
    .option("--no-progress", "no progress bar on a terminal")
    .option(
      "--no-autostart",
      "exit 69 if no broker runs, instead of starting one: for this run alone, or with sub one that stays",
    );
  const { args: [what, channel], options } = parseArguments(parser, argv);
  if (options.for === Infinity) throw usageError(parser, "--for needs a duration above 0 that is not infinity");
  const two_ended = what !== "pub" && what !== "sub";
  if (channel !== undefined && two_ended) {
    throw usageError(parser, `${what} has a channel of its own: only pub and sub take one`);
  }
  if (what === "sub" && options.size !== undefined) {
    throw usageError(parser, "sub counts what comes: --size is for those who publish");
  }
  return {
    what: what === undefined ? ["events", "request"] : [what],
    channel: two_ended ? undefined : channel ?? CHANNEL,
    sizes: options.size ?? [128],
    clients: options.clients,
    duration_ms: options.for ?? (what === "sub" ? Infinity : 1000),
    json: options.json ?? false,
    progress: options.progress,
    autostart: options.autostart,
  };
}

function sizes(text: string): number[] {
  try {
    return text.split(",").map(parseSize);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
