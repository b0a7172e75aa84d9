/**
 * What `ipc bench` does while it runs.
 *
 * @module
 */
import { type Channel, IpcError } from "../../client/mod.ts";
import type { BenchOptions } from "../bench.ts";
import { noBrokerAtAll, startOwnBroker } from "./broker.ts";
import { countedText, Counting } from "./counting.ts";
import {
  eventsOverSocket,
  eventsThroughBroker,
  type Load,
  publishing,
  requestsOverSocket,
  requestsThroughBroker,
} from "./parts.ts";
import { BenchProgress, LiveLine } from "./progress.ts";
import { type BenchResult, benchText, latency } from "./report.ts";
import { autostartWanted, openChannel } from "../connection.ts";
import { EXIT, Failure } from "../exit_codes.ts";
import type { Io } from "../io.ts";
import { notice } from "../notice.ts";
import { type EndingSignals, endingSignals } from "../signals.ts";

/** How often `sub` looks whether it is over. */
const LOOK_MS = 20;

/** Measures. @returns The exit code. */
export async function runBench(options: BenchOptions, io: Io): Promise<number> {
  using signals = endingSignals(io);
  await using stack = new AsyncDisposableStack();
  const bench = new Bench({ ...options, autostart: autostartWanted(options.autostart, io) }, io, signals, stack);
  return await Promise.race([options.what.includes("sub") ? bench.count() : bench.compare(), bench.failed]);
}

class Bench {
  /** Rejects when a connection ends. */
  readonly failed: Promise<never>;
  readonly #options: BenchOptions;
  /** Where its output goes. */
  readonly #io: Io;
  readonly #signals: EndingSignals;
  /** What is undone at the end, the last first. */
  readonly #stack: AsyncDisposableStack;
  readonly #fail: (error: Error) => void;
  readonly #channel: string;
  /** Where the broker is. */
  #where: Io;

  constructor(options: BenchOptions, io: Io, signals: EndingSignals, stack: AsyncDisposableStack) {
    this.#options = options;
    this.#io = this.#where = io;
    this.#signals = signals;
    this.#stack = stack;
    // One that nobody listens to by chance, unless another process is to meet it there.
    this.#channel = options.channel ?? `bench-${crypto.randomUUID().slice(0, 8)}`;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    [this.failed, this.#fail] = [promise, reject];
  }

