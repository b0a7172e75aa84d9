import assert from "node:assert/strict";
import { READ_BUFFER_BYTES_MAX } from "../protocol/limits.ts";
import { BLOCK_BYTES, BufferPool, POOL_BYTES_MAX } from "./buffer_pool.ts";

Deno.test("BufferPool gives memory out again when the last holder lets go, and not before", () => {
  const pool = new BufferPool(), first = pool.take(BLOCK_BYTES);
  pool.hold(first.subarray(10, 20));
  pool.release(first);
  assert.notEqual(pool.take(BLOCK_BYTES).buffer, first.buffer);
  pool.release(first.subarray(10, 20));
  assert.equal(pool.take(BLOCK_BYTES).buffer, first.buffer);
});

Deno.test("BufferPool.release() of what is not the pool's, or is free already, does nothing", () => {
  const pool = new BufferPool(), own = new Uint8Array(BLOCK_BYTES), taken = pool.take(BLOCK_BYTES);
  pool.hold(own), pool.release(own), pool.release(own);
  pool.release(taken), pool.release(taken);
  const one = pool.take(BLOCK_BYTES), two = pool.take(BLOCK_BYTES);
  assert.equal(one.buffer, taken.buffer);
  assert.notEqual(two.buffer, taken.buffer);
  assert.notEqual(two.buffer, own.buffer);
});

Deno.test("BufferPool.take() of another size is memory of its own", () => {
  const pool = new BufferPool(), odd = pool.take(1_000);
  assert.equal(odd.length, 1_000);
  pool.release(odd);
  assert.notEqual(pool.take(1_000).buffer, odd.buffer);
});

Deno.test("BufferPool keeps at most 4 MiB of a size, and lets go of it after a quiet while", () => {
  const pool = new BufferPool(), count = POOL_BYTES_MAX / BLOCK_BYTES;
  const taken = Array.from({ length: count * 2 }, () => pool.take(BLOCK_BYTES));
  const memory = new Set(taken.map((buffer) => buffer.buffer));
  for (const buffer of taken) pool.release(buffer);
  const reused = () => {
    const again = Array.from({ length: count * 2 }, () => pool.take(BLOCK_BYTES));
    for (const buffer of again) pool.release(buffer);
    return again.filter((buffer) => memory.has(buffer.buffer)).length;
  };
  assert.equal(reused(), count);
  pool.trim();
  for (let quiet = 0; quiet < 10; quiet++) pool.trim();
  assert.equal(reused(), 0);
});

Deno.test("BufferPool.trim() lets go of what one size does not need while the other is in use", () => {
  const pool = new BufferPool(), idle = [0, 1, 2].map(() => pool.take(READ_BUFFER_BYTES_MAX));
  for (const buffer of idle) pool.release(buffer);
  const busy = pool.take(BLOCK_BYTES);
  pool.release(busy);
  pool.trim();
  for (let look = 0; look < 3; look++) {
    pool.release(pool.take(BLOCK_BYTES));
    pool.trim();
  }
  assert(!idle.some((buffer) => buffer.buffer === pool.take(READ_BUFFER_BYTES_MAX).buffer));
  assert.equal(pool.take(BLOCK_BYTES).buffer, busy.buffer);
});
