/**
 * Connections that say nothing, or begin and do not go on, or only come and go: somebody honest is served all the same.
 *
 * @module
 */
import assert from "node:assert/strict";
import { PREFACE } from "../../protocol/mod.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { startCanaries } from "./canaries.ts";
import { CAN_COMPILE, type CrowdOptions, helloBytes, startCrowd } from "./crowd.ts";
import { figure, mib } from "./figures.ts";
import type { HonestReport } from "./programs/honest_client.ts";

/** How long somebody honest may have to wait. */
const SERVED_MS_MAX = 6_000;
const RATE_PER_S = 5_000, FLOOD_MS = 20_000;
const BEGUN = [PREFACE.subarray(0, 1)];

/** What is done, and for how long; until it is over, if that is left out. */
const CROWDS: readonly [what: string, options: CrowdOptions, ms?: number][] = [
  ["64 silent connections", { at_once: 64 }, 8_000],
  ["64 connections that begin HELLO and are replaced when they are closed", { at_once: 64, say: BEGUN }, 12_000],
  ["5,000 connects/s for 20 s, closed at once", { at_once: 1_000, rate_per_s: RATE_PER_S, life_ms: 0 }, FLOOD_MS],
  [
    "5,000 connects/s for 20 s, silent for a second",
    { at_once: 10_000, rate_per_s: RATE_PER_S, life_ms: 1_000 },
    FLOOD_MS,
  ],
  [
    "5,000 connects/s for 20 s, which begin HELLO and stay",
    { at_once: 10_000, rate_per_s: RATE_PER_S, say: BEGUN },
    FLOOD_MS,
  ],
  ["100,000 connect and close", { at_once: 1_000, count: 100_000, life_ms: 0 }],
  ["100,000 connect, say HELLO and close", { at_once: 1_000, count: 100_000, life_ms: 0, say: [helloBytes()] }],
];

for (const [what, options, ms] of CROWDS) {
  Deno.test({
    name: `broker serves somebody honest within 6 s while there are ${what}`,
    ignore: !CAN_COMPILE,
    async fn() {
      await using sandbox = new Sandbox();
      const broker = await sandbox.broker();
      await using canaries = await startCanaries(sandbox);
      // One comes to the channel that is attacked, one to another.
      const given = { channels: ["jobs", "other"], rest_ms: 50, limit_ms: 2 * SERVED_MS_MAX };
      const honest = sandbox.program("tests/faults/programs/honest_client.ts", given);
      await honest.tells("ready");
      await eventually(async () => await canaries.received() > 4_000, "the canaries do not sing");
      const descriptors = broker.descriptors(), before_bytes = broker.memoryBytes();
      const start_ms = performance.now(), start_processor_ms = broker.processorMs();
      const crowd = await startCrowd(sandbox, sandbox.socket("jobs"), options);
      if (ms === undefined) await crowd.done();
      else await pause(ms);
      const took_ms = performance.now() - start_ms, processor_ms = broker.processorMs() - start_processor_ms;
      const { connected } = await crowd.report(), { served } = await honest.ask("report") as HonestReport;
      await crowd.end();
      // Who waited at the end has to be served, too.
      await eventually(
        async () => (await honest.ask("report") as HonestReport).served >= served + 4,
        "nobody is served any more",
      );
      const { longest_ms, failures } = await honest.ask("report") as HonestReport;
      await honest.kill();
      await eventually(
        () => broker.descriptors() <= descriptors,
        () => `the broker has ${broker.descriptors()} descriptors open, before it were ${descriptors}`,
      );
      const grown_bytes = broker.memoryBytes() - before_bytes, report = await canaries.stop();
      const busy = `${Math.round(processor_ms / took_ms * 100)} % of a processor`;
      figure(5, what, `${connected} connected in ${(took_ms / 1_000).toFixed(1)} s, ${busy}`, "-");
      figure(5, `${what}: longest wait of ${served} honest visits`, `${longest_ms} ms`, `<= ${SERVED_MS_MAX} ms`);
      figure(5, `${what}: memory afterwards`, `+${mib(grown_bytes)}`, "-");
      figure(5, `${what}: the others`, `${report}`, "nothing lost");
      report.assertFaultless();
      assert.deepEqual(failures, []);
      assert(longest_ms <= SERVED_MS_MAX, `somebody had to wait for ${longest_ms} ms`);
      assert(broker.running);
    },
  });
}
