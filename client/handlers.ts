/**
 * Requests that came for this client's handler.
 *
 * They run concurrently, and what they do is nobody else's business: no read and no other request waits for a handler,
 * so a handler may well ask on its own channel. What runs or waits to run is bounded in bytes; a request over that is
 * answered OVERLOADED at once.
 *
 * @module
 */
import { encodeError } from "../protocol/bodies.ts";
import { ERROR_CODES, IpcError } from "../protocol/errors.ts";
import { encodingOf, ENCODINGS, type Frame } from "../protocol/frame.ts";
import { decodeBody } from "../protocol/msgpack.ts";
import { decodePayload } from "../protocol/payload.ts";
import { structuredCodec } from "./codec.ts";
import { type Disposer, disposer } from "./disposer.ts";
import { IncomingRequest } from "./incoming_request.ts";
import type { HandleOptions } from "./options.ts";
import type { Outgoing } from "./outgoing.ts";

/** What a request costs beside its payload, so that empty ones are bounded too. */
const REQUEST_BYTES = 256;
const EMPTY = new Uint8Array(0);

/**
 * Answers requests. What it returns is the reply; what an async iterable yields are its parts, and what a generator
 * returns, the last one. What it throws is an error reply, with the code of an {@linkcode IpcError} or HANDLER_ERROR.
 */
export type Handler = (request: IncomingRequest) => unknown;

interface Job {
  request: IncomingRequest;
  key: string;
  bytes: number;
}

/** See the module's head. */
export class Handlers {
  readonly #channel: string;
  readonly #outgoing: Outgoing;
  readonly #limit: number;
  readonly #changed: () => void;
  #handler: Handler | undefined;
  #concurrency = Infinity;
  /** Requests that came before the first handler are kept if the role was asked for in HELLO. */
  #early: boolean;
  #running = 0;
  #bytes = 0;
  #waiting: Job[] = [];
  /** Running and waiting, by requester and its id. */
  readonly #jobs: Map<string, Job> = new Map();

  constructor(channel: string, outgoing: Outgoing, queue_bytes: number, early: boolean, changed: () => void) {
    this.#channel = channel;
    this.#outgoing = outgoing;
    this.#limit = queue_bytes;
    this.#early = early;
    this.#changed = changed;
  }

  /** Whether requests are wanted. */
  get wanted(): boolean {
    return this.#handler !== undefined || this.#early;
  }

  /** @throws {Error} If there is one already. */
  set(handler: Handler, options: HandleOptions): Disposer {
    if (this.#handler !== undefined) {
      throw new Error(`Cannot handle channel "${this.#channel}" twice: dispose of its first handler, or connect again`);
    }
    const { concurrency = Infinity } = options;
    if (!(concurrency >= 1)) throw new RangeError(`Cannot run ${concurrency} requests at a time: 1 is the least`);
    const was_wanted = this.wanted;
    this.#handler = handler;
    this.#concurrency = concurrency;
    this.#early = false;
    if (!was_wanted) this.#changed();
    // In a turn of its own: the caller does not have its disposer yet.
    queueMicrotask(() => this.#next());
    return disposer(() => {
      this.#handler = undefined;
      this.#changed();
      for (const { request, key, bytes } of this.#waiting.splice(0)) {
        this.#refuse(request, new IpcError("HANDLER_GONE", "the handler was taken away"));
        this.#jobs.delete(key);
        this.#bytes -= bytes;
      }
    });
  }

  /** A REQUEST came. If its payload is bytes or JSON, it is in memory that nobody will write to. */
  request(frame: Frame): void {
    const encoding = encodingOf(frame.flags);
    let data: unknown, headers = new Map<string, unknown>(), error: IpcError | undefined;
    try {
      data = decodePayload(encoding, frame.payload, structuredCodec());
      if (frame.headers.length > 0) headers = decodeBody(frame.headers);
    } catch (thrown) {
      error = asIpcError(thrown);
    }
    const request = new IncomingRequest(
      this.#outgoing,
      this.#channel,
      data,
      frame.source,
      headers,
      encoding,
      encoding === ENCODINGS.JSON ? frame.payload : undefined,
      frame.id,
    );
    if (error !== undefined) return this.#refuse(request, error);
    if (!this.wanted) return this.#refuse(request, new IpcError("HANDLER_GONE", "the handler was taken away"));
    const bytes = frame.payload.length + REQUEST_BYTES;
    if (this.#bytes > 0 && this.#bytes + bytes > this.#limit) {
      return this.#refuse(
        request,
        new IpcError("OVERLOADED", `the handler has ${this.#jobs.size} requests of ${this.#bytes} bytes to do already`),
      );
    }
    const job = { request, key: keyOf(frame.source, frame.id), bytes };
    this.#bytes += bytes;
    this.#jobs.set(job.key, job);
    this.#waiting.push(job);
    this.#next();
  }

  /** A CANCEL came. */
  cancel(source: number, id: number): void {
    this.#jobs.get(keyOf(source, id))?.request.cancel(new IpcError("CANCELLED", "the requester no longer waits"));
  }

  /** The connection is gone, and with it everybody who waited. */
  abandon(reason: IpcError): void {
    this.#waiting = [];
    for (const { request } of this.#jobs.values()) request.cancel(reason);
    this.#jobs.clear();
    this.#bytes = 0;
  }

  #next(): void {
    while (this.#handler !== undefined && this.#waiting.length > 0 && this.#running < this.#concurrency) {
      const job = this.#waiting.shift()!;
      this.#running++;
      this.#run(this.#handler, job).finally(() => {
        this.#running--;
        this.#next();
      });
    }
  }

  async #run(handler: Handler, job: Job): Promise<void> {
    const { request } = job;
    try {
      if (request.cancelled) return;
      const result = await handler(request);
      if (!isAsyncIterable(result)) return await request.finish(result);
      await stream(request, result[Symbol.asyncIterator]());
    } catch (error) {
      this.#refuse(request, error);
    } finally {
      // A new connection may have a job of the same name: client ids start again with the broker.
      if (this.#jobs.get(job.key) === job) {
        this.#jobs.delete(job.key);
        this.#bytes -= job.bytes;
      }
    }
  }

  #refuse(request: IncomingRequest, thrown: unknown): void {
    if (request.cancelled) return;
    const error = asIpcError(thrown);
    // If even the bare code cannot be sent, the connection is gone, and those who wait are told of that.
    request.refuse(error.code, encodeAnyError(error))
      .catch(() => request.refuse(error.code, encodeError(new IpcError(error.code, ""))))
      .catch(() => {});
  }
}

async function stream(request: IncomingRequest, parts: AsyncIterator<unknown>): Promise<void> {
  const leave = async () => void await parts.return?.();
  request.onleave = () => void leave().catch(() => {});
  try {
    for (;;) {
      if (request.cancelled) return;
      const { value, done } = await parts.next();
      if (request.cancelled) return;
      if (done === true) return await request.finish(value === undefined ? EMPTY : value);
      await request.write(value);
    }
  } finally {
    await parts.return?.();
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function asIpcError(thrown: unknown): IpcError {
  if (thrown instanceof IpcError) return thrown;
  const message = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  return new IpcError(ERROR_CODES.HANDLER_ERROR, message, { cause: thrown });
}

/** What cannot travel in an error's `data` stays behind; the rest of the error does not. */
function encodeAnyError(error: IpcError): Uint8Array<ArrayBuffer> {
  try {
    return encodeError(error);
  } catch {
    return encodeError(new IpcError(error.code, error.message));
  }
}

function keyOf(source: number, id: number): string {
  return `${source}:${id}`;
}
