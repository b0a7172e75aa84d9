import assert from "node:assert/strict";
import { fuzzBroker } from "./broker/fuzz_broker.ts";
import { fuzzDecoders } from "./decoders.ts";
import { DECODERS } from "./targets/mod.ts";

/** `deno task fuzz` takes longer; this is so that nothing is broken in passing. */
const DECODERS_MS = 3_000, BROKER_MS = 2_000;

function seedOfRun(): string {
  return crypto.getRandomValues(new Uint8Array(6)).toHex();
}

Deno.test("decoders take whatever comes as documented", async () => {
  const seed = seedOfRun(), targets = DECODERS.map(({ name }) => name);
  const { tallies, finding } = await fuzzDecoders({ targets, seed, ms: DECODERS_MS, cases_max: Infinity });
  const again = finding && `deno task fuzz --target ${finding.target} --seed ${seed} --case ${finding.number}`;
  assert.equal(finding?.error, undefined, again);
  const cases = tallies.reduce((sum, tally) => sum + tally.cases, 0);
  assert(cases > 100, `only ${cases} cases in ${DECODERS_MS} ms`);
});

Deno.test("broker takes whatever comes as documented, and nobody else notices", async () => {
  const seed = seedOfRun(), { tally, finding } = await fuzzBroker({ seed, ms: BROKER_MS });
  const cases = finding?.episodes.map(({ number }) => number).join(", ");
  assert.equal(
    finding?.error,
    undefined,
    `deno task fuzz --target broker --seed ${seed} --case ${cases}: ${finding?.error}`,
  );
  assert(tally.cases > 1, `only ${tally.cases} episodes in ${BROKER_MS} ms`);
});
