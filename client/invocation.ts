/**
 * The two ways to wait for replies: all at the end, or each as it comes.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import { ENCODINGS } from "../protocol/frame.ts";
import type { Reply } from "./reply.ts";
import type { Asker } from "./requests.ts";

/** Waits for everything. */
export class Answer implements Asker {
  readonly #replies: Reply[] = [];
  readonly #limit: number;
  #bytes = 0;
  readonly #resolve: (replies: Reply[]) => void;
  readonly fail: (error: IpcError) => void;
  /** Gives the request up; set when it was sent. */
  cancel: ((error: IpcError) => void) | undefined;

  /** @param queue_bytes Twice of that is the limit of what many parts may come to; one is bounded by `max_message`. */
  constructor(queue_bytes: number, resolve: (replies: Reply[]) => void, reject: (error: IpcError) => void) {
    this.#limit = 2 * queue_bytes;
    this.#resolve = resolve;
    this.fail = reject;
  }

  reply(reply: Reply, bytes: number): void {
    this.#replies.push(reply);
    this.#bytes += bytes;
    if (this.#replies.length === 1 || this.#bytes <= this.#limit) return;
    this.cancel?.(
      new IpcError("OVERLOADED", `the parts of the reply come to over ${this.#limit} bytes: use invokeStream for it`),
    );
  }

  end(): void {
    this.#resolve(this.#replies);
  }
}

/**
 * What a request to one handler comes to: its reply, or if that was streamed, the array of its parts.
 *
 * @throws {IpcError} HANDLER_ERROR for a status that is not 0.
 */
export function valueOf(replies: readonly Reply[]): unknown {
  const last = replies.at(-1)!;
  const parts = replies.filter((reply) => reply.headers.get("stream") !== "stderr" && (reply.more || !isEmpty(reply)));
  const value = parts.some((part) => part.more) ? parts.map((part) => part.data) : last.data;
  if (last.status === 0) return value;
  throw new IpcError("HANDLER_ERROR", `the handler ended with status ${last.status}`, {
    data: { status: last.status, reply: value },
  });
}

/** Whether a reply only says that it is the last. */
function isEmpty(reply: Reply): boolean {
  return reply.encoding === ENCODINGS.BYTES && (reply.data as Uint8Array).length === 0;
}

const END: IteratorReturnResult<undefined> = { value: undefined, done: true };

/**
 * What `Channel.invokeStream()` returns. What came and was not taken yet is bounded as a listener's events are: from
 * `queue_bytes` on nothing more is read, unless something else has to be; at twice that the request is given up.
 */
export class ReplyStream implements AsyncIterableIterator<Reply>, AsyncDisposable, Asker {
  readonly #limit: number;
  readonly #room: () => void;
  readonly #reading_on: () => boolean;
  readonly #parts: { reply: Reply; bytes: number }[] = [];
  readonly #waiting: { resolve(result: IteratorResult<Reply>): void; reject(error: IpcError): void }[] = [];
  #bytes = 0;
  #came = 0;
  #ended = false;
  #error: IpcError | undefined;
  /** Gives the request up; set when it was sent. */
  cancel: ((error: IpcError) => void) | undefined;

  /**
   * @param queue_bytes See above.
   * @param room Told when there is room again.
   * @param reading_on Whether this was read although a queue was full already.
   */
  constructor(queue_bytes: number, room: () => void, reading_on: () => boolean) {
    this.#reading_on = reading_on;
    this.#limit = queue_bytes;
    this.#room = room;
  }

  get full(): boolean {
    return this.#bytes >= this.#limit;
  }

  reply(reply: Reply, bytes: number): void {
    if (!reply.more && this.#came > 0 && reply.status === 0 && isEmpty(reply)) return;
    this.#came++;
    if (this.#waiting.length > 0) return this.#waiting.shift()!.resolve({ value: reply, done: false });
    if (this.#reading_on() && this.#bytes > 0 && this.#bytes + bytes > 2 * this.#limit) {
      return this.cancel?.(
        new IpcError("OVERLOADED", `parts of a reply come faster than they are taken: over ${this.#bytes} bytes wait`),
      );
    }
    this.#bytes += bytes;
    this.#parts.push({ reply, bytes });
  }

  end(): void {
    this.#ended = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve(END);
  }

  fail(error: IpcError): void {
    this.#ended = true;
    const first = this.#waiting.shift();
    if (first === undefined) this.#error = error;
    else first.reject(error);
    this.end();
  }

  /** The next part. */
  next(): Promise<IteratorResult<Reply>> {
    const part = this.#parts.shift();
    if (part !== undefined) {
      const was_full = this.full;
      this.#bytes -= part.bytes;
      if (was_full && !this.full) this.#room();
      return Promise.resolve({ value: part.reply, done: false });
    }
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve(END);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Leaves: the request is cancelled if it still runs. */
  return(): Promise<IteratorResult<Reply>> {
    const was_full = this.full;
    this.#parts.length = this.#bytes = 0;
    if (!this.#ended) this.cancel?.(new IpcError("CANCELLED", "the stream was left"));
    this.#error = undefined;
    this.end();
    if (was_full) this.#room();
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
