/**
 * One listener: what waits for it, and the callback that it goes to.
 *
 * Events reach a callback in order, one at a time: one that returns a promise gets the next event when that is settled.
 * As long as nothing waits, a run is delivered straight from the read buffer, without a copy and without a promise.
 * A callback that takes long gives the event loop a turn every 20 ms, so that a PING is answered in between.
 *
 * What waits is bounded in bytes, in two steps. From `queue_bytes` on, {@linkcode Subscription.full} tells the
 * connection to stop reading (what one read brought is always taken), which makes the broker hold the publishers up. If
 * it has to read on (a callback that awaits `channel.invoke()` waits for a reply that stands behind more events), twice
 * that much is taken; then the oldest go, and a gap notice in their place says which.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import type { Message } from "./message.ts";
import type { GapNotice } from "./notice.ts";
import type { Run } from "./run.ts";

const SLICE_MS_MAX = 20;
/** How often a slice's time is looked at: reading the clock costs a tenth of a small message. */
const SLICE_MESSAGES = 16;
/** Why events are missing that were dropped here. */
const OVERFLOW = "overflow";

/** What a subscription needs of its channel. */
export interface Surroundings {
  readonly name: string;
  readonly queue_bytes: number;
  /** Whether this was read although a queue was full already. */
  readonly reading_on: boolean;
  /** A gap that the listener has no callback for. */
  gap(notice: GapNotice): void;
  /** A message could not be decoded. */
  failed(error: IpcError): void;
  /** A callback threw. */
  threw(error: unknown): void;
  /** A full subscription has room again. */
  room(): void;
}

/** Whom a subscription is for. Without `message` and `run` everything waits until it is taken or adopted. */
export interface Listener {
  message?: ((message: Message) => unknown) | undefined;
  /** Whole frames, in memory that is the callback's until it returns or its promise is settled. */
  run?: ((frames: Uint8Array<ArrayBuffer>, notice?: GapNotice) => unknown) | undefined;
  gap?: ((notice: GapNotice) => void) | undefined;
  /** Something waits to be taken. */
  arrived?: (() => void) | undefined;
}

type Item = { run: Run; at: number } | { notice: GapNotice };

/** See the module's head. */
export class Subscription {
  /** Bytes that wait. */
  bytes = 0;
  readonly #channel: Surroundings;
  #listener: Listener;
  readonly #queue: Item[] = [];
  /** A callback's promise, or a turn of the event loop, is being waited for. */
  #busy = false;
  #ended = false;
  /** Messages delivered, and when the slice of time began, 0 if it has not. */
  #count = 0;
  #began = 0;
  #turn: ReturnType<typeof setTimeout> | undefined;

  constructor(channel: Surroundings, listener: Listener) {
    this.#channel = channel;
    this.#listener = listener;
  }

  /** Whether no more should be read for it. */
  get full(): boolean {
    return this.bytes >= this.#channel.queue_bytes;
  }

  /** Whether it takes messages apart. */
  get decodes(): boolean {
    return this.#listener.run === undefined;
  }

