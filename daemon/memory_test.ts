import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly, seed } from "../tests/random.ts";
import { encodeFrame, FRAME_TYPES } from "../protocol/frame.ts";
import { IpcError } from "../protocol/errors.ts";
import { BLOCK_BYTES, BufferPool, buffers, UNCOUNTED_BYTES_MAX } from "./buffer_pool.ts";
import { READ_BUFFER_BYTES_MAX } from "../protocol/limits.ts";
import { eventBytes, large, type TestClient, TestRouter } from "./router/testing.ts";
import { ENTRY_BYTES } from "./transport/entry.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The sizes of all different buffers, but of those that do not count. */
function sizeOf(parts: Iterable<Bytes>): number {
  let bytes = 0;
  for (const { byteLength } of new Set([...parts].map(({ buffer }) => buffer))) {
    if (byteLength > UNCOUNTED_BYTES_MAX) bytes += byteLength;
  }
  return bytes;
}

Deno.test("BufferPool.held_bytes is the sum of what is held after any sequence of takes, holds, releases and oblivions", () => {
  const step = fc.record({
    what: fc.constantFrom("take", "own", "hold", "release", "forget"),
    size: fc.constantFrom(1, UNCOUNTED_BYTES_MAX, UNCOUNTED_BYTES_MAX + 1, BLOCK_BYTES, READ_BUFFER_BYTES_MAX, 1e6),
    which: fc.nat(),
  });
  checkRandomly(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const pool = new BufferPool(), held: Bytes[] = [];
      for (const { what, size, which } of steps) {
        if (what === "take") held.push(pool.take(size));
        else if (what === "own") {
          held.push(new Uint8Array(size));
          pool.hold(held.at(-1)!);
        } else if (held.length > 0) {
          const at = which % held.length, part = held[at]!;
          if (what === "hold") {
            held.push(part.subarray(0, part.length / 2));
            pool.hold(part);
          } else {
            held.splice(at, 1);
            pool[what](part);
          }
        }
        assert.equal(pool.held_bytes, sizeOf(held));
        const shares = held.reduce((sum, part) => sum + pool.share(part), 0);
        assert(Math.abs(shares - sizeOf(held)) < 1, "the shares of all who hold something come to its size");
      }
      for (const part of held) pool.release(part);
      assert.equal(pool.held_bytes, 0);
    }),
  );
});

Deno.test("BufferPool never gives out again what was forgotten, whoever lets go of it last", () => {
  const pool = new BufferPool(), taken = pool.take(BLOCK_BYTES);
  pool.hold(taken);
  pool.forget(taken);
  assert.equal(pool.held_bytes, BLOCK_BYTES);
  pool.release(taken);
  assert.equal(pool.held_bytes, 0);
  assert.notEqual(pool.take(BLOCK_BYTES).buffer, taken.buffer);
});

Deno.test("BufferPool tells of more than its limit once what is going on is over, and again if there is still more", async () => {
  const pool = new BufferPool();
  let told = 0;
  pool.limit_bytes = 10_000;
  pool.exceeded = () => told++;
  const parts = [4_000, 4_000, 4_000, 4_000].map((bytes) => pool.take(bytes));
  assert.equal(told, 0);
  await Promise.resolve();
  assert.equal(told, 1);
  parts.push(pool.take(4_000));
  await Promise.resolve();
  assert.equal(told, 2);
  for (const part of parts) pool.release(part);
  pool.release(pool.take(20_000));
  await Promise.resolve();
  assert.equal(told, 2, "it is below again by then");
});

/** What a router and its clients hold, looked at where it stands. */
function heldBy({ channel }: TestRouter, clients: readonly TestClient[]): number {
  const parts = [...channel.history.memory()];
  let entries = 0;
  if (channel.retained !== undefined) parts.push(channel.retained);
  let asked_bytes = 0;
  for (const { outbox, scanner, client } of clients) {
    for (const { held_bytes } of client.requests.values()) asked_bytes += held_bytes;
    parts.push(scanner.bytes, ...outbox.memory());
    entries += outbox.entries;
  }
  return sizeOf(parts) + entries * ENTRY_BYTES + asked_bytes;
}

Deno.test("held_bytes is what queues, histories and read buffers hold, whatever happens, and nothing in the end", async () => {
  const size = fc.constantFrom(0, 10, 400, 600, 3_000, 9_000, 70_000, 300_000);
  const step = fc.record({
    what: fc.constantFrom(
      "publish",
      "publish",
      "publish",
      "take",
      "take",
      "direct",
      "request",
      "retain",
      "join",
      "leave",
      "resize",
    ),
    who: fc.nat(),
    size,
    overflow: fc.constantFrom("disconnect" as const, "drop" as const),
  });
  for (const steps of fc.sample(fc.array(step, { minLength: 10, maxLength: 60 }), { seed, numRuns: 60 })) {
    const before = buffers.held_bytes, test = new TestRouter({ queue_bytes: 200_000, history_bytes: 100_000 });
    const clients: TestClient[] = [];
    const check = (what: string) =>
      assert.equal(buffers.held_bytes - before, heldBy(test, clients), `${what}, seed ${seed}`);
    clients.push(test.join({ listen: true, overflow: "drop" }), test.join({ handle: true }), test.join());
    for (const { what, who, size, overflow } of steps) {
      const client = clients[who % clients.length]!, is_in = client.why() === undefined;
      if (what === "join") clients.push(test.join({ listen: true, overflow, echo: who % 2 === 0 }));
      else if (what === "resize") test.channel.history.resize(size);
      else if (what === "take") await client.take(size);
      else if (!is_in) continue;
      else if (what === "publish") client.publishNow(eventBytes(large(size), large(size)));
      else if (what === "request") client.request(who, { payload: "x".repeat(size) });
      else if (what === "leave") test.router.leave(client.client, new IpcError("SHUTDOWN", "leaves"));
      else if (what === "retain") {
        test.router.events.retain(client.client, encodeFrame({ type: FRAME_TYPES.EVENT, payload: large(size) }));
      } else {
        const target = clients.find((other) => other.why() === undefined)!;
        const frame = encodeFrame({ type: FRAME_TYPES.EVENT, target: target.id, payload: large(size) });
        if (target.outbox.fits(frame.length)) test.router.events.direct(client.client, frame);
      }
      check(what);
    }
    test.router.close(test.channel, new IpcError("CHANNEL_NOT_FOUND", "closed"));
    assert.equal(buffers.held_bytes, before, `nothing is held any more, seed ${seed}`);
  }
});
