import assert from "node:assert/strict";
import { Counters, countUnder, sumOf } from "./counters.ts";

Deno.test("Counters.passed() keeps what closed channels have counted", () => {
  const counters = new Counters(), open = { events: 1, bytes: 10, requests: 2 };
  assert.deepEqual(counters.passed([]), { events: 0, bytes: 0, requests: 0 });
  counters.keep({ events: 5, bytes: 50, requests: 7 });
  counters.keep({ events: 1, bytes: 1, requests: 1 });
  assert.deepEqual(counters.passed([open, open]), { events: 8, bytes: 71, requests: 12 });
  assert.deepEqual(counters.passed([]), { events: 6, bytes: 51, requests: 8 });
});

Deno.test("countUnder() counts under each name, sumOf() all of them", () => {
  const counts = new Map<string, number>();
  for (const name of ["a", "__proto__", "a"]) countUnder(counts, name);
  assert.deepEqual([...counts], [["a", 2], ["__proto__", 1]]);
  assert.equal(sumOf(counts), 3);
});
