import assert from "node:assert/strict";
import { Clock } from "./clock.ts";

Deno.test("Clock.now() is the time that went by, as long as ticks come", () => {
  let real_ms = 5_000;
  const clock = new Clock(() => real_ms);
  for (let n = 0; n < 100; n++) {
    real_ms += 500;
    assert.equal(clock.now(), real_ms);
    assert.equal(clock.tick(), real_ms);
  }
});

Deno.test("Clock stands still while no tick comes, a second after the last, and goes on from there", () => {
  let real_ms = 0;
  const clock = new Clock(() => real_ms);
  real_ms = 999;
  assert.equal(clock.now(), 999);
  real_ms = 30_000;
  assert.equal(clock.now(), 1_000);
  assert.equal(clock.tick(), 1_000);
  real_ms = 30_500;
  assert.equal(clock.now(), 1_500);
  real_ms = 90_000;
  assert.equal(clock.tick(), 2_000);
});

Deno.test("Clock never goes back, whenever it is asked", () => {
  let real_ms = 0, last = 0;
  const clock = new Clock(() => real_ms);
  for (const step of [3, 700, 400, 5_000, 0, 900, 200, 60_000, 1]) {
    real_ms += step;
    for (const now of [clock.now(), clock.tick(), clock.now()]) {
      assert(now >= last, `${now} after ${last}`);
      last = now;
    }
  }
});
