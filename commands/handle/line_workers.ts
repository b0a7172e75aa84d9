/**
 * `ipc handle --mode lines`: commands that run on and answer a line with a line, so many of them, whatever happens to
 * each.
 *
 * A worker that ends is started again, at once after it has answered something and later and later if it has not. Its
 * request fails with HANDLER_GONE; others wait for a worker that is free, until their requesters give up. What a worker
 * writes to standard error belongs to no request in particular, so it goes to ipc's own.
 *
 * A requester that gives up does not take its worker's answer with it, so the worker gets a moment to finish; one that
 * does not is ended.
 *
 * @module
 */
import { backoffMs } from "../../client/backoff.ts";
import { type Channel, type IncomingRequest, IpcError } from "../../client/mod.ts";
import { pause } from "../../client/pause.ts";
import { formatDuration } from "../../config/units.ts";
import { ENCODINGS } from "../../protocol/frame.ts";
import { WrittenPayload } from "../../protocol/payload.ts";
import { decodeUtf8 } from "../../protocol/utf8.ts";
import { Failure } from "../exit_codes.ts";
import type { HandleOptions } from "../handle.ts";
import type { Output } from "../io.ts";
import { afterwards, LineWorker } from "./line_worker.ts";
import { notice } from "../notice.ts";
import { decodedJson, decodedText } from "../payload_text.ts";
import { textOrBytes } from "./reply_bytes.ts";

const LINE_FEED = 10;

/** A worker that was asked, and what it will say. */
interface Asked {
  worker: LineWorker;
  reply: Promise<Uint8Array<ArrayBuffer>>;
}

/** See the module's head. */
export class LineWorkers implements AsyncDisposable {
  readonly #options: HandleOptions;
  readonly #channel: Channel;
  readonly #stderr: Output;
  /** Aborted when all is to end at once. */
  readonly #stopping: AbortSignal;
  /** Aborted when no worker is started any more. */
  readonly #over = new AbortController();
  readonly #workers = new Set<LineWorker>();
  /** Requests that no worker was free for, the oldest first. */
  readonly #waiting = new Set<(worker: LineWorker) => void>();
  readonly #kept: Promise<unknown>;

  /** Starts them. @param stopping Ends them, as a signal of the user's does. */
  constructor(options: HandleOptions, channel: Channel, stopping: AbortSignal, stderr: Output) {
    this.#options = options;
    this.#channel = channel;
    this.#stderr = stderr;
    this.#stopping = stopping;
    stopping.addEventListener("abort", () => this.#stop(), { once: true });
    if (stopping.aborted) this.#stop();
    this.#kept = Promise.all(Array.from({ length: options.workers }, (_, at) => this.#keep(at + 1)));
  }

  /**
   * Has a worker answer a request.
   *
   * @throws {IpcError} SERIALIZATION if the payload is no line, or the reply is not JSON although it should be;
   *   HANDLER_GONE if the worker ended; TIMEOUT if it took too long; TOO_LARGE.
   */
  async answer(request: IncomingRequest): Promise<unknown> {
    const { timeout_ms, kill_after_ms, json_lines } = this.#options;
    const line = json_lines ? new TextEncoder().encode(decodedJson(request)) : this.#plainLine(request);
    const { worker, reply } = await this.#ask(line, request.signal);
    let late = false;
    const clearLimit = afterwards(timeout_ms, () => {
      late = true;
      worker.stop(`it took longer than ${formatDuration(timeout_ms)} for an answer`);
    });
    let clearPatience = (): void => {};
    const leave = (): void => {
      clearPatience = afterwards(kill_after_ms, () => worker.stop("nobody waits for its answer any more"));
    };
    request.signal.addEventListener("abort", leave, { once: true });
    if (request.signal.aborted) leave();
    try {
      const bytes = await reply;
      return json_lines ? this.#jsonReply(bytes) : textOrBytes(bytes);
    } catch (error) {
      if (!late) throw error;
      const { command } = this.#options;
      throw new IpcError("TIMEOUT", `${command[0]} took longer than ${timeout_ms} ms for an answer and was ended`);
    } finally {
      clearLimit();
      clearPatience();
      request.signal.removeEventListener("abort", leave);
      this.#next();
    }
  }

  /** Ends the workers: at once if told to stop, else by the end of their input. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    const { aborted } = this.#stopping;
    for (const worker of this.#workers) aborted ? worker.stop("ipc was stopped") : worker.retire();
    await this.#kept;
  }

  #stop(): void {
    this.#over.abort();
    for (const worker of this.#workers) worker.stop("ipc was stopped");
  }

  /** What is text for people often ends in a line feed; that one is no part of it. */
  #plainLine(request: IncomingRequest): Uint8Array<ArrayBuffer> {
    const bytes = decodedText(request);
    const line = bytes.at(-1) === LINE_FEED ? bytes.subarray(0, -1) : bytes;
    if (!line.includes(LINE_FEED)) return line;
    throw new IpcError(
      "SERIALIZATION",
      `the payload has several lines, and the handler of channel ${this.#channel.name} takes one; ` +
        "send one, or start the handler with --json-lines",
    );
  }

