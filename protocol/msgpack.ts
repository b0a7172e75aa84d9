/**
 * The plain part of msgpack, for the bodies of the protocol itself: HELLO, WELCOME, headers and the like.
 *
 * Messages go through `structured_clone.ts`. The bodies do not, because the broker reads them from strangers: here no
 * extension makes an object, nesting and counts are checked before anything is allocated, and keys go into a `Map`, so
 * that `__proto__` is a word like any other.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md, without extension types.
 *
 * @module
 */
import { NESTING_MAX } from "./limits.ts";
import { HEAD, Input, type Output, written } from "./msgpack_bytes.ts";

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
  return written((output) => write(output, body, 0));
}

/**
 * Reads a map.
 *
 * @param bytes One msgpack map, and nothing behind it.
 * @throws {IpcError} SERIALIZATION if it is anything else, is cut, nests deeper than 64 or holds an extension type.
 */
export function decodeBody(bytes: Uint8Array): Body {
  const input = new Input(bytes, "msgpack body");
  const value = read(input, 0);
  if (!(value instanceof Map)) throw input.broken("is not a map");
  if (input.at !== bytes.length) throw input.broken(`has ${bytes.length - input.at} bytes behind its end`);
  return value;
}

function write(output: Output, value: Plain, depth: number): void {
  if (depth > NESTING_MAX) throw new RangeError(`Cannot write a body nested deeper than ${NESTING_MAX}`);
  if (value === null || value === undefined) output.byte(HEAD.NIL);
  else if (typeof value === "boolean") output.byte(value ? HEAD.TRUE : HEAD.FALSE);
  else if (typeof value === "number") writeNumber(output, value);
  else if (typeof value === "string") output.text(value);
  else if (value instanceof Uint8Array) output.binary(value);
  else if (typeof value !== "object") throw new TypeError(`Cannot write a ${typeof value} into a body`);
  else if (Array.isArray(value)) {
    output.array(value.length);
    for (const item of value) write(output, item, depth + 1);
  } else {
    const entries = (value instanceof Map ? [...value] : Object.entries(value)).filter(([, item]) =>
      item !== undefined
    );
    output.map(entries.length);
    for (const [key, item] of entries) {
      if (typeof key !== "string") throw new TypeError(`Cannot write a body whose key is a ${typeof key}`);
      output.text(key);
      write(output, item as Plain, depth + 1);
    }
  }
}

function writeNumber(output: Output, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) output.float(value);
  else if (value >= -0x8000_0000 && value < 0x1_0000_0000) output.int32(value, 127);
  else if (value < 0) output.int64(BigInt(value));
  else output.uint64(BigInt(value));
}

function read(input: Input, depth: number): Value {
  if (depth > NESTING_MAX) throw input.broken(`nests deeper than ${NESTING_MAX}`);
  const head = input.byte();
  if (head < HEAD.MAP) return head;
  if (head >= HEAD.NEGATIVE) return head - 0x100;
  if (head < HEAD.ARRAY) return readMap(input, head & 0x0f, depth);
  if (head < HEAD.TEXT) return readArray(input, head & 0x0f, depth);
  if (head < HEAD.NIL) return input.text(head & 0x1f);
  switch (head) {
    case HEAD.NIL:
      return null;
    case HEAD.FALSE:
      return false;
    case HEAD.TRUE:
      return true;
    case HEAD.BINARY8:
    case HEAD.BINARY8 + 1:
    case HEAD.BINARY8 + 2:
      return input.binary(input.length(head - HEAD.BINARY8));
    case HEAD.UINT64:
    case HEAD.INT64:
      return Number(input.bigint(head));
    case HEAD.FLOAT32:
    case HEAD.FLOAT64:
    case HEAD.UINT8:
    case HEAD.UINT16:
    case HEAD.UINT32:
    case HEAD.INT8:
    case HEAD.INT16:
    case HEAD.INT32:
      return input.number(head);
    case HEAD.TEXT8:
    case HEAD.TEXT8 + 1:
    case HEAD.TEXT8 + 2:
      return input.text(input.length(head - HEAD.TEXT8));
    case HEAD.ARRAY16:
    case HEAD.ARRAY32:
      return readArray(input, input.length(head - HEAD.ARRAY16 + 1), depth);
    case HEAD.MAP16:
    case HEAD.MAP32:
      return readMap(input, input.length(head - HEAD.MAP16 + 1), depth);
    default:
      throw input.broken(`holds type 0x${head.toString(16)}, which has no place in it`);
  }
}

function readArray(input: Input, count: number, depth: number): Value[] {
  input.expect(count);
  const items: Value[] = [];
  for (let left = count; left > 0; left--) items.push(read(input, depth + 1));
  return items;
}

function readMap(input: Input, count: number, depth: number): Body {
  input.expect(count * 2);
  const map: Body = new Map();
  for (let left = count; left > 0; left--) {
    const key = read(input, depth + 1);
    if (typeof key !== "string") throw input.broken("has a key that is not text");
    map.set(key, read(input, depth + 1));
  }
  return map;
}
