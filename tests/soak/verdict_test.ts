import assert from "node:assert/strict";
import { drawSoak } from "./plot.ts";
import { asText, type SoakReport } from "./soak.ts";
import { judge, type Sample, type Series, slope, warm } from "./verdict.ts";

const MIB = 1024 * 1024;

/** A sample a second. */
function samples(seconds: number, change: (at_s: number) => Partial<Sample> = () => ({})): Sample[] {
  return Array.from({ length: seconds }, (_, at) => ({
    at_ms: (at + 1) * 1000,
    rss_bytes: 100 * MIB,
    heap_bytes: (10 + at % 7) * MIB,
    external_bytes: (5 + at % 3) * MIB,
    descriptors: 60 + at % 2,
    channels: 12,
    clients: 20,
    queued_bytes: 0,
    history_bytes: 0,
    ...change(at + 1),
  }));
}

function notFlat(all: readonly Sample[]): Series[] {
  return judge(all).filter(({ flat }) => !flat).map(({ series }) => series);
}

Deno.test("judge() takes breathing for flat, whatever happened at the beginning", () => {
  assert.deepEqual(notFlat(samples(120)), []);
  assert.deepEqual(notFlat(samples(120, (at_s) => ({ rss_bytes: Math.min(at_s, 20) * 5 * MIB }))), []);
  assert.deepEqual(notFlat(samples(120, (at_s) => ({ rss_bytes: (150 - at_s) * MIB }))), []);
});

Deno.test("judge() finds what grows", () => {
  assert.deepEqual(notFlat(samples(600, (at_s) => ({ rss_bytes: (100 + at_s / 20) * MIB }))), ["rss_bytes"]);
  assert.deepEqual(notFlat(samples(600, (at_s) => ({ heap_bytes: (10 + at_s % 40 + at_s / 60) * MIB }))), [
    "heap_bytes",
  ]);
  assert.deepEqual(notFlat(samples(600, (at_s) => ({ descriptors: 60 + Math.floor(at_s / 60) }))), ["descriptors"]);
  assert.deepEqual(notFlat(samples(60, (at_s) => ({ clients: at_s, channels: at_s }))), ["clients", "channels"]);
});

Deno.test("slope() is that of the line through the points", () => {
  assert.equal(slope([[0, 1], [1, 3], [2, 5]]), 2);
  assert.equal(slope([[1, 5]]), 0);
  const [rss] = judge(samples(600, (at_s) => ({ rss_bytes: (100 + at_s / 3600) * MIB })));
  assert.ok(Math.abs(rss!.slope_per_hour / MIB - 1) < 0.001);
});

Deno.test("warm() leaves out the first fifth, and at least 20 s of a short soak", () => {
  assert.equal(warm(samples(600))[0]!.at_ms, 120_000);
  assert.equal(warm(samples(60))[0]!.at_ms, 20_000);
  assert.equal(warm(samples(30))[0]!.at_ms, 15_000);
});

Deno.test("drawSoak() and asText() show what there is, for light and dark", () => {
  const all = samples(120);
  const report: SoakReport = {
    ms: 120_000,
    samples: all,
    judgements: judge(all),
    accounts: [["reconnects", 1200]],
    canaries: "5 pairs: nothing lost",
    faults: [],
    passed: true,
  };
  const svg = drawSoak(report);
  assert.equal(svg.split("<polyline").length - 1, 6);
  assert.ok(svg.includes("prefers-color-scheme: dark") && !/NaN|undefined|Infinity/.test(svg), svg);
  const text = asText(report);
  assert.match(text, /^memory \(RSS\), median +100\.0 MiB +100\.0 MiB +\+10\.0 MiB +[+-]0\.0 MiB\/h +flat$/m);
  assert.match(text, /1200 reconnects \(10\.0\/s\)/);
  assert.match(
    asText({ ...report, passed: false, faults: ["event 3 comes behind event 1"] }),
    /^FAULT event 3 .*\nFAILED$/m,
  );
});
