/**
 * The structured encoding, token by token, with what msgpackr trusts its input to do right: shapes, numbers and pointers,
 * lengths, what stands inside an extension.
 *
 * @module
 */
import { structuredCodec } from "../../../protocol/structured_clone.ts";
import { EDGES } from "../mutate.ts";
import { type Choices, Random } from "../random.ts";
import { value as msgpack } from "./msgpack.ts";
import { anyValue } from "./values.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const KEYS = [
  "a",
  "b",
  "c",
  "__proto__",
  "constructor",
  "toString",
  "length",
  "0",
  "900",
  "4294967294",
  "toJSON",
  "name",
];
const ERROR_NAMES = ["Error", "TypeError", "AggregateError", "constructor", "__proto__", "eval"];
const PATTERNS = ["a", "(", "(a+)+$", "[", "\\", "a{65535}", "(?<a>)", "^"];
const encoder = new TextEncoder();

/** What our own encoder writes, to be changed. */
export const WRITTEN: readonly Bytes[] = Array.from({ length: 64 }, (_, at) => new Random(`written ${at}`))
  .map((random) => anyValue(random)).flatMap((value) => {
    try {
      return [structuredCodec.encode(value)];
    } catch {
      return []; // It does not fit what the encoder takes.
    }
  });

/** A structured payload, right or nearly so. */
export function structured(choices: Choices): Bytes {
  const writer = new Writer(choices, choices.oneIn(30) ? 60_000 : 1500);
  const shape = choices.below(12);
  if (shape === 0) writer.much();
  else if (shape === 1) writer.deep();
  else if (shape === 2) writer.shared();
  else writer.value(0);
  return Uint8Array.from(writer.output);
}

class Writer {
  readonly output: number[] = [];
  readonly #choices: Choices;
  readonly #bytes_max: number;
  /** Shapes that were described, by id: how many keys. */
  readonly #shapes = new Map<number, number>();
  readonly #numbers: number[] = [];

  constructor(choices: Choices, bytes_max: number) {
    this.#choices = choices;
    this.#bytes_max = bytes_max;
  }

