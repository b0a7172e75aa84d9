/**
 * A channel's latest events, in the memory that its listeners' queues share.
 *
 * Every run that the router publishes is *placed* here once, whoever listens. A small run is copied behind the last
 * one into a block of 64 KiB, so that a thousand small runs, from one publisher or from many, end up next to each other
 * and leave in one write, and each further listener costs no copy at all: its queue only moves the end of a range. A run
 * that fills at least half of the buffer it was read into is kept where it is, and the reader takes a new buffer. So the
 * memory that is held is never more than twice the bytes in use.
 *
 * What was placed stays listed until `limit_bytes` is passed; a client that comes back is sent what followed the last
 * event that it saw. With a limit of 0 nothing is listed, and the blocks only serve to share memory.
 *
 * Blocks are written once, from front to back, and never again: whoever holds a range of one can keep it.
 *
 * Cost: a small run costs one copy of its bytes and no allocation, 4 % of the broker's time where each of 256 publishers sends
 * one event at a time (`deno task bench:profile publishers-256`); a large one costs 1 % (`events-16`).
 *
 * @module
 */
import { HEADER_BYTES } from "../protocol/limits.ts";
import { BLOCK_BYTES, buffers } from "./buffer_pool.ts";

/** Runs below this are always copied: passing on a piece so small costs more than the copy. */
export const SMALL_RUN_BYTES = 8 * 1024;

/** Events next to each other in memory and in sequence. */
export interface Segment {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly start: number;
  end: number;
  /** Sequence number of the first event. */
  readonly first: number;
  /** How many events. */
  count: number;
  /** What it costs to keep it. */
  held_bytes: number;
}

/** See the module's head. */
export class History {
  /** Where the last {@linkcode place} put the run. */
  placed_bytes: Uint8Array<ArrayBuffer> = NONE;
  /** First byte of the run in `placed_bytes`. */
  placed_start = 0;
  /** One past its last byte. */
  placed_end = 0;

  #limit_bytes: number;
  #segment_bytes_max: number;
  #segments: Segment[] = [];
  #held_bytes = 0;
  #block: Uint8Array<ArrayBuffer> = NONE;
  #used = 0;

  /** @param limit_bytes How much to keep for clients that come back; 0 for nothing. */
  constructor(limit_bytes: number) {
    this.#limit_bytes = limit_bytes;
    this.#segment_bytes_max = segmentBytes(limit_bytes);
  }

  /** Changes the limit; what is over it goes at once. */
  resize(limit_bytes: number): void {
    this.#limit_bytes = limit_bytes;
    this.#segment_bytes_max = segmentBytes(limit_bytes);
    this.#evict();
  }

