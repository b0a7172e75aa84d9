/**
 * `ipc monitor`: every frame that passes the broker.
 *
 * @module
 */
import { MONITOR_PAYLOAD_BYTES, MONITOR_PAYLOAD_BYTES_MAX } from "../protocol/limits.ts";
import { parseSize } from "../config/units.ts";
import type { Io } from "./io.ts";
import {
  argumentParser,
  countArgument,
  durationArgument,
  numberArgument,
  parseArguments,
  usageError,
  type Verb,
} from "./verb.ts";

/** Options of `ipc monitor`. */
export interface MonitorOptions {
  glob: string;
  json: boolean;
  /** A file that gets everything as JSON, too. */
  capture: string | undefined;
  /** How much of each payload is wanted. */
  payload_bytes: number;
  /** Ends with 0 after so many frames. */
  count: number;
  timeout_ms: number;
  /** File descriptor to write a line to when nothing is missed any more. */
  ready_fd: number | undefined;
}

export const verb: Verb<MonitorOptions> = { parse: parseMonitor, run: runMonitor };

export function parseMonitor(argv: readonly string[]): MonitorOptions {
  const parser = argumentParser("monitor", "Show every frame that passes the broker.", [
    "ipc monitor",
    "ipc monitor 'sensor.*' --json | jq 'select(.type == \"request\")'",
    "ipc monitor --capture night.jsonl -t 8h > /dev/null",
  ])
    .argument("[glob]", "only channels that fit: * ? [a-z]; the broker's own only as ipcd", "*")
    .option("-n, --count <n>", "leave after this many frames", countArgument, Infinity)
    .option("-t, --timeout <duration>", "leave with 124 after this long", durationArgument, Infinity)
    .option("--json", "one JSON object a line")
    .option(
      "--payload <size>",
      `how much of each payload; ${MONITOR_PAYLOAD_BYTES}, with --capture 64KiB, which is the most`,
    )
    .option("--capture <file>", "write all of it to this file as well, one JSON object a line")
    .option("--ready-fd <n>", "write a line to this file descriptor once nothing can be missed", numberArgument);
  const { args: [glob], options } = parseArguments(parser, argv);
  let payload_bytes = options.capture === undefined ? MONITOR_PAYLOAD_BYTES : MONITOR_PAYLOAD_BYTES_MAX;
  if (options.payload !== undefined) {
    try {
      payload_bytes = parseSize(options.payload);
    } catch (error) {
      throw usageError(parser, `--payload: ${(error as Error).message}`);
    }
    if (payload_bytes > MONITOR_PAYLOAD_BYTES_MAX) {
      throw usageError(parser, `--payload: ${options.payload} is too much, at most 64KiB are shown`);
    }
  }
  return {
    glob,
    json: options.json ?? false,
    capture: options.capture,
    payload_bytes,
    count: options.count,
    timeout_ms: options.timeout,
    ready_fd: options.readyFd,
  };
}

export async function runMonitor(options: MonitorOptions, io: Io): Promise<number> {
  const { Monitoring } = await import("./monitor/monitoring.ts");
  await using monitoring = new Monitoring(options, io);
  return await monitoring.run();
}