  value(depth: number): void {
    const choices = this.#choices;
    if (this.output.length > this.#bytes_max || depth > 30) return void this.output.push(0xc0);
    switch (choices.below(16)) {
      case 0:
      case 1:
        return this.#record(depth);
      case 2:
        return this.#shaped(depth);
      case 3:
        return this.#numbered(depth);
      case 4:
        return this.#pointer();
      case 5:
        return this.#parts(0x73, () => this.#list(choices.size(6), () => this.value(depth + 1)));
      case 6:
        return this.#parts(0x65, () => this.#error(depth));
      case 7:
        return this.#parts(0x78, () =>
          this.#list(choices.oneIn(20) ? choices.size(4) : 2, (at) => {
            this.#text(at === 0 ? choices.pick(PATTERNS) : choices.pick(["", "g", "gg", "v", "uv", "dgimsuy"]));
          }));
      case 8:
        return this.#memory();
      case 9:
        return this.#extension();
      case 10:
        return this.#list(choices.size(8), () => this.value(depth + 1));
      case 11: {
        const count = choices.size(5);
        this.#count(count, 0x80, 0xde);
        for (let left = count * 2; left > 0; left--) this.value(depth + 1);
        return;
      }
      case 12:
        return this.#text(choices.pick(KEYS));
      case 13:
        return void this.output.push(choices.below(256));
      default:
        this.#put(msgpack(choices));
    }
  }

  /** The same small thing many times over: what each costs must be paid for. */
  much(): void {
    const choices = this.#choices, times = choices.size(Math.min(40_000, this.#bytes_max * 8));
    const one = new Writer(choices, 200), before = new Writer(choices, 200);
    before.value(25);
    one.value(28);
    if (choices.oneIn(2)) this.#describe(0x40 + choices.below(64));
    this.#count(times + 1, 0x90, 0xdc);
    this.#put(before.output);
    for (let left = times; left > 0 && this.output.length < 200_000; left--) this.#put(one.output);
  }

  /** One in many places, each of them in many places: few bytes that stand for very many. */
  shared(): void {
    const choices = this.#choices, levels = 2 + choices.below(30), width = 2 + choices.size(12);
    this.#count(levels, 0x90, 0xdc);
    for (let level = 0; level < levels; level++) {
      this.#number(level + 1);
      const kind = choices.below(3);
      if (kind === 0) this.#put([0xd4, 0x73, 0]);
      this.#count(kind === 1 ? width : width * 2, kind === 1 ? 0x80 : 0x90, kind === 1 ? 0xde : 0xdc);
      for (let left = width * 2; left > 0; left--) {
        if (level === 0) this.#text("a".repeat(choices.size(300)));
        else this.#put([0xd6, 0x70, 0, 0, 0, choices.oneIn(9) ? 1 + choices.below(level + 1) : level]);
      }
    }
  }

  /** Nesting, by whatever nests. */
  deep(): void {
    const choices = this.#choices,
      level = choices.pick([[0x91], [0x81, 0xc0], [0xd4, 0x73, 0, 0x91], [0xd4, 0x65, 0, 0x93, 0xa0, 0xa0]]);
    const depth = choices.pick([100, 499, 500, 990, 999, 1000, 1001, 30_000]);
    for (let left = depth; left > 0; left--) {
      if (choices.oneIn(50)) this.#number(left);
      this.#put(level);
    }
    this.output.push(choices.pick([0xc0, 0x90, 0x01]));
  }

  #record(depth: number): void {
    const id = 0x40 + this.#choices.below(this.#choices.oneIn(8) ? 64 : 4), keys = this.#describe(id);
    for (let left = keys; left > 0; left--) this.value(depth + 1);
  }

  /** @returns How many keys. */
  #describe(id: number): number {
    const choices = this.#choices, keys = choices.oneIn(20) ? choices.size(200) : choices.size(5);
    this.#put([0xd4, 0x72, choices.oneIn(30) ? choices.below(256) : id]);
    if (choices.oneIn(4) && this.#numbers.length > 0) this.#pointer();
    else {
      if (choices.oneIn(4)) this.#number(this.#numbers.length);
      this.#list(keys, (at) => choices.oneIn(3) ? this.#text(choices.pick(KEYS)) : this.#text(`k${at}`));
    }
    this.#shapes.set(id, keys);
    return keys;
  }

  #shaped(depth: number): void {
    const shapes = [...this.#shapes];
    if (shapes.length === 0) return this.#record(depth);
    const [id, keys] = this.#choices.pick(shapes);
    this.output.push(id);
    for (let left = keys; left > 0; left--) this.value(depth + 1);
  }

  #numbered(depth: number): void {
    this.#number(this.#choices.oneIn(10) ? this.#choices.below(4) : this.#numbers.length);
    this.value(depth + 1);
  }

  #number(number: number): void {
    this.#numbers.push(number);
    this.#put([0xd6, 0x69, number >>> 24, number >>> 16 & 0xff, number >>> 8 & 0xff, number & 0xff]);
  }

  #pointer(): void {
    const choices = this.#choices;
    const number = this.#numbers.length === 0 || choices.oneIn(20) ? choices.size(9) : choices.pick(this.#numbers);
    this.#put([0xd6, 0x70, number >>> 24, number >>> 16 & 0xff, number >>> 8 & 0xff, number & 0xff]);
  }

  #parts(type: number, parts: () => void): void {
    this.#put([0xd4, type, this.#choices.oneIn(9) ? this.#choices.below(256) : 0]);
    if (this.#choices.oneIn(40)) this.value(29);
    else parts();
  }

  #error(depth: number): void {
    const choices = this.#choices, count = choices.oneIn(8) ? choices.size(6) : 3 + choices.below(2);
    this.#list(count, (at) => {
      if (choices.oneIn(20) || at > 1) this.value(depth + 1);
      else this.#text(at === 0 ? choices.pick(ERROR_NAMES) : "no");
    });
  }

  #memory(): void {
    const choices = this.#choices, length = choices.size(40);
    this.#head(0x74, 1 + length);
    this.output.push(choices.oneIn(6) ? choices.below(256) : choices.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 17]));
    this.#put(choices.bytes(length));
  }

  #extension(): void {
    const choices = this.#choices,
      type = choices.oneIn(3) ? choices.below(256) : choices.pick([0x42, 0xff, 0x00, 0x74, 0x62]);
    const length = choices.oneIn(4) ? choices.size(600) : choices.pick([1, 2, 4, 8, 12, 16]);
    this.#head(type, length);
    this.#put(choices.bytes(length));
  }

  /** Of an extension. */
  #head(type: number, length: number): void {
    const choices = this.#choices, said = choices.oneIn(60) ? choices.pick(EDGES) : length;
    const fixed = [1, 2, 4, 8, 16].indexOf(said);
    if (fixed >= 0 && !choices.oneIn(4)) this.#put([0xd4 + fixed, type]);
    else if (said < 256) this.#put([0xc7, said, type]);
    else if (said < 65_536) this.#put([0xc8, said >> 8, said & 0xff, type]);
    else this.#put([0xc9, said >>> 24, said >>> 16 & 0xff, said >>> 8 & 0xff, said & 0xff, type]);
  }

  #list(count: number, item: (at: number) => void): void {
    this.#count(count, 0x90, 0xdc);
    for (let at = 0; at < count; at++) item(at);
  }

  #count(count: number, narrow: number, wide: number): void {
    const choices = this.#choices, said = choices.oneIn(100) ? choices.pick(EDGES) : count;
    if (said < 16 && !choices.oneIn(8)) this.output.push(narrow | said);
    else if (said < 65_536) this.#put([wide, said >> 8, said & 0xff]);
    else this.#put([wide + 1, said >>> 24, said >>> 16 & 0xff, said >>> 8 & 0xff, said & 0xff]);
  }

  #text(text: string): void {
    const bytes = encoder.encode(text);
    if (bytes.length < 32 && !this.#choices.oneIn(8)) this.output.push(0xa0 | bytes.length);
    else this.#put([0xd9, bytes.length]);
    this.#put(bytes);
  }

  #put(bytes: ArrayLike<number>): void {
    for (let at = 0; at < bytes.length; at++) this.output.push(bytes[at]!);
  }
}
