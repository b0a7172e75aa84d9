/**
 * A broker that can be measured.
 *
 * @module
 */
import type { Started, Workshop } from "../workshop.ts";

/** How a broker is started. */
export interface PeerOptions {
  /** The one core that it may run on. */
  core?: number | undefined;
  /** Write a profile of where its time goes into this directory. */
  cpu_profile?: string | undefined;
}

/** A kind of broker that is installed. */
export interface Peer {
  /** As the driver and the table call it. */
  readonly name: string;
  readonly version: string;
  /** Starts one, and waits until it takes connections. */
  start(workshop: Workshop, options?: PeerOptions): Promise<Broker>;
}

/** A broker that runs. Disposing of it ends it. */
export interface Broker extends AsyncDisposable {
  /** What the driver speaks with it. */
  readonly protocol: string;
  /** In the driver's form; `%s` stands for the channel. None for the relay, which is the driver's own child. */
  readonly address: string | undefined;
  readonly pid: number | undefined;
  /** Makes sure that channels are there. */
  open(...channels: string[]): Promise<void>;
}

/** A process that is a broker. */
export class BrokerProcess implements Broker {
  readonly pid: number;
  readonly #process: Started;

  constructor(readonly protocol: string, readonly address: string, process: Started) {
    this.#process = process;
    this.pid = process.pid;
  }

  open(..._channels: string[]): Promise<void> {
    return Promise.resolve(); // Others open them when somebody names them.
  }

  /** Waits until it takes connections. @throws {Error} If it ends before, with what it said. */
  async ready(): Promise<this> {
    const DEADLINE_MS = 10_000, options = connectOptions(this.address);
    for (const until = performance.now() + DEADLINE_MS;;) {
      try {
        (await Deno.connect(options as Deno.ConnectOptions)).close();
        return this;
      } catch (error) {
        if (performance.now() > until) throw new Error(`Nobody answers at ${this.address}`, { cause: error });
      }
      const gone = await Promise.race([this.#process.ended, new Promise((next) => setTimeout(next, 10))]);
      if (gone !== undefined) await this.#process.finish();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }
}

function connectOptions(address: string): Deno.ConnectOptions | Deno.UnixConnectOptions {
  const [kind, first, port] = address.split(":");
  if (kind === "unix") return { transport: "unix", path: first!.replace("%s", "ipcd") };
  return { hostname: first!, port: Number(port) };
}
