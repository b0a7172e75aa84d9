import assert from "node:assert/strict";
import { strftime, TIME_CONVERSIONS } from "./strftime.ts";

/** What date(1) makes of a format, in the zone of this process. */
function byDate(date: Date, format: string): string {
  const args = ["-d", `@${date.getTime() / 1000}`, `+${format}`];
  const { stdout } = new Deno.Command("date", { args, env: { LC_ALL: "C" } }).outputSync();
  return new TextDecoder().decode(stdout).replace(/\n$/, "");
}

Deno.test("strftime() writes what date(1) does", () => {
  const all = [...TIME_CONVERSIONS.keys()].map((letter) => `%${letter}`).join("|");
  for (
    const time of [
      "2026-11-20T08:05:09.007Z",
      "2024-02-29T00:00:00.000Z",
      "2024-12-31T12:00:00.999Z",
      "2025-06-01T13:59:59.500Z",
      "2023-01-01T23:30:00.000Z",
    ]
  ) {
    const date = new Date(time);
    assert.equal(strftime(all)(date), byDate(date, all), time);
  }
  assert.equal(strftime("at ü %% x")(new Date()), "at ü % x");
});

Deno.test("strftime() refuses what it does not know", () => {
  for (const format of ["%Q", "%", "%N", "%3"]) assert.throws(() => strftime(format), /is no part of a time/, format);
});
