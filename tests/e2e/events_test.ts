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

Deno.test("channel brings messages of 16 MiB between small ones, and holds little of them", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker();
  const numbers = [1, 2], each = 20_000, large = { every: 1_000, bytes: 16 * MIB };
  const listeners = numbers.map(() => sandbox.worker("listener", { channel: "jobs" }));
  const publishers = numbers.map((publisher) =>
    sandbox.worker("publisher", { channel: "jobs", publisher, count: each, bytes: 64, large })
  );
  await Promise.all([...listeners, ...publishers].map((worker) => worker.tells("ready")));
  await Promise.all(publishers.map((publisher) => publisher.write("go")));
  for (const listener of listeners) assertComplete(await settled(listener, 2 * each), [each, each]);
  // Without a limit it would be all of 640 MiB.
  const peak = broker.memoryPeakBytes() / MIB;
  assert(peak < 400, `the broker used ${peak} MiB`);
});

Deno.test("channel loses nothing of those who live when others are killed", async () => {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  const listeners = [1, 2, 3].map(() => sandbox.worker("listener", { channel: "jobs" }));
  const publishers = [1, 2, 3].map((publisher) =>
    sandbox.worker("publisher", { channel: "jobs", publisher, bytes: 64, flush_every: 5_000 })
  );
  await Promise.all([...listeners, ...publishers].map((worker) => worker.tells("ready")));
  await Promise.all(publishers.map((publisher) => publisher.write("go")));
  for (const publisher of publishers) {
    await eventually(async () => (await publisher.ask("report")).confirmed > 10_000, "nothing is published");
  }
  await Promise.all([listeners.pop()!.kill(), publishers.pop()!.kill()]);
  const confirmed = (await publishers[0]!.ask("report")).confirmed;
  await eventually(
    async () => (await publishers[0]!.ask("report")).confirmed > confirmed + 20_000,
    "nothing is published any more",
  );
  const sent: number[] = [];
  for (const publisher of publishers) {
    await publisher.write("stop");
    sent.push((await publisher.tells("done") as PublisherReport).sent);
  }
  const reports: ListenerReport[] = [];
  for (const listener of listeners) {
    reports.push(
      await eventually(async () => {
        const report = await listener.ask("report") as ListenerReport;
        return sent.every((events, at) => report.publishers[at + 1]!.last === events) && report;
      }, "events are missing"),
    );
  }
  for (const report of reports) {
    assertComplete(report, [...sent, report.publishers[3]!.last]);
    assert.equal(report.digest, reports[0]!.digest);
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
  await Promise.all(publishers.map((publisher) => publisher.write("go")));
  assertComplete(await settled(listener, numbers.length * events), numbers.map(() => events));
  const after = () => broker.memoryBytes();
  await eventually(
    () => after() < before + 96 * MIB,
    () => `the broker holds ${after() / MIB} MiB, before it were ${before / MIB}`,
  );
});
