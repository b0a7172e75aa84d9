/**
 * The atoms of msgpack: heads, numbers and texts. What may stand where is for those who use it to say: `msgpack.ts` for
 * the protocol's own bodies, `structured_writer.ts` and `structured_reader.ts` for payloads.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * @module
 */
import { IpcError } from "./errors.ts";
import { MESSAGE_BYTES_MAX } from "./limits.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

/** First bytes of a value, where it is not the value itself. */
export const HEAD = {
  MAP: 0x80,
  ARRAY: 0x90,
  TEXT: 0xa0,
  NIL: 0xc0,
  FALSE: 0xc2,
  TRUE: 0xc3,
  BINARY8: 0xc4,
  EXTENSION8: 0xc7,
  FLOAT32: 0xca,
  FLOAT64: 0xcb,
  UINT8: 0xcc,
  UINT16: 0xcd,
  UINT32: 0xce,
  UINT64: 0xcf,
  INT8: 0xd0,
  INT16: 0xd1,
  INT32: 0xd2,
  INT64: 0xd3,
  /** Extensions of 1, 2, 4, 8 and 16 bytes are this and the four that follow. */
  EXTENSION_OF_1: 0xd4,
  EXTENSION_OF_16: 0xd8,
  TEXT8: 0xd9,
  ARRAY16: 0xdc,
  ARRAY32: 0xdd,
  MAP16: 0xde,
  MAP32: 0xdf,
  NEGATIVE: 0xe0,
} as const;

/** An output that is not in use. New memory for each message would cost more than writing most of them. */
let spare: Output | undefined;
const SPARE_BYTES_MAX = 64 * 1024;

/**
 * Lets `write` write and returns what `finish` makes of it, by default a copy.
 *
 * @param finish Must not keep the output's memory, which is used again.
 */
export function written(
  write: (output: Output) => void,
  finish: (output: Output) => Uint8Array<ArrayBuffer> = (output) => output.bytes.slice(0, output.at),
): Uint8Array<ArrayBuffer> {
  // Taken away meanwhile: a toJSON() may encode something itself.
  const output = spare ?? new Output();
  spare = undefined;
  output.at = 0;
  try {
    write(output);
    return finish(output);
  } finally {
    if (output.bytes.length <= SPARE_BYTES_MAX) spare = output;
  }
}

/** Memory that grows with what is written into it. */
export class Output {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  at = 0;
  view: DataView = new DataView(this.bytes.buffer);

  byte(byte: number): void {
    const at = this.reserve(1);
    this.bytes[at] = byte;
  }

  uint16(value: number): void {
    const at = this.reserve(2);
    this.view.setUint16(at, value);
  }

  uint32(value: number): void {
    const at = this.reserve(4);
    this.view.setUint32(at, value);
  }

  copy(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
  }

  float(value: number): void {
    this.byte(HEAD.FLOAT64);
    const at = this.reserve(8);
    this.view.setFloat64(at, value);
  }

  int64(value: bigint): void {
    this.byte(HEAD.INT64);
    const at = this.reserve(8);
    this.view.setBigInt64(at, value);
  }

  uint64(value: bigint): void {
    this.byte(HEAD.UINT64);
    const at = this.reserve(8);
    this.view.setBigUint64(at, value);
  }

  /** An integer from -2^31 to 2^32 - 1, as short as it goes. `single_max` is what a byte may say by itself, 127 or less. */
  int32(value: number, single_max: number): void {
    if (value >= -0x20 && value <= single_max) return this.byte(value & 0xff);
    if (value >= 0) {
      if (value < 0x100) {
        this.byte(HEAD.UINT8);
        this.byte(value);
      } else if (value < 0x10000) {
        this.byte(HEAD.UINT16);
        this.uint16(value);
      } else {
        this.byte(HEAD.UINT32);
        this.uint32(value);
      }
    } else if (value >= -0x80) {
      this.byte(HEAD.INT8);
      this.byte(value & 0xff);
    } else if (value >= -0x8000) {
      this.byte(HEAD.INT16);
      this.uint16(value & 0xffff);
    } else {
      this.byte(HEAD.INT32);
      this.uint32(value >>> 0);
    }
  }

