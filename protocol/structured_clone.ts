/**
 * The structured encoding of payloads: msgpack as npm's `msgpackr` writes it with `structuredClone: true` and records on.
 * Map, Set, Date, BigInt, Error with its cause, RegExp, ArrayBuffer and its views, `undefined`, NaN, and the same object
 * in several places, inside itself included, arrive as they were. Instances of classes arrive as plain objects of their
 * own fields; one that has `toJSON()` arrives as what it returns; holes arrive as `undefined`.
 *
 * What `structuredClone()` refuses is refused, by name. These are limits of msgpackr:
 *
 * - -0 arrives as 0, and a lone surrogate within a text as U+FFFD
 * - a text of more than 64 bytes loses a byte order mark at its start; bytes that are not UTF-8 are read as U+FFFD
 * - the keys `__proto__` and `__keys__` of objects (not of a Map), an Error that contains itself, a Float16Array and
 *   classes derived from Map or from typed arrays are refused
 *
 * Import it dynamically, when a structured payload appears: loading msgpackr takes 5 ms of a start of 12.
 *
 * @module
 */
import { addExtension, Packr, Unpackr } from "msgpackr/pack";
import { IpcError } from "./errors.ts";
import type { StructuredCodec } from "./payload.ts";
import { guardStructured } from "./structured_guard.ts";

const FORMAT = { structuredClone: true, moreTypes: true } as const;

/** The same objects as without `useRecords`: it is where every object comes past that msgpackr has no type for. */
const packr = new Packr({ ...FORMAT, useRecords: refuseNoData, writeFunction: refuseFunction });
const unpackr = new Unpackr({ ...FORMAT, copyBuffers: true });

/** msgpackr's modes of packing: write where the last message stood, which has been copied. Return all of the memory. */
const RESET_BUFFER_MODE = 1024, REUSE_BUFFER_MODE = 512;
/** msgpackr keeps the memory that its largest message took; after a larger one than this it goes back to this memory. */
const KEPT_BYTES_MAX = 64 * 1024;
const memory = packr.pack(null, REUSE_BUFFER_MODE);

/** Values that are being written: a `toJSON()` may write one within another. */
let writing = 0;

/**
 * Writes and reads what JSON cannot say.
 *
 * @example
 * ```ts
 * import { structuredCodec } from "./structured_clone.ts";
 *
 * const counts = new Map([["seen", 3n]]);
 * const copy = structuredCodec.decode(structuredCodec.encode(counts)) as typeof counts;
 * if (copy.get("seen") !== 3n) throw new Error("does not round-trip");
 * ```
 */
export const structuredCodec: StructuredCodec = {
  encode(value) {
    writing++;
    try {
      const bytes = new Uint8Array(packr.pack(value, RESET_BUFFER_MODE));
      guardStructured(bytes); // so that what is sent can be read
      if (writing === 1 && bytes.length > KEPT_BYTES_MAX) packr.useBuffer(memory);
      return bytes;
    } catch (error) {
      throw refused("value cannot be sent", error);
    } finally {
      writing--;
    }
  },
  decode(bytes) {
    try {
      guardStructured(bytes);
      // A view of its own, because msgpackr leaves a property on it.
      return unpackr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    } catch (error) {
      throw refused("structured payload cannot be read", error);
    }
  },
};

function refused(what: string, cause: unknown): IpcError {
  return new IpcError("SERIALIZATION", `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}

function refuseFunction(): never {
  throw new TypeError("a function is no data");
}

/** Whether an object is to be written as a record: always, if at all. */
function refuseNoData(object: object): true {
  const prototype = Object.getPrototypeOf(object), { hasOwnProperty } = object;
  if (prototype !== Object.prototype) {
    // Promise, WeakMap, Blob, Number, and also what is derived from a Map: they would be sent empty.
    const kind = Object.prototype.toString.call(object).slice(8, -1);
    if (kind !== "Object") throw new TypeError(`a ${kind} is no data`);
  }
  // msgpackr asks it which keys to write values for, but writes all keys.
  if (typeof hasOwnProperty === "function" && hasOwnProperty !== Object.prototype.hasOwnProperty) refuseFunction();
  // msgpackr renames the first, and takes the second for a field of its own.
  for (const key of ["__proto__", "__keys__"]) {
    if (Object.hasOwn(object, key)) throw new TypeError(`an object has the key ${key}`);
  }
  return true;
}

/** Errors that arrive as what they were. All others become an `Error` of that name. */
const ERRORS = new Map<unknown, ErrorConstructor>(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((Class) => [Class.name, Class]),
);

// In place of msgpackr's own, which forgets the errors of an AggregateError and calls whatever function has the name.
addExtension({
  Class: Error,
  type: 0x65,
  write: (error: Error) => {
    const fields = [String(error.name), String(error.message), error.cause];
    return error instanceof AggregateError ? [...fields, error.errors] : fields;
  },
  read: ([name, message, cause, errors]: unknown[]) => {
    if (typeof name !== "string" || typeof message !== "string") {
      throw new TypeError("it holds an Error without a text");
    }
    const error = errors === undefined ? new (ERRORS.get(name) ?? Error)(message) : new AggregateError([], message);
    if (error.name !== name) hide(error, "name", name);
    if (cause !== undefined) hide(error, "cause", cause);
    if (errors !== undefined) hide(error, "errors", errors);
    return error;
  },
});

/** Sets a property as JavaScript's own errors have it: not among those that are listed. */
function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, configurable: true, enumerable: false, writable: true });
}

// msgpackr calls whatever `toJSON` an object has. One that is a field with data in it, of an object that has a field
// `constructor` or no prototype too, is data like the others.
addExtension({
  Class: { [Symbol.hasInstance]: hasFieldToJson } as unknown as new () => object,
  write: (object: object) => object,
});

function hasFieldToJson(object: { toJSON?: unknown }): boolean {
  const { toJSON } = object;
  return Boolean(toJSON) && typeof toJSON !== "function" &&
    Object.prototype.toString.call(object) === "[object Object]";
}
