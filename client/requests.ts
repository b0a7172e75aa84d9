/**
 * Requests that this client has asked and that are not answered yet.
 *
 * @module
 */
import { decodeError } from "../protocol/bodies.ts";
import { IpcError } from "../protocol/errors.ts";
import { encodingOf, ENCODINGS, FLAGS, type Frame, FRAME_TYPES } from "../protocol/frame.ts";
import { DEADLINE_MS_MAX, HEADER_BYTES } from "../protocol/limits.ts";
import { decodeBody } from "../protocol/msgpack.ts";
import { decodePayload } from "../protocol/payload.ts";
import { structuredCodec } from "./codec.ts";
import type { Correlation } from "./correlation.ts";
import type { StreamOptions } from "./options.ts";
import type { Outgoing } from "./outgoing.ts";
import { after } from "./pause.ts";
import type { Reply } from "./reply.ts";
import type { Sender } from "./sender.ts";

/** The broker keeps the deadline. This much later the client no longer believes that there is a broker. */
const GRACE_MS = 1_000;
/** How often that is looked at, as long as there is a request with a deadline. */
const SWEEP_MS = 500;

/** Who waits for a request's replies. */
export interface Asker {
  /** One reply, or part of one, of so many bytes. */
  reply(reply: Reply, bytes: number): void;
  /** That was the last. */
  end(): void;
  /** There will be no more, for this reason. */
  fail(error: IpcError): void;
  /** Whether it can take no more for now. */
  readonly full?: boolean;
}

interface Open {
  asker: Asker;
  all: boolean;
  /** On the clock of `performance.now()`, later than the broker's; Infinity for none of its own. */
  deadline_ms: number;
  signal: AbortSignal | undefined;
  abort: (() => void) | undefined;
}

/** See the module's head. */
export class Requests {
  readonly #outgoing: Outgoing;
  readonly #sender: Sender;
  readonly #ids: Correlation;
  readonly #open: Map<number, Open> = new Map();
  /** Those that can be full. */
  readonly #streams: Set<Asker> = new Set();
  /** Open requests with a deadline of their own. */
  #timed = 0;
  #sweeping = false;

  constructor(outgoing: Outgoing, sender: Sender, ids: Correlation) {
    this.#outgoing = outgoing;
    this.#sender = sender;
    this.#ids = ids;
  }

