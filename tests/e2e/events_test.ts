import assert from "node:assert/strict";
import { assertComplete, type ListenerReport, type PublisherReport, settled } from "./accounts.ts";
import { Sandbox } from "./harness.ts";
import { eventually } from "./wait.ts";

const MIB = 1024 * 1024;

Deno.test("channel brings 1,000,000 events of 4 publishers to 4 listeners, complete and in one order", async () => {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  const each = 250_000, numbers = [1, 2, 3, 4];
  const listeners = numbers.map(() => sandbox.worker("listener", { channel: "jobs" }));
  const publishers = numbers.map((publisher) =>
    sandbox.worker("publisher", { channel: "jobs", publisher, count: each, bytes: 64 })
  );
  await Promise.all([...listeners, ...publishers].map((worker) => worker.tells("ready")));
  await Promise.all(publishers.map((publisher) => publisher.write("go")));
  for (const publisher of publishers) {
    const { sent, confirmed, failures } = await publisher.tells("done") as PublisherReport;
    assert.deepEqual({ sent, confirmed, failures }, { sent: each, confirmed: each, failures: [] });
  }
  const reports: ListenerReport[] = [];
  for (const listener of listeners) reports.push(await settled(listener, numbers.length * each));
  for (const report of reports) {
    assertComplete(report, numbers.map(() => each));
    for (const publisher of numbers) assert.equal(report.publishers[publisher]!.count, each);
    assert.equal(report.digest, reports[0]!.digest, "two listeners have seen different orders");
  }
});

Deno.test("broker gives memory back after 4,000,000 events", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker();
  const events = 2_000_000, numbers = [1, 2];
  const listener = sandbox.worker("listener", { channel: "jobs" });
  const publishers = numbers.map((publisher) =>
    sandbox.worker("publisher", { channel: "jobs", publisher, count: events, bytes: 16 })
  );
  await Promise.all([listener, ...publishers].map((worker) => worker.tells("ready")));
  const before = broker.memoryBytes();
  let peak = before;
  const watch = setInterval(() => peak = Math.max(peak, broker.memoryBytes()), 50);
  try {
    await Promise.all(publishers.map((publisher) => publisher.write("go")));
    assertComplete(await settled(listener, numbers.length * events), numbers.map(() => events));
  } finally {
    clearInterval(watch);
  }
  let after = 0;
  await eventually(
    () => (after = broker.memoryBytes()) < before + 96 * MIB,
    () => `the broker holds ${after / MIB} MiB, before it was ${before / MIB}`,
  );
});
