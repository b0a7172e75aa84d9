/**
 * What waits to be sent, and the one write that is in flight.
 *
 * Small frames are copied into a tail block of 256 KiB, so that a thousand of them leave in one write; a large payload is
 * a block of its own, by reference. While a write is in flight, blocks gather for the next one.
 *
 * The queue is bounded: a frame that would take it over its limit waits outside, in order, and its promise resolves when
 * it has been taken in. A frame larger than the whole limit is taken in when the queue is empty, and goes alone.
 *
 * Breaks. The kernel says exactly how many bytes of a block it took. When the connection breaks, frames that it took
 * whole are out of our hands; a frame that it took a part of, and all behind it, are still ours, and go out on the next
 * connection from their first byte. What was handed over but never confirmed may not have arrived: the number of such
 * events is all that is kept of it, for `flush()` to report.
 *
 * Blocks hold whole frames, except that a frame with a large payload goes on into the block behind; `#rebuild` is the
 * one place that takes blocks apart again.
 *
 * @module
 */
import type { IpcError } from "../protocol/errors.ts";
import { FLAGS, FRAME_TYPES, OFFSET, writeHeader } from "../protocol/frame.ts";
import { HEADER_BYTES } from "../protocol/limits.ts";
import type { Connection } from "./runtime.ts";

/** A frame up to this size is copied into the tail. */
const COPY_BYTES_MAX = 16 * 1024;
const TAIL_BYTES = 256 * 1024;

const { EVENT, PING } = FRAME_TYPES;
const DONE: Promise<void> = Promise.resolve();

/** What is known of a frame that is still ours after a break. */
export type Keep = (type: number, target: number, id: number) => boolean;

/** A frame that found the queue full. */
interface Waiting {
  length: number;
  type: number;
  target: number;
  id: number;
  put(): void;
  reject(error: IpcError): void;
}

/** See the module's head. */
export class Sender {
  /** Bytes that wait or are being written. */
  bytes = 0;
  /** Events taken in since the channel exists. */
  events = 0;
  /** Of those, the first so many are known to be with the broker, or counted in {@linkcode lost}. */
  confirmed = 0;
  /** Events that were handed over when a connection broke, without a word from the broker, and not reported yet. */
  lost = 0;

  readonly #limit: number;
  #conn: Connection | undefined;
  #blocks: Uint8Array<ArrayBuffer>[] = [];
  #tail: Uint8Array<ArrayBuffer> | undefined;
  #view: DataView | undefined;
  #used = 0;
  /** Tails in `#blocks` that may be written to again when they are out. */
  readonly #tails: Set<Uint8Array<ArrayBuffer>> = new Set();
  #spare: Uint8Array<ArrayBuffer> | undefined;
  #waiting: Waiting[] = [];
  /** Callers whose own memory stands in a block, told when it is theirs again. */
  readonly #borrowed: Map<Uint8Array, { resolve(): void; reject(error: IpcError): void }> = new Map();
  /** The header of each block that is a payload: needed if the connection breaks between the two. */
  readonly #heads: Map<Uint8Array, Uint8Array<ArrayBuffer>> = new Map();
  /** Number of the event before or at a frame with a correlation id. */
  readonly #ordinals: Map<number, number> = new Map();
  #writing: Promise<void> | undefined;
  /** Bytes of the first block that the kernel took. */
  #done = 0;
  #closed: IpcError | undefined;

  /** @param queue_bytes Limit of {@linkcode bytes}. */
  constructor(queue_bytes: number) {
    this.#limit = queue_bytes;
  }

