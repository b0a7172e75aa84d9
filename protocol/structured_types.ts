/**
 * What the structured encoding's writer and reader have to agree on. Its description is in `structured_clone.ts`.
 *
 * @module
 */

/** Types of extensions. Letters, as msgpackr has them. */
export const EXTENSION = {
  UNDEFINED: 0x00,
  BIGINT: 0x42,
  ERROR: 0x65,
  ID: 0x69,
  JSON_TEXT: 0x6a,
  POINTER: 0x70,
  RECORD: 0x72,
  SET: 0x73,
  MEMORY: 0x74,
  REGEXP: 0x78,
  DATE: 0xff,
} as const;

/** The first byte of a record is its shape's id, 40 to 7f. */
export const SHAPES = 64, SHAPE_FIRST = 0x40;

/** Views of memory, by their code. */
export const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  Float16Array,
] as const;

/** The codes of what is no array of numbers. */
export const ARRAY_BUFFER = 0x10, DATA_VIEW = 0x11;

/**
 * What an object costs beyond what it holds, in units of about 32 bytes: an array or plain object, any other, and an
 * error, which takes microseconds too.
 */
export const LIGHT = 1, HEAVY = 8, COSTLIEST = 64;

/**
 * What the objects of a payload may cost together, in the same units. An empty Map is one byte of payload and 200 of
 * memory: without a limit 16 MiB could become 3 GiB. A million arrays or a hundred thousand Maps are always allowed.
 */
export function costMax(bytes: number): number {
  return 1_000_000 + bytes / 2;
}