  /** Lets go of everything: the channel is closed. */
  close(): void {
    this.resize(0);
    buffers.release(this.#block);
    this.#block = NONE;
    this.#used = 0;
  }

  /** Forgets the oldest until no more than so many bytes are kept. */
  shorten(bytes: number): void {
    this.#evict(bytes);
  }

  /** How much memory is held here; of what others hold as well, its share. */
  get share_bytes(): number {
    let bytes = 0;
    for (const part of this.memory()) bytes += buffers.share(part);
    return bytes;
  }

  /** Everything that is held here, as often as it is. */
  *memory(): Generator<Uint8Array<ArrayBuffer>> {
    yield this.#block;
    for (const { bytes } of this.#segments) yield bytes;
  }

  /** Bytes that are kept. */
  get held_bytes(): number {
    return this.#held_bytes;
  }

  /** Sequence number of the oldest event kept, 0 if there is none. */
  get first(): number {
    return this.#segments[0]?.first ?? 0;
  }

  /**
   * Takes a run of events, stamped and in sequence.
   *
   * @param bytes Buffer that the run stands in.
   * @param start First byte of the run.
   * @param end One past its last byte.
   * @param first Sequence number of its first event.
   * @param count How many events it has.
   * @returns Whether the buffer itself is kept, so that it must not be written to any more.
   */
  place(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number, count: number): boolean {
    const length = end - start;
    const lent = length >= SMALL_RUN_BYTES && length * 2 >= bytes.length;
    if (lent) {
      this.placed_bytes = bytes;
      this.placed_start = start;
      this.placed_end = end;
    } else {
      if (length > this.#block.length - this.#used) {
        buffers.release(this.#block);
        this.#block = buffers.take(Math.max(BLOCK_BYTES, length));
        this.#used = 0;
      }
      this.#block.set(bytes.subarray(start, end), this.#used);
      this.placed_bytes = this.#block;
      this.placed_start = this.#used;
      this.placed_end = this.#used += length;
    }
    if (this.#limit_bytes > 0) this.#list(first, count, lent ? bytes.length : length);
    return lent;
  }

  /**
   * What came after an event.
   *
   * @param seq Sequence number of the last event seen, 0 for none.
   * @param bytes_max How much of it at most: the latest.
   * @returns The segments that follow, the first of them cut to begin with the next event that is still kept.
   */
  since(seq: number, bytes_max = Infinity): Segment[] {
    const after: Segment[] = [];
    for (const segment of this.#segments) {
      if (segment.first + segment.count - 1 <= seq) continue;
      after.push(segment.first > seq ? { ...segment } : cut(segment, seq + 1 - segment.first));
    }
    let over_bytes = after.reduce((bytes, { start, end }) => bytes + end - start, 0) - bytes_max;
    while (over_bytes > 0 && after.length > 0) {
      const oldest = after[0]!, length = oldest.end - oldest.start;
      if (length > over_bytes) after[0] = cut(oldest, eventsOf(oldest, over_bytes));
      if (length <= over_bytes || after[0]!.count === 0) after.shift();
      over_bytes -= length;
    }
    return after;
  }

  #list(first: number, count: number, held_bytes: number): void {
    const last = this.#segments.at(-1);
    if (
      last !== undefined && last.bytes === this.placed_bytes && last.end === this.placed_start &&
      last.end - last.start < this.#segment_bytes_max
    ) {
      last.end = this.placed_end;
      last.count += count;
      last.held_bytes += held_bytes;
    } else {
      buffers.hold(this.placed_bytes);
      this.#segments.push({
        bytes: this.placed_bytes,
        start: this.placed_start,
        end: this.placed_end,
        first,
        count,
        held_bytes,
      });
    }
    this.#held_bytes += held_bytes;
    if (this.#held_bytes > this.#limit_bytes) this.#evict();
  }

  #evict(limit_bytes = this.#limit_bytes): void {
    let gone = 0;
    while (this.#held_bytes > limit_bytes && gone < this.#segments.length) {
      const segment = this.#segments[gone++]!;
      this.#held_bytes -= segment.held_bytes;
      buffers.release(segment.bytes);
    }
    this.#segments.splice(0, gone);
  }
}

const NONE = new Uint8Array(0);

/** What is evicted at a time: a sixteenth of the limit, so that little more is lost than must be. */
function segmentBytes(limit_bytes: number): number {
  return Math.min(BLOCK_BYTES, limit_bytes / 16);
}

/** How many events from its front come to so many bytes. */
function eventsOf(segment: Segment, bytes: number): number {
  const view = new DataView(segment.bytes.buffer, segment.bytes.byteOffset);
  let start = segment.start, events = 0;
  for (; start - segment.start < bytes; events++) start += Math.max(HEADER_BYTES, view.getUint32(start, true));
  return events;
}

function cut(segment: Segment, events: number): Segment {
  const view = new DataView(segment.bytes.buffer, segment.bytes.byteOffset);
  let start = segment.start;
  for (let left = events; left > 0; left--) start += Math.max(HEADER_BYTES, view.getUint32(start, true));
  return { ...segment, start, first: segment.first + events, count: segment.count - events };
}
