/**
 * Where a benchmark works: a temporary directory, and the processes that were started in it. Closing it ends them all and
 * removes everything, however the benchmark ended.
 *
 * @module
 */

/** Thrown by what was going on when somebody pressed Ctrl-C. */
export class Interrupted extends Error {
  override name = "Interrupted";

  constructor() {
    super("Interrupted");
  }
}

/** How a process is started. */
export interface StartOptions {
  args?: readonly string[];
  env?: Record<string, string>;
  /** The one core that it may run on. */
  core?: number | undefined;
  /** Its standard output goes to whoever reads `Started.lines`, nowhere by default. */
  stdout?: "piped" | "null";
  /** Its standard input stays open until `Started.finish`; empty by default. */
  stdin?: "piped" | "null";
  /** "null" where starting is what is measured: nobody can say then why it failed. */
  stderr?: "piped" | "null";
}

const STDERR_BYTES_MAX = 4000;

/** A process of the workshop. */
export class Started implements AsyncDisposable {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #stderr: Promise<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #lines: ReadableStreamDefaultReader<string> | undefined;
  #text = "";

  constructor(name: string, child: Deno.ChildProcess, options: StartOptions) {
    this.pid = child.pid;
    this.#name = name;
    this.#child = child;
    this.#stderr = options.stderr === "null" ? Promise.resolve("") : tail(child.stderr);
    if (options.stdout === "piped") this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    if (options.stdin === "piped") this.#stdin = child.stdin.getWriter();
  }

  /** Resolves when the process has ended. */
  get ended(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** The next line of its standard output. @throws {Error} If there is none; it says what the process said. */
  async line(): Promise<string> {
    for (let end = -1;;) {
      end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#lines!.read();
      if (done) throw await this.#failure();
      this.#text += value;
    }
  }

  /** Sends a line to its standard input. */
  async tell(line: string): Promise<void> {
    await this.#stdin!.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Ends its standard input and waits for its end. @throws {Error} If it failed. */
  async finish(): Promise<void> {
    await this.#stdin?.close().catch(() => {});
    if (!(await this.#child.status).success) throw await this.#failure();
    await this.#release();
  }

  /** Asks it to end and waits; kills it if that takes more than some seconds. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    const timer = setTimeout(() => this.kill("SIGKILL"), 5000);
    this.kill(signal);
    await this.#child.status;
    clearTimeout(timer);
    await this.#release();
  }

  /** Sends a signal to the process and all that it started. */
  kill(signal: Deno.Signal): void {
    try {
      Deno.kill(-this.pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }

  async #release(): Promise<void> {
    await this.#lines?.cancel().catch(() => {});
    await this.#stdin?.close().catch(() => {});
    await this.#stderr;
  }

  async #failure(): Promise<Error> {
    const { code, signal } = await this.#child.status;
    await this.#release();
    const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
    return new Error(`${this.#name} ${how}: ${(await this.#stderr).trim() || "it did not say why"}`);
  }
}

/** A temporary directory and the processes in it. */
export class Workshop implements AsyncDisposable {
  /** What is written here is gone at the end. */
  readonly directory: string;
  readonly #started = new Set<Started>();
  #interrupted = false;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes one. */
  static async open(): Promise<Workshop> {
    return new Workshop(await Deno.makeTempDir({ prefix: "ipc-bench-" }));
  }

  /** Starts a process, in a group of its own so that its children end with it. */
  start(program: string, options: StartOptions = {}): Started {
    if (this.#interrupted) throw new Interrupted();
    const line = [program, ...options.args ?? []];
    if (options.core !== undefined) line.unshift("taskset", "-c", String(options.core));
    const child = new Deno.Command(line[0]!, {
      args: line.slice(1),
      env: options.env ?? {},
      stdin: options.stdin ?? "null",
      stdout: options.stdout ?? "null",
      stderr: options.stderr ?? "piped",
      detached: true,
    }).spawn();
    const started = new Started(program.slice(program.lastIndexOf("/") + 1), child, options);
    this.#started.add(started);
    started.ended.then(() => this.#started.delete(started));
    return started;
  }

  /** Runs a process to its end. @returns Its standard output's first line. @throws {Error} If it fails. */
  async run(program: string, options: StartOptions = {}): Promise<string> {
    await using started = this.start(program, { ...options, stdout: "piped" });
    const line = await this.#unlessInterrupted(started.line());
    await this.#unlessInterrupted(started.finish());
    return line;
  }

  /** Waits, but not when everything is to end. */
  async pause(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    while (performance.now() < until) {
      if (this.#interrupted) throw new Interrupted();
      await new Promise((done) => setTimeout(done, Math.min(100, Math.max(0, until - performance.now()))));
    }
  }

  /** Ends all that was started; whoever waits for it is thrown {@link Interrupted}. */
  interrupt(): void {
    this.#interrupted = true;
    for (const started of this.#started) started.kill("SIGKILL");
  }

  /** Whether {@link interrupt} was called. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of [...this.#started]) {
      started.kill("SIGKILL");
      await started.ended;
    }
    await Deno.remove(this.directory, { recursive: true });
  }

  async #unlessInterrupted<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      if (this.#interrupted) throw new Interrupted();
      throw error;
    }
  }
}

/** Reads to the end. @returns The last of it. */
async function tail(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) text = (text + part).slice(-STDERR_BYTES_MAX);
  return text;
}
