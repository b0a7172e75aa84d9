/**
 * A foreign program that a test runs: bytes in, bytes out. It is killed with the test, if not before.
 *
 * @module
 */
import { within } from "../e2e/wait.ts";
import { joined } from "../../protocol/joined.ts";

/** A group of its own, so that all it has started can be killed with it; the kernel kills it with the test. */
const ENDS_WITH_TEST = ["setsid", "setpriv", "--pdeathsig", "KILL"];
/** As much of its standard error as an error shows. */
const STDERR_SHOWN = 2000;

/** See the module's head. */
export class Program implements AsyncDisposable {
  readonly pid: number;
  /** Resolves with the exit code, when all it wrote has been read. */
  readonly ended: Promise<number>;
  /** What it wrote to standard error so far. */
  stderr = "";
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #running = true;
  #wake = Promise.withResolvers<void>();
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #name: string;

  constructor(command: readonly string[], env: Record<string, string> = {}) {
    const [program, ...args] = [...ENDS_WITH_TEST, ...command];
    this.#name = command.join(" ");
    this.#child = new Deno.Command(program!, { args, env, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
    this.pid = this.#child.pid;
    this.#stdin = this.#child.stdin.getWriter();
    this.#stdin.closed.catch(() => {}); // it may end before it has read everything
    this.ended = this.#watch();
  }

  /** What it wrote to standard output so far. */
  get output(): Uint8Array<ArrayBuffer> {
    const all = joined(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  /** Writes to its standard input. */
  async write(bytes: Uint8Array): Promise<void> {
    await within(this.#stdin.write(bytes), () => `${this.#name} does not read. ${this.#said()}`);
  }

  /** Ends its standard input. */
  async end(): Promise<void> {
    await this.#stdin.close().catch(() => {});
  }

  /** Waits until it has written so many bytes, or ended. */
  async says(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const enough = async () => {
      while (this.#bytes < bytes && this.#running) await this.#wake.promise;
      return this.output;
    };
    return await within(enough(), () => `${this.#name} wrote ${this.#bytes} bytes of ${bytes}. ${this.#said()}`);
  }

  /** Its exit code, once it has ended. */
  async exit(): Promise<number> {
    return await within(this.ended, () => `${this.#name} has not ended. ${this.#said()}`);
  }

  /** Stops it, and whatever it has started, in the middle of what it does. */
  stop(): void {
    Deno.kill(-this.pid, "SIGSTOP");
  }

  /** Kills it, and whatever it has started, and waits until it is gone. */
  async kill(): Promise<void> {
    try {
      Deno.kill(-this.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #watch(): Promise<number> {
    const decoder = new TextDecoder();
    const [status] = await Promise.all([
      this.#child.status,
      this.#read(this.#child.stdout, (chunk) => {
        this.#chunks.push(chunk);
        this.#bytes += chunk.length;
      }),
      this.#read(this.#child.stderr, (chunk) => this.stderr += decoder.decode(chunk, { stream: true })),
    ]);
    this.#running = false;
    await this.#stdin.abort().catch(() => {});
    this.#wake.resolve();
    return status.code;
  }

  async #read(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    take: (chunk: Uint8Array<ArrayBuffer>) => void,
  ): Promise<void> {
    for await (const chunk of stream) {
      take(chunk);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
  }

  #said(): string {
    return `Its standard error:\n${this.stderr.slice(-STDERR_SHOWN)}`;
  }
}

/** Whether a program is installed; says so if it is not. */
export function installed(program: string): boolean {
  const { success } = new Deno.Command("sh", { args: ["-c", `command -v "$0"`, program], stdout: "null" }).outputSync();
  if (!success) console.warn(`${program} is not installed: its tests are left out`);
  return success;
}
