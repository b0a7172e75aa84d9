/**
 * Any payload as one line of JSON, for people and for shells. It is a view: what JSON cannot say is written as what a
 * reader would expect, and cannot be told from it afterwards.
 *
 * A stranger decides what is in a payload. Structured ones can hold one object in many places, each of which can hold
 * the next in many places, so that a few hundred bytes would make a line of gigabytes. What stands in the line already is
 * copied rather than written anew; and once a line has a million characters, it is written as `"[Repeated]"`. What contains
 * itself cannot be copied, for it looks different elsewhere, so a hundred thousand are enough for that.
 *
 * @module
 */

/** From here on nothing is written twice. */
const REPEATS_UP_TO = 1_000_000, CIRCULAR_REPEATS_UP_TO = 100_000;
/** Up to so many items that hold none themselves are written anew each time: that is as fast as to look them up. */
const SMALL_ITEMS_MAX = 8;
/** JSON itself has no limit; the stack does. */
const NESTING_SHOWN_MAX = 1000;

/**
 * Writes a decoded payload as one line of JSON.
 *
 * A Map with only text keys becomes an object, any other an array of pairs; a Set an array; a Date its ISO form; a BigInt
 * a number if that is exact, else text; bytes and everything else made of memory `{"encoding":"base64","data":...}`; an
 * Error its name, message and cause; a RegExp `"/a/g"`; what is inside itself `"[Circular]"`; `undefined` and the rest
 * `null`.
 *
 * @param characters_max Limit of the line.
 * @throws {RangeError} If it would be longer.
 *
 * @example
 * ```ts
 * import { toJsonText } from "./json_view.ts";
 *
 * const line = toJsonText(new Map<string, unknown>([["at", new Date(0)], ["sizes", new Set([1n, 2n])]]));
 * if (line !== '{"at":"1970-01-01T00:00:00.000Z","sizes":[1,2]}') throw new Error(line);
 * ```
 */
export function toJsonText(data: unknown, characters_max = Infinity): string {
  const view = new View(characters_max);
  view.value(data);
  return view.text;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

class View {
  /** What is written of the object at hand; in the end, of everything. */
  text = "";
  /** Characters in front of `text`. */
  #before = 0;
  /** What the value at hand is inside of. */
  readonly #path = new Set<object>();
  /** What objects look like, if they look the same wherever they stand. */
  readonly #shown = new Map<object, string | undefined>();
  /** Whether `text` would look different elsewhere. */
  #depends_on_place = false;
  readonly #characters_max: number;

  constructor(characters_max: number) {
    this.#characters_max = characters_max;
  }

  value(value: unknown): void {
    if (this.#before + this.text.length > this.#characters_max) {
      throw new RangeError(`value takes more than ${this.#characters_max} characters as JSON`);
    }
    switch (typeof value) {
      case "string":
      case "number":
      case "boolean":
        this.text += JSON.stringify(value);
        break;
      case "bigint":
        this.text += Number.isSafeInteger(Number(value)) ? value : `"${value}"`;
        break;
      case "object":
        if (value === null) this.text += "null";
        else this.#object(value);
        break;
      default:
        this.text += "null";
    }
  }

  #object(value: object): void {
    if (Array.isArray(value) && value.length <= SMALL_ITEMS_MAX && !value.some(isObject)) {
      this.#array(value); // Most of what there is, and nothing that needs to be remembered.
    } else if (value instanceof Date) {
      this.text += JSON.stringify(value);
    } else if (value instanceof RegExp) {
      this.text += JSON.stringify(String(value));
    } else if (this.#path.has(value)) {
      this.#mark("Circular");
    } else if (this.#isEnough(value)) {
      this.#mark("Repeated");
    } else if (this.#path.size === NESTING_SHOWN_MAX) {
      this.#mark("Nested too deep");
    } else {
      this.#whole(value);
    }
  }

  /** Whether it has been written, and is not to be written again. */
  #isEnough(value: object): boolean {
    const characters = this.#before + this.text.length;
    if (characters <= CIRCULAR_REPEATS_UP_TO || !this.#shown.has(value)) return false;
    return characters > REPEATS_UP_TO || this.#shown.get(value) === undefined;
  }

  #mark(what: string): void {
    this.text += `"[${what}]"`;
    this.#depends_on_place = true;
  }

  #whole(value: object): void {
    const known = this.#shown.get(value);
    if (known !== undefined) {
      this.text += known;
      return;
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      const fields = Object.entries(value);
      if (fields.length <= SMALL_ITEMS_MAX && !fields.some(([, item]) => isObject(item))) return this.#fields(fields);
    }
    const before = this.text, depended_on_place = this.#depends_on_place;
    this.#before += before.length;
    this.text = "";
    this.#depends_on_place = false;
    this.#path.add(value);
    this.#inside(value);
    this.#path.delete(value);
    this.#shown.set(value, this.#depends_on_place ? undefined : this.text);
    this.#before -= before.length;
    this.text = before + this.text;
    this.#depends_on_place ||= depended_on_place;
  }

  #inside(value: object): void {
    if (Array.isArray(value) || value instanceof Set) this.#array(value);
    else if (value instanceof Map) {
      if (value.keys().every((key) => typeof key === "string")) this.#fields(value as Map<string, unknown>);
      else this.#array(value);
    } else if (value instanceof Error) {
      const { name, message, cause } = value;
      const fields: [string, unknown][] = [["name", name], ["message", message]];
      if (cause !== undefined) fields.push(["cause", cause]);
      if (value instanceof AggregateError) fields.push(["errors", value.errors]);
      this.#fields(fields);
    } else if (value instanceof ArrayBuffer) this.#memory(new Uint8Array(value));
    else if (ArrayBuffer.isView(value)) this.#memory(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else this.#fields(Object.entries(value));
  }

  #array(items: Iterable<unknown>): void {
    let before = "[";
    for (const item of items) {
      this.text += before;
      before = ",";
      this.value(item);
    }
    this.text += before === "[" ? "[]" : "]";
  }

  #fields(fields: Iterable<[string, unknown]>): void {
    let before = "{";
    for (const [key, item] of fields) {
      this.text += before + JSON.stringify(key) + ":";
      before = ",";
      this.value(item);
    }
    this.text += before === "{" ? "{}" : "}";
  }

  #memory(bytes: Uint8Array): void {
    this.text += `{"encoding":"base64","data":"${bytes.toBase64()}"}`;
  }
}
