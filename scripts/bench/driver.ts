/**
 * What drives all brokers: the C program of driver.c, compiled when a benchmark starts, or deno_driver.ts where there is
 * no compiler.
 *
 * @module
 */
import { DENO_DRIVER_CASES } from "./deno_driver.ts";
import { cpuSeconds, findProgram, versionOf } from "./machine.ts";
import type { Broker } from "./peers/peer.ts";
import type { Started, Workshop } from "./workshop.ts";

/** What the driver is asked for, see the head of driver.c. */
export interface Load {
  kind: "throughput" | "pairs" | "single" | "pingpong" | "requests" | "idle" | "full";
  /** Options of its command line, by name. */
  options: Record<string, number>;
}

/** What the driver says about a run. */
export interface DriverResult {
  connections: number;
  events: number;
  seconds: number;
  events_per_s: number;
  deliveries_per_s: number;
  driver_cpu_s: number;
  p50_us?: number;
  p99_us?: number;
  /** CPU time of the broker; none without /proc. */
  broker_cpu_s?: number;
}

/** A driver that can be run. */
export interface Driver {
  /** For people. */
  readonly title: string;
  /** Whether it is the slower one, whose figures are no broker's limit. */
  readonly fallback: boolean;
  /** Whether it knows a load. */
  can(load: Load): boolean;
  /**
   * Runs it to its end.
   *
   * @param options `core` is the one that it may run on; `check` looks at every message, which takes time.
   * @throws {Error} If anything did not arrive.
   */
  run(broker: Broker, load: Load, options?: { core?: number | undefined; check?: boolean }): Promise<DriverResult>;
  /** Starts a load that holds its connections; its first line has come. It is ended by `finish` or `stop`. */
  hold(broker: Broker, load: Load): Promise<Started>;
}

/** Compiles it, or takes the one in TypeScript. */
export async function openDriver(workshop: Workshop, notice: (text: string) => void): Promise<Driver> {
  const compiler = await findProgram("cc");
  if (compiler === undefined) {
    notice(
      "no C compiler (cc): the slower driver in TypeScript is used, which shows no limits of brokers; some cases are left out",
    );
    const file = new URL("deno_driver.ts", import.meta.url).pathname;
    const title = `TypeScript, Deno ${Deno.version.deno}`;
    return new ProcessDriver(workshop, title, true, Deno.execPath(), ["run", "--quiet", "-A", file]);
  }
  const program = `${workshop.directory}/driver`;
  const source = new URL("driver.c", import.meta.url).pathname;
  await workshop.start(compiler, { args: ["-O2", "-o", program, source] }).finish();
  return new ProcessDriver(workshop, `C, cc ${await versionOf(compiler, "--version")}`, false, program, []);
}

class ProcessDriver implements Driver {
  readonly #workshop: Workshop;
  readonly #program: string;
  readonly #args: readonly string[];

  constructor(
    workshop: Workshop,
    readonly title: string,
    readonly fallback: boolean,
    program: string,
    args: readonly string[],
  ) {
    this.#workshop = workshop;
    this.#program = program;
    this.#args = args;
  }

  can({ kind }: Load): boolean {
    return !this.fallback || DENO_DRIVER_CASES.has(kind);
  }

  async run(
    broker: Broker,
    load: Load,
    { core, check = false }: { core?: number | undefined; check?: boolean } = {},
  ): Promise<DriverResult> {
    const args = this.#arguments(broker, load);
    if (check && !this.fallback) args.push("--check");
    const before = broker.pid === undefined ? undefined : await cpuSeconds(broker.pid);
    const line = await this.#workshop.run(this.#program, { args, core });
    const result = JSON.parse(line) as DriverResult;
    if (before !== undefined) result.broker_cpu_s = (await cpuSeconds(broker.pid!))! - before;
    return result;
  }

  async hold(broker: Broker, load: Load): Promise<Started> {
    const options = { args: this.#arguments(broker, load), stdin: "piped", stdout: "piped" } as const;
    const started = this.#workshop.start(this.#program, options);
    await started.line();
    return started;
  }

  #arguments({ protocol, address }: Broker, { kind, options }: Load): string[] {
    const args = [...this.#args, protocol, kind];
    if (address !== undefined) args.push("--address", address);
    for (const [name, value] of Object.entries(options)) args.push(`--${name}`, String(value));
    return args;
  }
}
