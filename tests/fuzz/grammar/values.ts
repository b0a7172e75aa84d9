/**
 * Values of JavaScript, of every kind that a message may hold.
 *
 * @module
 */
import type { Plain } from "../../../protocol/msgpack.ts";
import type { Choices } from "../random.ts";

const NUMBERS = [
  ...[0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 64],
  ...[-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53), 0.1, 1.5, 1e300, 5e-324],
  ...[NaN, Infinity, -Infinity],
];
const KEYS = [
  "a",
  "b",
  "c",
  "d e",
  "toJSON",
  "constructor",
  "toString",
  "then",
  "length",
  "0",
  "1",
  "900",
  "4294967294",
];
const VIEWS = [
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
];
const ERRORS = [Error, TypeError, RangeError, SyntaxError];

/** What cannot be sent, and is to be refused by name. */
const NO_DATA: readonly (() => unknown)[] = [
  () => () => 0,
  () => Symbol("x"),
  () => new WeakMap(),
  () => Object(1),
  () => JSON.parse('{"__proto__":1}'),
  () => ({ __keys__: [1] }),
  () => ({ hasOwnProperty: () => true }),
  () => new Float16Array(2),
];

/** A body as a program would write one. */
export function plainBody(choices: Choices): { [key: string]: Plain } {
  const body: { [key: string]: Plain } = Object.create(null);
  for (let left = choices.below(6); left > 0; left--) body[text(choices)] = plain(choices, 0);
  return body;
}

function plain(choices: Choices, depth: number): Plain {
  switch (choices.below(depth > 5 ? 6 : 9)) {
    case 0:
      return choices.pick([null, undefined, true, false]);
    case 1:
    case 2:
      return number(choices);
    case 3:
    case 4:
      return text(choices);
    case 5:
      return choices.bytes(choices.size(300));
    case 6:
      return choices.many(choices.size(depth === 0 ? 300 : 20), () => plain(choices, depth + 1));
    case 7:
      return new Map(choices.many(choices.size(20), () => [text(choices), plain(choices, depth + 1)]));
    default:
      return Object.fromEntries(choices.many(choices.size(5), () => [choices.pick(KEYS), plain(choices, depth + 1)]));
  }
}

/** What only JSON can say. */
export function jsonValue(choices: Choices, depth = 0): unknown {
  switch (choices.below(depth > 5 ? 4 : 6)) {
    case 0:
      return choices.pick([null, true, false]);
    case 1: {
      const one = number(choices);
      return Number.isFinite(one) ? one : 0;
    }
    case 2:
    case 3:
      return text(choices);
    case 4:
      return choices.many(choices.size(8), () => jsonValue(choices, depth + 1));
    default:
      return Object.fromEntries(
        choices.many(choices.size(6), () => [choices.pick(KEYS), jsonValue(choices, depth + 1)]),
      );
  }
}

/** What a structured message can hold, the same thing in several places and inside itself included. */
export function anyValue(choices: Choices): unknown {
  const made: object[] = [];
  const make = (depth: number): unknown => {
    if (choices.oneIn(120)) return choices.pick(NO_DATA)();
    const kind = choices.below(depth > 5 ? 7 : 14);
    switch (kind) {
      case 0:
        return choices.pick([null, undefined, true, false]);
      case 1:
      case 2:
        return number(choices);
      case 3:
        return text(choices);
      case 4:
        return BigInt.asIntN(1 + choices.below(200), BigInt(choices.u32()) ** BigInt(1 + choices.below(5)));
      case 5:
        return new Date(choices.pick([0, -1, 1, 1e12 + choices.below(1e6), 8.64e15, NaN]));
      case 6:
        return made.length === 0 ? [] : choices.pick(made);
    }
    const object = container(choices, kind, () => make(depth + 1), made);
    return object;
  };
  return make(0);
}

function container(choices: Choices, kind: number, inner: () => unknown, made: object[]): object {
  const kept = <T extends object>(object: T): T => {
    made.push(object);
    return object;
  };
  const count = choices.size(6);
  switch (kind) {
    case 7: {
      const list = kept<unknown[]>([]);
      for (let left = count; left > 0; left--) list.push(inner());
      return list;
    }
    case 8: {
      const map = kept(new Map<unknown, unknown>());
      for (let left = count; left > 0; left--) map.set(inner(), inner());
      return map;
    }
    case 9: {
      const set = kept(new Set<unknown>());
      for (let left = count; left > 0; left--) set.add(inner());
      return set;
    }
    case 10: // An error must not contain itself, so it is not kept before it is whole.
      return new (choices.pick(ERRORS))(text(choices), choices.oneIn(2) ? { cause: text(choices) } : undefined);
    case 11:
      return kept(new (choices.pick(VIEWS))(choices.many(count, () => choices.below(256))));
    case 12:
      return choices.pick([/a\/b/g, /[\n]x/dimsuy, /(?:)/v]);
    default: {
      const object = kept<Record<string, unknown>>({});
      for (let left = count; left > 0; left--) {
        const key = choices.pick(KEYS), value = inner();
        // What has `toJSON()` arrives as what that returns, and is not refused.
        if (key !== "toJSON" || typeof value !== "function") object[key] = value;
      }
      return object;
    }
  }
}

/** No -0: it arrives as 0 in every encoding. */
function number(choices: Choices): number {
  return choices.oneIn(2) ? choices.pick(NUMBERS) : choices.u32() / choices.pick([1, 1, 7, -3]) || 0;
}

/** Well-formed: UTF-8 has no lone surrogates. */
function text(choices: Choices): string {
  if (choices.oneIn(2)) return choices.pick(KEYS);
  const letters = ["a", "b", "é", "€", "\u{1f600}", "\0", '"', "\\", "\n", "\u2028", "\ufeff"];
  const all = choices.many(choices.size(90), () => choices.pick(letters)).join("");
  return all.startsWith("\ufeff") ? `a${all}` : all;
}
