/**
 * The scanner turns a stream of bytes into frames where they stand, without copying and without waiting.
 *
 * It owns the memory that a connection reads into: `space()` is where the next read goes, `filled(n)` says how much
 * came. Whole frames lie in `bytes` between `start` and `end`; a frame cut by the read stays there until the rest has
 * come. Nothing here performs I/O, so the same code serves broker, client and tests, fed whole or byte by byte.
 *
 * Runs. Most traffic is events, one after another, and each needs the same three fields written into it. So `events()`
 * walks as many whole EVENT frames as there are, stamps them, and leaves one *run* that can be passed on as one piece
 * of memory. Any other frame ends the run and is taken by itself: `next()` tells its type, `advance()` goes past it.
 * A message costs 3 loads, 3 stores and 3 comparisons in `events()`, and allocates nothing: 2.5 ns of the 9 ns that a
 * 16-byte event costs the broker in all (one listener, 2 cores of an AMD EPYC; `deno task bench:profile events-16`). Most of
 * the rest is the kernel copying.
 *
 * Memory. The buffer starts at 1 KiB, grows fourfold whenever a read filled it, to 256 KiB at most, and shrinks
 * fourfold when a read used less than a sixteenth of it: an idle connection (a PONG every 30 s) ends at 1 KiB again. A
 * frame larger than the buffer makes it double each time that it is full, so memory follows what has arrived and never
 * what a header announces. Who passes a run on by reference calls `lend()`; the scanner then reads into new memory.
 *
 * Invariant: 0 <= start <= end <= bytes.length, and bytes[start] is the first byte of a frame.
 *
 * @module
 */
import { IpcError } from "./errors.ts";
import {
  decodeFrame,
  FLAGS,
  type Frame,
  FRAME_TYPES,
  type FROM_BROKER,
  type FROM_CLIENT,
  OFFSET,
  RULES,
} from "./frame.ts";
import { HEADER_BYTES, READ_BUFFER_BYTES_MAX, READ_BUFFER_BYTES_MIN } from "./limits.ts";

const EVENT = FRAME_TYPES.EVENT;
/** Type and flags as they stand in the second word of a header that belongs into a run: encoding and ACK are free. */
const RUN_MASK = 0xff | (0xff & ~(FLAGS.ENCODING | FLAGS.ACK)) << 8;
const ACK_BIT = FLAGS.ACK << 8;

/** The next sequence number of a channel, in the two halves that an EVENT carries. */
export interface Sequence {
  /** Low 32 bits of the number that the next event gets. */
  low: number;
  /** High 32 bits. */
  high: number;
}

/** Where a scanner's buffers come from and go to. */
export interface Memory {
  /** Memory of exactly this size. What stands in it is anything. */
  take(bytes: number): Uint8Array<ArrayBuffer>;
  /** The scanner does not need it any more. Others may: whoever it was lent to. */
  release(bytes: Uint8Array<ArrayBuffer>): void;
  /** The same, but a read may still write to it. */
  forget(bytes: Uint8Array<ArrayBuffer>): void;
}

const FRESH: Memory = { take: (bytes) => new Uint8Array(bytes), release() {}, forget() {} };
const NONE = new Uint8Array(0);

/** See the module's head. */
export class Scanner {
  /** Memory that is read into. Replaced when it grows, shrinks or was lent. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(READ_BUFFER_BYTES_MIN);
  /** First byte not yet taken. */
  start = 0;
  /** One past the last byte that has arrived. */
  end = 0;
  /** Length of the frame at `start`, set by {@linkcode next}. */
  frame_bytes = 0;
  /** Flags of the frame at `start`, set by {@linkcode next}. */
  frame_flags = 0;
  /** Target of the frame at `start`, set by {@linkcode next}. */
  frame_target = 0;
  /** Where the last run of {@linkcode events} began. It ends at `start`. */
  run_start = 0;
  /** Correlation ids of the events in the last run that want an ACK. Empty it when they are answered. */
  readonly acks: number[] = [];
  /** Limit of a payload. Over it, {@linkcode next} throws TOO_LARGE. */
  message_bytes_max: number;

  #view: DataView;
  readonly #from: number;
  readonly #memory: Memory;
  #size = READ_BUFFER_BYTES_MIN;
  #lent = false;

  /**
   * @param from Who is on the other side; a type that it may not send is an error.
   * @param message_bytes_max Limit of a payload, in bytes.
   * @param memory Where buffers come from.
   */
  constructor(from: typeof FROM_CLIENT | typeof FROM_BROKER, message_bytes_max: number, memory: Memory = FRESH) {
    this.#memory = memory;
    this.#view = new DataView(this.bytes.buffer);
    this.#from = from;
    this.message_bytes_max = message_bytes_max;
  }

