/**
 * Proof 11: the fuzzer, for longer than `deno task ok` has time. `deno task fuzz --minutes 10` is longer still.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fuzzBroker } from "../fuzz/broker/fuzz_broker.ts";
import { fuzzDecoders } from "../fuzz/decoders.ts";
import { CASE_MS_MAX } from "../fuzz/engine.ts";
import { writeFailure } from "../fuzz/failure.ts";
import { DECODERS } from "../fuzz/targets/mod.ts";
import { figure } from "./figures.ts";

const MS = 30_000;
const seed = crypto.getRandomValues(new Uint8Array(6)).toHex();

Deno.test(`decoders take whatever comes as documented, seed ${seed}`, async () => {
  const targets = DECODERS.map(({ name }) => name);
  const { tallies, finding } = await fuzzDecoders({ targets, seed, ms: MS, cases_max: Infinity });
  const again = finding && `deno task fuzz --replay ${writeFailure(finding, seed)}`;
  assert.equal(finding?.error, undefined, `${finding?.error}\n${again}`);
  const cases = tallies.reduce((sum, tally) => sum + tally.cases, 0);
  const slowest = tallies.reduce((one, other) => one.slowest_ms >= other.slowest_ms ? one : other);
  figure(
    11,
    `inputs of ${targets.length} decoders in ${MS / 1000} s, fuzzed`,
    `${cases}, none failed`,
    "no crash, no untyped error",
  );
  figure(
    11,
    `the slowest of them (${slowest.target})`,
    `${slowest.slowest_ms.toFixed(1)} ms`,
    `at most ${CASE_MS_MAX} ms`,
  );
});

Deno.test(`broker takes whatever comes as documented, and nobody else notices, seed ${seed}`, async () => {
  const { tally, finding, figures } = await fuzzBroker({ seed, ms: MS });
  const again = finding && `deno task fuzz --replay ${writeFailure(finding, seed)}`;
  assert.equal(finding?.error, undefined, `${finding?.error}\n${again}`);
  figure(
    11,
    `episodes of up to 10 clients each that a live broker went through in ${MS / 1000} s`,
    `${tally.cases}`,
    "nobody else notices",
  );
  for (const line of figures) {
    figure(11, "afterwards", line, "nothing lost, memory at most 32 MiB more, descriptors as before");
  }
});
