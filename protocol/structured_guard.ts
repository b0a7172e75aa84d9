/**
 * Looks over a structured payload before msgpackr reads it: one pass over its tokens that makes no values.
 *
 * msgpackr trusts its input with time, stack and memory. It would take a record of key "900" for two bytes and 11 KiB of
 * memory, compile a function for each shape that comes four times (11 us, 2.4 KiB), copy an array that contains itself
 * key by key, turn an array of shared arrays into text for a RegExp, and turn all of a value into JSON just to say that
 * bytes follow it. So what stands where is checked to the last byte, and what each value costs is added up.
 *
 * @module
 */
import { STRUCTURED_NESTING_MAX } from "./limits.ts";

/** What values cost beyond their bytes, in units of about 32 bytes or 0.1 us. */
const COST = {
  /** An array or a plain object. */
  LIGHT: 1,
  /** Map, Set, Date, memory. Also the number of a value. */
  HEAVY: 8,
  /** Error, RegExp. */
  COSTLIEST: 128,
  /** A byte of a RegExp's source. */
  SOURCE: 4,
  /** An item of an array that contains itself. */
  COPIED: 4,
  /** A shape, and each of its keys. */
  SHAPE: 8,
  KEY: 4,
  /** A shape that is compiled, and each of its keys. */
  COMPILED: 256,
  COMPILED_KEY: 32,
} as const;

/** A million arrays or a hundred thousand Maps are always allowed. */
function costMax(bytes: number): number {
  return 1_000_000 + bytes / 2;
}

/** msgpackr compiles a shape's reader at this read of it. */
const READS_TO_COMPILE = 4;
/** V8 makes a hash table of an object with more keys, and of its items if there is a larger gap or room for more. */
const KEYS_MAX = 128, GAP_MAX = 1024, ROOM_MAX = 5000;
/** What a hash table with one item takes, as room. */
const TABLE_ROOM = 32;
/** Kinds of memory: that of the last array of numbers, BigUint64Array, and two more. */
const VIEW_MAX = 10, ARRAY_BUFFER = 16, DATA_VIEW = 17;

/** The keys that records have in common, and what one of those costs. */
interface Shape {
  keys: number;
  cost: number;
  reads: number;
}

/** What is known of a number: it stands for keys, for an array or Error whose end is not reached, or for all else. */
type Numbered = Shape | number;
const INSIDE_ERROR = -1, DONE = 0;

/**
 * Checks that bytes are one value that can be read at a cost that its size justifies.
 *
 * @throws {Error} If not, with what `it` does wrong.
 */
export function guardStructured(bytes: Uint8Array): void {
  new Guard(bytes).check();
}

