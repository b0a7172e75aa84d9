/**
 * Writes the structured encoding. Its description is in `structured_clone.ts`.
 *
 * An object gets a number only if it is met again, and that number belongs in front of it, where other bytes stand by
 * then. So the writer remembers where each object began, and puts the numbers in at the end, when everything is copied
 * into memory of the right size anyway.
 *
 * @module
 */
import { IpcError } from "./errors.ts";
import { HEAD, type Output, written } from "./msgpack_bytes.ts";
import {
  ARRAY_BUFFER,
  COSTLIEST,
  costMax,
  DATA_VIEW,
  EXTENSION,
  HEAVY,
  LIGHT,
  SHAPE_FIRST,
  SHAPES,
  VIEWS,
} from "./structured_types.ts";

/** Bytes of `d6 69 n` in front of an object that is met again. */
const ID_BYTES = 6;

/** @throws {IpcError} SERIALIZATION for what cannot be sent, or nests deeper than `nesting_max`. */
export function writeStructured(value: unknown, nesting_max: number): Uint8Array<ArrayBuffer> {
  let writer: Writer;
  return written(
    (output) => (writer = new Writer(output, nesting_max)).value(value, 0),
    () => writer.finish(),
  );
}

/** Shapes form a tree: one key leads from each to the next. `id` is 0 for one that has none (any more). */
interface Shape {
  id: number;
  next: Map<string, Shape>;
}

class Writer {
  readonly #output: Output;
  readonly #nesting_max: number;
  /** Where each object begins. */
  readonly #starts = new Map<object, number>();
  /** Numbers of those that were met again. */
  readonly #ids = new Map<object, number>();
  readonly #root: Shape = { id: 0, next: new Map() };
  /** By id, so that the oldest gives its id up when all are used. */
  readonly #shapes: Shape[] = [];
  #shapes_made = 0;
  #cost = 0;

  constructor(output: Output, nesting_max: number) {
    this.#output = output;
    this.#nesting_max = nesting_max;
  }

