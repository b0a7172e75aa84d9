/**
 * Honest programs that go on while something is done to the broker: pairs of a publisher and a listener, each on a channel
 * of its own. What they say afterwards is the proof that nobody else has noticed.
 *
 * All publishers are one process and all listeners another, and neither is the test's own, which may be busy.
 *
 * @module
 */
import type { Sandbox, Worker } from "../e2e/harness.ts";
import { eventually, WAIT_MS } from "../e2e/wait.ts";
import { CanaryReport, judge, type Listener, type Publisher } from "./canary_account.ts";

export { CanaryReport, type Gap, type PairReport } from "./canary_account.ts";

/** How many, and how much they send. */
export interface CanaryOptions {
  pairs?: number;
  /** Events per second of each publisher. */
  rate_per_s?: number;
  /** Length of a payload. */
  bytes?: number;
  /** What their channels' names begin with. */
  prefix?: string;
}

/**
 * Starts canaries and waits until they sing.
 *
 * The channels are opened by whoever comes, unless the configuration names them. A test in which the broker is killed does
 * nothing else: they connect again by themselves.
 *
 * @example
 * ```ts no-check ignore
 * await using canaries = await startCanaries(sandbox);
 * // Whatever is done to the broker.
 * const report = await canaries.stop();
 * report.assertFaultless(); // or assertAccounted(), where the broker itself was killed
 * ```
 */
export async function startCanaries(sandbox: Sandbox, options: CanaryOptions = {}): Promise<Canaries> {
  const { pairs = 10, rate_per_s = 200, bytes = 1024, prefix = "canary-" } = options;
  const channels = Array.from({ length: pairs }, (_, index) => `${prefix}${index}`);
  const listeners = sandbox.program("tests/faults/programs/canary_listeners.ts", { channels });
  await listeners.tells("ready");
  const publishers = sandbox.program("tests/faults/programs/canary_publishers.ts", { channels, rate_per_s, bytes });
  await publishers.tells("ready");
  await publishers.write("go");
  return new Canaries(channels, publishers, listeners);
}

/** See the module's head. */
export class Canaries implements AsyncDisposable {
  /** The two processes. */
  readonly publishers: Worker;
  readonly listeners: Worker;
  readonly #channels: readonly string[];

  /** {@linkcode startCanaries} makes one. */
  constructor(channels: readonly string[], publishers: Worker, listeners: Worker) {
    this.#channels = channels;
    this.publishers = publishers;
    this.listeners = listeners;
  }

  /** What is to be said so far. What is on the way yet is not received. */
  async report(): Promise<CanaryReport> {
    const { canaries: sent } = await this.publishers.ask("report") as { canaries: Publisher[] };
    return this.#judge(sent, await this.#heard());
  }

  /** How many events all listeners have had. */
  async received(): Promise<number> {
    return (await this.#heard()).reduce((sum, { received }) => sum + received, 0);
  }

  /**
   * Lets the publishers end with an event that the broker has accepted, and waits until all listeners have that one. If it
   * does not come, the report says so.
   *
   * @param ms How long they may take.
   */
  async stop(ms = WAIT_MS): Promise<CanaryReport> {
    await this.publishers.write("stop");
    const { canaries: sent } = await this.publishers.tells("done", ms) as { canaries: Publisher[] };
    let heard: Listener[] = [];
    await eventually(
      async () => {
        heard = await this.#heard();
        return heard.every(({ last }, index) => last === sent[index]!.sent);
      },
      "not all have heard the last event",
      ms,
    ).catch(() => {});
    return this.#judge(sent, heard);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.publishers.kill(), this.listeners.kill()]);
  }

  async #heard(): Promise<Listener[]> {
    return (await this.listeners.ask("report") as { canaries: Listener[] }).canaries;
  }

  #judge(sent: readonly Publisher[], heard: readonly Listener[]): CanaryReport {
    return new CanaryReport(this.#channels.map((channel, index) => judge(channel, sent[index]!, heard[index]!)));
  }
}
