/**
 * `ipc bench`: how fast the broker is here and now, beside a bare Unix socket that is measured in the same run.
 *
 * @module
 */
import type { Channel } from "../client/mod.ts";
import { IpcError } from "../client/mod.ts";
import { formatBytes, parseSize } from "../config/units.ts";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import {
  eventsOverSocket,
  eventsThroughBroker,
  type Load,
  requestsOverSocket,
  requestsThroughBroker,
  type Throughput,
} from "./bench_parts.ts";
import { openChannel } from "./connection.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { writeNotice } from "./notice.ts";
import { endingSignals } from "./signals.ts";
import { argumentParser, countArgument, durationArgument, parseArguments, usageError, type Verb } from "./verb.ts";

/** Options of `ipc bench`. */
export interface BenchOptions {
  what: readonly ("events" | "requests")[];
  /** Bytes of a payload. */
  size: number;
  /** How many listen. */
  clients: number;
  /** For how long each part is measured. */
  duration_ms: number;
  json: boolean;
  /** Whether people may be shown how far it has come. */
  progress: boolean;
}

/** How long requests took, in milliseconds. */
interface Latency {
  requests: number;
  min_ms: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
  /** How many took less than so long, and not less than the one before. */
  histogram: { below_ms: number; requests: number }[];
}

/** What was measured. */
interface BenchResult {
  size: number;
  clients: number;
  events?: { broker: Throughput; socket: Throughput; ratio: number };
  requests?: { broker: Latency; socket: Latency; ratio: number };
}

export const verb: Verb<BenchOptions> = { parse: parseBench, run: runBench };

export function parseBench(argv: readonly string[]): BenchOptions {
  const parser = argumentParser("bench", "Measure the broker that runs, beside a bare Unix socket in the same run.", [
    "ipc bench",
    "ipc bench events --size 16KiB --clients 4",
    "ipc bench requests --for 10s --json",
  ])
    .argument("[what]", "events (to listeners), requests (one at a time), or both without it")
    .option("--size <bytes>", "of a payload: 128, 16KiB", sizeArgument, 128)
    .option("--clients <n>", "how many listen to the events", countArgument, 1)
    .option("--for <duration>", "for how long each of its parts is measured", durationArgument, 1000)
    .option("--json", "one JSON object at the end, and nothing else")
    .option("--no-progress", "no progress bar on a terminal");
  const { args: [what], options } = parseArguments(parser, argv);
  if (what !== undefined && what !== "events" && what !== "requests") {
    throw usageError(parser, `${JSON.stringify(what)} cannot be measured: events or requests can`);
  }
  if (options.for === Infinity) throw usageError(parser, "--for needs a duration above 0 that is not infinity");
  return {
    what: what === undefined ? ["events", "requests"] : [what],
    size: options.size,
    clients: options.clients,
    duration_ms: options.for,
    json: options.json ?? false,
    progress: options.progress,
  };
}