  value(value: unknown, depth: number): void {
    const output = this.#output;
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return output.byte(value ? HEAD.TRUE : HEAD.FALSE);
      case "undefined":
        return this.#tag(EXTENSION.UNDEFINED);
      case "bigint":
        return this.#bigint(value);
      case "object":
        return value === null ? output.byte(HEAD.NIL) : this.#object(value, depth);
      default:
        throw refused(`a ${typeof value} is no data`);
    }
  }

  /** Everything, with the numbers put in. */
  finish(): Uint8Array<ArrayBuffer> {
    const { bytes, at } = this.#output;
    const length = at + this.#ids.size * ID_BYTES;
    if (this.#cost > costMax(length)) {
      throw refused(`${this.#starts.size} objects in ${length} bytes are more than the other side would take`);
    }
    if (this.#ids.size === 0) return bytes.slice(0, at);
    const all = new Uint8Array(length), view = new DataView(all.buffer);
    const inserts = Array.from(this.#ids, ([object, id]) => ({ id, start: this.#starts.get(object)! }));
    let from = 0, to = 0;
    for (const { id, start } of inserts.sort((one, other) => one.start - other.start)) {
      all.set(bytes.subarray(from, start), to);
      to += start - from;
      from = start;
      all[to] = HEAD.EXTENSION_OF_1 + 2;
      all[to + 1] = EXTENSION.ID;
      view.setUint32(to + 2, id);
      to += ID_BYTES;
    }
    all.set(bytes.subarray(from, at), to);
    return all;
  }

  #object(value: object, depth: number): void {
    if (depth > this.#nesting_max) throw refused(`it nests deeper than ${this.#nesting_max} levels`);
    if (this.#starts.has(value)) return this.#pointer(value);
    this.#starts.set(value, this.#output.at);
    const prototype = Object.getPrototypeOf(value);
    const is_light = prototype === Object.prototype || prototype === Array.prototype;
    this.#cost += is_light ? LIGHT : value instanceof Error ? COSTLIEST : HEAVY;
    if (prototype === Object.prototype || prototype === null) this.#record(value, depth);
    else if (Array.isArray(value)) this.#array(value, depth);
    else if (value instanceof Map) this.#map(value, depth);
    else if (value instanceof Set) {
      this.#tag(EXTENSION.SET);
      this.#array([...value], depth);
    } else if (value instanceof Date) this.#date(value);
    else if (value instanceof Error) this.#error(value, depth);
    else if (value instanceof RegExp) {
      this.#tag(EXTENSION.REGEXP);
      this.#array([value.source, value.flags], depth);
    } else if (value instanceof ArrayBuffer) this.#memory(ARRAY_BUFFER, new Uint8Array(value));
    else if (ArrayBuffer.isView(value)) this.#view(value);
    else this.#instance(value, depth);
  }

  #pointer(value: object): void {
    let id = this.#ids.get(value);
    if (id === undefined) this.#ids.set(value, id = this.#ids.size + 1);
    this.#output.extension(EXTENSION.POINTER, 4);
    this.#output.uint32(id);
  }

  #record(value: object, depth: number): void {
    const keys = Object.keys(value);
    let shape = this.#root;
    for (const key of keys) {
      let next = shape.next.get(key);
      if (next === undefined) shape.next.set(key, next = { id: 0, next: new Map() });
      shape = next;
    }
    if (shape.id === 0) {
      const place = this.#shapes_made++ % SHAPES;
      if (this.#shapes[place] !== undefined) this.#shapes[place].id = 0;
      this.#shapes[place] = shape;
      shape.id = SHAPE_FIRST + place;
      this.#output.extension(EXTENSION.RECORD, 1);
      this.#output.byte(shape.id);
      this.#output.array(keys.length);
      for (const key of keys) this.#text(key);
    } else this.#output.byte(shape.id);
    for (const key of keys) this.value((value as Record<string, unknown>)[key], depth + 1);
  }

  #array(items: readonly unknown[], depth: number): void {
    this.#output.array(items.length);
    for (let at = 0; at < items.length; at++) this.value(items[at], depth + 1);
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.#output.map(map.size);
    for (const [key, value] of map) {
      this.value(key, depth + 1);
      this.value(value, depth + 1);
    }
  }

  #error(error: Error, depth: number): void {
    const fields: unknown[] = [String(error.name), String(error.message), error.cause];
    if (error instanceof AggregateError) fields.push(error.errors);
    this.#tag(EXTENSION.ERROR);
    this.#array(fields, depth);
  }

  #date(date: Date): void {
    const ms = date.getTime(), seconds = Math.floor(ms / 1000), output = this.#output;
    if (Number.isNaN(ms)) {
      output.extension(EXTENSION.DATE, 1);
      return output.byte(0xff);
    }
    const nanoseconds = (ms - seconds * 1000) * 1_000_000;
    if (nanoseconds === 0 && seconds >= 0 && seconds < 2 ** 32) {
      output.extension(EXTENSION.DATE, 4);
      output.uint32(seconds);
    } else if (seconds >= 0 && seconds < 2 ** 34) {
      // 30 bits of nanoseconds, 34 of seconds.
      output.extension(EXTENSION.DATE, 8);
      output.uint32((nanoseconds * 4 + Math.floor(seconds / 2 ** 32)) >>> 0);
      output.uint32(seconds >>> 0);
    } else {
      output.extension(EXTENSION.DATE, 12);
      output.uint32(nanoseconds);
      const at = output.reserve(8);
      output.view.setBigInt64(at, BigInt(seconds));
    }
  }

  #view(view: ArrayBufferView): void {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    if (view instanceof Uint8Array) return this.#output.binary(bytes);
    if (view instanceof DataView) return this.#memory(DATA_VIEW, bytes);
    this.#memory(VIEWS.findIndex((View) => view instanceof View), bytes);
  }

  #memory(code: number, bytes: Uint8Array): void {
    this.#output.extension(EXTENSION.MEMORY, bytes.length + 1);
    this.#output.byte(code);
    this.#output.copy(bytes);
  }

  /** Of a class that is not JavaScript's own. Those of the platform hold nothing that could be seen from outside. */
  #instance(value: object, depth: number): void {
    if (value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt) {
      return this.value(value.valueOf(), depth);
    }
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") return this.value(toJSON.call(value, ""), depth + 1);
    const tag = (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
    if (tag !== undefined) throw refused(`a ${tag} is no data`);
    this.#record(value, depth);
  }

  #text(text: string): void {
    if (text.isWellFormed()) return this.#output.text(text);
    // JSON writes lone surrogates as escapes, which leaves ASCII.
    const json = new TextEncoder().encode(JSON.stringify(text));
    this.#output.extension(EXTENSION.JSON_TEXT, json.length);
    this.#output.copy(json);
  }

  #number(value: number): void {
    const integer = Number.isInteger(value) && value >= -0x8000_0000 && value < 0x1_0000_0000;
    if (integer && !Object.is(value, -0)) this.#output.int32(value, SHAPE_FIRST - 1);
    else this.#output.float(value);
  }

  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) return this.#output.int64(value);
    if (BigInt.asUintN(64, value) === value) return this.#output.uint64(value);
    // Two's complement: of a negative number, every bit of its complement turned over.
    let hex = (value < 0n ? ~value : value).toString(16);
    if (hex.length % 2 === 1) hex = "0" + hex;
    else if (hex[0]! >= "8") hex = "00" + hex;
    const bytes = Uint8Array.fromHex(hex);
    if (value < 0n) { for (let at = 0; at < bytes.length; at++) bytes[at] = ~bytes[at]!; }
    this.#output.extension(EXTENSION.BIGINT, bytes.length);
    this.#output.copy(bytes);
  }

  /** An extension of one byte that says nothing. */
  #tag(type: number): void {
    this.#output.extension(type, 1);
    this.#output.byte(0);
  }
}

function refused(why: string): IpcError {
  return new IpcError("SERIALIZATION", `value cannot be sent: ${why}`);
}
