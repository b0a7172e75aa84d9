/**
 * `ipc top`: channels and clients as they are now, with rates.
 *
 * @module
 */
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { argumentParser, describeKeys, durationArgument, parseArguments, type Verb } from "./verb.ts";

/** Options of `ipc top`. */
export interface TopOptions {
  /** Which channels. */
  glob: string;
  interval_ms: number;
}

const INTERVAL_MS_MIN = 100;

export const verb: Verb<TopOptions> = { parse: parseTop, run: runTop };

/** What keys do; docs/monitoring.md says more. */
const KEYS = [
  ["arrows, page up, page down, home, end", "choose a row"],
  ["Tab", "clients in the place of channels, and back"],
  ["Enter", "all about the chosen one"],
  ["s, r", "sort by the next column, or the other way round"],
  ["/", "only names that contain a text"],
  ["k", "close the chosen client"],
  ["space", "stop looking, and go on"],
  ["q", "leave"],
] as const;

export function parseTop(argv: readonly string[]): TopOptions {
  const parser = describeKeys(
    argumentParser("top", "Show channels and clients as they are now, with rates.", [
      "ipc top",
      "ipc top 'sensor.*' -i 200ms",
    ]),
    KEYS,
  )
    .argument("[glob]", "only channels that fit: * ? [a-z]; the broker's own only as ipcd", "*")
    .option("-i, --interval <duration>", "how often to look", intervalArgument, 1000);
  const { args: [glob], options: { interval } } = parseArguments(parser, argv);
  return { glob, interval_ms: interval };
}

function intervalArgument(text: string): number {
  const interval_ms = durationArgument(text);
  if (interval_ms >= INTERVAL_MS_MIN && interval_ms < Infinity) return interval_ms;
  throw new InvalidArgumentError(`It must be at least ${INTERVAL_MS_MIN}ms, and not infinity.`);
}

export async function runTop(options: TopOptions, io: Io): Promise<number> {
  const why = !io.stdin.is_terminal || !io.stdout.is_terminal
    ? "top needs a terminal"
    : ["", "dumb"].includes(io.env("TERM") ?? "")
    ? "top needs a terminal that can move its cursor, and TERM says that this one cannot"
    : undefined;
  if (why !== undefined) {
    throw new Failure(EXIT.USAGE, `${why}: use "ipc stats '*'" for numbers once, --json or --prometheus for programs`);
  }
  const { Top } = await import("./top/run.ts");
  return await new Top(options, io).run();
}