  text(text: string): void {
    if (text.length < 32 && this.#ascii(text)) return;
    const bytes = encodeUtf8(text);
    if (bytes.length < 32) this.byte(HEAD.TEXT | bytes.length);
    else this.#length(bytes.length, HEAD.TEXT8);
    this.copy(bytes);
  }

  binary(bytes: Uint8Array): void {
    this.#length(bytes.length, HEAD.BINARY8);
    this.copy(bytes);
  }

  array(count: number): void {
    if (count < 16) this.byte(HEAD.ARRAY | count);
    else this.#count(count, HEAD.ARRAY16);
  }

  map(count: number): void {
    if (count < 16) this.byte(HEAD.MAP | count);
    else this.#count(count, HEAD.MAP16);
  }

  /** Head of an extension; `length` bytes are to follow. */
  extension(type: number, length: number): void {
    // Powers of two up to 16 have a head of their own.
    if (length > 0 && length <= 16 && (length & length - 1) === 0) {
      this.byte(HEAD.EXTENSION_OF_1 + 31 - Math.clz32(length));
    } else this.#length(length, HEAD.EXTENSION8);
    this.byte(type);
  }

  /**
   * Makes room and returns where. Take `bytes` and `view` after it: they may be new.
   *
   * @throws {IpcError} TOO_LARGE over what any message may be, an array of a billion holes for instance.
   */
  reserve(count: number): number {
    const at = this.at;
    this.at += count;
    if (this.at > this.bytes.length) {
      if (this.at > MESSAGE_BYTES_MAX) throw new IpcError("TOO_LARGE", `message is over ${MESSAGE_BYTES_MAX} bytes`);
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return at;
  }

  /** Short and all ASCII, as keys and names are: a quarter of what going through an encoder costs. */
  #ascii(text: string): boolean {
    const from = this.reserve(1 + text.length), { bytes } = this;
    bytes[from] = HEAD.TEXT | text.length;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit > 0x7f) {
        this.at = from;
        return false;
      }
      bytes[from + 1 + at] = unit;
    }
    return true;
  }

  /** In 1, 2 or 4 bytes behind `wide`, `wide + 1`, `wide + 2`. */
  #length(length: number, wide: number): void {
    if (length >= 0x100) return this.#count(length, wide + 1);
    this.byte(wide);
    this.byte(length);
  }

  /** In 2 or 4 bytes behind `wide`, `wide + 1`. */
  #count(count: number, wide: number): void {
    if (count < 0x10000) {
      this.byte(wide);
      this.uint16(count);
    } else {
      this.byte(wide + 1);
      this.uint32(count);
    }
  }
}

/** Reads what {@linkcode Output} wrote, or what a stranger did: nothing is taken that is not there. */
export class Input {
  at = 0;
  readonly view: DataView;

  /**
   * @param bytes What to read.
   * @param what What errors call it.
   */
  constructor(readonly bytes: Uint8Array, readonly what: string) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Goes past this many bytes and returns where they begin. */
  take(count: number): number {
    const at = this.at;
    if (count > this.bytes.length - at) throw this.broken("ends early");
    this.at += count;
    return at;
  }

  byte(): number {
    const at = this.take(1);
    return this.bytes[at]!;
  }

  /** An unsigned number in 1, 2 or 4 bytes, for `wide` 0, 1, 2. */
  length(wide: number): number {
    const at = this.take(1 << wide);
    return wide === 0 ? this.bytes[at]! : wide === 1 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  /** The number behind a head from FLOAT32 to INT32, save the 64-bit ones. */
  number(head: number): number {
    switch (head) {
      case HEAD.FLOAT32:
        return this.view.getFloat32(this.take(4));
      case HEAD.FLOAT64:
        return this.view.getFloat64(this.take(8));
      case HEAD.UINT8:
      case HEAD.UINT16:
      case HEAD.UINT32:
        return this.length(head - HEAD.UINT8);
      case HEAD.INT8:
        return this.view.getInt8(this.take(1));
      case HEAD.INT16:
        return this.view.getInt16(this.take(2));
      default:
        return this.view.getInt32(this.take(4));
    }
  }

  /** The 64-bit integer behind INT64 or UINT64. */
  bigint(head: number): bigint {
    const at = this.take(8);
    return head === HEAD.INT64 ? this.view.getBigInt64(at) : this.view.getBigUint64(at);
  }

  text(length: number): string {
    const at = this.take(length);
    try {
      return decodeUtf8(this.bytes, at, this.at);
    } catch {
      throw this.broken("holds text that is not UTF-8");
    }
  }

  /** A copy, so that it does not keep the rest alive. */
  binary(length: number): Uint8Array<ArrayBuffer> {
    const at = this.take(length);
    return new Uint8Array(this.bytes.subarray(at, this.at));
  }

  /** Every item takes at least one byte, so a count beyond what is left is a lie. */
  expect(count: number): void {
    if (count > this.bytes.length - this.at) throw this.broken("ends early");
  }

  broken(what: string): IpcError {
    return new IpcError("SERIALIZATION", `${this.what} ${what}`);
  }
}
