import assert from "node:assert/strict";
import { buffers } from "../buffer_pool.ts";
import { Tail } from "./tail.ts";

Deno.test("Tail.copy() puts pieces one behind the other, and takes a larger block when one is full", () => {
  const tail = new Tail(), piece = new Uint8Array(300).fill(7);
  const first = tail.copy(piece), second = tail.copy(piece.fill(8));
  assert.deepEqual([first.length, first[0], first[299], tail.used], [512, 7, 7, 300]);
  assert.notEqual(second, first);
  assert.equal(second.length, 2048);
  assert.equal(tail.copy(piece.fill(9)), second);
  assert.deepEqual([second[0], second[300], tail.used], [8, 9, 600]);
  tail.forget();
});

Deno.test("Tail.rest() keeps a block of the least size, and no larger one", () => {
  const before = buffers.held_bytes, tail = new Tail(), piece = new Uint8Array(300);
  const least = tail.copy(piece);
  tail.rest();
  assert.equal(tail.block, least);
  for (let n = 0; n < 3; n++) tail.copy(piece);
  tail.rest();
  assert.deepEqual([tail.block, tail.used, buffers.held_bytes], [undefined, 0, before]);
  assert.equal(tail.copy(piece).length, 512);
  tail.forget();
});
