import assert from "node:assert/strict";
import { large, settled, type TestClient, TestRouter } from "./testing.ts";

/** A publisher that waits for a listener with so many bytes queued. */
async function heldUp(test: TestRouter, queued_bytes: number, next_bytes: number): Promise<[TestClient, string[]]> {
  const slow = test.join({ listen: true }), p = test.join(), done: string[] = [];
  await p.publish(large(queued_bytes));
  p.publish(large(next_bytes)).then(() => done.push("published"));
  await settled();
  assert.deepEqual(done, []);
  return [slow, done];
}

Deno.test("Slow closes a full listener that takes nothing for stall_timeout, and its publisher goes on", async () => {
  const test = new TestRouter(), [slow, done] = await heldUp(test, 9_000, 5_000);
  test.pass(5_000);
  assert.equal(slow.why(), undefined);
  test.pass(1_000);
  assert.equal(slow.why(), "SLOW_CONSUMER");
  await settled();
  assert.deepEqual(done, ["published"]);
  assert.equal(test.router.slow.closed, 1);
});

Deno.test("Slow closes a stalled listener for a large message, however little is queued", async () => {
  const test = new TestRouter(), [slow, done] = await heldUp(test, 100, 30_000);
  test.pass(6_000);
  assert.equal(slow.why(), "SLOW_CONSUMER");
  await settled();
  assert.deepEqual(done, ["published"]);
});

Deno.test("Slow leaves a listener that takes a little now and then", async () => {
  const test = new TestRouter(), [slow, done] = await heldUp(test, 9_000, 5_000);
  for (let n = 0; n < 10; n++) {
    test.pass(4_000);
    await slow.take(10);
  }
  assert.equal(slow.why(), undefined);
  await slow.take();
  assert.deepEqual(done, ["published"]);
});

Deno.test("Slow leaves a listener that stalls while nobody waits for it", async () => {
  const test = new TestRouter(), slow = test.join({ listen: true }), p = test.join();
  await p.publish(large(9_000));
  test.pass(60_000);
  assert.equal(slow.why(), undefined);
  await p.publish(large(10)); // still fits
  test.pass(60_000);
  assert.equal(slow.why(), undefined);
});

Deno.test("Slow forgets a listener that has room again, and begins anew when it is full again", async () => {
  const test = new TestRouter(), [slow] = await heldUp(test, 9_000, 5_000), p = test.join();
  test.pass(4_500);
  await slow.take(9_024);
  test.pass(60_000);
  assert.equal(slow.why(), undefined);
  p.publish(large(9_000));
  await settled();
  test.pass(5_000);
  assert.equal(slow.why(), undefined);
  test.pass(1_000);
  assert.equal(slow.why(), "SLOW_CONSUMER");
});

Deno.test("Slow: stall_timeout Infinity closes nobody", async () => {
  const test = new TestRouter({ stall_timeout_ms: Infinity }), [slow] = await heldUp(test, 9_000, 5_000);
  test.pass(600_000);
  assert.equal(slow.why(), undefined);
});

Deno.test("Slow forgets a listener when the publisher that waited for it leaves", async () => {
  const test = new TestRouter(), slow = test.join({ listen: true }), p = test.join();
  await p.publish(large(100));
  p.publish(large(30_000));
  await settled();
  test.pass(4_000);
  test.router.leave(p.client);
  test.pass(60_000);
  assert.equal(slow.why(), undefined);
});
