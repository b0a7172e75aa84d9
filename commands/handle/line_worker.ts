/**
 * A command that runs on and answers line by line: a line on its standard input, a line on its standard output.
 *
 * Nothing but their order says which answer belongs to which question. So a worker has one question at a time, and one
 * that writes what nobody asked for is ended: whatever it wrote next could be taken for the answer to another question.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { ReplyBytes } from "./reply_bytes.ts";
import { LEFT_BEHIND_MS, spawn, stopGroup } from "../run_command.ts";

const LINE_FEED = 10;

/** What to run, and within which limits. */
export interface LineWorkerOptions {
  /** The program and its arguments; no shell looks at them. */
  command: readonly string[];
  /** Added to the environment. */
  env: Record<string, string>;
  /** How long it may take to end after TERM, before KILL. */
  kill_after_ms: number;
  /** The longest answer. */
  line_bytes_max: number;
}

/** See the module's head. */
export class LineWorker {
  /** Resolves when nothing of it runs any more, with the reason in words. */
  readonly ended: Promise<string>;
  /** How many questions it has answered. */
  answers = 0;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #options: LineWorkerOptions;
  /** What it has written of a line. */
  #line: ReplyBytes;
  #asked: PromiseWithResolvers<Uint8Array<ArrayBuffer>> | undefined;
  #output_ended = false;
  #stopping: Promise<void> | undefined;
  /** Why it was stopped. */
  #reason: string | undefined;

  /** Starts it. @throws {Failure} With 127 if the command is not found, 126 if it cannot be run. */
  constructor(options: LineWorkerOptions) {
    this.#options = options;
    this.#line = new ReplyBytes(options.line_bytes_max);
    // Its standard error is ipc's own. That it is given somewhere to write to only says that standard output is a pipe.
    this.#child = spawn({ command: options.command, env: options.env, stdout: () => {} });
    this.#stdin = this.#child.stdin.getWriter();
    this.#stdin.closed.catch(() => {});
    this.ended = this.#watch();
  }

  /** Whether it can be asked. */
  get ready(): boolean {
    return this.#asked === undefined && this.#reason === undefined && !this.#output_ended;
  }

  /**
   * Asks. It must be {@linkcode ready}.
   *
   * @param line Without its line feed.
   * @returns The answer, without its line feed.
   * @throws {IpcError} HANDLER_GONE if it ends before it answers, TOO_LARGE if the answer is too long.
   */
  ask(line: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const asked = this.#asked = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    const whole = new Uint8Array(line.length + 1);
    whole.set(line);
    whole[line.length] = LINE_FEED;
    // If it cannot be written, the worker ends or closes its output, too; that is what is waited for.
    this.#stdin.write(whole).catch(() => {});
    return asked.promise;
  }

  /** Ends it and all that it started: TERM, then KILL. @param reason In words, behind "was ended: ". */
  stop(reason: string): Promise<void> {
    this.#reason ??= `was ended: ${reason}`;
    this.#fail();
    return this.#stopping ??= stopGroup(this.#child.pid, this.#child.status, this.#options.kill_after_ms);
  }

  /** Tells it that nothing more comes, and ends it if it does not end by itself in the time that it has after TERM. */
  async retire(): Promise<void> {
    this.#reason ??= "is no longer needed";
    await this.#stdin.close().catch(() => {});
    const { kill_after_ms } = this.#options;
    const clear = afterwards(kill_after_ms, () => this.stop("it did not end at the end of its input"));
    await this.ended;
    clear();
  }

  async #watch(): Promise<string> {
    const read = this.#read();
    const { code } = await this.#child.status;
    this.#reason ??= `ended with status ${code}`;
    // What it has written comes before its end, unless somebody else holds the pipe: those are ended first.
    const left_behind = this.#stopping ?? stopGroup(this.#child.pid, Promise.resolve(), LEFT_BEHIND_MS);
    await read;
    await left_behind;
    await this.#stdin.abort().catch(() => {});
    return this.#reason;
  }

  async #read(): Promise<void> {
    for await (const bytes of this.#child.stdout) if (this.#reason === undefined || this.#asked) this.#take(bytes);
    this.#output_ended = true;
    this.#fail();
    // Mostly that is because it has ended. One that runs on nevertheless answers nothing any more.
    const clear = afterwards(LEFT_BEHIND_MS, () => this.stop("it closed its standard output"));
    await this.#child.status;
    clear();
  }

  #take(bytes: Uint8Array<ArrayBuffer>): void {
    const asked = this.#asked;
    if (asked === undefined) return void this.stop("it wrote what nobody had asked for");
    const end = bytes.indexOf(LINE_FEED);
    try {
      this.#line.push(end < 0 ? bytes : bytes.subarray(0, end));
    } catch (error) {
      this.#asked = undefined;
      asked.reject(error);
      return void this.stop((error as IpcError).message);
    }
    if (end < 0) return;
    const line = this.#line.bytes();
    this.#line = new ReplyBytes(this.#options.line_bytes_max);
    this.#asked = undefined;
    this.answers++;
    asked.resolve(line);
    if (end + 1 < bytes.length) this.stop("it wrote more than a line for a line");
  }

  /** Whoever waits for an answer waits in vain. */
  #fail(): void {
    this.#asked?.reject(new IpcError("HANDLER_GONE", "the worker ended before it answered"));
    this.#asked = undefined;
  }
}

/** Calls back after a while, never after Infinity. @returns Makes it not call. */
export function afterwards(ms: number, call: () => void): () => void {
  if (ms === Infinity) return () => {};
  const timer = setTimeout(call, ms);
  return () => clearTimeout(timer);
}