  /**
   * Takes in a frame.
   *
   * @param borrowed Whether the payload is the caller's memory, so that it has to be copied or waited for.
   * @returns Resolves when there was room for it, and if borrowed, when the memory may be changed again.
   */
  send(
    type: number,
    flags: number,
    target: number,
    id: number,
    aux: number,
    headers: Uint8Array | undefined,
    payload: Uint8Array<ArrayBuffer>,
    borrowed: boolean,
  ): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const length = HEADER_BYTES + payload.length + (headers === undefined ? 0 : headers.length);
    if (this.#waiting.length === 0 && this.#fits(length)) {
      return this.#put(type, flags, target, id, aux, headers, payload, borrowed);
    }
    return this.#wait(
      // A reply's id is its requester's, not ours.
      { length, type, target, id: type === FRAME_TYPES.REPLY ? 0 : id },
      () => this.#put(type, flags, target, id, aux, headers, payload, borrowed),
    );
  }

  /**
   * Takes in whole EVENT frames, whose memory is the channel's from now on.
   *
   * @param count How many they are.
   */
  sendEvents(frames: Uint8Array<ArrayBuffer>, count: number): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const put = (): Promise<void> => {
      this.events += count;
      if (frames.length <= COPY_BYTES_MAX) this.#room(frames.length).set(frames, this.#used - frames.length);
      else this.#pushBlock(frames);
      this.bytes += frames.length;
      this.#start();
      return DONE;
    };
    if (this.#waiting.length === 0 && this.#fits(frames.length)) return put();
    return this.#wait({ length: frames.length, type: EVENT, target: 0, id: 0 }, put);
  }

  /** Takes in a short frame at once, whatever the queue holds: an answer the broker waits for. */
  sendNow(type: number, id: number, aux: number, payload: Uint8Array<ArrayBuffer>): void {
    if (this.#closed === undefined) void this.#put(type, 0, 0, id, aux, undefined, payload, false);
  }

  /** Takes back a frame that still waits outside the queue. */
  takeBack(id: number): boolean {
    const at = this.#waiting.findIndex((waiting) => waiting.id === id);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    return true;
  }

  /** The broker's word that it has everything up to the frame with this id. */
  confirm(id: number): void {
    const ordinal = this.#ordinals.get(id);
    if (ordinal === undefined) return;
    this.#ordinals.delete(id);
    if (ordinal > this.confirmed) this.confirmed = ordinal;
  }

  /** Begins to write to a connection. */
  attach(conn: Connection): void {
    this.#conn = conn;
    this.#start();
  }

  /** Leaves a closed connection, and waits for the write that was in flight. */
  async detach(): Promise<void> {
    this.#conn = undefined;
    await this.#writing;
  }

  /** Resolves when all that was taken in is written, or the connection is gone. */
  async drain(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /**
   * Tells what was handed over to a connection that was left from what was not.
   *
   * @returns How many events were in flight, and the correlation ids that are still here.
   */
  sift(): { lost: number; kept_ids: Set<number> } {
    const kept_ids = new Set<number>();
    let kept = 0;
    this.#rebuild(this.#done, (type, _target, id) => {
      if (type === EVENT) kept++;
      if (id !== 0) kept_ids.add(id);
      return true;
    });
    this.#done = 0;
    for (const waiting of this.#waiting) kept_ids.add(waiting.id);
    const handed = this.events - kept, lost = Math.max(0, handed - this.confirmed);
    this.confirmed = Math.max(this.confirmed, handed);
    this.lost += lost;
    for (const id of this.#ordinals.keys()) if (!kept_ids.has(id)) this.#ordinals.delete(id);
    return { lost, kept_ids };
  }

  /** Drops frames that make no sense on the next connection. Queued events dropped so count as lost. */
  filter(keep: Keep, error: IpcError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      if (keep(one.type, one.target, one.id)) this.#waiting.push(one);
      else one.reject(error);
    }
    this.#rebuild(0, (type, target, id) => {
      const kept = keep(type, target, id);
      if (!kept && type === EVENT) this.lost++;
      return kept;
    });
  }

  /** Events that were taken in and that the broker has not confirmed. */
  get unconfirmed(): number {
    return this.events - this.confirmed;
  }

  /** Refuses everything from now on. Call it when the connection is closed. */
  async close(error: IpcError): Promise<void> {
    this.#closed = error;
    this.#conn = undefined;
    await this.#writing;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    for (const { reject } of this.#borrowed.values()) reject(error);
    this.#borrowed.clear();
    this.#heads.clear();
    this.#ordinals.clear();
    this.#blocks = [];
    this.#tail = this.#spare = undefined;
    this.bytes = 0;
  }

  #fits(length: number): boolean {
    return this.bytes === 0 || this.bytes + length <= this.#limit;
  }

  #wait(frame: Pick<Waiting, "length" | "type" | "target" | "id">, put: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...frame, put: () => resolve(put()), reject });
    });
  }

  #admit(): void {
    let count = 0;
    while (count < this.#waiting.length && this.#fits(this.#waiting[count]!.length)) this.#waiting[count++]!.put();
    if (count > 0) this.#waiting.splice(0, count);
  }

  #put(
    type: number,
    flags: number,
    target: number,
    id: number,
    aux: number,
    headers: Uint8Array | undefined,
    payload: Uint8Array<ArrayBuffer>,
    borrowed: boolean,
  ): Promise<void> {
    const headers_bytes = headers === undefined ? 0 : headers.length;
    const length = HEADER_BYTES + headers_bytes + payload.length;
    const inline = length <= COPY_BYTES_MAX;
    const head_bytes = inline ? length : HEADER_BYTES + headers_bytes;
    if (type === EVENT) this.events++;
    if (id !== 0 && (type === EVENT || type === PING)) this.#ordinals.set(id, this.events);
    const bytes = this.#room(head_bytes), at = this.#used - head_bytes;
    writeHeader(this.#view!, at, length, type, flags, headers_bytes, 0, target, id, aux);
    if (headers !== undefined) bytes.set(headers, at + HEADER_BYTES);
    this.bytes += length;
    let done = DONE;
    if (inline) bytes.set(payload, at + HEADER_BYTES + headers_bytes);
    else {
      // A view of its own tells two sends of the same memory apart.
      const block = payload.subarray();
      this.#heads.set(block, bytes.slice(at, this.#used));
      this.#pushBlock(block);
      if (borrowed) done = new Promise((resolve, reject) => this.#borrowed.set(block, { resolve, reject }));
    }
    this.#start();
    return done;
  }

  /** Makes room in the tail; it ends at `#used`. */
  #room(length: number): Uint8Array<ArrayBuffer> {
    if (this.#tail === undefined || this.#used + length > this.#tail.length) {
      this.#seal();
      // A headers block of 64 KiB needs a little more than the usual.
      this.#tail = length > TAIL_BYTES ? new Uint8Array(length) : this.#spare ?? new Uint8Array(TAIL_BYTES);
      this.#spare = undefined;
      this.#view = new DataView(this.#tail.buffer);
      this.#used = 0;
    }
    this.#used += length;
    return this.#tail;
  }

  #pushBlock(block: Uint8Array<ArrayBuffer>): void {
    this.#seal();
    this.#blocks.push(block);
  }

  #seal(): void {
    if (this.#tail === undefined) return;
    const block = this.#tail.subarray(0, this.#used);
    this.#tails.add(block);
    this.#blocks.push(block);
    this.#tail = undefined;
  }

  #start(): void {
    if (this.#writing === undefined && this.#conn !== undefined && this.bytes > 0) {
      this.#writing = this.#write(this.#conn).finally(() => {
        this.#writing = undefined;
        this.#start();
      });
    }
  }

  async #write(conn: Connection): Promise<void> {
    await null; // gather what this turn of the loop still brings
    while (this.#conn === conn) {
      this.#seal();
      const block = this.#blocks[0];
      if (block === undefined) return;
      try {
        do {
          this.#done += await conn.write(this.#done === 0 ? block : block.subarray(this.#done));
        } while (this.#done < block.length);
      } catch {
        // The reading side finds the connection broken too, and says so to everybody.
        if (this.#conn === conn) this.#conn = undefined;
        return;
      }
      this.#written(block);
    }
  }

  #written(block: Uint8Array<ArrayBuffer>): void {
    this.#blocks.shift();
    this.#done = 0;
    this.bytes -= block.length;
    if (this.#tails.delete(block) && block.buffer.byteLength === TAIL_BYTES) this.#spare = new Uint8Array(block.buffer);
    this.#heads.delete(block);
    this.#giveBack(block);
    if (this.#waiting.length > 0) this.#admit();
  }

  #giveBack(block: Uint8Array): void {
    if (this.#borrowed.size === 0) return;
    this.#borrowed.get(block)?.resolve();
    this.#borrowed.delete(block);
  }

  /** Walks all queued frames; keeps those that end behind the first `skip` bytes and that `keep` wants. */
  #rebuild(skip: number, keep: Keep): void {
    this.#seal();
    const blocks = this.#blocks, head = blocks.length === 0 ? undefined : this.#heads.get(blocks[0]!);
    if (head !== undefined) {
      blocks.unshift(head);
      skip += head.length;
    }
    this.#blocks = [];
    this.#tails.clear(); // two blocks may share one tail's memory from here on
    let before = 0, left = 0, keeping = true;
    for (const block of blocks) {
      const view = new DataView(block.buffer, block.byteOffset, block.length);
      let at = Math.min(left, block.length), from = keeping ? 0 : at;
      left -= at;
      while (at < block.length) {
        const length = view.getUint32(at, true), end = at + length;
        const wanted = before + end > skip &&
          keep(view.getUint8(at + OFFSET.type), view.getUint32(at + OFFSET.target, true), idOf(view, at));
        if (!wanted && from < at) this.#blocks.push(block.subarray(from, at));
        at = Math.min(end, block.length);
        left = end - at;
        if (!wanted) from = at;
        keeping = wanted;
      }
      if (from === 0) this.#blocks.push(block);
      else if (from < block.length) this.#blocks.push(block.subarray(from));
      if (from > 0) {
        this.#heads.delete(block);
        this.#giveBack(block);
      }
      before += block.length;
    }
    this.bytes = this.#blocks.reduce((sum, block) => sum + block.length, 0);
    this.#admit();
  }
}

/** A reply's id is its requester's, not ours. */
function idOf(view: DataView, at: number): number {
  const type = view.getUint8(at + OFFSET.type), flags = view.getUint8(at + OFFSET.flags);
  if (type === FRAME_TYPES.REPLY || type === EVENT && (flags & FLAGS.ACK) === 0) return 0;
  return view.getUint32(at + OFFSET.id, true);
}