function sizeArgument(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

export async function runBench(options: BenchOptions, io: Io): Promise<number> {
  using signals = endingSignals(io);
  // A channel of its own, that nobody listens to by chance.
  const name = `bench-${crypto.randomUUID().slice(0, 8)}`, channels: Channel[] = [];
  await using _open = {
    [Symbol.asyncDispose]: async () => void await Promise.allSettled(channels.map((one) => one.close())),
  };
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const open = async (listen: boolean): Promise<Channel> => {
    const channel = await openChannel(name, io, { name: "ipc bench", listen, echo: false, reconnect: false });
    channels.push(channel);
    channel.closed.then((error) => failed.reject(error ?? new IpcError("SHUTDOWN", "the channel was closed")));
    return channel;
  };
  const publisher = await open(false);
  if (options.size > publisher.message_bytes_max) {
    throw new Failure(
      EXIT.DATA,
      `--size ${options.size} is over the limit of ${publisher.message_bytes_max} (max_message)`,
    );
  }
  const directory = await Deno.makeTempDir({ prefix: "ipc-bench-" });
  try {
    using bar = new BenchProgress(options, io);
    const load: Load = { size: options.size, duration_ms: options.duration_ms, signal: signals.signal };
    const measured = measure(options, load, { publisher, open, socket: `${directory}/socket`, bar });
    const result = await Promise.race([measured, signals.ended, failed.promise]);
    if (typeof result === "number") return result;
    if (signals.signal.aborted) return await signals.ended;
    bar[Symbol.dispose]();
    io.stdout.write(options.json ? `${JSON.stringify(result)}\n` : benchText(result));
    return EXIT.OK;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What measuring needs. */
interface Bench {
  publisher: Channel;
  open(listen: boolean): Promise<Channel>;
  /** A path for a socket. */
  socket: string;
  bar: BenchProgress;
}

async function measure(
  { what, size, clients }: BenchOptions,
  load: Load,
  { publisher, open, socket, bar }: Bench,
): Promise<BenchResult> {
  const result: BenchResult = { size, clients };
  if (what.includes("events")) {
    bar.begin("events over a socket");
    const bare = await eventsOverSocket(socket, load);
    const listeners = await Promise.all(Array.from({ length: clients }, () => open(true)));
    bar.begin("events through the broker");
    const broker = await eventsThroughBroker(publisher, listeners, load);
    result.events = { broker, socket: bare, ratio: broker.per_s / bare.per_s };
  }
  if (what.includes("requests")) {
    bar.begin("requests over a socket");
    const bare = latency(await requestsOverSocket(socket, load));
    const handler = await open(false);
    bar.begin("requests through the broker");
    const broker = latency(await requestsThroughBroker(publisher, handler, load));
    result.requests = { broker, socket: bare, ratio: broker.p50_ms / bare.p50_ms };
  }
  return result;
}

/** @param times_ms Ascending, at least one. */
function latency(times_ms: Float64Array): Latency {
  const at = (share: number): number => times_ms[Math.min(times_ms.length - 1, Math.floor(share * times_ms.length))]!;
  const histogram: Latency["histogram"] = [];
  for (let from = 0, below_ms = 0.001; from < times_ms.length; below_ms *= 2) {
    let to = from;
    while (to < times_ms.length && times_ms[to]! < below_ms) to++;
    if (to > 0) histogram.push({ below_ms, requests: to - from });
    from = to;
  }
  return { requests: times_ms.length, min_ms: at(0), p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1), histogram };
}

/** Cells of a histogram's longest bar. */
const HISTOGRAM_CELLS = 40;

function benchText({ size, clients, events, requests }: BenchResult): string {
  const lines: string[] = [];
  if (events !== undefined) {
    const { broker, socket, ratio } = events,
      rate = ({ per_s, bytes_per_s }: Throughput) =>
        `${Math.round(per_s)} events/s, ${formatBytes(Math.round(bytes_per_s))}/s`;
    lines.push(`events of ${formatBytes(size)} to ${clients} listener${clients === 1 ? "" : "s"}: ${rate(broker)}`);
    lines.push(`  bare socket: ${rate(socket)}; through the broker ${ratio.toFixed(2)} x as many`);
  }
  if (requests !== undefined) {
    const { broker, socket, ratio } = requests, us = (ms: number) => `${(ms * 1000).toFixed(1)} µs`;
    const times = ({ p50_ms, p99_ms, max_ms }: Latency) =>
      `median ${us(p50_ms)}, 99 % ${us(p99_ms)}, most ${us(max_ms)}`;
    lines.push(`requests of ${formatBytes(size)}, one at a time: ${times(broker)}`);
    lines.push(`  bare socket: ${times(socket)}; through the broker ${ratio.toFixed(2)} x as long`);
    const most = Math.max(...broker.histogram.map(({ requests }) => requests));
    for (const { below_ms, requests } of broker.histogram) {
      const share = `${(requests / broker.requests * 100).toFixed(1)} %`;
      const bar = "#".repeat(Math.ceil(requests / most * HISTOGRAM_CELLS));
      lines.push(`  below ${`${Math.round(below_ms * 1000)} µs`.padStart(10)}  ${share.padStart(7)}  ${bar}`.trimEnd());
    }
  }
  return `${lines.join("\n")}\n`;
}

/** How often the bar is drawn. */
const DRAW_MS = 100;
const BAR_CELLS = 30;

/** How far it has come, on one line of a terminal that is written over and over. */
class BenchProgress implements Disposable {
  readonly #io: Io;
  readonly #part_ms: number;
  readonly #parts: number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #part = -1;
  #begin_ms = 0;
  #name = "";

  constructor({ what, duration_ms, progress }: BenchOptions, io: Io) {
    this.#io = io;
    this.#part_ms = duration_ms;
    this.#parts = what.length * 2;
    if (progress && io.stderr.is_terminal && io.env("TERM") !== "dumb") {
      this.#timer = setInterval(() => this.#draw(), DRAW_MS);
    }
  }

  begin(name: string): void {
    this.#part++;
    this.#name = name;
    this.#begin_ms = performance.now();
    if (this.#timer !== undefined) this.#draw();
  }

  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    writeNotice(this.#io.stderr, "\r\x1b[K");
  }

  #draw(): void {
    const of_part = Math.min(1, (performance.now() - this.#begin_ms) / this.#part_ms);
    const done = (this.#part + of_part) / this.#parts, full = Math.floor(done * BAR_CELLS);
    const bar = `[${"=".repeat(full)}${full < BAR_CELLS ? ">" : ""}`.padEnd(BAR_CELLS + 1);
    const line = `${bar}] ${Math.floor(done * 100)}%  ${this.#name}`;
    writeNotice(this.#io.stderr, `\r${line.slice(0, (this.#io.stderr.columns ?? 80) - 1)}\x1b[K`);
  }
}
