import assert from "node:assert/strict";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { startCanaries } from "./canaries.ts";
import { judge, type Listener } from "./canary_account.ts";

const HEARD: Listener = {
  received: 10,
  others: 0,
  jumps: 0,
  last: 10,
  skipped: [],
  doubled: 0,
  late: [],
  gaps: [],
  notices: [],
  longest_pause_ms: 0,
  longest_delay_ms: 0,
};

Deno.test("judge finds what was lost, and what was told to be missing", () => {
  const publisher = { sent: 10, unconfirmed: [], epochs: [] };
  assert.deepEqual(judge("jobs", publisher, HEARD).lost, 0);
  assert.deepEqual(judge("jobs", publisher, { ...HEARD, received: 9, last: 9 }).lost, 1, "the last one");
  const skipped = { ...HEARD, received: 8, skipped: [[4, 5] as [number, number]] };
  assert.equal(judge("jobs", publisher, skipped).lost, 2);
  assert.equal(judge("jobs", { sent: 10, unconfirmed: [[5, 5]], epochs: [] }, skipped).lost, 1, "perhaps it never was");
  const gap = { behind: 3, from: 4, to: 5, reason: "overflow", epoch: "a" };
  const told = judge("jobs", publisher, { ...skipped, gaps: [gap] });
  assert.deepEqual([told.lost, told.missed, told.wrong_gaps], [0, 2, []]);
  for (const to of [4, 6]) {
    const wrong = judge("jobs", publisher, { ...skipped, gaps: [{ ...gap, to }] }).wrong_gaps;
    assert.match(wrong.join(), /^2 to 2 events are missing at gap 4-/);
  }
  assert.match(judge("jobs", publisher, { ...HEARD, gaps: [gap] }).wrong_gaps.join(), /^nothing is missing/);
  const restart = { ...gap, to: null, reason: "restart" };
  assert.deepEqual(judge("jobs", publisher, { ...HEARD, gaps: [restart] }).wrong_gaps, []);
  assert.deepEqual(judge("jobs", publisher, { ...skipped, gaps: [restart] }).missed, 2);
  // What the next broker had accepted is not to be missing, unless that is told.
  const epochs: [string, number][] = [["a", 1], ["b", 5]], begun = { ...restart, epoch: "b" };
  const lost = judge("jobs", { ...publisher, epochs }, { ...skipped, gaps: [begun] }).wrong_gaps;
  assert.match(lost.join(), /^of the new epoch, which begins with 5, 1 to 1 events are missing, and 0 were told$/);
  const history = { behind: 3, from: 1, to: 1, reason: "history", epoch: "b" };
  assert.deepEqual(judge("jobs", { ...publisher, epochs }, { ...skipped, gaps: [begun, history] }).wrong_gaps, []);
  epochs[1] = ["b", 6];
  assert.deepEqual(judge("jobs", { ...publisher, epochs }, { ...skipped, gaps: [begun] }).wrong_gaps, []);
  const late = judge("jobs", publisher, { ...skipped, received: 10, late: [5, 4] });
  assert.deepEqual([late.lost, late.reordered], [0, 2]);
});

Deno.test("canaries lose nothing where nothing happens, and everything is accounted for where the broker is killed", async () => {
  await using sandbox = new Sandbox();
  let broker = await sandbox.broker();
  await using canaries = await startCanaries(sandbox);
  await eventually(async () => await canaries.received() > 2_000, "the canaries do not sing");
  (await canaries.report()).pairs.forEach(({ lost, doubled }) => assert(lost < 200 && doubled === 0));
  await broker.kill();
  await pause(200);
  broker = await sandbox.broker();
  const killed_at = await canaries.received();
  await eventually(async () => await canaries.received() > killed_at + 2_000, "the canaries do not come back");
  const report = await canaries.stop();
  report.assertAccounted();
  assert(report.pairs.every(({ gaps }) => gaps.length === 1 && gaps[0]!.reason === "restart"), `${report}`);
  assert.throws(() => report.assertFaultless());

  await using others = await startCanaries(sandbox, { pairs: 2, rate_per_s: 1_000, prefix: "other-" });
  await eventually(async () => await others.received() > 2_000, "the others do not sing");
  const faultless = await others.stop();
  faultless.assertFaultless();
  assert.equal(faultless.sum("received"), faultless.sum("sent"));
});