  /** Gives what waited for anybody to a listener. */
  adopt(listener: Listener): void {
    this.#listener = listener;
    // In a turn of its own: the caller does not have its disposer yet.
    this.#busy = true;
    queueMicrotask(this.#continue);
  }

  /** Takes a run, whole. */
  push(run: Run): void {
    if (this.#ended) return;
    let at = 0;
    if (!this.#busy && this.#queue.length === 0) {
      this.#began = 0;
      at = this.#deliver(run, 0);
      if (at >= run.bytes.length || this.#ended) return;
    }
    const length = run.bytes.length - at;
    if (this.#channel.reading_on) this.#drop(length);
    run.keep();
    this.bytes += length;
    this.#queue.push({ run, at });
    this.#listener.arrived?.();
  }

  /** Takes a gap that the broker told of, in order with the events. */
  gap(notice: GapNotice): void {
    if (this.#ended) return;
    this.#queue.push({ notice });
    if (this.#listener.message === undefined && this.#listener.run === undefined) this.#listener.arrived?.();
    else if (!this.#busy) this.#continue();
  }

  /** Gives out the next message. For iterators, which have no callback. */
  take(): Message | undefined {
    for (;;) {
      const item = this.#queue[0];
      if (item === undefined) return undefined;
      if ("notice" in item) {
        this.#queue.shift();
        this.#tell(item.notice);
        continue;
      }
      const { run, at } = item, behind = run.behind(at);
      this.#took(behind - at);
      if (behind >= run.bytes.length) this.#queue.shift();
      else item.at = behind;
      const message = this.#decode(run, at);
      if (message !== undefined) return message;
    }
  }

  /** Ends it; what waits is let go. */
  end(): void {
    this.#ended = true;
    this.#queue.length = 0;
    if (this.#turn !== undefined) clearTimeout(this.#turn); // its first call costs a program some milliseconds
    this.#took(this.bytes);
  }

  /** Delivers from a run until its end or until the callback has to be waited for. */
  #deliver(run: Run, from: number): number {
    const listener = this.#listener, end = run.bytes.length;
    if (listener.run !== undefined) {
      const frames = from === 0 ? run.bytes : run.bytes.subarray(from);
      this.#settle(this.#call(listener.run, frames), run);
      return end;
    }
    const callback = listener.message;
    if (callback === undefined) return from;
    let at = from;
    while (at < end) {
      const message = this.#decode(run, at);
      at = run.behind(at);
      if (message === undefined) continue;
      this.#settle(this.#call(callback, message));
      if (this.#ended || this.#busy) return at;
      if (++this.#count % SLICE_MESSAGES === 0 && this.#isOver()) {
        this.#busy = true;
        this.#turn = setTimeout(this.#continue, 0);
        return at;
      }
    }
    return at;
  }

  /** Whether the event loop should have its turn. */
  #isOver(): boolean {
    const now = performance.now();
    if (this.#began === 0) this.#began = now;
    if (now - this.#began <= SLICE_MS_MAX) return false;
    this.#began = 0;
    return true;
  }

  #decode(run: Run, at: number): Message | undefined {
    try {
      return run.message(at, this.#channel.name);
    } catch (error) {
      this.#channel.failed(
        new IpcError("SERIALIZATION", `event ${run.seq(at)} cannot be read: ${(error as Error).message}`, {
          cause: error,
        }),
      );
      return undefined;
    }
  }

  #call<T>(callback: (what: T) => unknown, what: T): unknown {
    try {
      return callback(what);
    } catch (error) {
      this.#channel.threw(error);
      return undefined;
    }
  }

  /** Waits for what a callback returned, if that is a promise. */
  #settle(result: unknown, lent?: Run): void {
    if (typeof result !== "object" || result === null || !("then" in result)) return;
    lent?.lend();
    this.#busy = true;
    // Promises that are settled already never let the event loop have its turn.
    if (++this.#count % SLICE_MESSAGES === 0 && this.#isOver()) {
      const turn = (): void => {
        if (!this.#ended) this.#turn = setTimeout(this.#continue, 0);
      };
      (result as PromiseLike<unknown>).then(turn, (error) => {
        this.#channel.threw(error);
        turn();
      });
    } else (result as PromiseLike<unknown>).then(this.#continue, this.#rejected);
  }

  readonly #rejected = (error: unknown): void => {
    this.#channel.threw(error);
    this.#continue();
  };

  readonly #continue = (): void => {
    this.#busy = false;
    while (!this.#busy && !this.#ended) {
      const item = this.#queue[0];
      if (item === undefined) return;
      if ("notice" in item) {
        this.#queue.shift();
        this.#tell(item.notice);
        continue;
      }
      const before = item.at;
      item.at = this.#deliver(item.run, before);
      if (this.#ended || item.at === before) return;
      if (item.at >= item.run.bytes.length) this.#queue.shift();
      this.#took(item.at - before);
    }
  };

  #tell(notice: GapNotice): void {
    const { gap, run } = this.#listener;
    if (gap !== undefined) this.#call(gap, notice);
    else if (run !== undefined) {
      try {
        this.#settle(run(new Uint8Array(0), notice));
      } catch (error) {
        this.#channel.threw(error);
      }
    } else this.#channel.gap(notice);
  }

  #took(bytes: number): void {
    const was_full = this.full;
    this.bytes -= bytes;
    if (was_full && !this.full) this.#channel.room();
  }

  /** Drops the oldest until there is room, and leaves a notice in their place. */
  #drop(room: number): void {
    while (this.bytes > 0 && this.bytes + room > 2 * this.#channel.queue_bytes) {
      const at = this.#queue.findIndex((item) => "run" in item);
      const { run, at: from } = this.#queue[at] as { run: Run; at: number };
      const notice: GapNotice = { type: "gap", from: 0, to: 0, reason: OVERFLOW, epoch: run.epoch };
      for (let frame = from; frame < run.bytes.length; frame = run.behind(frame)) {
        const seq = run.seq(frame);
        if (seq === 0) notice.direct = (notice.direct ?? 0) + 1;
        else {
          if (notice.from === 0) notice.from = seq;
          notice.to = seq;
        }
      }
      this.bytes -= run.bytes.length - from;
      const before = this.#queue[at - 1];
      if (before !== undefined && "notice" in before && joined(before.notice, notice)) this.#queue.splice(at, 1);
      else this.#queue[at] = { notice };
    }
  }
}

/** Adds a gap of ours to the one in front of it. */
function joined(before: GapNotice, after: GapNotice): boolean {
  if (before.reason !== OVERFLOW || before.epoch !== after.epoch) return false;
  if (before.from === 0) before.from = after.from;
  if (after.to !== 0) before.to = after.to;
  if (after.direct !== undefined) before.direct = (before.direct ?? 0) + after.direct;
  return true;
}