  /** `sub`. What was counted until a signal came is printed, too. */
  async count(): Promise<number> {
    const { clients, duration_ms, json, progress, autostart } = this.#options;
    const first = await this.#open(true, autostart);
    const listeners = [first, ...await this.#openMany(clients - 1, true)];
    const counting = new Counting(this.#channel, listeners);
    using line = new LiveLine(progress, this.#io, () => {
      const { counted } = counting;
      return counted.messages === 0 ? `waiting for events on ${counted.channel}` : countedText(counted);
    });
    line.draw();
    await Promise.all(listeners.map((listener) => listener.flush()));
    const over = Promise.withResolvers<number>();
    const timer = setInterval(() => counting.over(duration_ms) && over.resolve(EXIT.OK), LOOK_MS);
    let code: number;
    try {
      code = await Promise.race([over.promise, this.#signals.ended, this.failed]);
    } finally {
      clearInterval(timer);
      line[Symbol.dispose]();
    }
    const { counted } = counting;
    if (code === EXIT.OK || counted.messages > 0) {
      this.#io.stdout.write(`${json ? JSON.stringify(counted) : countedText(counted)}\n`);
    }
    return code;
  }

  /** All the others. */
  async compare(): Promise<number> {
    const { what, sizes, duration_ms, json, progress } = this.#options;
    const directory = await Deno.makeTempDir({ prefix: "ipc-bench-" });
    this.#stack.defer(() => Deno.remove(directory, { recursive: true }));
    const publisher = await this.#reach(`${directory}/broker`);
    const too_large = sizes.find((size) => size > publisher.message_bytes_max);
    if (too_large !== undefined) {
      throw new Failure(
        EXIT.DATA,
        `--size ${too_large} is over the limit of ${publisher.message_bytes_max} (max_message)`,
      );
    }
    using bar = new BenchProgress(progress, this.#io, what.length * sizes.length * 2, duration_ms);
    const measured = this.#measure(publisher, `${directory}/socket`, bar);
    const results = await Promise.race([measured, this.#signals.ended, this.failed]);
    if (typeof results === "number") return results;
    if (this.#signals.signal.aborted) return await this.#signals.ended;
    bar[Symbol.dispose]();
    for (const result of results) this.#io.stdout.write(json ? `${JSON.stringify(result)}\n` : benchText(result));
    return EXIT.OK;
  }

  /** @param directory For a broker of its own, if that is needed. Somebody who publishes needs one that others know. */
  async #reach(directory: string): Promise<Channel> {
    try {
      return await this.#open(false);
    } catch (error) {
      const { autostart, channel } = this.#options;
      if (!autostart || channel !== undefined || !await noBrokerAtAll(error, this.#io)) throw error;
    }
    const { io } = this.#stack.use(await startOwnBroker(directory, this.#io));
    notice(this.#io.stderr, "no broker is running, so this is about one that was started for this run alone");
    this.#where = io;
    return await this.#open(false);
  }

  async #open(listen: boolean, autostart = false): Promise<Channel> {
    const how = { name: "ipc bench", listen, autostart, echo: false, reconnect: false };
    const channel = await openChannel(this.#channel, this.#where, how);
    this.#stack.defer(async () => {
      const closed = channel.close().catch(() => {});
      // It may have to wait for a listener that does not read; not who has been told to end.
      if (!this.#signals.signal.aborted) await closed;
    });
    channel.closed.then((error) => this.#fail(error ?? new IpcError("SHUTDOWN", "the channel was closed")));
    return channel;
  }

  #openMany(count: number, listen: boolean): Promise<Channel[]> {
    return Promise.all(Array.from({ length: count }, () => this.#open(listen)));
  }

  async #measure(publisher: Channel, socket: string, bar: BenchProgress): Promise<BenchResult[]> {
    const { what, sizes, clients, duration_ms } = this.#options;
    const loads = sizes.map((size): Load => ({ size, duration_ms, signal: this.#signals.signal }));
    const results = sizes.map((size): BenchResult => ({ size, clients }));
    if (what.includes("pub")) {
      const publishers = [publisher, ...await this.#openMany(clients - 1, false)];
      // First all sizes and then the sockets: who listens elsewhere is not to think between two of them that it is over.
      const through = await inTurn(loads, (load) => {
        bar.begin("events to the broker");
        return publishing(publishers, load);
      });
      await inTurn(loads, async (load, at) => {
        bar.begin("events over a socket");
        const broker = through[at]!, bare = await eventsOverSocket(socket, load);
        results[at]!.pub = { broker, socket: bare, ratio: broker.per_s / bare.per_s };
      });
    }
    if (what.includes("events")) {
      const listeners = await this.#openMany(clients, true);
      await inTurn(loads, async (load, at) => {
        bar.begin("events over a socket");
        const bare = await eventsOverSocket(socket, load);
        bar.begin("events through the broker");
        const broker = await eventsThroughBroker(publisher, listeners, load);
        results[at]!.events = { broker, socket: bare, ratio: broker.per_s / bare.per_s };
      });
    }
    if (what.includes("request")) {
      const handler = await this.#open(false), askers = [publisher, ...await this.#openMany(clients - 1, false)];
      await inTurn(loads, async (load, at) => {
        bar.begin("requests over a socket");
        const bare = latency(await requestsOverSocket(socket, load, clients));
        bar.begin("requests through the broker");
        const broker = latency(await requestsThroughBroker(askers, handler, load));
        results[at]!.request = { broker, socket: bare, ratio: broker.p50_ms / bare.p50_ms };
      });
    }
    return results;
  }
}

async function inTurn<T, Result>(all: readonly T[], run: (one: T, at: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (const [at, one] of all.entries()) results.push(await run(one, at));
  return results;
}
