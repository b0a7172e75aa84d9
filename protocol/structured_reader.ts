/**
 * Reads the structured encoding, from strangers. Its description is in `structured_clone.ts`.
 *
 * Nothing is allocated for a length or a count before that many bytes are there, nesting and the number of objects have
 * limits, only types of the description make an object, and no key reaches a prototype.
 *
 * @module
 */
import { IpcError } from "./errors.ts";
import { HEAD, Input } from "./msgpack_bytes.ts";
import {
  ARRAY_BUFFER,
  COSTLIEST,
  costMax,
  DATA_VIEW,
  EXTENSION,
  HEAVY,
  LIGHT,
  SHAPE_FIRST,
  VIEWS,
} from "./structured_types.ts";

/** @throws {IpcError} SERIALIZATION for bytes that are not one value, or nest deeper than `nesting_max`. */
export function readStructured(bytes: Uint8Array, nesting_max: number): unknown {
  const reader = new Reader(bytes, nesting_max);
  try {
    const value = reader.value(0);
    reader.finish();
    return value;
  } catch (error) {
    // The engine's own limits: a BigInt of over 128 MiB, a caller who has used the stack up.
    if (!(error instanceof RangeError)) throw error;
    throw new IpcError("SERIALIZATION", `structured payload cannot be read: ${error.message}`, { cause: error });
  }
}

/** Arrays up to this length get their room at once. */
const ROOM_AHEAD_MAX = 1024;

/** Errors that arrive as what they were; all others become an `Error` of that name. */
const ERRORS = new Map<string, ErrorConstructor>(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((Class) => [Class.name, Class]),
);

class Reader {
  readonly #input: Input;
  readonly #nesting_max: number;
  readonly #numbered = new Map<number, unknown>();
  readonly #shapes: (string[] | undefined)[] = [];
  #cost_left: number;
  /** Number of the object that comes next, if it has one. */
  #id: number | undefined;

  constructor(bytes: Uint8Array, nesting_max: number) {
    this.#input = new Input(bytes, "structured payload");
    this.#nesting_max = nesting_max;
    this.#cost_left = costMax(bytes.length);
  }

  finish(): void {
    const left = this.#input.bytes.length - this.#input.at;
    if (left > 0) throw this.#broken(`has ${left} bytes behind its end`);
  }

  value(depth: number): unknown {
    const input = this.#input;
    if (depth > this.#nesting_max) throw this.#broken(`nests deeper than ${this.#nesting_max} levels`);
    const head = input.byte();
    if (head < SHAPE_FIRST) return head;
    if (head < HEAD.MAP) {
      const shape = this.#shapes[head];
      return shape === undefined ? head : this.#record(shape, depth);
    }
    if (head >= HEAD.NEGATIVE) return head - 0x100;
    if (head < HEAD.ARRAY) return this.#map(head & 0x0f, depth);
    if (head < HEAD.TEXT) return this.#array(head & 0x0f, depth);
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
        return this.#made(input.binary(input.length(head - HEAD.BINARY8)), HEAVY);
      case HEAD.EXTENSION8:
      case HEAD.EXTENSION8 + 1:
      case HEAD.EXTENSION8 + 2:
        return this.#extension(input.length(head - HEAD.EXTENSION8), depth);
      case HEAD.UINT64:
      case HEAD.INT64:
        return input.bigint(head);
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
        return this.#array(input.length(head - HEAD.ARRAY16 + 1), depth);
      case HEAD.MAP16:
      case HEAD.MAP32:
        return this.#map(input.length(head - HEAD.MAP16 + 1), depth);
      case 0xc1:
        throw this.#broken("holds 0xc1, which no msgpack does");
      default:
        return this.#extension(1 << head - HEAD.EXTENSION_OF_1, depth);
    }
  }

