/**
 * Checks JSON where it stands, and says where the members of its outermost object are.
 *
 * Nothing is made of what is checked: a payload of 16 MiB costs no memory, numbers that JavaScript cannot hold stay what
 * they are, and `__proto__` is a key like any other. Nesting is limited, because a stranger decides how deep it goes.
 *
 * @module
 */
import { decodeUtf8 } from "../../protocol/utf8.ts";

/** What is wrong with a text that is to be JSON. */
export class JsonError extends Error {
  override readonly name = "JsonError";

  /** @param cut Whether it only ends too early. */
  constructor(message: string, readonly cut: boolean) {
    super(message);
  }
}

/** Told of each member of the outermost object: its name, and where its value stands. */
export type Member = (name: string, start: number, end: number) => void;

/**
 * Checks one JSON value.
 *
 * @param depth_max How deep arrays and objects may nest.
 * @throws {JsonError}
 */
export function scanJson(
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  end: number,
  depth_max: number,
  member?: Member,
): void {
  const scan = new Scan(bytes, start, end, depth_max, member);
  scan.value(0);
  scan.space();
  if (scan.at < end) throw scan.wrong("has something behind its end");
  // Outside of texts everything is ASCII.
  if (scan.high && !isUtf8(bytes.subarray(start, end))) throw new JsonError("is not UTF-8", false);
}

/** Whether bytes are UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    decodeUtf8(bytes);
    return true;
  } catch {
    return false;
  }
}

const LITERALS: ReadonlyMap<number, Uint8Array> = new Map(
  ["true", "false", "null"].map((word) => [word.charCodeAt(0), new TextEncoder().encode(word)]),
);
const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, COLON = 0x3a, MINUS = 0x2d, ZERO = 0x30, NINE = 0x39, POINT = 0x2e;
const ESCAPES = new Set(new TextEncoder().encode('"\\/bfnrt'));
const U = 0x75;

function isHex(byte: number): boolean {
  const letter = byte | 0x20;
  return byte >= ZERO && byte <= NINE || letter >= 0x61 && letter <= 0x66;
}

class Scan {
  /** Whether a byte over 0x7f was seen. */
  high = false;
  at: number;

  constructor(
    readonly bytes: Uint8Array<ArrayBuffer>,
    readonly start: number,
    readonly end: number,
    readonly depth_max: number,
    readonly member: Member | undefined,
  ) {
    this.at = start;
  }

  wrong(what: string): JsonError {
    return this.at >= this.end
      ? new JsonError("ends too early", true)
      : new JsonError(`${what} at byte ${this.at - this.start + 1}`, false);
  }

  space(): void {
    for (; this.at < this.end; this.at++) {
      const byte = this.bytes[this.at]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    }
  }

  value(depth: number): void {
    this.space();
    const byte = this.#byte();
    if (byte === QUOTE) this.#text();
    else if (byte === 0x7b) this.#object(depth);
    else if (byte === 0x5b) this.#array(depth);
    else if (byte === MINUS || byte >= ZERO && byte <= NINE) this.#number();
    else this.#literal(byte);
  }

  #object(depth: number): void {
    this.#enter(depth);
    if (this.#closes(0x7d)) return;
    do {
      this.space();
      const name = this.at;
      if (this.#byte() !== QUOTE) throw this.wrong("has no name of a member");
      this.#text();
      const name_end = this.at;
      this.space();
      if (this.#byte() !== COLON) throw this.wrong('has no ":"');
      this.at++;
      this.space();
      const start = this.at;
      this.value(depth + 1);
      if (depth === 0 && this.member !== undefined) this.#tell(name, name_end, start);
    } while (this.#goesOn(0x7d));
  }

  #array(depth: number): void {
    this.#enter(depth);
    if (this.#closes(0x5d)) return;
    do this.value(depth + 1); while (this.#goesOn(0x5d));
  }

  #text(): void {
    const { bytes, end } = this;
    let at = this.at + 1, seen = 0;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      seen |= byte;
      if (byte === QUOTE) break;
      if (byte < 0x20) {
        this.at = at;
        throw this.wrong("has a control character in a text");
      }
      if (byte === BACKSLASH) at = this.#escape(at + 1);
    }
    this.at = at;
    if (at >= end) throw this.wrong("");
    this.at++;
    if (seen > 0x7f) this.high = true;
  }

  #number(): void {
    if (this.#byte() === MINUS) this.at++;
    if (this.#byte() === ZERO) this.at++;
    else this.#digits();
    if (this.#byte() === POINT) {
      this.at++;
      this.#digits();
    }
    if ((this.#byte() | 0x20) === 0x65) {
      this.at++;
      const sign = this.#byte();
      if (sign === MINUS || sign === 0x2b) this.at++;
      this.#digits();
    }
  }

  #literal(first: number): void {
    const word = LITERALS.get(first);
    if (word === undefined) throw this.wrong("has no value");
    for (const byte of word) {
      if (this.#byte() !== byte) throw this.wrong("has no value");
      this.at++;
    }
  }

  #digits(): void {
    const from = this.at;
    while (this.#byte() >= ZERO && this.#byte() <= NINE) this.at++;
    if (this.at === from) throw this.wrong("has no digit");
  }

  /** @returns Where the escape's last byte stands. */
  #escape(at: number): number {
    const byte = at < this.end ? this.bytes[at]! : 0;
    this.at = at;
    if (ESCAPES.has(byte)) return at;
    if (byte !== U) throw this.wrong("has an unknown escape");
    for (let digit = 1; digit <= 4; digit++) {
      this.at = at + digit;
      if (!isHex(this.#byte())) throw this.wrong("has an unknown escape");
    }
    return at + 4;
  }

  #enter(depth: number): void {
    if (depth === this.depth_max) throw this.wrong(`nests deeper than ${this.depth_max}`);
    this.at++;
  }

  #closes(bracket: number): boolean {
    this.space();
    if (this.#byte() !== bracket) return false;
    this.at++;
    return true;
  }

  #goesOn(bracket: number): boolean {
    this.space();
    const byte = this.#byte();
    if (byte !== COMMA && byte !== bracket) throw this.wrong('has no "," and no end of the list');
    this.at++;
    return byte === COMMA;
  }

  #tell(name: number, name_end: number, start: number): void {
    const bytes = this.bytes.subarray(name, name_end);
    if (!isUtf8(bytes)) throw new JsonError("is not UTF-8", false);
    const text = decodeUtf8(bytes);
    this.member!(text.includes("\\") ? JSON.parse(text) : text.slice(1, -1), start, this.at);
  }

  /** The byte at hand, 0 behind the end. */
  #byte(): number {
    return this.at < this.end ? this.bytes[this.at]! : 0;
  }
}
