import assert from "node:assert/strict";
import { type ListenerReport, type PublisherReport, settled } from "./accounts.ts";
import { type BrokerProcess, Sandbox } from "./harness.ts";
import { eventually } from "./wait.ts";

Deno.test("broker that is killed under load and started again is found again, and nobody is told a lie", async () => {
  const { publishers, listeners } = await restartUnderLoad(async (broker, sandbox) => {
    await broker.kill();
    await sandbox.broker(KEEPING);
  });
  for (const { received } of listeners) {
    for (const [at, { failures: [failure] }] of publishers.entries()) {
      // What the old broker had accepted and not delivered is lost with it, which the notice of its restart says. What
      // was sent to the new one is not.
      const skipped = received[at + 1]!.skipped;
      assert(skipped.length <= 1, JSON.stringify(skipped));
      for (const [, last] of skipped) if (failure !== undefined) assert(last <= failure.to, about(skipped, failure));
    }
  }
});

Deno.test("broker that is ended and started again under load loses only what flush() says", async () => {
  const { publishers, listeners } = await restartUnderLoad(async (broker, sandbox) => {
    broker.signal("SIGTERM");
    await sandbox.broker(KEEPING);
    assert.equal(await broker.exit(), 0);
  });
  for (const { received } of listeners) {
    for (const [at, { failures: [failure] }] of publishers.entries()) {
      const skipped = received[at + 1]!.skipped;
      assert(skipped.length <= (failure === undefined ? 0 : 1), about(skipped, failure));
      for (const [first, last] of skipped) {
        assert(failure!.from <= first && last <= failure!.to, about(skipped, failure));
        assert(last - first + 1 <= failure!.events.events, about(skipped, failure));
      }
    }
  }
});

Deno.test("broker that is killed and started again is given requests again, and answers by nobody else's", async () => {
  await using sandbox = new Sandbox();
  const killed = await sandbox.broker();
  const handlers = [1, 2].map(() => sandbox.worker("handler", { channel: "jobs" }));
  const requester = sandbox.worker("requester", { channel: "jobs", clients: 8, count: 1e9, at_once: 20 });
  await Promise.all([...handlers, requester].map((worker) => worker.tells("ready")));
  await requester.write("go");
  await eventually(async () => (await requester.ask("report")).right > 10_000, "nothing is answered");
  await killed.kill();
  const { right } = await requester.ask("report");
  await sandbox.broker();
  const report = await eventually(async () => {
    const report = await requester.ask("report");
    return report.right > right + 10_000 && report;
  }, "nothing is answered by the new broker");
  assert.equal(report.wrong, 0);
  // NO_HANDLER: a requester may be back before the first handler.
  for (const reason of Object.keys(report.failures)) assert.match(reason, /^(CHANNEL_RECV|NO_HANDLER)$/);
  for (const handler of handlers) {
    const { answered } = await handler.ask("report");
    await eventually(async () => (await handler.ask("report")).answered > answered, "a handler is not back");
  }
});

Deno.test("broker that is told to end under load delivers what it has accepted, and leaves nothing behind", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker();
  const listeners = [1, 2].map(() => sandbox.worker("listener", { channel: "jobs" }));
  const publishers = [1, 2, 3].map((publisher) =>
    sandbox.worker("publisher", { channel: "jobs", publisher, bytes: 64, flush_every: 500, ack: publisher === 3 })
  );
  await Promise.all([...listeners, ...publishers].map((worker) => worker.tells("ready")));
  await Promise.all(publishers.map((publisher) => publisher.write("go")));
  for (const publisher of publishers) {
    await eventually(async () => (await publisher.ask("report")).confirmed > 5_000, "nothing is published");
  }
  broker.signal("SIGTERM");
  assert.equal(await broker.exit(), 0);
  assert.deepEqual([...Deno.readDirSync(sandbox.socket_dir)].map(({ name }) => name), []);
  const accepted: number[] = [];
  for (const publisher of publishers) accepted.push((await publisher.ask("report") as PublisherReport).confirmed);
  for (const listener of listeners) {
    const report = await settled(listener, accepted.reduce((sum, events) => sum + events, 0));
    const { jumps, disordered, missed } = report;
    assert.deepEqual({ jumps, disordered, missed }, { jumps: 0, disordered: 0, missed: 0 });
    for (const [at, events] of accepted.entries()) {
      const { last, skipped } = report.publishers[at + 1]!;
      assert.deepEqual(skipped, []);
      assert(last >= events, `publisher ${at + 1} was told that ${events} are accepted, a listener has ${last}`);
    }
  }
});

Deno.test("broker that is told to end sees to it that every request it has passed on is answered", async () => {
  await using sandbox = new Sandbox();
  // So long that the test fails if it is waited for.
  const broker = await sandbox.broker({ IPC_DRAIN_TIMEOUT: "10m" });
  // Their replies stand behind events, which are not accepted any more.
  const handlers = [1, 2].map(() => sandbox.worker("handler", { channel: "jobs", announces: true }));
  const requesters = [1, 2].map(() =>
    sandbox.worker("requester", { channel: "jobs", clients: 4, count: 1e9, at_once: 50 })
  );
  await Promise.all([...handlers, ...requesters].map((worker) => worker.tells("ready")));
  await Promise.all(requesters.map((requester) => requester.write("go")));
  for (const requester of requesters) {
    await eventually(async () => (await requester.ask("report")).right > 5_000, "nothing is answered");
  }
  broker.signal("SIGTERM");
  assert.equal(await broker.exit(), 0);
  let answered = 0;
  for (const handler of handlers) answered += (await handler.ask("report")).answered;
  await eventually(async () => {
    let right = 0;
    for (const requester of requesters) {
      const report = await requester.ask("report");
      right += report.right;
      assert.equal(report.wrong, 0);
      // Those that the broker had not accepted.
      for (const reason of Object.keys(report.failures)) assert.match(reason, /^(SHUTDOWN|CHANNEL_RECV)$/);
    }
    assert(right <= answered);
    return right === answered;
  }, "answers are lost");
});

