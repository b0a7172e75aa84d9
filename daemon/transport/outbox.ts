/**
 * What waits to be written to one connection, in order, within a limit.
 *
 * Two kinds of things wait here. Runs of events stand in memory that all listeners of the channel share (see
 * `history.ts`): a run that follows the last one in memory only moves the end of its range, so a thousand small runs
 * are one entry and one write. Frames for this client alone (replies, requests, acknowledgements) are copied behind each
 * other into the outbox's own `tail.ts`. One write is in flight at a time; what gathers meanwhile goes out in the next.
 * Small entries that do not touch in memory are gathered into one write.
 *
 * The limit counts bytes from when they are queued until the kernel has taken them. Events are admitted by the router
 * before they are queued (`fits`), or the oldest are dropped for them (`dropOldest`), which leaves a GAP frame in their
 * place. Frames of the other kind are few and small, or were admitted as well; when those that did not fit come to 1 MiB
 * the receiver is given up on. What they are over the limit by is counted, not what the queue is: one message larger
 * than the limit, or a long history, is no fault of the receiver's.
 *
 * Cost: queueing a run next to the last one is 7 comparisons and 4 additions; a write costs two promises. A further listener
 * costs 4 ns of CPU per 16-byte event, the kernel's copy included (`deno task bench --case fanout`).
 *
 * Invariant: queued_bytes is the sum of all entries' bytes and of what is in flight. Each entry holds its memory once
 * (`buffer_pool.ts`), and what is in flight, the tail and the buffer for gathering are held once more.
 *
 * @module
 */
import { QUEUE_RESERVE_BYTES } from "../../protocol/limits.ts";
import { buffers, UNCOUNTED_BYTES_MAX } from "../buffer_pool.ts";
import { type Account, NOBODY } from "../quota.ts";
import { type Entry, ENTRY_BYTES, gapFrame, joins, shorten } from "./entry.ts";
import { Tail } from "./tail.ts";

/** Entries below this are gathered into one write. */
const SMALL_BYTES = 8 * 1024;
const GATHER_BYTES = 64 * 1024;
/** What others may hold as well is held rather than copied if it is more than this: what is less does not count. */
const COPIED_BYTES_MAX = UNCOUNTED_BYTES_MAX;
/** What is dropped beyond what must be, so that a receiver that stays full does not cost a new GAP with every event. */
const SPARE_BYTES_MAX = 64 * 1024, SPARE_SHARE = 64;

const NOW: Promise<undefined> = Promise.resolve(undefined);

/** The part of `Deno.Conn` that is needed. */
export interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

/** What the outbox tells whoever owns it. */
export interface OutboxOwner {
  /** Something was written: there is more room than before. */
  room(): void;
  /** The receiver has gone, or takes so little that even what cannot be refused has no place any more. */
  lost(error: unknown): void;
}

/** See the module's head. */
export class Outbox {
  queued_bytes = 0;
  /** Counts completed writes: whoever watches for a stall sees whether it moves. */
  writes = 0;
  /** Bytes that the kernel has taken. */
  written_bytes = 0;
  limit_bytes: number;
  /** Tells the receiver which events it will not get; another dialect has another way to say it. */
  writeGap: (first: number, last: number) => Uint8Array<ArrayBuffer> = gapFrame;
  /** Whether runs stand here as frames, so that some of a run's events can be dropped; else it is all or none. */
  in_frames = true;

