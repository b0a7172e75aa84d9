/**
 * The memory that messages pass through: read buffers and the blocks of small runs, used again when nobody needs them.
 *
 * A broker under load fills gigabytes of buffers a second. Left to the garbage collector, each is mapped, zeroed and
 * faulted in anew, and tens of megabytes pile up between collections, which the process does not give back. So buffers of
 * the two sizes that the hot path uses are counted: whoever keeps a range of one holds it, and the last one to let go
 * puts it back. A read buffer lent to eight listeners is held by the channel's history and by eight queues.
 *
 * Letting go too late only costs memory: counts hang on the buffer itself, so a buffer that is forgotten is collected as
 * any other. Letting go too early would hand it to somebody who writes to it. So where it is not certain that nobody
 * reads it any more, as when a write to a closed connection was in flight, it is forgotten rather than released.
 *
 * Cost: a hold or a release is one lookup, once per range, not per event and not for a range that is made longer.
 *
 * @module
 */
import { READ_BUFFER_BYTES_MAX } from "../protocol/limits.ts";

/** Memory of small runs. */
export const BLOCK_BYTES = 64 * 1024;

/** How much is kept for the next burst, of each size. */
export const POOL_BYTES_MAX = 4 * 1024 * 1024;

type Buffer = Uint8Array<ArrayBuffer>;

/** See the module's head. */
export class BufferPool {
  /** Overwrites what is put back, so that a test sees who still reads it. */
  poison = false;
  readonly #free: ReadonlyMap<number, Buffer[]> = new Map([[READ_BUFFER_BYTES_MAX, []], [BLOCK_BYTES, []]]);
  readonly #holders = new WeakMap<ArrayBuffer, { count: number }>();
  #takes = 0;

  /** Memory of exactly this size, held once. What stands in it is anything. */
  take(bytes: number): Buffer {
    const free = this.#free.get(bytes);
    if (free === undefined) return new Uint8Array(bytes);
    this.#takes++;
    const buffer = free.pop() ?? new Uint8Array(bytes);
    this.#holders.set(buffer.buffer, { count: 1 });
    return buffer;
  }

  /** Somebody more keeps a part of this memory. Does nothing for memory that is not the pool's. */
  hold(part: Buffer): void {
    const holders = this.#holders.get(part.buffer);
    if (holders !== undefined) holders.count++;
  }

  /** Somebody does not need it any more. */
  release(part: Buffer): void {
    const holders = this.#holders.get(part.buffer);
    if (holders === undefined || --holders.count > 0) return;
    this.#holders.delete(part.buffer);
    const whole = new Uint8Array(part.buffer), free = this.#free.get(whole.length)!;
    if (this.poison) whole.fill(0xdd);
    if ((free.length + 1) * whole.length <= POOL_BYTES_MAX) free.push(whole);
  }

  /** Gives memory back to the system after a quiet while: half of what is free if nothing was taken since the last call. */
  trim(): void {
    if (this.#takes === 0) { for (const free of this.#free.values()) free.length >>= 1; }
    this.#takes = 0;
  }
}

/** Memory is the process's, so there is one pool. */
export const buffers: BufferPool = new BufferPool();
