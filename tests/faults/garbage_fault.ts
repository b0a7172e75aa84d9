import assert from "node:assert/strict";
import { control } from "../../client/mod.ts";
import { PREFACE } from "../../protocol/mod.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually } from "../e2e/wait.ts";
import { startCanaries } from "./canaries.ts";
import { CAN_COMPILE, helloBytes, startCrowd } from "./crowd.ts";
import { figure, mib } from "./figures.ts";

const MIB = 1024 * 1024;
const CONNECTIONS = 10_000, AT_ONCE = 64;
const GROWN_BYTES_MAX = 32 * MIB;
/** By then a broker has the memory that the canaries alone make it take: for the first 10 s or so it grows by itself. */
const WARM_EVENTS = 24_000;
/** What a connection begins with before it goes on at random: behind the handshake there is a broker that trusts more. */
const BEGINNINGS = [
  new Uint8Array(0),
  PREFACE,
  helloBytes(),
  helloBytes({ listen: true, handle: true, presence: true }),
  new TextEncoder().encode('{"ipc":1,"type":"hello","listen":true}\n'),
  new Uint8Array([0x01]),
];

Deno.test({
  name: "broker that gets 10,000 connections of garbage grows by 32 MiB at most and keeps its descriptors",
  ignore: !CAN_COMPILE,
  async fn() {
    await using sandbox = new Sandbox();
    const broker = await sandbox.broker();
    await control("open", { channel: "jobs" }, sandbox);
    await using canaries = await startCanaries(sandbox);
    await eventually(async () => await canaries.received() > WARM_EVENTS, "the canaries do not sing");
    const descriptors = broker.descriptors(), before_bytes = broker.memoryBytes();
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`seed ${seed}`);
    const crowd = await startCrowd(sandbox, sandbox.socket("jobs"), {
      count: CONNECTIONS,
      at_once: AT_ONCE,
      say: BEGINNINGS,
      random_bytes: 64 * 1024,
      life_ms: 20,
      seed,
    });
    const { connected, sent_bytes } = await crowd.done();
    await crowd.end();
    assert.equal(connected, CONNECTIONS);
    await eventually(
      () => broker.descriptors() <= descriptors,
      () => `the broker has ${broker.descriptors()} descriptors open, before it were ${descriptors}`,
    );
    const peak_bytes = broker.memoryPeakBytes() - before_bytes;
    const grown_bytes = broker.memoryBytes() - before_bytes;
    const report = await canaries.stop();
    const max = mib(GROWN_BYTES_MAX);
    figure(
      1,
      `${CONNECTIONS} connections with ${mib(sent_bytes)} of garbage`,
      `memory +${mib(grown_bytes)}`,
      `<= ${max}`,
    );
    figure(1, "at its peak meanwhile", `memory +${mib(peak_bytes)}`, "-");
    figure(1, "descriptors afterwards", `${broker.descriptors()} of ${descriptors}`, "no more than before");
    figure(1, "the others meanwhile", `${report}`, "nothing lost");
    report.assertFaultless();
    assert(grown_bytes <= GROWN_BYTES_MAX, `the broker has grown by ${mib(grown_bytes)}`);
  },
});
