import assert from "node:assert/strict";
import { NewestOnly } from "./newest_only.ts";
import { eventually, pause } from "../../tests/e2e/wait.ts";

/** Work that ends when the test says so. */
function work() {
  const started: [string, number][] = [], ends: (() => void)[] = [];
  const start = (item: string, skipped: number) => {
    started.push([item, skipped]);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const end = async (): Promise<void> => {
    ends.shift()!();
    await pause(0);
  };
  return { started, start, end };
}

Deno.test("NewestOnly starts at once, then one at a time with the newest", async () => {
  const { started, start, end } = work(), newest = new NewestOnly(0, start);
  newest.offer("a");
  newest.offer("b");
  newest.offer("c");
  newest.offer("f", 3);
  assert.deepEqual(started, [["a", 0]]);
  await end();
  assert.deepEqual(started, [["a", 0], ["f", 4]]);
  await end();
  newest.offer("g");
  assert.deepEqual(started.at(-1), ["g", 0]);
  newest.offer("h");
  assert.deepEqual(newest.end(), { item: "h", skipped: 0 });
  await end();
  newest.offer("i");
  assert.equal(started.length, 3);
});

Deno.test("NewestOnly waits until nothing newer has come for a while", async () => {
  const { started, start, end } = work(), newest = new NewestOnly(200, start);
  const began = performance.now();
  for (const item of ["a", "b", "c"]) {
    newest.offer(item);
    await pause(5);
  }
  await eventually(() => started.length > 0, "it has not started");
  assert.ok(performance.now() - began >= 205);
  assert.deepEqual(started, [["c", 2]]);
  // One that comes while it runs waits for its end and for its own time.
  newest.offer("d");
  await pause(250);
  assert.equal(started.length, 1);
  await end();
  assert.deepEqual(started[1], ["d", 0]);
  newest.offer("e");
  newest.end();
  await pause(250);
  assert.equal(started.length, 2);
  await end();
});
