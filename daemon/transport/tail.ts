/**
 * Where an outbox copies what few bytes are for its client alone, one piece behind the other, so that many go out in one
 * write. A block that is full is left to whoever still has to write it, and the next one is larger.
 *
 * @module
 */
import { buffers } from "../buffer_pool.ts";

/** A block of the least size is kept while nothing waits, as a client that asks and answers needs one for every frame. */
const BYTES_MIN = 512, BYTES_MAX = 64 * 1024;

/** See the module's head. */
export class Tail {
  /** Where the next piece goes; the last one ends here. */
  used = 0;
  /** The block, if there is one; it is held. */
  block: Uint8Array<ArrayBuffer> | undefined;
  #size = BYTES_MIN;

  /** Copies a piece; the copy ends at `used`. @returns The block that it stands in. */
  copy(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const length = bytes.length;
    let block = this.block;
    if (block === undefined || this.used + length > block.length) {
      if (block !== undefined) {
        this.#size = Math.min(this.#size * 4, BYTES_MAX);
        buffers.release(block);
      }
      block = this.block = buffers.take(Math.max(this.#size, length));
      this.used = 0;
    }
    block.set(bytes, this.used);
    this.used += length;
    return block;
  }

  /** Everything is written. */
  rest(): void {
    if (this.block !== undefined && this.block.length !== BYTES_MIN) {
      buffers.release(this.block);
      this.block = undefined;
    }
    this.#size = BYTES_MIN;
    this.used = 0;
  }

  /** It may still be read from, and nobody will say when not any more. */
  forget(): void {
    if (this.block !== undefined) buffers.forget(this.block);
    this.block = undefined;
  }
}
