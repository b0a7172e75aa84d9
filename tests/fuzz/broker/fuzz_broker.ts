/**
 * Fuzzes a broker, a process of its own: episode after episode, while canaries sing on channels of their own and a witness
 * talks on the very channel that is fuzzed.
 *
 * @module
 */
import { type Channel, connect } from "../../../client/mod.ts";
import { type BrokerProcess, Sandbox } from "../../e2e/harness.ts";
import { eventually } from "../../e2e/wait.ts";
import { startCanaries } from "../../faults/canaries.ts";
import { noTally, type Tally } from "../engine.ts";
import { CONFIG, type Episode, episodeOf, type Part } from "./episode.ts";
import { type Address, play } from "./play.ts";
import { Witness } from "./witness.ts";

/** An episode that failed, or several of which one did. */
export interface BrokerFinding {
  episodes: Episode[];
  error: string;
}

/** What came of it. */
export interface BrokerResult {
  tally: Tally;
  finding: BrokerFinding | undefined;
  /** For people, about memory, descriptors and canaries. */
  figures: string[];
}

/** How long the broker may leave everybody else alone: over it an episode is played again, by itself. */
const PAUSE_MS_MAX = 100;
const REPEATS = 3;
/** How many episodes at once: not so many that 64 clients have not said HELLO yet, whom the broker turns away. */
const LANES = 6;
/** How many are kept for when the broker dies. */
const RECENT = 24;
/** After this part of the time memory has taken its size. */
const WARM_SHARE = 0.3;
/** How much it may still grow. */
const GROWTH_BYTES_MAX = 32 * 1024 * 1024;
const MIB = 1024 * 1024;
const POISON = new URL("poison.ts", import.meta.url).pathname;

/** Options of {@linkcode fuzzBroker}. */
export interface BrokerOptions {
  seed: string;
  ms: number;
  /** Only so many episodes. */
  episodes_max?: number;
  saying?: (what: string) => void;
  /** Ends it early. */
  signal?: AbortSignal;
}

