import assert from "node:assert/strict";
import { cpuUsage } from "node:process";
import { fuzzDecoders } from "./decoders.ts";
import { CASE_MS_MAX, inputOf, noTally, runCases } from "./engine.ts";
import { mutated } from "./mutate.ts";
import { fnv, Random, Tape } from "./random.ts";
import { shrunk } from "./shrink.ts";
import { attempt, type Target, Untyped } from "./target.ts";

/** Fails for what holds a 7 in front of a 9, and takes its time for what begins with 200. */
const PICKY: Target = {
  name: "picky",
  about: "a target for tests",
  input: (choices) => choices.bytes(choices.size(64)),
  check(input, timed) {
    if (input[0] === 200) timed(() => work(CASE_MS_MAX + 20));
    const seven = input.indexOf(7);
    if (seven >= 0 && input.includes(9, seven)) throw new Error("a 7 is in front of a 9");
  },
};

function work(ms: number): void {
  const began = cpuUsage();
  for (let spent; (spent = cpuUsage(began)).user + spent.system < ms * 1000;);
}

Deno.test("inputOf() makes the same input for the same seed, target and number", () => {
  assert.deepEqual(inputOf(PICKY, "s", 5), inputOf(PICKY, "s", 5));
  const inputs = new Set(Array.from({ length: 100 }, (_, number) => inputOf(PICKY, "s", number).toHex()));
  assert(inputs.size > 50);
  assert.notDeepEqual(inputOf(PICKY, "other", 5), inputOf(PICKY, "s", 5));
});

Deno.test("runCases() finds what fails, makes it small, and says which case it was", async () => {
  const tally = noTally(PICKY.name);
  const finding = await runCases(PICKY, "s", 0, (number) => number > 100_000, tally);
  assert.equal(tally.cases, finding!.number + 1);
  assert.deepEqual(finding!.input, inputOf(PICKY, "s", finding!.number));
  if (finding!.error.includes("7")) assert.deepEqual(finding!.smallest, new Uint8Array([7, 9]));
});

Deno.test("runCases() takes an input for a failure that takes too long each time", async () => {
  const slow: Target = { ...PICKY, input: () => new Uint8Array([200, 0]) };
  const finding = await runCases(slow, "s", 0, () => false, noTally(slow.name));
  assert.match(finding!.error, /^Slow: an input of 2 bytes takes 1\d\d ms/);
});

Deno.test("shrunk() keeps what fails", async () => {
  const input = new Random("x").bytes(500);
  input.set([1, 2, 3], 400);
  const holds = (bytes: Uint8Array) => Promise.resolve(bytes.toHex().includes("010203"));
  assert.deepEqual(await shrunk(input, holds), new Uint8Array([1, 2, 3]));
  assert.deepEqual(await shrunk(input, () => Promise.resolve(false)), input);
});

Deno.test("attempt() lets no error pass that is not documented", () => {
  assert.throws(() => attempt(() => JSON.parse("{")), Untyped);
  assert.equal(attempt(() => 5).value, 5);
});

Deno.test("mutated() changes bytes, and leaves those it was given", () => {
  const before = new Random("x").bytes(100), copy = before.slice();
  const all = Array.from({ length: 100 }, (_, at) => mutated(before, new Random(String(at)), [copy]));
  assert.deepEqual(before, copy);
  assert(all.filter((one) => fnv(one) !== fnv(before)).length > 80);
});

Deno.test("Tape gives the choices that stand in it, and 0 behind its end", () => {
  const tape = new Tape(new Uint8Array([5, 0xff, 1, 0, 0, 0]));
  assert.deepEqual([tape.below(4), tape.below(256), tape.u32(), tape.ended, tape.below(9)], [1, 255, 1, true, 0]);
});

Deno.test("fuzzDecoders() runs each target it is told to", async () => {
  const { tallies, finding } = await fuzzDecoders(
    { targets: ["units", "names"], seed: "s", ms: 60_000, cases_max: 50 },
  );
  assert.equal(finding, undefined);
  assert.deepEqual(tallies.map(({ target, cases }) => [target, cases]), [["units", 50], ["names", 50]]);
});