  /** Where the next read goes; never empty. What it returned before is not to be written to any more. */
  space(): Uint8Array<ArrayBuffer> {
    if (this.start === this.end && !this.#lent) this.start = this.end = 0;
    const held = this.end - this.start;
    if (this.#lent || this.bytes.length !== this.#size && held < this.#size) {
      // A frame cut by the read may be longer than the usual size: leave room behind it.
      this.#replace(held < this.#size ? this.#size : held * 2);
    } else if (this.end === this.bytes.length) {
      if (held > this.bytes.length / 2) this.#replace(this.bytes.length * 2);
      else {
        this.bytes.copyWithin(0, this.start, this.end);
        this.start = 0;
        this.end = held;
      }
    }
    return this.end === 0 ? this.bytes : this.bytes.subarray(this.end);
  }

  /** Says that a read brought this many bytes into {@linkcode space}. */
  filled(bytes: number): void {
    const size = this.bytes.length;
    this.end += bytes;
    if (this.end === size) {
      if (this.#size < READ_BUFFER_BYTES_MAX) this.#size *= 4;
    } else if (bytes <= this.#size / 16 && this.#size > READ_BUFFER_BYTES_MIN && size <= READ_BUFFER_BYTES_MAX) {
      this.#size /= 4;
    }
  }

  /** Says that somebody keeps a view of `bytes`: what stands there now will not be overwritten. */
  lend(): void {
    this.#lent = true;
  }

  /**
   * Looks at the frame at `start`.
   *
   * @returns Its type, or 0 if it is not complete yet.
   * @throws {IpcError} PROTOCOL for a reserved type or flag, a wrong length or a type that the other side may not
   *   send; TOO_LARGE for a payload over the limit. The stream cannot be read any further then.
   */
  next(): number {
    const at = this.start, available = this.end - at;
    if (available < HEADER_BYTES) return 0;
    const length = this.#view.getUint32(at, true), word = this.#view.getUint32(at + 4, true);
    const type = word & 0xff, flags = word >>> 8 & 0xff, rule = RULES[type]!;
    if ((rule >>> 8 & this.#from) === 0) throw new IpcError("PROTOCOL", `frame type ${hex(type)} may not be sent here`);
    if ((flags & ~rule & 0xff) !== 0) {
      throw new IpcError("PROTOCOL", `flags ${hex(flags)} are not allowed in a frame of type ${hex(type)}`);
    }
    const payload = length - HEADER_BYTES - (word >>> 16);
    if (payload < 0) {
      throw new IpcError(
        "PROTOCOL",
        `frame of ${length} bytes is shorter than its header and ${word >>> 16} bytes of headers`,
      );
    }
    if (payload > this.message_bytes_max) {
      throw new IpcError("TOO_LARGE", `message of ${payload} bytes, limit is ${this.message_bytes_max}`);
    }
    this.frame_bytes = length;
    this.frame_flags = flags;
    this.frame_target = this.#view.getUint32(at + OFFSET.target, true);
    return length <= available ? type : 0;
  }

  /** Goes past the frame that {@linkcode next} looked at. */
  advance(): void {
    this.start += this.frame_bytes;
  }

  /** Takes apart the frame that {@linkcode next} looked at; headers and payload are views of `bytes`. */
  frame(): Frame {
    return decodeFrame(this.bytes, this.start);
  }

  /**
   * Takes the longest run of whole EVENT frames at `start` that go to all listeners, and stamps each with who sent it
   * and the next sequence number. Their wish for an ACK is noted in `acks` and taken out of the frame.
   *
   * @param source Client id to write.
   * @param sequence Read, and left at the number that follows the run.
   * @returns How many events; they stand from `run_start` to `start`.
   */
  events(source: number, sequence: Sequence): number {
    const view = this.#view, end = this.end, limit = this.message_bytes_max;
    let at = this.start, count = 0, low = sequence.low, high = sequence.high;
    this.run_start = at;
    while (end - at >= HEADER_BYTES) {
      const length = view.getUint32(at, true), word = view.getUint32(at + 4, true);
      const payload = length - HEADER_BYTES - (word >>> 16);
      // What is wrong with a frame is for next() to say.
      if ((word & RUN_MASK) !== EVENT || length > end - at || payload < 0 || payload > limit) break;
      if (view.getUint32(at + 12, true) !== 0) break;
      if ((word & ACK_BIT) !== 0) {
        this.acks.push(view.getUint32(at + 16, true));
        view.setUint32(at + 4, word & ~ACK_BIT, true);
      }
      view.setUint32(at + 8, source, true);
      view.setUint32(at + 16, low, true);
      view.setUint32(at + 20, high, true);
      low = low + 1 >>> 0;
      if (low === 0) high++;
      at += length;
      count++;
    }
    this.start = at;
    sequence.low = low;
    sequence.high = high;
    return count;
  }

  /** Lets go of its memory, with what stands there: nothing more is to be read. */
  close(): void {
    this.#memory.forget(this.bytes);
    this.bytes = NONE;
    this.#view = new DataView(NONE.buffer);
    this.start = this.end = 0;
    this.#lent = false;
  }

  #replace(size: number): void {
    const bytes = this.#memory.take(size);
    bytes.set(this.bytes.subarray(this.start, this.end));
    this.#memory.release(this.bytes);
    this.end -= this.start;
    this.start = 0;
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#lent = false;
  }
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