  #extension(length: number, depth: number): unknown {
    const type = this.#input.byte(), at = this.#input.take(length), { bytes, view } = this.#input;
    switch (type) {
      case EXTENSION.UNDEFINED:
        if (length === 1) return undefined;
        break;
      case EXTENSION.RECORD:
        if (length === 1) return this.#record(this.#shape(bytes[at]!, depth), depth);
        break;
      case EXTENSION.SET:
        if (length === 1) return this.#set(depth);
        break;
      case EXTENSION.ERROR:
        if (length === 1) return this.#error(depth);
        break;
      case EXTENSION.REGEXP:
        if (length === 1) return this.#regexp(depth);
        break;
      case EXTENSION.ID:
        if (length === 4) return this.#identified(view.getUint32(at), depth);
        break;
      case EXTENSION.POINTER:
        if (length === 4) return this.#pointed(view.getUint32(at));
        break;
      case EXTENSION.BIGINT:
        return this.#bigint(bytes.subarray(at, at + length));
      case EXTENSION.MEMORY:
        return this.#memory(bytes[at]!, at + 1, length - 1);
      case EXTENSION.DATE:
        return this.#made(new Date(this.#milliseconds(at, length)), HEAVY);
      case EXTENSION.JSON_TEXT:
        return this.#jsonText(at, length);
    }
    throw this.#broken(`holds extension 0x${type.toString(16).padStart(2, "0")} of ${length} bytes, which is unknown`);
  }

  /** Counts an object and lets it be pointed at. What holds others comes here before they are read. */
  #made<T>(object: T, cost: number): T {
    this.#cost_left -= cost;
    if (this.#cost_left < 0) throw this.#broken("holds too many objects for its size");
    if (this.#id !== undefined) {
      this.#numbered.set(this.#id, object);
      this.#id = undefined;
    }
    return object;
  }

  #identified(id: number, depth: number): unknown {
    if (this.#id !== undefined) throw this.#broken("gives one value two numbers");
    this.#id = id;
    const value = this.value(depth);
    // A text or number: msgpackr numbers what an object's toJSON() returned.
    if (this.#id !== undefined) this.#made(value, 0);
    return value;
  }

  #pointed(id: number): unknown {
    if (!this.#numbered.has(id)) throw this.#broken(`points at value ${id}, which is not there`);
    return this.#numbered.get(id);
  }

  #array(count: number, depth: number): unknown[] {
    this.#input.expect(count);
    // The first push into an empty array makes room for 17. Room for what is announced is only made for a few, since
    // each level of nesting could announce as much again.
    const array = this.#made<unknown[]>(count <= ROOM_AHEAD_MAX ? new Array(count) : [], LIGHT);
    for (let at = 0; at < count; at++) array[at] = this.value(depth + 1);
    return array;
  }

  #map(count: number, depth: number): Map<unknown, unknown> {
    this.#input.expect(count * 2);
    const map = this.#made(new Map<unknown, unknown>(), HEAVY);
    for (let left = count; left > 0; left--) {
      const key = this.value(depth + 1);
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  #set(depth: number): Set<unknown> {
    const set = this.#made(new Set<unknown>(), HEAVY);
    for (let left = this.#count(); left > 0; left--) set.add(this.value(depth + 1));
    return set;
  }

  /** The keys of a record. msgpackr may point at those it wrote before. */
  #shape(id: number, depth: number): string[] {
    const own = this.#id;
    this.#id = undefined;
    const keys = this.value(depth + 1);
    this.#id = own;
    if (!Array.isArray(keys) || !keys.every((key) => typeof key === "string")) {
      throw this.#broken("describes an object by what are no keys");
    }
    return this.#shapes[id & 0x3f | SHAPE_FIRST] = keys;
  }

  #record(keys: readonly string[], depth: number): object {
    this.#input.expect(keys.length);
    const object = this.#made<Record<string, unknown>>({}, LIGHT);
    for (const key of keys) {
      const value = this.value(depth + 1);
      if (key !== "__proto__") object[key] = value;
      else Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
    }
    return object;
  }

  #error(depth: number): Error {
    const id = this.#id;
    this.#id = undefined;
    const count = this.#count(), name = this.value(depth + 1), message = this.value(depth + 1);
    if (count < 3 || count > 4 || typeof name !== "string" || typeof message !== "string") {
      throw this.#broken("holds an error without name and message");
    }
    this.#id = id;
    const error = this.#made(makeError(count === 4 ? AggregateError : ERRORS.get(name) ?? Error, message), COSTLIEST);
    if (error.name !== name) hide(error, "name", name);
    const cause = this.value(depth + 1);
    if (cause !== undefined) hide(error, "cause", cause);
    if (count === 4) hide(error, "errors", this.value(depth + 1));
    return error;
  }

  #regexp(depth: number): RegExp {
    const id = this.#id;
    this.#id = undefined;
    const count = this.#count(),
      source = this.value(depth + 1),
      flags = count === 2 ? this.value(depth + 1) : undefined;
    this.#id = id;
    try {
      if (typeof source === "string" && typeof flags === "string") return this.#made(new RegExp(source, flags), HEAVY);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    throw this.#broken("holds what is no regular expression");
  }

  #bigint(bytes: Uint8Array): bigint {
    if (bytes.length === 0) throw this.#broken("holds a number of no bytes");
    const value = BigInt("0x" + bytes.toHex());
    return bytes[0]! < 0x80 ? value : value - (1n << BigInt(bytes.length * 8));
  }

  #memory(code: number, at: number, length: number): unknown {
    const View = VIEWS[code];
    if (length < 0 || View === undefined && code !== ARRAY_BUFFER && code !== DATA_VIEW) {
      throw this.#broken(`holds memory of kind ${code}, which is unknown`);
    }
    if (View !== undefined && length % View.BYTES_PER_ELEMENT !== 0) {
      throw this.#broken(`holds a ${View.name} of ${length} bytes`);
    }
    const { buffer } = new Uint8Array(this.#input.bytes.subarray(at, at + length));
    return this.#made(
      View !== undefined ? new View(buffer) : code === DATA_VIEW ? new DataView(buffer) : buffer,
      HEAVY,
    );
  }

  #milliseconds(at: number, length: number): number {
    const { view } = this.#input;
    switch (length) {
      case 1:
        return NaN;
      case 4:
        return view.getUint32(at) * 1000;
      case 8: {
        const high = view.getUint32(at);
        return ((high & 3) * 2 ** 32 + view.getUint32(at + 4)) * 1000 + Math.floor((high >>> 2) / 1_000_000);
      }
      case 12:
        return Number(view.getBigInt64(at + 4)) * 1000 + Math.floor(view.getUint32(at) / 1_000_000);
      default:
        throw this.#broken(`holds a date of ${length} bytes`);
    }
  }

  #jsonText(at: number, length: number): string {
    try {
      const text: unknown = JSON.parse(new TextDecoder().decode(this.#input.bytes.subarray(at, at + length)));
      if (typeof text === "string") return text;
    } catch { /* said below */ }
    throw this.#broken("holds text that is not JSON");
  }

  /** Of an array whose items are the parts of something else. */
  #count(): number {
    const head = this.#input.byte();
    const count = head >= HEAD.ARRAY && head < HEAD.TEXT
      ? head & 0x0f
      : head === HEAD.ARRAY16 || head === HEAD.ARRAY32
      ? this.#input.length(head - HEAD.ARRAY16 + 1)
      : undefined;
    if (count === undefined) throw this.#broken("lacks an array where one must be");
    this.#input.expect(count);
    return count;
  }

  #broken(what: string): IpcError {
    return this.#input.broken(what);
  }
}

/** Without a stack: it would tell of this reader, not of where the error was thrown, and is costly. */
function makeError(Class: ErrorConstructor | AggregateErrorConstructor, message: string): Error {
  const frames = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return Class === AggregateError ? new AggregateError([], message) : new (Class as ErrorConstructor)(message);
  } finally {
    Error.stackTraceLimit = frames;
  }
}

/** Sets a property as JavaScript's own errors have it: not among those that are listed. */
function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, configurable: true, enumerable: false, writable: true });
}
