/**
 * The plain part of msgpack, for the bodies of the protocol itself: HELLO, WELCOME, headers and the like.
 *
 * Messages go through msgpackr, in `structured_clone.ts`. The bodies do not: every program needs them from its start on,
 * and the broker reads them from strangers. Here no extension makes an object, nesting and counts are checked before
 * anything is allocated, and keys go into a `Map`, so that `__proto__` is a word like any other.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md, without extension types.
 *
 * @module
 */
import { IpcError } from "./errors.ts";
import { NESTING_MAX } from "./limits.ts";
import { decodeUtf8 } from "./utf8.ts";

const encoder = new TextEncoder();

/** What a body can hold. Integers beyond 2^53 come as the nearest double. */
export type Value = null | boolean | number | string | Uint8Array | Value[] | Body;

/** A map with text keys, in the order written. */
export type Body = Map<string, Value>;

/** What `encodeBody` takes: objects are written as maps, `undefined` entries are left out. */
export type Plain = undefined | null | boolean | number | string | Uint8Array | readonly Plain[] | {
  readonly [key: string]: Plain;
} | ReadonlyMap<string, Plain>;

/**
 * Writes a map.
 *
 * @throws {RangeError} If a value nests deeper than 64.
 * @throws {TypeError} If a value is a function, bigint or symbol, or a Map's key is no text.
 *
 * @example
 * ```ts
 * import { decodeBody, encodeBody } from "./msgpack.ts";
 *
 * const body = decodeBody(encodeBody({ name: "backup", listen: true }));
 * if (body.get("name") !== "backup") throw new Error("does not round-trip");
 * ```
 */
export function encodeBody(
  body: { readonly [key: string]: Plain } | ReadonlyMap<string, Plain>,
): Uint8Array<ArrayBuffer> {
  const output = new Output();
  output.value(body, 0);
  return output.bytes.slice(0, output.at);
}

/**
 * Reads a map.
 *
 * @param bytes One msgpack map, and nothing behind it.
 * @throws {IpcError} SERIALIZATION if it is anything else, is cut, nests deeper than 64 or holds an extension type.
 */
export function decodeBody(bytes: Uint8Array): Body {
  const input = new Input(bytes);
  const value = input.value(0);
  if (!(value instanceof Map)) throw broken("is not a map");
  if (input.at !== bytes.length) throw broken(`has ${bytes.length - input.at} bytes behind its end`);
  return value;
}

class Output {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  at = 0;
  #view = new DataView(this.bytes.buffer);

