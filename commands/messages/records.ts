/**
 * Turns a stream of lines, or of NUL-terminated records, into EVENT frames: the inside of `ipc send -l`.
 *
 * What costs time at millions of lines a second is what is done per line, so a line costs one pass over its bytes, which
 * looks for its end and copies it at once, and six stores for its header. Frames stand one behind the other in blocks
 * that are handed on whole. Whether the payload is text is asked once for each piece of input, and line by line only
 * where the piece as a whole is not. A line of 8 bytes costs 22 ns, one of 100 bytes 125 ns.
 *
 * A record that is longer than the input buffer makes it double, up to the limit of a message; what was looked through
 * is not looked through again.
 *
 * @module
 */
import { type Encoding, ENCODINGS, FLAGS, FRAME_TYPES, writeHeader } from "../../protocol/frame.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";
import type { Failure } from "../exit_codes.ts";
import { encodingOf, isUtf8, type MessageEncoding, tooLong } from "./options.ts";

/** Frames as the broker reads them best: it reads into 256 KiB. */
const BLOCK_BYTES = 256 * 1024;
/** As much as a pipe holds, four times over: the reader of a file gets more at once. */
const INPUT_BYTES = 256 * 1024;
/** Up to here, copying byte by byte beats a call of `set`. */
const SHORT_BYTES = 128;

/** What all frames of a stream have in common. */
export interface RecordOptions {
  /** The byte that ends a record. */
  separator: 0 | 10;
  encoding: MessageEncoding;
  /** Headers block, or empty. */
  headers: Uint8Array<ArrayBuffer>;
  /** Client id, 0 for all listeners. */
  target: number;
  retain: boolean;
  message_bytes_max: number;
}

/** Takes a block of whole frames, whose memory is its own from then on. */
export type TakeFrames = (frames: Uint8Array<ArrayBuffer>, count: number) => Promise<void> | void;

/** See the module's head. */
export class RecordFrames {
  readonly #options: RecordOptions;
  readonly #take: TakeFrames;
  #input = new Uint8Array(INPUT_BYTES);
  /** First byte of the record that is not complete yet. */
  #start = 0;
  /** What is before it holds no separator from `start` on. */
  #scanned = 0;
  #end = 0;
  #block = new Uint8Array(0);
  #view = new DataView(this.#block.buffer);
  #used = 0;
  #count = 0;
  /** Records that were made into frames. */
  records = 0;

  constructor(options: RecordOptions, take: TakeFrames) {
    this.#options = options;
    this.#take = take;
  }