/** Fuzzes until the time is over or something fails. */
export async function fuzzBroker(options: BrokerOptions): Promise<BrokerResult> {
  const { seed, ms, episodes_max = Infinity, saying = () => {}, signal } = options;
  await using house = await House.open();
  await using canaries = await startCanaries(house.sandbox, { pairs: 3, rate_per_s: 100 });
  house.descriptors = await house.descriptorsBesideChannels();
  const tally = noTally("broker"), began_ms = performance.now(), until_ms = began_ms + ms, recent: Episode[] = [];
  const running = new Set<Episode>();
  let next = 0, finding: BrokerFinding | undefined, warm_bytes: number | undefined, peak_bytes = 0, longest_ms = 0;
  const lane = async () => {
    while (finding === undefined && next < episodes_max && performance.now() < until_ms && !signal?.aborted) {
      const episode = episodeOf(seed, next++), episode_began_ms = performance.now();
      recent.push(episode);
      if (recent.length > RECENT) recent.shift();
      running.add(episode);
      const error = await house.tried(episode), pause_ms = house.quiet.takeLongest();
      tally.cases++;
      tally.bytes += episode.parts.flatMap(({ steps }) => steps)
        .reduce((sum, step) => sum + (step.do === "send" ? step.hex.length / 2 : 0), 0);
      if (error !== undefined) finding ??= { episodes: error.alone ? [episode] : [...recent], error: error.message };
      if (pause_ms > PAUSE_MS_MAX) house.suspects.push(...running);
      running.delete(episode);
      longest_ms = Math.max(longest_ms, pause_ms);
      if (performance.now() - began_ms > ms * WARM_SHARE) warm_bytes ??= house.broker.memoryBytes();
      peak_bytes = Math.max(peak_bytes, house.broker.running ? house.broker.memoryBytes() : 0);
      saying(`episode ${tally.cases}, ${Math.round(performance.now() - episode_began_ms)} ms`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  finding ??= await house.slowOnes();
  const figures: string[] = [];
  if (finding === undefined) {
    const report = await canaries.stop();
    figures.push(String(report));
    try {
      report.assertFaultless();
    } catch (error) {
      finding = { episodes: recent, error: `a canary has noticed: ${error}` };
    }
    const { error, said } = await house.settled(warm_bytes ?? house.broker.memoryBytes());
    if (error === undefined) {
      figures.push(`${said}, at most ${(peak_bytes / MIB).toFixed(1)} MiB`);
      figures.push(`the longest that somebody on another channel waited: ${Math.round(longest_ms)} ms`);
    } else finding ??= { episodes: recent, error };
  }
  if (finding !== undefined && finding.episodes.length > 1) finding = await narrowed(finding);
  return { tally, finding, figures };
}

/** Plays episodes again, one after the other. @returns What goes wrong, if something does. */
export async function replayEpisodes(episodes: readonly Episode[]): Promise<string | undefined> {
  await using house = await House.open();
  for (const episode of episodes) {
    const error = await house.tried(episode);
    if (error !== undefined) return error.message;
  }
  return (await house.settled(house.broker.memoryBytes())).error;
}

/** The one episode that fails alone, if there is one. */
async function narrowed({ episodes, error }: BrokerFinding): Promise<BrokerFinding> {
  for (const episode of episodes.toReversed()) {
    const alone = await replayEpisodes([episode]);
    if (alone !== undefined) return { episodes: [episode], error: alone };
  }
  return { episodes, error };
}

/** A broker and those who watch it. */
class House implements AsyncDisposable {
  /** How many the broker has open with nobody there but honest clients, the sockets that channels listen on left out. */
  descriptors = 0;
  /** Episodes during which somebody else had to wait. */
  readonly suspects: Episode[] = [];
  #stderr_read = 0;

  private constructor(
    readonly sandbox: Sandbox,
    readonly broker: BrokerProcess,
    readonly witness: Witness,
    readonly quiet: Witness,
    readonly control: Channel,
    readonly port: number,
  ) {}

  static async open(): Promise<House> {
    const sandbox = new Sandbox();
    try {
      Deno.writeTextFileSync(sandbox.config_file, CONFIG);
      const broker = await sandbox.broker({}, [], [`--preload=${POISON}`]);
      const witness = await Witness.on("jobs", sandbox.socket_dir),
        quiet = await Witness.on("quiet", sandbox.socket_dir);
      const control = await connect("ipcd", { socket_dir: sandbox.socket_dir, reconnect: false });
      const { listen: [listener] } = await control.invoke({ method: "stats" }) as { listen: [{ port: number }] };
      const house = new House(sandbox, broker, witness, quiet, control, listener.port);
      house.descriptors = await house.descriptorsBesideChannels();
      return house;
    } catch (error) {
      await sandbox[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Plays an episode. @returns What is wrong then, and whether that episode alone can be the reason. */
  async tried(episode: Episode): Promise<{ message: string; alone: boolean } | undefined> {
    let said: string | undefined;
    try {
      await play(episode, (part) => this.#address(part));
    } catch (error) {
      said = String(error);
    }
    const log = this.broker.stderr.slice(this.#stderr_read);
    this.#stderr_read = this.broker.stderr.length;
    if (!this.broker.running) return { message: `the broker has ended: ${log.slice(-2000)}`, alone: false };
    const line = /^\S+ error +.*$|^.*rror: Uncaught.*$/m.exec(log);
    if (line !== null) return { message: `the broker has logged: ${line[0]}`, alone: false };
    const wrong = this.witness.wrong ?? this.quiet.wrong;
    if (wrong !== undefined) return { message: wrong, alone: false };
    return said === undefined ? undefined : { message: said, alone: true };
  }

  /** Plays again, each by itself, those during which somebody had to wait. */
  async slowOnes(): Promise<BrokerFinding | undefined> {
    for (const episode of this.suspects.slice(-20)) {
      let least_ms = Infinity;
      for (let left = REPEATS; left > 0 && least_ms > PAUSE_MS_MAX; left--) {
        this.quiet.takeLongest();
        await this.tried(episode);
        least_ms = Math.min(least_ms, this.quiet.takeLongest());
      }
      if (least_ms > PAUSE_MS_MAX) {
        return { episodes: [episode], error: `everybody else has to wait for ${Math.round(least_ms)} ms` };
      }
    }
    return undefined;
  }

  /** A channel on which somebody has left a retained event stays open. */
  async descriptorsBesideChannels(): Promise<number> {
    const { channels } = await this.control.invoke({ method: "stats" }) as { channels: number };
    return this.broker.descriptors() - channels;
  }

  /** Waits until all has been heard and everything is as before. */
  async settled(warm_bytes: number): Promise<{ error: string | undefined; said: string }> {
    await Promise.all([this.witness.catchUp(20_000), this.quiet.catchUp(20_000)]);
    const wrong = this.witness.wrong ?? this.quiet.wrong;
    if (wrong !== undefined) return { error: wrong, said: wrong };
    try {
      let strangers: string[] = [], open = 0;
      await eventually(
        async () => {
          strangers = await this.#strangers();
          return strangers.length === 0 && (open = await this.descriptorsBesideChannels()) <= this.descriptors;
        },
        () =>
          `${open} descriptors are open beside the channels' sockets, before it were ${this.descriptors}; ` +
          `strangers: ${strangers.join(", ")}`,
        20_000,
      );
      const grown = () => this.broker.memoryBytes() - warm_bytes;
      await eventually(
        () => grown() < GROWTH_BYTES_MAX,
        () => `memory has grown by ${(grown() / MIB).toFixed(1)} MiB`,
        20_000,
      );
    } catch (error) {
      return { error: String(error), said: "" };
    }
    const memory_bytes = this.broker.memoryBytes(), descriptors = await this.descriptorsBesideChannels();
    const said = `memory ${(warm_bytes / MIB).toFixed(1)} MiB when warm, ${(memory_bytes / MIB).toFixed(1)} MiB ` +
      `afterwards; descriptors beside channels' sockets ${this.descriptors} before, ${descriptors} afterwards; ` +
      `${this.witness.sent} events of the witness, all heard`;
    return { error: undefined, said };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.witness, this.quiet, this.control].map((one) => one[Symbol.asyncDispose]()));
    await this.sandbox[Symbol.asyncDispose]();
  }

  #address({ channel, by_network }: Part): Address {
    return by_network ? { port: this.port } : { path: this.sandbox.socket(channel) };
  }

  /** Clients that are none of ours, with what they speak and where. */
  async #strangers(): Promise<string[]> {
    const clients = await this.control.invoke({ method: "clients" }) as {
      name: string;
      channel: string;
      dialect: string;
    }[];
    return clients.filter(({ name, channel }) => channel !== "ipcd" && !/^(witness|canary.*)$/.test(name))
      .map(({ dialect, name, channel }) => `${dialect} ${JSON.stringify(name)} on ${channel}`);
  }
}
