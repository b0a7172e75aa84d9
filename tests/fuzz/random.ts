/**
 * Choices, made by chance or read from bytes.
 *
 * A generator does not ask where its choices come from. Those of {@linkcode Random} follow from a seed; those of
 * {@linkcode Tape} stand in bytes, so that what they made is found again, and becomes smaller, with the bytes.
 *
 * @module
 */

/** Where choices come from. */
export abstract class Choices {
  /** A whole number below 2^32. */
  abstract u32(): number;

  /** A whole number below `count`, which is at least 1. */
  below(count: number): number {
    return this.u32() % count;
  }

  /** True once in so many times. */
  oneIn(count: number): boolean {
    return this.below(count) === count - 1;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** A number up to `most`, a small one more often than a large one. */
  size(most: number): number {
    const bits = this.below(32 - Math.clz32(most) + 1);
    return Math.min(most, this.below(2 ** bits));
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** So many things. */
  many<T>(count: number, make: () => T): T[] {
    return Array.from({ length: count }, make);
  }
}

/** The same choices each time for the same seed: sfc32, which passes PractRand, seeded by a hash of the text. */
export class Random extends Choices {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    super();
    const hash = fnv(new TextEncoder().encode(seed));
    this.#a = hash;
    this.#b = Math.imul(hash ^ 0x9e37_79b9, 0x85eb_ca6b) >>> 0;
    this.#c = seed.length;
    for (let round = 0; round < 12; round++) this.u32();
  }

  override u32(): number {
    const sum = (this.#a + this.#b | 0) + this.#counter | 0;
    this.#counter = this.#counter + 1 | 0;
    this.#a = this.#b ^ this.#b >>> 9;
    this.#b = this.#c + (this.#c << 3) | 0;
    this.#c = (this.#c << 21 | this.#c >>> 11) + sum | 0;
    return sum >>> 0;
  }
}

/** Choices that stand in bytes, one byte for a small one; all 0 behind their end. */
export class Tape extends Choices {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    super();
    this.#bytes = bytes;
  }

  /** Whether all bytes have been read. */
  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  override u32(): number {
    return (this.#byte() | this.#byte() << 8 | this.#byte() << 16 | this.#byte() << 24) >>> 0;
  }

  override below(count: number): number {
    return (count <= 256 ? this.#byte() : this.u32()) % count;
  }

  #byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }
}

/** FNV-1a: the same number for the same bytes. */
export function fnv(bytes: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ bytes[at]!, 0x0100_0193);
  return hash >>> 0;
}