  /** Where to read to next. */
  space(): Uint8Array<ArrayBuffer> {
    if (this.#start > 0) {
      this.#input.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#scanned -= this.#start;
      this.#start = 0;
    }
    if (this.#end === this.#input.length) {
      const limit = this.#options.message_bytes_max;
      if (this.#end > limit) throw this.#tooLong();
      const larger = new Uint8Array(Math.min(this.#input.length * 2, Math.max(limit + 1, INPUT_BYTES)));
      larger.set(this.#input);
      this.#input = larger;
    }
    return this.#input.subarray(this.#end);
  }

  /**
   * Says that a read brought this many bytes into {@linkcode space}, and hands on what that completes.
   *
   * @throws {Failure} If a record is too long or not what the options say; those before it are handed on first.
   */
  async filled(bytes: number): Promise<void> {
    this.#end += bytes;
    const { separator } = this.#options;
    const last = this.#input.subarray(this.#scanned, this.#end).lastIndexOf(separator);
    if (last < 0) {
      this.#scanned = this.#end;
      return;
    }
    const end = this.#scanned + last + 1;
    try {
      await this.#frame(end);
    } finally {
      await this.#flush();
    }
    this.#start = end;
    this.#scanned = this.#end;
  }

  /** Says that nothing follows: what stands behind the last separator is a record too. */
  async finish(): Promise<void> {
    const length = this.#end - this.#start;
    if (length === 0) return;
    if (length > this.#options.message_bytes_max) throw this.#tooLong(length);
    const encoding = this.#encodingOf(this.#start, this.#end);
    const bytes = HEADER_BYTES + this.#options.headers.length + length;
    if (this.#block.length - this.#used < bytes) await this.#newBlock(bytes);
    this.#long(this.#start, this.#end, encoding);
    await this.#flush();
    this.#start = this.#scanned = this.#end;
  }

  /** Frames every record up to `end`, which is just behind a separator. */
  async #frame(end: number): Promise<void> {
    const { separator, headers, target, message_bytes_max } = this.#options;
    const input = this.#input, common = this.#commonEncoding(end);
    const head = HEADER_BYTES + headers.length;
    let at = this.#start;
    while (at < end) {
      if (this.#block.length - this.#used < head + SHORT_BYTES) await this.#newBlock(head + SHORT_BYTES);
      const block = this.#block;
      const from = at, frame = this.#used, shift = frame + head - from;
      const short = Math.min(end, from + SHORT_BYTES);
      let byte = 0;
      while (at < short && (byte = input[at]!) !== separator) {
        block[at + shift] = byte;
        at++;
      }
      if (at === short) {
        at = input.indexOf(separator, at);
        if (at - from > message_bytes_max) throw this.#tooLong(at - from);
        const bytes = head + at - from;
        if (block.length - frame < bytes) await this.#newBlock(bytes);
        this.#long(from, at, common ?? this.#encodingOf(from, at));
      } else {
        if (at - from > message_bytes_max) throw this.#tooLong(at - from);
        const encoding = common ?? this.#encodingOf(from, at), length = head + at - from;
        writeHeader(
          this.#view,
          frame,
          length,
          FRAME_TYPES.EVENT,
          this.#flags(encoding),
          headers.length,
          0,
          target,
          0,
          0,
        );
        if (headers.length > 0) block.set(headers, frame + HEADER_BYTES);
        this.#used = frame + length;
        this.#count++;
        this.records++;
      }
      at++;
    }
  }

  /** Frames one record of any length that the block has room for. */
  #long(from: number, to: number, encoding: Encoding): void {
    const { headers, target } = this.#options, length = HEADER_BYTES + headers.length + to - from;
    const frame = this.#used;
    writeHeader(this.#view, frame, length, FRAME_TYPES.EVENT, this.#flags(encoding), headers.length, 0, target, 0, 0);
    this.#block.set(headers, frame + HEADER_BYTES);
    this.#block.set(this.#input.subarray(from, to), frame + HEADER_BYTES + headers.length);
    this.#used += length;
    this.#count++;
    this.records++;
  }

  /** The encoding of all records up to `end`, `undefined` if each must be asked for. */
  #commonEncoding(end: number): Encoding | undefined {
    const { encoding } = this.#options;
    if (encoding === "bytes") return ENCODINGS.BYTES;
    if (encoding === "json") return undefined;
    return isUtf8(this.#input.subarray(this.#start, end)) ? ENCODINGS.TEXT : undefined;
  }

  #encodingOf(from: number, to: number): Encoding {
    return encodingOf(this.#input.subarray(from, to), this.#options.encoding, `record ${this.records + 1}`);
  }

  #flags(encoding: Encoding): number {
    return this.#options.retain ? encoding | FLAGS.RETAIN : encoding;
  }

  async #newBlock(bytes: number): Promise<void> {
    await this.#flush();
    this.#block = new Uint8Array(Math.max(BLOCK_BYTES, bytes));
    this.#view = new DataView(this.#block.buffer);
  }

  async #flush(): Promise<void> {
    if (this.#count === 0) return;
    const frames = this.#block.subarray(0, this.#used), count = this.#count;
    // The rest of the block is still ours: the channel was given the part in front of it only.
    this.#block = this.#block.subarray(this.#used);
    this.#view = new DataView(this.#block.buffer, this.#block.byteOffset);
    this.#used = this.#count = 0;
    await this.#take(frames, count);
  }

  #tooLong(length?: number): Failure {
    return tooLong(`record ${this.records + 1}`, length, this.#options.message_bytes_max);
  }
}
