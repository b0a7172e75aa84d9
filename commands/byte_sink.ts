/**
 * Memory that grows with what is written to it.
 *
 * @module
 */
const encoder = new TextEncoder();

/** Bytes and text, one after the other. */
export class ByteSink {
  #bytes = new Uint8Array(4096);
  #length = 0;

  /** Appends. */
  push(data: Uint8Array | string): void {
    if (typeof data === "string") {
      // A UTF-16 unit takes three bytes at most.
      this.#reserve(data.length * 3);
      this.#length += encoder.encodeInto(data, this.#bytes.subarray(this.#length)).written;
    } else {
      this.#reserve(data.length);
      this.#bytes.set(data, this.#length);
      this.#length += data.length;
    }
  }

  /** What was written; valid until the next {@linkcode clear}. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Starts again in the same memory. */
  clear(): void {
    this.#length = 0;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
