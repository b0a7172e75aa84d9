/**
 * Proof 12: a soak. `deno task soak --minutes 10` is the whole of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { asText, shown, soak } from "../soak/soak.ts";
import { figure } from "./figures.ts";

const MS = 60_000;

Deno.test("broker stays as it is under a load that changes all the time", async () => {
  const report = await soak({ ms: MS });
  assert(report.passed, asText(report));
  for (const { series, first, last, allowed } of report.judgements) {
    const name = series.replace("_bytes", "");
    const measured = `${shown(series, first)} in the first third, ${shown(series, last)} in the last`;
    figure(12, `${name} in a soak of ${MS / 1000} s`, measured, `at most ${shown(series, allowed)} more`);
  }
  const reconnects = new Map(report.accounts).get("reconnects")!;
  figure(12, "reconnects meanwhile", `${(reconnects / MS * 1000).toFixed(1)} a second, nothing lost`, "10 a second");
});