class Guard {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #cost_left: number;
  readonly #shapes: (Shape | undefined)[] = [];
  readonly #numbered = new Map<number, Numbered>();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#cost_left = costMax(bytes.length);
  }

  check(): void {
    this.#values(1, 0);
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw new Error(`it has ${left} bytes behind its end`);
  }

  #values(count: number, depth: number): void {
    if (depth > STRUCTURED_NESTING_MAX) throw new Error(`it nests deeper than ${STRUCTURED_NESTING_MAX} levels`);
    for (let left = count; left > 0; left--) {
      const head = this.#bytes[this.#take(1)]!;
      if (head < 0x40 || head >= 0xe0) continue;
      if (head < 0x80) {
        const shape = this.#shapes[head & 0x3f];
        if (shape !== undefined) this.#record(shape, depth);
      } else if (head < 0x90) this.#map(head & 0x0f, depth);
      else if (head < 0xa0) this.#array(head & 0x0f, depth);
      else if (head < 0xc0) this.#take(head & 0x1f);
      else this.#wide(head, depth);
    }
  }

  /** A value whose head does not say all of its length. */
  #wide(head: number, depth: number): void {
    if (head === 0xc1) throw new Error("it holds 0xc1, which no msgpack does");
    if (head < 0xc4) return; // null and booleans
    if (head < 0xc7) {
      this.#pay(COST.HEAVY);
      this.#take(this.#uint(head - 0xc4));
    } else if (head < 0xca) this.#extension(this.#uint(head - 0xc7), depth);
    else if (head < 0xcc) this.#take(head === 0xca ? 4 : 8);
    else if (head < 0xd4) this.#take(1 << (head & 3));
    else if (head < 0xd9) this.#extension(1 << head - 0xd4, depth);
    else if (head < 0xdc) this.#take(this.#uint(head - 0xd9));
    else if (head < 0xde) this.#array(this.#uint(head - 0xdb), depth);
    else this.#map(this.#uint(head - 0xdd), depth);
  }

  #array(count: number, depth: number): void {
    this.#pay(COST.LIGHT);
    this.#expect(count);
    this.#values(count, depth + 1);
  }

  #map(count: number, depth: number): void {
    this.#pay(COST.HEAVY);
    this.#expect(count * 2);
    this.#values(count * 2, depth + 1);
  }

  #record(shape: Shape, depth: number): void {
    shape.reads++;
    this.#pay(shape.cost + (shape.reads === READS_TO_COMPILE ? COST.COMPILED + shape.keys * COST.COMPILED_KEY : 0));
    this.#expect(shape.keys);
    this.#values(shape.keys, depth + 1);
  }

  #extension(length: number, depth: number): void {
    const type = this.#bytes[this.#take(1)]!, at = this.#take(length);
    if (type === 0x42 && length > 0) return; // BigInt
    if (type === 0xff) return this.#pay(COST.HEAVY); // Date
    if (type === 0x74 && length > 0) return this.#memory(this.#bytes[at]!);
    if (length === 1) {
      switch (type) {
        case 0x00: // undefined
          return;
        case 0x72:
          return this.#record(this.#shapes[this.#bytes[at]! & 0x3f] = this.#shape(), depth);
        case 0x73: // Set
          this.#pay(COST.HEAVY);
          return this.#values(this.#parts(), depth + 1);
        case 0x65: // Error
          this.#pay(COST.COSTLIEST);
          return this.#values(this.#parts(), depth + 1);
        case 0x78: // RegExp
          this.#pay(COST.COSTLIEST);
          if (this.#parts() !== 2) throw new Error("it holds what is no regular expression");
          this.#pay(this.#text() * COST.SOURCE);
          this.#text();
          return;
      }
    } else if (length === 4) {
      if (type === 0x69) return this.#number(this.#view.getUint32(at), depth);
      if (type === 0x70) return this.#pointer(this.#view.getUint32(at));
    }
    throw new Error(`it holds extension 0x${type.toString(16).padStart(2, "0")} of ${length} bytes, which is unknown`);
  }

  #memory(kind: number): void {
    if (kind > VIEW_MAX && kind !== ARRAY_BUFFER && kind !== DATA_VIEW) {
      throw new Error(`it holds memory of kind ${kind}, which is unknown`);
    }
    this.#pay(COST.HEAVY);
  }

  /** `number, value`: from now on pointers may say the number. */
  #number(number: number, depth: number): void {
    const at = this.#at, is_error = this.#bytes[at] === 0xd4 && this.#bytes[at + 1] === 0x65;
    this.#remember(number, is_error ? INSIDE_ERROR : this.#arrayCount() ?? DONE);
    this.#at = at;
    this.#values(1, depth + 1);
    this.#numbered.set(number, DONE);
  }

  #pointer(number: number): void {
    const what = this.#numbered.get(number);
    if (what === undefined) throw new Error(`it points at value ${number}, which is not there`);
    if (what === INSIDE_ERROR) throw new Error("it holds an Error that contains itself");
    if (typeof what !== "number") return;
    this.#pay(what * COST.COPIED);
    this.#numbered.set(number, DONE);
  }

  #remember(number: number, what: Numbered): void {
    this.#pay(COST.HEAVY);
    if (this.#numbered.has(number)) throw new Error(`it gives the number ${number} twice`);
    this.#numbered.set(number, what);
  }

  /** The keys of a record. When msgpackr defines a shape again, it points at the keys it wrote before. */
  #shape(): Shape {
    this.#pay(COST.SHAPE);
    const has_number = this.#bytes[this.#at] === 0xd6, type = this.#bytes[this.#at + 1];
    let number: number | undefined;
    if (has_number) {
      number = this.#view.getUint32(this.#take(6) + 2);
      const keys = this.#numbered.get(number);
      if (type === 0x70 && typeof keys === "object") return { ...keys, reads: 0 };
      if (type !== 0x69) throw new Error("it describes an object by what are no keys");
    }
    const shape = { keys: this.#parts(), cost: COST.LIGHT, reads: 0 };
    this.#pay(shape.keys * COST.KEY);
    let room = 0;
    for (let left = shape.keys; left > 0; left--) room = roomWith(this.#key(), room);
    shape.cost += room / 4 + (shape.keys > KEYS_MAX ? shape.keys : 0);
    if (number !== undefined) this.#remember(number, shape);
    return shape;
  }

  /** Goes past a key. @returns The index that it is to an object, else NaN. */
  #key(): number {
    const length = this.#text();
    let index = length > 0 && length <= 10 ? 0 : NaN;
    for (let at = this.#at - length; at < this.#at && index >= 0; at++) {
      const digit = this.#bytes[at]! - 0x30;
      index = digit >= 0 && digit <= 9 ? index * 10 + digit : NaN;
    }
    return index;
  }

  /** Goes past a text. @returns Its length. */
  #text(): number {
    const head = this.#bytes[this.#take(1)]!;
    let length = head & 0x1f;
    if (head >= 0xd9 && head < 0xdc) length = this.#uint(head - 0xd9);
    else if (head < 0xa0 || head >= 0xc0) throw new Error("it lacks a text where one must be");
    this.#take(length);
    return length;
  }

  /** Goes past the head of an array. @returns How many items are to follow. */
  #parts(): number {
    const count = this.#arrayCount();
    if (count === undefined) throw new Error("it lacks an array where one must be");
    this.#expect(count);
    return count;
  }

  #arrayCount(): number | undefined {
    const head = this.#bytes[this.#at++];
    if (head === undefined) return undefined;
    if (head >= 0x90 && head < 0xa0) return head & 0x0f;
    return head === 0xdc || head === 0xdd ? this.#uint(head - 0xdb) : undefined;
  }

  /** A number in 1, 2 or 4 bytes, for `wide` 0, 1, 2. */
  #uint(wide: number): number {
    const at = this.#take(1 << wide);
    return wide === 0 ? this.#bytes[at]! : wide === 1 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw new Error("it ends early");
    this.#at = at + count;
    return at;
  }

  /** Every item takes at least one byte, so a count beyond what is left is a lie. */
  #expect(count: number): void {
    if (count > this.#bytes.length - this.#at) throw new Error("it ends early");
  }

  #pay(cost: number): void {
    this.#cost_left -= cost;
    if (this.#cost_left < 0) throw new Error("it holds too many objects for its size");
  }
}

/** For how many items an object has room that had it for `room` and gets one at `index`: as V8 grows arrays. */
function roomWith(index: number, room: number): number {
  if (!(index >= room)) return room;
  return index - room < GAP_MAX ? Math.min(ROOM_MAX, index * 1.5 + 16) : room + TABLE_ROOM;
}
