/**
 * A process that a test started: what it says, what it costs, how it ends.
 *
 * @module
 */
import { eventually, within } from "./wait.ts";

/** How a process is started. */
export interface ProcessOptions {
  cwd: string;
  env: Record<string, string>;
}

/** What the kernel counts for a process, in ticks of this length. */
const TICK_MS = 10;

/** See the module's head. */
export class Process {
  readonly pid: number;
  /** Resolves when it has ended and its output has been read. */
  readonly ended: Promise<Deno.CommandStatus>;
  /** What it wrote to standard error so far. */
  stderr = "";

  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: string[] = [];
  #running = true;
  #wake: (() => void)[] = [];

  /** Starts it. */
  constructor(name: string, command: readonly string[], options: ProcessOptions) {
    this.#name = name;
    this.#child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      cwd: options.cwd,
      env: options.env,
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#stdin = this.#child.stdin.getWriter();
    this.ended = this.#watch();
  }

  /** Its exit code, once it has ended. 128 and more for signals, as in a shell. */
  async exit(ms?: number): Promise<number> {
    return (await within(this.ended, () => `${this.#name} has not ended. ${this.#said()}`, ms)).code;
  }

  /** Whether it has not ended. */
  get running(): boolean {
    return this.#running;
  }

  /** Sends it a signal, if it still runs. */
  signal(signal: Deno.Signal): void {
    if (this.#running) this.#child.kill(signal);
  }

  /** Writes a line to its standard input. */
  async write(line: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Ends its standard input. */
  async endInput(): Promise<void> {
    await this.#stdin.close();
  }

  /** Waits for it to say something on standard error. */
  async says(text: string, ms?: number): Promise<void> {
    await this.#until(() => this.stderr.includes(text) || undefined, `say "${text}"`, ms);
  }

  /** The first line of its output that `wanted` takes; it is taken out. */
  async line<T>(wanted: (line: string) => T | undefined, what: string, ms?: number): Promise<T> {
    const look = (): T | undefined => {
      for (let at = 0; at < this.#lines.length; at++) {
        const found = wanted(this.#lines[at]!);
        if (found === undefined) continue;
        this.#lines.splice(at, 1);
        return found;
      }
      return undefined;
    };
    return await this.#until(look, what, ms);
  }

  /** Memory that it has in use. */
  memoryBytes(): number {
    return this.#status("VmRSS");
  }

  /** The most memory that it has ever had in use. */
  memoryPeakBytes(): number {
    return this.#status("VmHWM");
  }

  /** How many file descriptors it has open. */
  descriptors(): number {
    return [...Deno.readDirSync(`/proc/${this.pid}/fd`)].length;
  }

  /** Processor time that it has used. */
  processorMs(): number {
    const fields = Deno.readTextFileSync(`/proc/${this.pid}/stat`).replace(/^.*\) /, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }

  /** Ends it whatever state it is in, and waits until it has. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  #status(field: string): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)![1]) * 1024;
  }

  async #watch(): Promise<Deno.CommandStatus> {
    const [status] = await Promise.all([
      this.#child.status.finally(() => this.#running = false),
      this.#read(this.#child.stdout, (text) => this.#line(text)),
      this.#read(this.#child.stderr, (text) => this.stderr += text),
    ]);
    await this.#stdin.abort().catch(() => {});
    this.#notify();
    return status;
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      take(text);
      this.#notify();
    }
  }

  #partial = "";

  #line(text: string): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop()!;
    this.#lines.push(...lines);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  async #until<T>(look: () => T | undefined, what: string, ms?: number): Promise<T> {
    const waiting = async (): Promise<T> => {
      for (let ended = false;;) {
        const found = look();
        if (found !== undefined) return found;
        if (ended) throw new Error(`${this.#name} ended and did not ${what}. ${this.#said()}`);
        await new Promise<void>((resolve) => {
          this.#wake.push(resolve);
          this.ended.then(() => {
            ended = true;
            resolve();
          });
        });
      }
    };
    return await within(waiting(), () => `${this.#name} did not ${what}. ${this.#said()}`, ms);
  }

  #said(): string {
    return `Its standard error:\n${this.stderr.slice(-4000)}`;
  }
}

/** The two processes whose ids a command writes to a file, once they stand there. */
export function family(path: string): Promise<number[]> {
  return eventually(() => {
    try {
      const pids = Deno.readTextFileSync(path).trim().split(" ").map(Number);
      return pids.length === 2 && pids;
    } catch {
      return undefined;
    }
  }, "the command has not started");
}

/** Whether a process runs; one that has ended and waits to be reaped does not. */
export function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
