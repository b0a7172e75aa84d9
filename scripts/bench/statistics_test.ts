import { figure, quantile, summarize } from "./statistics.ts";

Deno.test("summarize() takes the middle of an odd and the mean of an even number of runs", () => {
  equal(summarize([3, 1, 2]).median, 2);
  equal(summarize([4, 1, 2, 3]).median, 2.5);
  equal(summarize([7]).median, 7);
});

Deno.test("summarize() keeps spread and order", () => {
  equal(JSON.stringify(summarize([3, 1, 2])), '{"median":2,"min":1,"max":3,"values":[3,1,2]}');
});

Deno.test("quantile() reaches both ends", () => {
  equal(quantile([1, 2, 3], 0), 1);
  equal(quantile([1, 2, 3], 1), 3);
});

Deno.test("figure() shows three digits and a unit", () => {
  equal(figure(29_123_456), "29.1 M");
  equal(figure(1_000), "1.00 k");
  equal(figure(999), "999");
  equal(figure(0), "0");
  equal(figure(0.123), "0.12");
});

function equal(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${actual} instead of ${expected}`);
}