  #account: Account = NOBODY;
  readonly #sink: Sink;
  readonly #owner: OutboxOwner;
  #entries: Entry[] = [];
  #head = 0;
  readonly #tail = new Tail();
  #gather: Uint8Array<ArrayBuffer> | undefined;
  /** What is being written, and how much of it is. */
  #piece: Uint8Array<ArrayBuffer> | undefined;
  #done = 0;
  /** The memory that is being written, if it is held. */
  #lent: Uint8Array<ArrayBuffer> | undefined;
  /** By how much frames that nobody can refuse have gone over the limit since the queue was last below it. */
  #over_bytes = 0;
  /** What is left of what was queued for a receiver that came back. */
  #backlog_bytes = 0;
  #writing = false;
  #sealed = false;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(sink: Sink, limit_bytes: number, owner: OutboxOwner) {
    this.#sink = sink;
    this.limit_bytes = limit_bytes;
    this.#owner = owner;
  }

  /** Says in whose account it is what waits here, and will. */
  charge(account: Account): void {
    this.#account.queue(-this.queued_bytes);
    this.#account = account;
    account.queue(this.queued_bytes);
  }

  /** Whether so many bytes more may be queued. Into an empty outbox anything may. */
  fits(bytes: number): boolean {
    return this.queued_bytes === 0 || this.queued_bytes + bytes <= this.limit_bytes;
  }

  /** Whether something was given to the kernel that it has not taken whole. */
  get in_flight(): boolean {
    return this.#piece !== undefined && this.#done < this.#piece.length;
  }

  /** How much memory is held here; of what others hold as well, its share. Walks the whole queue. */
  get held_bytes(): number {
    let bytes = this.entries * ENTRY_BYTES;
    for (const part of this.memory()) bytes += buffers.share(part);
    return bytes;
  }

  /** How many pieces wait. */
  get entries(): number {
    return this.#entries.length - this.#head;
  }

  /** Everything that is held here, as often as it is. */
  *memory(): Generator<Uint8Array<ArrayBuffer>> {
    for (const own of [this.#lent, this.#gather, this.#tail.block]) if (own !== undefined) yield own;
    for (let at = this.#head; at < this.#entries.length; at++) yield this.#entries[at]!.bytes;
  }

  /** Says that what waits now was missed by a receiver that came back: a history may be longer than a queue. */
  catchUp(): void {
    this.#backlog_bytes = this.queued_bytes;
  }

  /** Whether so many bytes more may be queued beside what is left of that. */
  catchesUp(bytes: number): boolean {
    return this.queued_bytes - this.#backlog_bytes + bytes <= this.limit_bytes;
  }

  /** Queues a run of events that stays where it is in memory. */
  pushRun(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number, count: number): void {
    if (this.#sealed) return;
    this.#count(end - start);
    const last = this.#last();
    if (joins(last, bytes, start, first)) {
      last.end = end;
      last.count += count;
    } else {
      this.#push({ bytes, start, end, first, count, last: 0 });
    }
    if (!this.#writing) this.#start();
  }

  /** Queues a frame, or several, for this client alone. The bytes are copied unless they are many. */
  pushFrames(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#sealed) return;
    const length = bytes.length, fits = this.fits(length);
    this.#count(length);
    if (length >= SMALL_BYTES) {
      const own = buffers.take(length);
      own.set(bytes);
      this.#push({ bytes: own, start: 0, end: length, first: 0, count: 0, last: 0 });
      buffers.release(own);
    } else {
      const tail = this.#tail.copy(bytes), at = this.#tail.used - length;
      const last = this.#last();
      if (last !== undefined && last.bytes === tail && last.count === 0) last.end = at + length;
      else this.#push({ bytes: tail, start: at, end: at + length, first: 0, count: 0, last: 0 });
    }
    if (!fits) {
      this.#over_bytes += Math.min(length, this.queued_bytes - this.limit_bytes);
      if (this.#over_bytes > QUEUE_RESERVE_BYTES) this.#owner.lost(new Error("queue is full"));
    }
    if (!this.#writing) this.#start();
  }

  /**
   * Queues events in the words of this client, in memory that nobody writes to any more. Few bytes are copied
   * behind those before: a line of text may be two bytes long, and an entry for each would cost a hundred times that.
   */
  pushWords(bytes: Uint8Array<ArrayBuffer>, first: number, count: number): void {
    const length = bytes.length;
    if (length > COPIED_BYTES_MAX) return this.pushRun(bytes, 0, length, first, count);
    if (this.#sealed) return;
    const tail = this.#tail.copy(bytes), end = this.#tail.used, start = end - length;
    this.#count(length);
    const last = this.#last();
    // Entries stay small, because they can only be dropped whole.
    if (joins(last, tail, start, first) && last.end - last.start < SMALL_BYTES) {
      last.end = end;
      last.count += count;
    } else this.#push({ bytes: tail, start, end, first, count, last: 0 });
    if (!this.#writing) this.#start();
  }

  /** Queues a frame that was admitted, and that others may hold as well: nobody writes to its memory any more. */
  pushShared(frame: Uint8Array<ArrayBuffer>): void {
    if (frame.length > COPIED_BYTES_MAX) this.pushRun(frame, 0, frame.length, 0, 0);
    else this.pushFrames(frame);
  }

  /**
   * Drops the oldest events until so many bytes fit, and hardly more, and leaves a GAP frame in their place.
   *
   * @returns How many events were dropped.
   */
  dropOldest(bytes: number): number {
    const limit = this.limit_bytes, spare = Math.min(SPARE_BYTES_MAX, Math.floor(limit / SPARE_SHARE));
    const aim = Math.max(0, limit - bytes - spare);
    let dropped = 0;
    this.#backlog_bytes = 0;
    for (let at = this.#head; at < this.#entries.length && this.queued_bytes > aim;) {
      const entry = this.#entries[at]!;
      if (entry.count <= 0) {
        at++;
        continue;
      }
      const before = at > this.#head ? this.#entries[at - 1]! : undefined, { first, start } = entry;
      const count = shorten(entry, this.queued_bytes - aim, this.in_frames), last = first + count - 1;
      this.#count(start - entry.start);
      const gap = this.#gap(before !== undefined && before.count < 0 ? before.first : first, last);
      dropped += count;
      this.#count(gap.end);
      this.#hold(gap);
      if (before !== undefined && before.count < 0) {
        this.#count(-before.end);
        this.#release(before);
        this.#entries[at - 1] = gap;
        if (entry.count === 0) this.#entries.splice(at, 1);
      } else this.#entries.splice(at++, entry.count === 0 ? 1 : 0, gap);
      if (entry.count === 0) this.#release(entry);
    }
    return dropped;
  }

  /** Forgets everything that is not in flight. */
  clear(): void {
    for (let at = this.#head; at < this.#entries.length; at++) {
      const entry = this.#entries[at]!;
      this.#count(-(entry.end - entry.start));
      this.#release(entry);
    }
    this.#entries.length = this.#head = 0;
    this.#over_bytes = this.#backlog_bytes = 0;
  }

  /** Takes nothing more; what it has is still written. */
  seal(): void {
    this.#sealed = true;
  }

  /** Takes nothing more and forgets what it has. */
  close(): void {
    this.#closed = this.#sealed = true;
    this.clear();
    // What is in flight waits for nobody any more, but it may still be read from.
    this.#count(-this.queued_bytes);
    if (this.#lent !== undefined) buffers.forget(this.#lent);
    if (this.#gather !== undefined) buffers.forget(this.#gather);
    this.#tail.forget();
    this.#lent = this.#gather = this.#piece = undefined;
    this.#settle();
  }

  /** Resolves when everything queued so far, and since, is written, or the outbox is closed. */
  drained(): Promise<void> {
    if (this.#closed || this.queued_bytes === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #last(): Entry | undefined {
    return this.#entries.length > this.#head ? this.#entries[this.#entries.length - 1]! : undefined;
  }

  #push(entry: Entry): void {
    this.#hold(entry);
    this.#entries.push(entry);
  }

  #hold(entry: Entry): void {
    buffers.hold(entry.bytes);
    buffers.count(ENTRY_BYTES);
  }

  #release(entry: Entry): void {
    buffers.release(entry.bytes);
    buffers.count(-ENTRY_BYTES);
  }

  /** So many bytes more wait, or fewer. */
  #count(bytes: number): void {
    this.queued_bytes += bytes;
    this.#account.queue(bytes);
  }

  #start(): void {
    this.#writing = true;
    // Not at once: gathers what this turn of the event loop still brings.
    NOW.then(this.#go);
  }

  /** Goes on after a write. Plain callbacks: an async function for each burst made a request 3 % slower. */
  readonly #go = (took: number | undefined): void => {
    try {
      if (took !== undefined) this.#taken(took);
      this.#step();
    } catch (error) {
      this.#fail(error);
    }
  };

  readonly #fail = (error: unknown): void => {
    this.close();
    this.#owner.lost(error);
  };

  #taken(bytes: number): void {
    if (this.#closed) return;
    this.#done += bytes;
    this.writes++;
    this.written_bytes += bytes;
    this.#count(-bytes);
    if (this.queued_bytes <= this.limit_bytes) this.#over_bytes = 0;
    if (this.#backlog_bytes > 0) this.#backlog_bytes = Math.max(0, this.#backlog_bytes - bytes);
    this.#owner.room();
  }

  #step(): void {
    if (this.#closed) return;
    if (this.#piece === undefined || this.#done === this.#piece.length) {
      if (this.#lent !== undefined) buffers.release(this.#lent);
      this.#lent = undefined;
      this.#piece = this.#next();
      this.#done = 0;
    }
    const piece = this.#piece;
    if (piece === undefined) return this.#rest();
    this.#sink.write(this.#done === 0 ? piece : piece.subarray(this.#done)).then(this.#go, this.#fail);
  }

  /** Everything is written. */
  #rest(): void {
    this.#writing = false;
    this.#tail.rest();
    if (this.#gather !== undefined) buffers.release(this.#gather);
    this.#gather = undefined;
    this.#settle();
  }

  /** The next piece to write, out of the queue. */
  #next(): Uint8Array<ArrayBuffer> | undefined {
    const entries = this.#entries;
    if (this.#head === entries.length) return undefined;
    const entry = entries[this.#head]!;
    const length = entry.end - entry.start;
    if (length < SMALL_BYTES && this.#head + 1 < entries.length) return this.#gathered();
    this.#shift();
    buffers.count(-ENTRY_BYTES);
    this.#lent = entry.bytes;
    return length === entry.bytes.length ? entry.bytes : entry.bytes.subarray(entry.start, entry.end);
  }

  #gathered(): Uint8Array<ArrayBuffer> {
    const into = this.#gather ??= buffers.take(GATHER_BYTES);
    let used = 0;
    while (this.#head < this.#entries.length) {
      const entry = this.#entries[this.#head]!;
      const length = entry.end - entry.start;
      if (length >= SMALL_BYTES || used + length > GATHER_BYTES) break;
      into.set(entry.bytes.subarray(entry.start, entry.end), used);
      used += length;
      this.#release(entry);
      this.#shift();
    }
    return into.subarray(0, used);
  }

  #shift(): void {
    this.#head++;
    if (this.#head === this.#entries.length) this.#entries.length = this.#head = 0;
    else if (this.#head >= 64) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #gap(first: number, last: number): Entry {
    const bytes = this.writeGap(first, last);
    return { bytes, start: 0, end: bytes.length, first, count: -1, last };
  }

  #settle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
