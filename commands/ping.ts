/**
 * `ipc ping`: the way to the broker and back, with times.
 *
 * @module
 */
import { type Channel, connect } from "../client/mod.ts";
import { after } from "../client/pause.ts";
import { formatDuration } from "../config/units.ts";
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { brokerOptions } from "./broker_options.ts";
import { settingsOf } from "./settings.ts";
import { argumentParser, countArgument, durationArgument, parseArguments, type Verb } from "./verb.ts";

/** Options of `ipc ping`. */
export interface PingOptions {
  channel: string;
  count: number;
  interval_ms: number;
  timeout_ms: number;
  json: boolean;
}

export const verb: Verb<PingOptions> = { parse: parsePing, run: runPing };

export function parsePing(argv: readonly string[]): PingOptions {
  const parser = argumentParser("ping", "Measure the way to the broker and back.", [
    "ipc ping",
    "ipc ping -n 100 -i 10ms deploys",
  ])
    .argument("[channel]", "by way of this channel's socket; it must be open", CONTROL_CHANNEL)
    .option("-n, --count <n>", "how many times", countArgument, 4)
    .option("-i, --interval <duration>", "time between two", durationArgument, 200)
    .option("-t, --timeout <duration>", "exit 124 if one takes longer", durationArgument, 5000)
    .option("--json", "one JSON object at the end, and nothing else");
  const { args: [channel], options } = parseArguments(parser, argv);
  return {
    channel,
    count: options.count,
    interval_ms: options.interval === Infinity ? 0 : options.interval,
    timeout_ms: options.timeout,
    json: options.json ?? false,
  };
}

export async function runPing(options: PingOptions, io: Io): Promise<number> {
  await using channel = await connect(options.channel, {
    ...brokerOptions(io, await settingsOf(io)),
    name: "ipc ping",
    open: false,
    reconnect: false,
    onnotice: () => {},
  });
  const times_ms: number[] = [];
  for (let count = 1; count <= options.count; count++) {
    if (count > 1) await new Promise((resolve) => setTimeout(resolve, options.interval_ms));
    const time_ms = await roundTrip(channel, options.timeout_ms);
    times_ms.push(time_ms);
    if (!options.json) io.stdout.write(`${options.channel}: ${count} of ${options.count}: ${time_ms.toFixed(3)} ms\n`);
  }
  const least = Math.min(...times_ms), most = Math.max(...times_ms);
  const average = times_ms.reduce((sum, time_ms) => sum + time_ms, 0) / times_ms.length;
  io.stdout.write(
    options.json
      ? `${
        JSON.stringify({ channel: options.channel, count: options.count, min_ms: least, avg_ms: average, max_ms: most })
      }\n`
      : `min ${least.toFixed(3)} ms, average ${average.toFixed(3)} ms, max ${most.toFixed(3)} ms\n`,
  );
  return EXIT.OK;
}

async function roundTrip(channel: Channel, timeout_ms: number): Promise<number> {
  const began = performance.now();
  const late = Promise.withResolvers<never>();
  const disarm = after(timeout_ms, () => {
    const text = `the broker has not answered on ${channel.name} after ${formatDuration(timeout_ms)}`;
    late.reject(new Failure(EXIT.TIMEOUT, text));
  });
  try {
    await Promise.race([channel.flush(), late.promise]);
    return performance.now() - began;
  } finally {
    disarm();
  }
}