Deno.test("broker that is told to end does not wait for a listener that has stopped longer than it may", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker({ IPC_DRAIN_TIMEOUT: "1s", IPC_STALL_TIMEOUT: "10m" });
  const stopped = sandbox.worker("listener", { channel: "jobs" }),
    other = sandbox.worker("listener", { channel: "jobs" });
  const publisher = sandbox.worker("publisher", { channel: "jobs", publisher: 1, bytes: 1024, flush_every: 500 });
  await Promise.all([stopped, other, publisher].map((worker) => worker.tells("ready")));
  stopped.signal("SIGSTOP");
  await publisher.write("go");
  // Until publishers wait for it.
  let before = -1;
  await eventually(async () => {
    const { sent } = await publisher.ask("report") as PublisherReport;
    const waits = sent > 8_000 && sent === before;
    before = sent;
    return waits;
  }, "the publisher is not made to wait");
  broker.signal("SIGTERM");
  assert.equal(await broker.exit(), 0);
  assert.match(broker.stderr, /undelivered_bytes=\d{7}/);
  const { confirmed } = await publisher.ask("report") as PublisherReport;
  const report = await eventually(async () => {
    const report = await other.ask("report") as ListenerReport;
    return report.received >= confirmed && report;
  }, "what was accepted is not delivered to a listener that reads");
  assert.deepEqual({ jumps: report.jumps, disordered: report.disordered }, { jumps: 0, disordered: 0 });
});

Deno.test("broker reads its configuration again at SIGHUP, and keeps the old one if the new one is wrong", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker();
  Deno.writeTextFileSync(sandbox.config_file, "[channels.jobs]\nhistory = 0\n");
  broker.signal("SIGHUP");
  await broker.says("configuration was read again");
  assert(Deno.lstatSync(sandbox.socket("jobs")).isSocket);
  Deno.writeTextFileSync(sandbox.config_file, "[channels.jobs]\nhistroy = 0\n");
  broker.signal("SIGHUP");
  await broker.says("histroy");
  assert(broker.running);
  Deno.writeTextFileSync(sandbox.config_file, "[channels.more]\n");
  broker.signal("SIGHUP");
  await eventually(() => {
    try {
      return Deno.lstatSync(sandbox.socket("more")).isSocket;
    } catch {
      return false;
    }
  }, "the new channel is not opened");
});

type Failure = PublisherReport["failures"][number];

function about(skipped: [number, number][], failure: Failure | undefined): string {
  return `missing: ${JSON.stringify(skipped)}, doubted by flush(): ${JSON.stringify(failure)}`;
}

/** For brokers that keep what is published before the listeners are back. */
const KEEPING = { IPC_HISTORY: "512MiB" };

/**
 * Sees that everybody finds the successor of a broker that had much to do.
 *
 * @param restart Ends it and starts the other.
 */
async function restartUnderLoad(restart: (broker: BrokerProcess, sandbox: Sandbox) => Promise<void>) {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker(KEEPING);
  const numbers = [1, 2];
  const listeners = [1, 2].map(() => sandbox.worker("listener", { channel: "jobs" }));
  const publishers = numbers.map((publisher) =>
    sandbox.worker("publisher", { channel: "jobs", publisher, bytes: 64, flush_every: 5_000 })
  );
  const [{ epoch: old_epoch }] = await Promise.all([...listeners, ...publishers].map((each) => each.tells("ready")));
  await Promise.all(publishers.map((publisher) => publisher.write("go")));
  for (const publisher of publishers) {
    await eventually(async () => (await publisher.ask("report")).confirmed > 20_000, "nothing is published");
  }
  await restart(broker, sandbox);
  // Everybody has to come back by itself.
  for (const worker of [...listeners, ...publishers]) {
    await eventually(async () => (await worker.ask("report")).epoch !== old_epoch, "a client has not connected again");
  }
  const sent: PublisherReport[] = [];
  for (const publisher of publishers) {
    const { confirmed } = await publisher.ask("report") as PublisherReport;
    await eventually(
      async () => (await publisher.ask("report")).confirmed > confirmed + 20_000,
      "nothing is published to the new broker",
    );
    await publisher.write("stop");
  }
  for (const publisher of publishers) sent.push(await publisher.tells("done"));
  const epoch = sent[0]!.epoch;
  for (const report of sent) {
    assert.deepEqual({ confirmed: report.confirmed, epoch: report.epoch }, { confirmed: report.sent, epoch });
    assert(report.failures.length <= 1, JSON.stringify(report.failures));
    for (const { from, to, reason, events } of report.failures) {
      assert(reason === "CHANNEL_SEND" && events.events <= to - from + 1, JSON.stringify(report.failures));
    }
  }
  const received: { received: ListenerReport["publishers"] }[] = [];
  for (const listener of listeners) {
    const report = await eventually(async () => {
      const report = await listener.ask("report") as ListenerReport;
      return numbers.every((number, at) => report.publishers[number]!.last === sent[at]!.sent) && report;
    }, "what was confirmed by the new broker does not arrive");
    const { jumps, disordered, others, missed, restarts } = report;
    assert.deepEqual({ jumps, disordered, others, missed, restarts, epoch: report.epoch }, {
      jumps: 0,
      disordered: 0,
      others: 0,
      missed: 0,
      restarts: 1,
      epoch,
    });
    received.push({ received: report.publishers });
  }
  return { publishers: sent, listeners: received };
}
