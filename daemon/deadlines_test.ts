import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { BUCKET_MS, Deadlines } from "./deadlines.ts";

const at = (deadline_ms: number) => ({ deadline_ms });

Deno.test("Deadlines.due() is never early, and at most 16 ms late", () => {
  checkRandomly(
    fc.property(
      fc.array(fc.nat(1_000), { maxLength: 50 }),
      fc.array(fc.nat(1_100), { maxLength: 20 }),
      (times, looks) => {
        const deadlines = new Deadlines<{ deadline_ms: number }>(), left = new Set(times.map(at));
        for (const item of left) deadlines.add(item);
        for (const now_ms of looks.sort((a, b) => a - b)) {
          for (const item of deadlines.due(now_ms)) {
            assert(item.deadline_ms <= now_ms);
            assert(left.delete(item), "due twice");
          }
          for (const item of left) assert(item.deadline_ms > now_ms - BUCKET_MS);
          assert.equal(deadlines.size, left.size);
        }
      },
    ),
  );
});

Deno.test("Deadlines.remove() takes out one, and forgives one that is not there", () => {
  const deadlines = new Deadlines<{ deadline_ms: number }>(), [a, b, c] = [at(5), at(5), at(500)];
  deadlines.add(a), deadlines.add(b), deadlines.add(c);
  deadlines.remove(a), deadlines.remove(a);
  assert.equal(deadlines.size, 2);
  assert.deepEqual(deadlines.due(100), [b]);
  deadlines.remove(b);
  assert.equal(deadlines.size, 1);
  deadlines.remove(c);
  assert.deepEqual([deadlines.size, deadlines.due(1e9)], [0, []]);
});

Deno.test("Deadlines: an emptied bucket that is used again holds nothing of before", () => {
  const deadlines = new Deadlines<{ deadline_ms: number }>(), first = at(5), second = at(1_000);
  deadlines.add(first), deadlines.remove(first), deadlines.add(second);
  assert.deepEqual(deadlines.due(500), []);
  assert.deepEqual(deadlines.due(1_008), [second]);
});

Deno.test("Deadlines: Infinity is never due", () => {
  const deadlines = new Deadlines<{ deadline_ms: number }>(), never = at(Infinity);
  deadlines.add(never);
  assert.deepEqual(deadlines.due(Number.MAX_SAFE_INTEGER), []);
  deadlines.remove(never);
  assert.equal(deadlines.size, 0);
});
