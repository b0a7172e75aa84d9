/**
 * `ipc top`: channels and clients as they are now, with rates.
 *
 * @module
 */
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { argumentParser, durationArgument, parseArguments, usageError, type Verb } from "./verb.ts";

/** Options of `ipc top`. */
export interface TopOptions {
  /** Which channels. */
  glob: string;
  interval_ms: number;
}

const INTERVAL_MS_MIN = 100;

export const verb: Verb<TopOptions> = { parse: parseTop, run: runTop };

export function parseTop(argv: readonly string[]): TopOptions {
  const parser = argumentParser("top", "Show channels and clients as they are now, with rates.", [
    "ipc top",
    "ipc top 'sensor.*' -i 200ms",
  ])
    .argument("[glob]", "only channels that fit: * ? [a-z]; the broker's own only as ipcd", "*")
    .option("-i, --interval <duration>", "how often to look", durationArgument, 1000)
    .addHelpText(
      "after",
      "\nKeys: arrows, page up and down, home, end  choose     Tab    channels or clients\n" +
        "      Enter  all about it                             s, r   sort by the next column, the other way round\n" +
        "      k      close a client                           /      only names that contain this text\n" +
        "      space  stop and go on                           q      leave",
    );
  const { args: [glob], options: { interval } } = parseArguments(parser, argv);
  if (interval === Infinity || interval < INTERVAL_MS_MIN) {
    throw usageError(parser, `--interval: from ${INTERVAL_MS_MIN}ms on`);
  }
  return { glob, interval_ms: interval };
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
