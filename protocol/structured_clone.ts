/**
 * The structured encoding of payloads: msgpack with the extensions of npm's `msgpackr` (`structuredClone: true`,
 * `moreTypes: true`, records on), so that programs that use that library read and write it too. What goes beyond plain
 * msgpack:
 *
 *     d4 00 00                        undefined
 *     d4 72 id, keys, values          a plain object: its shape, called `id` (40..7f) from here on
 *     id, values                      another of that shape. So the integers 64..127 are written as cc xx
 *     80.., de, df                    a Map
 *     d4 73 00, array                 a Set
 *     d4 65 00, [name, message, cause]          an Error; an AggregateError has its errors as a fourth
 *     d4 78 00, [source, flags]       a RegExp
 *     d3, cf, extension 42            a BigInt: 64 bits, or two's complement of any length, big-endian
 *     extension 74: code, memory      an ArrayBuffer (10), a DataView (11) or the view that VIEWS has at `code`
 *     extension ff                    a Date, in the three forms of msgpack's timestamp; of one byte: an invalid one
 *     extension 6a                    JSON text of a string with lone surrogates (this one is not msgpackr's)
 *     d6 69 n (u32), value            the value is number n
 *     d6 70 n                         number n again
 *
 * Why not msgpackr itself (2.1.3, tried): its reader compiles code from keys that strangers chose, calls the key
 * `__proto__` something else, drops a byte order mark, turns an Error that contains itself into a plain object and an
 * AggregateError's message into its errors; its writer sends -0 as 0, a Promise as {}, a function as undefined, throws on
 * a Float16Array, and on an object with a key `__keys__`. And it takes 5 ms to load where a whole start takes 12.
 *
 * @module
 */
import type { StructuredCodec } from "./payload.ts";
import { readStructured } from "./structured_reader.ts";
import { writeStructured } from "./structured_writer.ts";

/** How deep values may nest unless somebody says otherwise: reading recurses. */
export const STRUCTURED_NESTING_MAX = 1000;

/**
 * Makes a codec that refuses what nests deeper than this.
 *
 * @param nesting_max At most {@linkcode STRUCTURED_NESTING_MAX}, so that the stack suffices.
 * @throws {RangeError} If it is more.
 */
export function createStructuredCodec(nesting_max: number): StructuredCodec {
  if (!(nesting_max <= STRUCTURED_NESTING_MAX)) {
    throw new RangeError(`Cannot read values nested ${nesting_max} deep, limit is ${STRUCTURED_NESTING_MAX}`);
  }
  return {
    encode: (value) => writeStructured(value, nesting_max),
    decode: (bytes) => readStructured(bytes, nesting_max),
  };
}

/**
 * Writes and reads whatever structured clone can hold: Map, Set, Date, BigInt, Error with cause, RegExp, ArrayBuffer and
 * its views, `undefined`, NaN, -0, holes as `undefined`, and the same object in several places, inside itself included.
 * Views of one ArrayBuffer come out with memory of their own.
 *
 * Instances of classes arrive as plain objects of their own fields; one that has `toJSON()` arrives as what it returns.
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
export const structuredCodec: StructuredCodec = createStructuredCodec(STRUCTURED_NESTING_MAX);