  /** A text becomes a message of text, any other value one of JSON. */
  #jsonReply(bytes: Uint8Array<ArrayBuffer>): unknown {
    try {
      const data = JSON.parse(decodeUtf8(bytes));
      return typeof data === "string" ? data : new WrittenPayload(ENCODINGS.JSON, bytes);
    } catch (error) {
      const { command } = this.#options;
      throw new IpcError("SERIALIZATION", `${command[0]} answered what is not JSON: ${(error as Error).message}`);
    }
  }

  /** Asks a worker that is free, now or later. */
  #ask(line: Uint8Array<ArrayBuffer>, gone: AbortSignal): Promise<Asked> {
    const { promise, resolve, reject } = Promise.withResolvers<Asked>();
    const take = (worker: LineWorker): void => {
      this.#waiting.delete(take);
      const reply = worker.ask(line);
      // Whoever asked waits for it a little later.
      reply.catch(() => {});
      resolve({ worker, reply });
    };
    const leave = (): void => {
      this.#waiting.delete(take);
      reject(this.#over.signal.aborted ? new IpcError("HANDLER_GONE", "the handler was stopped") : gone.reason);
    };
    this.#waiting.add(take);
    this.#next();
    const left = AbortSignal.any([gone, this.#over.signal]);
    if (left.aborted) leave();
    else left.addEventListener("abort", leave, { once: true });
    return promise.finally(() => left.removeEventListener("abort", leave));
  }

  /** Gives those who wait the workers that are free. */
  #next(): void {
    for (const worker of this.#workers) {
      if (worker.ready) { for (const take of this.#waiting) return take(worker); }
    }
  }

  /** Keeps one worker running. */
  async #keep(number: number): Promise<void> {
    const { command, kill_after_ms } = this.#options, { name, message_bytes_max } = this.#channel;
    for (let attempt = 0; !this.#over.signal.aborted; attempt++) {
      let why: string;
      try {
        const worker = new LineWorker({
          command,
          env: { IPC_CHANNEL: name },
          kill_after_ms,
          line_bytes_max: message_bytes_max,
        });
        this.#workers.add(worker);
        this.#next();
        why = await worker.ended;
        this.#workers.delete(worker);
        if (worker.answers > 0) attempt = 0;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        why = `cannot be started: ${error.message}`;
      }
      if (this.#over.signal.aborted) return;
      const pause_ms = Math.round(backoffMs(attempt));
      notice(this.#stderr, `${name}: worker ${number} ${why}; it is started again in ${formatDuration(pause_ms)}`);
      await pause(pause_ms, this.#over.signal);
    }
  }
}