  value(value: Plain, depth: number): void {
    if (depth > NESTING_MAX) throw new RangeError(`Cannot write a body nested deeper than ${NESTING_MAX}`);
    if (value === null || value === undefined) this.#byte(0xc0);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "string") {
      const bytes = encoder.encode(value);
      if (bytes.length < 0x20) this.#byte(0xa0 | bytes.length);
      else this.#length(bytes.length, 0xd9);
      this.#copy(bytes);
    } else if (value instanceof Uint8Array) {
      this.#length(value.length, 0xc4);
      this.#copy(value);
    } else if (typeof value !== "object") throw new TypeError(`Cannot write a ${typeof value} into a body`);
    else if (Array.isArray(value)) {
      this.#count(value.length, 0x90, 0xdc);
      for (const item of value) this.value(item, depth + 1);
    } else this.#map(value instanceof Map ? [...value] : Object.entries(value), depth);
  }

  #map(entries: [unknown, unknown][], depth: number): void {
    const written = entries.filter(([, item]) => item !== undefined);
    this.#count(written.length, 0x80, 0xde);
    for (const [key, item] of written) {
      if (typeof key !== "string") throw new TypeError(`Cannot write a body whose key is a ${typeof key}`);
      this.value(key, depth + 1);
      this.value(item as Plain, depth + 1);
    }
  }

  #number(value: number): void {
    if (Object.is(value, -0) || !Number.isSafeInteger(value)) {
      const at = this.#head(0xcb, 8);
      this.#view.setFloat64(at, value);
    } else if (value >= -0x20 && value < 0x80) this.#byte(value & 0xff);
    else if (value >= 0 && value < 0x1_0000_0000) this.#length(value, 0xcc);
    else if (value >= -0x8000_0000 && value < 0) this.#negative(value);
    else {
      const at = this.#head(value < 0 ? 0xd3 : 0xcf, 8);
      this.#view.setBigInt64(at, BigInt(value));
    }
  }

  #negative(value: number): void {
    if (value >= -0x80) {
      const at = this.#head(0xd0, 1);
      this.#view.setInt8(at, value);
    } else if (value >= -0x8000) {
      const at = this.#head(0xd1, 2);
      this.#view.setInt16(at, value);
    } else {
      const at = this.#head(0xd2, 4);
      this.#view.setInt32(at, value);
    }
  }

  /** In the head itself if it is small, else in 2 or 4 bytes behind `wide`, `wide + 1`. */
  #count(count: number, narrow: number, wide: number): void {
    if (count < 0x10) this.#byte(narrow | count);
    else if (count < 0x100) {
      const at = this.#head(wide, 2);
      this.#view.setUint16(at, count);
    } else this.#length(count, wide - 1);
  }

  /** In 1, 2 or 4 bytes behind `wide`, `wide + 1`, `wide + 2`. */
  #length(length: number, wide: number): void {
    if (length < 0x100) {
      const at = this.#head(wide, 1);
      this.bytes[at] = length;
    } else if (length < 0x1_0000) {
      const at = this.#head(wide + 1, 2);
      this.#view.setUint16(at, length);
    } else {
      const at = this.#head(wide + 2, 4);
      this.#view.setUint32(at, length);
    }
  }

  #byte(byte: number): void {
    this.#head(byte, 0);
  }

  /** Writes a byte and returns where `count` more are to stand. Take `bytes` and `#view` after it: they may be new. */
  #head(byte: number, count: number): number {
    const at = this.#reserve(1 + count);
    this.bytes[at] = byte;
    return at + 1;
  }

  #copy(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** Makes room and returns where. */
  #reserve(count: number): number {
    const at = this.at;
    this.at += count;
    if (this.at > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at));
      larger.set(this.bytes);
      this.bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

class Input {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  value(depth: number): Value {
    if (depth > NESTING_MAX) throw broken(`nests deeper than ${NESTING_MAX}`);
    const head = this.#uint(0);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.#map(head & 0x0f, depth);
    if (head < 0xa0) return this.#array(head & 0x0f, depth);
    if (head < 0xc0) return this.#text(head & 0x1f);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return new Uint8Array(this.#take(this.#uint(head - 0xc4))); // a copy that does not keep the rest alive
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(head - 0xcc);
      case 0xcf:
        return Number(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return Number(this.#view.getBigInt64(this.#skip(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(head - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(head - 0xdb), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(head - 0xdd), depth);
      default:
        throw broken(`holds type 0x${head.toString(16)}, which has no place in it`);
    }
  }

  #array(count: number, depth: number): Value[] {
    this.#expect(count);
    const items: Value[] = [];
    for (let left = count; left > 0; left--) items.push(this.value(depth + 1));
    return items;
  }

  #map(count: number, depth: number): Body {
    this.#expect(count * 2);
    const map: Body = new Map();
    for (let left = count; left > 0; left--) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw broken("has a key that is not text");
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    try {
      return decodeUtf8(bytes);
    } catch {
      throw broken("holds text that is not UTF-8");
    }
  }

  /** An unsigned number in 1, 2 or 4 bytes, for `wide` 0, 1, 2. */
  #uint(wide: number): number {
    const at = this.#skip(1 << wide);
    return wide === 0 ? this.#bytes[at]! : wide === 1 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #take(count: number): Uint8Array {
    const at = this.#skip(count);
    return this.#bytes.subarray(at, this.at);
  }

  /** Goes past this many bytes and returns where they begin. */
  #skip(count: number): number {
    const at = this.at;
    this.#expect(count);
    this.at += count;
    return at;
  }

  /** Every item takes at least one byte, so a count beyond what is left is a lie. */
  #expect(count: number): void {
    if (count > this.#bytes.length - this.at) throw broken("ends early");
  }
}

function broken(what: string): IpcError {
  return new IpcError("SERIALIZATION", `msgpack body ${what}`);
}
