import { assertFails, assertIs } from "./testing.ts";
import { DURATION_MS_MAX, formatAge, formatBytes, formatDuration, parseDuration, parseSize } from "./units.ts";

Deno.test("parseDuration() reads what the documentation promises", () => {
  const cases: [string | number, number][] = [
    ["500ms", 500],
    ["5s", 5000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1.5s", 1500],
    [".5", 500],
    ["5", 5000],
    [5, 5000],
    [0.25, 250],
    [" 5 S ", 5000],
    ["0", Infinity],
    [0, Infinity],
    ["0ms", Infinity],
    ["infinity", Infinity],
    ["Inf", Infinity],
    [Infinity, Infinity],
    ["0.2ms", 1],
    ["576h", 576 * 3_600_000],
  ];
  for (const [value, ms] of cases) assertIs(parseDuration(value), ms, String(value));
});

Deno.test("parseDuration() refuses what is no duration, with the value in the message", () => {
  for (const value of ["", "s", "5 parsecs", "-5s", -1, NaN, "5s5", "1e3", "0x10", "1h30m", "٣s"]) {
    assertFails(() => parseDuration(value), RangeError, `${JSON.stringify(value)} is not a duration`);
  }
});

Deno.test("parseDuration() refuses what a timer cannot wait for", () => {
  assertIs(parseDuration(`${DURATION_MS_MAX}ms`), DURATION_MS_MAX);
  assertFails(() => parseDuration(`${DURATION_MS_MAX + 1}ms`), RangeError, "too long: at most 24 days");
  assertFails(() => parseDuration("9".repeat(400)), RangeError, "too long");
});

Deno.test("formatDuration() writes what parseDuration() reads back", () => {
  const cases: [number, string][] = [
    [Infinity, "infinity"],
    [1, "1ms"],
    [0.1234, "0.123ms"],
    [1500, "1.5s"],
    [60_000, "1m"],
    [90_000, "90s"],
    [7_200_000, "2h"],
  ];
  for (const [ms, text] of cases) assertIs(formatDuration(ms), text);
  for (const ms of [1, 999, 1000, 1001, 59_999, 60_000, 3_599_999, DURATION_MS_MAX, Infinity]) {
    assertIs(parseDuration(formatDuration(ms)), ms);
  }
});

Deno.test("parseSize() reads what the documentation promises", () => {
  const cases: [string | number, number][] = [
    [0, 0],
    ["65536", 65_536],
    ["10B", 10],
    ["64KiB", 65_536],
    ["64 kib", 65_536],
    ["64K", 65_536],
    ["16MiB", 16_777_216],
    ["1.5KiB", 1536],
    ["1G", 1_073_741_824],
    ["64kB", 64_000],
    ["2MB", 2_000_000],
  ];
  for (const [value, bytes] of cases) assertIs(parseSize(value), bytes, String(value));
});

Deno.test("parseSize() refuses what is no size, with the value in the message", () => {
  for (const value of ["", "MiB", "-1", -1, 1.5, "0.3B", NaN, Infinity, "1e9", "9007199254740993", "5 parsecs"]) {
    assertFails(() => parseSize(value), RangeError, `${JSON.stringify(value)} is not a size`);
  }
});

Deno.test("formatAge() writes the two largest units", () => {
  const cases: [number, string][] = [
    [0, "0s"],
    [999, "0s"],
    [59_999, "59s"],
    [60_000, "1m"],
    [303_500, "5m 3s"],
    [3_600_000, "1h"],
    [3_659_000, "1h"],
    [33_153_000, "9h 12m"],
    [86_400_000, "1d"],
    [30 * 86_400_000 + 4 * 3_600_000, "30d 4h"],
  ];
  for (const [ms, text] of cases) assertIs(formatAge(ms), text);
});

Deno.test("formatBytes() is exact for multiples and short for the rest", () => {
  const cases: [number, string][] = [
    [0, "0B"],
    [1023, "1023B"],
    [1024, "1KiB"],
    [1536, "1.5KiB"],
    [16_777_216, "16MiB"],
    [12_897_485, "12.3MiB"],
    [2 ** 30, "1GiB"],
  ];
  for (const [bytes, text] of cases) assertIs(formatBytes(bytes), text);
  for (const bytes of [0, 1, 1023, 1024, 65_536, 16_777_216, 2 ** 30]) assertIs(parseSize(formatBytes(bytes)), bytes);
});