  /** Whether a reply is waited for that has a place to go. */
  get waiting(): boolean {
    if (this.#open.size > this.#streams.size) return true;
    for (const asker of this.#streams) if (asker.full !== true) return true;
    return false;
  }

  /** Whether one of the askers can take no more for now. */
  get full(): boolean {
    for (const asker of this.#streams) if (asker.full === true) return true;
    return false;
  }

  has(id: number): boolean {
    return this.#open.has(id);
  }

  /**
   * Asks.
   *
   * @returns The request's id, or 0 if it has failed already; the asker knows.
   */
  ask(data: unknown, options: StreamOptions, asker: Asker): number {
    const { signal, timeout_ms } = options;
    if (signal?.aborted) {
      asker.fail(cancelled(signal));
      return 0;
    }
    const id = this.#ids.next();
    const deadline_ms = timeout_ms === undefined ? Infinity : performance.now() + timeout_ms + GRACE_MS;
    const open: Open = { asker, all: options.all === true, deadline_ms, signal, abort: undefined };
    this.#open.set(id, open);
    if (asker.full !== undefined) this.#streams.add(asker);
    if (deadline_ms !== Infinity) {
      this.#timed++;
      if (!this.#sweeping) this.#sweepLater();
    }
    if (signal !== undefined) {
      open.abort = () => this.cancel(id, cancelled(signal));
      signal.addEventListener("abort", open.abort);
    }
    const flags = options.all === true ? FLAGS.ALL : 0;
    this.#outgoing.send(FRAME_TYPES.REQUEST, flags, 0, id, deadlineField(timeout_ms), options.headers, data)
      .catch((error) => this.#end(id)?.asker.fail(error));
    return id;
  }

  /** Gives a request up and says so to both sides. */
  cancel(id: number, error: IpcError): void {
    const open = this.#end(id);
    if (open === undefined) return;
    if (!this.#sender.takeBack(id)) {
      // The same way as the request, so that it cannot overtake it. If it cannot be sent, the connection is gone.
      this.#outgoing.send(FRAME_TYPES.CANCEL, 0, 0, id, 0, undefined, new Uint8Array(0)).catch(() => {});
    }
    open.asker.fail(error);
  }

  /** A REPLY came. If its payload is bytes or JSON, it is in memory that nobody will write to. */
  reply(frame: Frame): void {
    const open = this.#open.get(frame.id);
    if (open === undefined) return; // cancelled meanwhile
    const more = (frame.flags & FLAGS.MORE) !== 0;
    let reply: Reply;
    try {
      reply = replyOf(frame, more);
    } catch (error) {
      if (more) this.cancel(frame.id, error as IpcError);
      else this.#end(frame.id)?.asker.fail(error as IpcError);
      return;
    }
    if (!more) this.#end(frame.id);
    if (reply.error !== undefined && !(open.all && more)) {
      this.#end(frame.id);
      open.asker.fail(reply.error);
      return;
    }
    // The broker ends a request to all with a reply of its own, which only counts them.
    if (more || !open.all) open.asker.reply(reply, HEADER_BYTES + frame.headers.length + frame.payload.length);
    if (!more) open.asker.end();
  }

  /** The broker's ERROR for a request. */
  refuse(id: number, error: IpcError): void {
    this.#end(id)?.asker.fail(error);
  }

  /** Fails all but those that were not handed over yet: they go out on the next connection. */
  fail(error: IpcError, kept_ids: ReadonlySet<number>): void {
    for (const id of [...this.#open.keys()]) if (!kept_ids.has(id)) this.#end(id)!.asker.fail(error);
  }

  #sweepLater(): void {
    this.#sweeping = true;
    after(SWEEP_MS, () => {
      this.#sweeping = false;
      const now = performance.now();
      for (const [id, { deadline_ms }] of this.#open) {
        if (now >= deadline_ms) {
          this.cancel(id, new IpcError("TIMEOUT", "no reply in time, and no word from the broker either"));
        }
      }
      if (this.#timed > 0) this.#sweepLater();
    });
  }

  #end(id: number): Open | undefined {
    const open = this.#open.get(id);
    if (open === undefined) return undefined;
    this.#open.delete(id);
    this.#streams.delete(open.asker);
    if (open.deadline_ms !== Infinity) this.#timed--;
    if (open.abort !== undefined) open.signal!.removeEventListener("abort", open.abort);
    return open;
  }
}

function replyOf(frame: Frame, more: boolean): Reply {
  const headers = frame.headers.length === 0 ? new Map() : decodeBody(frame.headers);
  const encoding = encodingOf(frame.flags), failed = (frame.flags & FLAGS.ERROR) !== 0;
  return {
    data: failed ? undefined : decodePayload(encoding, frame.payload, structuredCodec()),
    source: frame.source,
    status: frame.aux,
    headers,
    encoding,
    more,
    ...(encoding === ENCODINGS.JSON ? { json: frame.payload } : {}),
    ...(failed ? { error: decodeError(frame.payload) } : {}),
  };
}

function deadlineField(timeout_ms: number | undefined): number {
  if (timeout_ms === undefined) return 0;
  return timeout_ms >= DEADLINE_MS_MAX ? DEADLINE_MS_MAX : Math.max(1, Math.ceil(timeout_ms));
}

function cancelled(signal: AbortSignal): IpcError {
  return new IpcError("CANCELLED", "the request was cancelled", { cause: signal.reason });
}
