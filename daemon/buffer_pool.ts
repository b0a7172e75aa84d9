/**
 * The memory that messages pass through, counted: read buffers, blocks of small runs, large messages, what waits for one
 * client alone. And what the hot path uses is used again when nobody needs it.
 *
 * A broker under load fills gigabytes of buffers a second. Left to the garbage collector, each is mapped, zeroed and
 * faulted in anew, and tens of megabytes pile up between collections, which the process does not give back. So whoever
 * keeps a range of a buffer holds it, and the last one to let go puts it back, if it is of one of the sizes that the hot
 * path uses. A read buffer lent to eight listeners is held by the channel's history and by eight queues.
 *
 * The same counts say how much memory is held: each buffer with all its bytes, once, whoever shares it. A range of 9 KiB
 * that keeps a buffer of 256 KiB costs 256 KiB. What is not worth counting is not: buffers of up to 1 KiB, of which each
 * connection has two. When more is held than may be, whoever watches is told, as soon as what is going on is over.
 *
 * Letting go too late only costs memory. Letting go too early would hand it to somebody who writes to it. So where it is
 * not certain that nobody reads it any more, as when a write to a closed connection was in flight, it is forgotten rather
 * than released: it counts no longer, and is never used again.
 *
 * Cost: a hold or a release is one lookup, once per range, not per event and not for a range that is made longer.
 *
 * Invariant: held_bytes is the sum of the sizes of all buffers that somebody holds, and of what was added by count().
 *
 * @module
 */
import { READ_BUFFER_BYTES_MAX } from "../protocol/limits.ts";

/** Memory of small runs. */
export const BLOCK_BYTES = 64 * 1024;

/** How much is kept for the next burst, of each size. */
export const POOL_BYTES_MAX = 4 * 1024 * 1024;

/** Up to this a buffer is not counted. */
export const UNCOUNTED_BYTES_MAX = 1024;

/** What a read buffer grows to for a message of up to 4 MiB. New memory of that size is mapped and zeroed by the system. */
const LARGER: readonly number[] = [2, 4, 8, 16].map((times) => times * READ_BUFFER_BYTES_MAX);

/** Up to this the collector is left to free what is not used again: it is as cheap. */
const LEFT_BYTES_MAX = 4 * 1024;

type Buffer = Uint8Array<ArrayBuffer>;

/** What is free of one size. */
interface Free {
  readonly buffers: Buffer[];
  /** How many of them nobody has needed since the last look. */
  idle: number;
}

interface Holders {
  count: number;
  /** Whether it came from here. */
  own: boolean;
  /** Whether somebody may still have it who does not hold it. */
  forgotten: boolean;
}

/** See the module's head. */
export class BufferPool {
  /** Overwrites what is put back, so that a test sees who still reads it. */
  poison = false;
  /** See the module's head. */
  held_bytes = 0;
  /** Above this {@linkcode exceeded} is called. */
  limit_bytes = Infinity;
  /** Told that more is held than may be; called again whenever still more is taken. */
  exceeded: () => void = () => {};
  readonly #free: ReadonlyMap<number, Free> = new Map(
    [BLOCK_BYTES, READ_BUFFER_BYTES_MAX, ...LARGER].map((bytes) => [bytes, { buffers: [], idle: 0 }]),
  );
  readonly #holders = new WeakMap<ArrayBuffer, Holders>();
  #telling = false;

  /** Memory of exactly this size, held once. What stands in it is anything. */
  take(bytes: number): Buffer {
    const free = this.#free.get(bytes);
    const buffer = free?.buffers.pop() ?? new Uint8Array(bytes);
    if (free !== undefined && free.buffers.length < free.idle) free.idle = free.buffers.length;
    if (bytes > UNCOUNTED_BYTES_MAX) {
      this.#holders.set(buffer.buffer, { count: 1, own: true, forgotten: false });
      this.count(bytes);
    }
    return buffer;
  }

  /** Somebody more keeps a part of this memory, or somebody at all. */
  hold(part: Buffer): void {
    const { buffer } = part, bytes = buffer.byteLength;
    if (bytes <= UNCOUNTED_BYTES_MAX) return;
    const holders = this.#holders.get(buffer);
    if (holders !== undefined) holders.count++;
    else {
      this.#holders.set(buffer, { count: 1, own: false, forgotten: false });
      this.count(bytes);
    }
  }

  /** Somebody does not need it any more. Does nothing for memory that nobody holds. */
  release(part: Buffer): void {
    const { buffer } = part, bytes = buffer.byteLength;
    if (bytes <= UNCOUNTED_BYTES_MAX) return;
    const holders = this.#holders.get(buffer);
    if (holders === undefined || --holders.count > 0) return;
    this.#holders.delete(buffer);
    this.held_bytes -= bytes;
    if (holders.own) this.#putBack(buffer, holders.forgotten);
  }

  /** Somebody does not need it any more, but may still read it or write to it. */
  forget(part: Buffer): void {
    const holders = this.#holders.get(part.buffer);
    if (holders === undefined) return;
    holders.forgotten = true;
    this.release(part);
  }

  /** So many bytes more are held in another way, or fewer. */
  count(bytes: number): void {
    if ((this.held_bytes += bytes) > this.limit_bytes && bytes > 0 && !this.#telling) this.#tell();
  }

  /** What letting go of it would free, if all who hold it did: its size, divided among them. */
  share(part: Buffer): number {
    const holders = this.#holders.get(part.buffer);
    return holders === undefined ? 0 : part.buffer.byteLength / holders.count;
  }

  /** Gives memory back to the system: half of what nobody has needed since the last call. */
  trim(): void {
    for (const free of this.#free.values()) {
      free.buffers.length -= Math.ceil(free.idle / 2);
      free.idle = free.buffers.length;
    }
  }

  #putBack(buffer: ArrayBuffer, forgotten: boolean): void {
    const free = this.#free.get(buffer.byteLength);
    // What is not used again is freed now: the collector would take its time, and more comes faster. The runtime keeps what
    // it still reads or writes; whoever was in the middle of something with it has finished in a moment.
    if (forgotten) queueMicrotask(() => buffer.transfer(0));
    else if (free === undefined) {
      if (buffer.byteLength > LEFT_BYTES_MAX) buffer.transfer(0);
    } else {
      const whole = new Uint8Array(buffer);
      if (this.poison) whole.fill(0xdd);
      if ((free.buffers.length + 1) * buffer.byteLength <= POOL_BYTES_MAX) free.buffers.push(whole);
    }
  }

  /** Not at once: whoever takes memory is in the middle of something. */
  #tell(): void {
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      if (this.held_bytes > this.limit_bytes) this.exceeded();
    });
  }
}

/** Memory is the process's, so there is one pool. */
export const buffers: BufferPool = new BufferPool();
