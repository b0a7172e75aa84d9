/**
 * Listeners that read nothing, or a byte a second, one and a hundred of them, under each policy: they are closed when and as
 * docs/configuration.md says, the others on their channel get everything, and memory stays below its limit.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ClientInfo, control } from "../../client/mod.ts";
import { assertAccounted, assertComplete, missing, type PublisherReport, settled } from "../e2e/accounts.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { startCanaries } from "./canaries.ts";
import { CAN_COMPILE, helloBytes, startCrowd } from "./crowd.ts";
import { figure, mib } from "./figures.ts";

const MIB = 1024 * 1024;
const POLICIES = ["block", "disconnect", "drop"] as const;
type Policy = (typeof POLICIES)[number];
const READERS = [
  { what: "1 that never reads", count: 1, read_bytes_per_s: 0 },
  { what: "100 that never read", count: 100, read_bytes_per_s: 0 },
  { what: "1 that reads a byte a second", count: 1, read_bytes_per_s: 1 },
  { what: "100 that read a byte a second", count: 100, read_bytes_per_s: 1 },
];
const QUEUE_BYTES = 2 * MIB, STALL_MS = 5_000;
/** Less than a full queue: what is written at a time is on its way. */
const FULL_BYTES = QUEUE_BYTES - 512 * 1024;
/** Slow ones are looked for twice a second, and so does this test. */
const CLOSED_MS_MAX = { block: STALL_MS + 2_000, disconnect: 1_000 };
/** One that drops is looked at for so long. */
const DROP_MS = 15_000;
/** Who is closed may take 10 s to read why. */
const LINGER_MS = 10_000;
/** Queues of a channel share their memory: it is a queue's for each channel, and what the runtime takes to work with. */
const GROWN_BYTES_MAX = 64 * MIB;

for (const policy of POLICIES) {
  Deno.test({
    name: `broker closes who does not read as documented, keeps its memory and the others' events: ${policy}`,
    ignore: !CAN_COMPILE,
    async fn() {
      await using sandbox = new Sandbox();
      const tables = READERS.map((_, index) => `[channels.jobs-${index}]\noverflow = "${policy}"\n`);
      Deno.writeTextFileSync(sandbox.config_file, `queue = ${QUEUE_BYTES}\n${tables.join("")}`);
      const broker = await sandbox.broker();
      await using canaries = await startCanaries(sandbox);
      await eventually(async () => await canaries.received() > 10_000, "the canaries do not sing");
      const before_bytes = broker.memoryBytes(), descriptors = broker.descriptors();
      const peak = { bytes: 0 };
      const watching = setInterval(() => peak.bytes = Math.max(peak.bytes, broker.memoryBytes()), 100);
      try {
        await Promise.all(READERS.map((_, index) => slowReaders(sandbox, policy, index)));
      } finally {
        clearInterval(watching);
      }
      await eventually(
        () => broker.descriptors() <= descriptors,
        () => `the broker has ${broker.descriptors()} descriptors open, before it were ${descriptors}`,
      );
      const report = await canaries.stop(), grown_bytes = peak.bytes - before_bytes;
      figure(4, `${policy}: memory at its peak`, `+${mib(grown_bytes)}`, `<= ${mib(GROWN_BYTES_MAX)}`);
      figure(4, `${policy}: the others`, `${report}`, "nothing lost");
      report.assertFaultless();
      assert(grown_bytes <= GROWN_BYTES_MAX, `the broker has grown by ${mib(grown_bytes)}`);
    },
  });
}

/** Some of them on a channel with a publisher and a listener that reads. */
async function slowReaders(sandbox: Sandbox, policy: Policy, index: number): Promise<void> {
  const { what, count, read_bytes_per_s } = READERS[index]!, channel = `jobs-${index}`;
  const reader = sandbox.worker("listener", { channel, name: "reads" });
  const publisher = sandbox.worker("publisher", { channel, publisher: 1, bytes: 1024, flush_every: 100, rest_ms: 10 });
  await Promise.all([reader.tells("ready"), publisher.tells("ready")]);
  const crowd = await startCrowd(sandbox, sandbox.socket(channel), {
    at_once: count,
    say: [helloBytes({ listen: true, name: "slow" })],
    read_bytes_per_s,
    again: false,
  });
  const slow = async () => {
    const clients = await control("clients", { channel }, sandbox) as ClientInfo[];
    return clients.filter(({ name }) => name === "slow");
  };
  await eventually(async () => (await slow()).length === count, "they do not come");
  await publisher.write("go");
  await eventually(
    async () => (await slow()).length < count || (await slow()).some(({ queued_bytes }) => queued_bytes >= FULL_BYTES),
    "their queues do not fill",
  );
  const full_ms = performance.now(), title = `${policy}: ${what}`;
  const published = async () => (await publisher.ask("report") as PublisherReport).sent;
  const sent = await published();
  if (policy === "drop") {
    await pause(DROP_MS);
    const left = await slow(), queued = left.reduce((most, { queued_bytes }) => Math.max(most, queued_bytes), 0);
    figure(4, title, `${left.length} of ${count} are there after ${DROP_MS / 1_000} s`, "all");
    figure(4, `${title}: longest queue`, mib(queued), `<= ${mib(QUEUE_BYTES)}`);
    assert.equal(left.length, count);
    assert(queued <= QUEUE_BYTES, `${queued} bytes wait for one`);
    assert(await published() > sent + 10_000, "the publisher waits");
    await crowd.end();
  } else {
    await eventually(async () => (await slow()).length === 0, "they are not closed");
    const closed_ms = Math.round(performance.now() - full_ms), max = CLOSED_MS_MAX[policy];
    figure(4, title, `closed ${closed_ms} ms after their queue was full`, `<= ${max} ms`);
    assert(closed_ms <= max, `they were closed after ${closed_ms} ms`);
    if (policy === "block") assert(closed_ms >= STALL_MS - 1_000, `they were closed after ${closed_ms} ms already`);
    await eventually(async () => await published() > sent + 1_000, "the publisher waits for nobody");
    const { closed_by_broker } = await eventually(
      async () => {
        const report = await crowd.report();
        return report.open === 0 && report;
      },
      "their sockets are not closed",
      2 * LINGER_MS,
    );
    assert.equal(closed_by_broker, count);
    await crowd.end();
  }
  await publisher.write("stop");
  const done = await publisher.tells("done") as PublisherReport;
  assert.deepEqual({ confirmed: done.confirmed, failures: done.failures }, { confirmed: done.sent, failures: [] });
  const heard = await settled(reader, done.sent);
  if (policy === "block") assertComplete(heard, [done.sent]);
  // Where publishers do not wait, it may have been too slow itself for a moment; then it was told.
  assertAccounted(heard, [done.sent]);
  assert.equal(missing(heard), heard.missed);
  await Promise.all([publisher.kill(), reader.kill()]);
}
