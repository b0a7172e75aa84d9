import assert from "node:assert/strict";
import {
  assertAccounted,
  assertComplete,
  type ListenerReport,
  missing,
  type PublisherReport,
  settled,
} from "./accounts.ts";
import { Sandbox } from "./harness.ts";
import { eventually, pause } from "./wait.ts";

/** Less than `stall_timeout`, which is 5 s, and more. */
const SHORT_MS = 3_000, LONG_MS = 10_000;
/** More than a queue and the kernel hold. */
const FLOOD = 20_000;

Deno.test("listener that is stopped under load loses nothing, or is told exactly what; others lose nothing", async () => {
  await using sandbox = new Sandbox();
  Deno.writeTextFileSync(sandbox.config_file, '[channels.kept]\nhistory = "1GiB"\n');
  await sandbox.broker();
  // All at once, each on a channel of its own: they take as long as they take.
  const [short, long, kept, drop, disconnect] = await Promise.all([
    stopUnderLoad(sandbox, { channel: "short" }, SHORT_MS),
    stopUnderLoad(sandbox, { channel: "long" }, LONG_MS, FLOOD),
    stopUnderLoad(sandbox, { channel: "kept" }, LONG_MS, FLOOD),
    stopUnderLoad(sandbox, { channel: "drop", overflow: "drop" }, SHORT_MS, FLOOD),
    stopUnderLoad(sandbox, { channel: "disconnect", overflow: "disconnect" }, SHORT_MS, FLOOD),
  ]);
  for (const { sent, other, stopped } of [short, long, kept, drop, disconnect]) {
    assertComplete(other, sent);
    assertAccounted(stopped, sent);
    assert.equal(missing(stopped), stopped.missed, "the notices of gaps speak of other events than are missing");
  }
  assertComplete(short.stopped, short.sent);
  assert.deepEqual(notices(short.stopped), []);
  assert.equal(short.stopped.digest, short.other.digest);

  assert.deepEqual(notices(long.stopped), ["disconnected SLOW_CONSUMER", "reconnected"]);
  assert(long.stopped.missed > 0, "the history cannot hold all that");

  assertComplete(kept.stopped, kept.sent);
  assert.deepEqual(notices(kept.stopped), ["disconnected SLOW_CONSUMER", "reconnected"]);
  assert.equal(kept.stopped.digest, kept.other.digest);

  assert.deepEqual(notices(drop.stopped), []);
  assert(drop.stopped.missed > 0, "the queue cannot hold all that");

  assert.deepEqual(notices(disconnect.stopped), ["disconnected SLOW_CONSUMER", "reconnected"]);
});

/**
 * A publisher and two listeners, one of which is stopped for a while.
 *
 * @param events How many events the other one gets meanwhile, if publishers do not wait for the stopped one.
 */
async function stopUnderLoad(
  sandbox: Sandbox,
  options: { channel: string; overflow?: string },
  stop_ms: number,
  events = 0,
) {
  const { channel } = options;
  const publisher = sandbox.worker("publisher", { channel, publisher: 1, bytes: 1024, flush_every: 200, rest_ms: 10 });
  const stopped = sandbox.worker("listener", options), other = sandbox.worker("listener", { channel });
  await Promise.all([stopped, other, publisher].map((worker) => worker.tells("ready")));
  await publisher.write("go");
  await eventually(async () => (await stopped.ask("report")).received > 1_000, "nothing arrives");
  stopped.signal("SIGSTOP");
  await pause(stop_ms);
  await eventually(async () => (await other.ask("report")).received > events, "the other listener gets too little");
  stopped.signal("SIGCONT");
  await publisher.write("stop");
  const { sent, confirmed, failures } = await publisher.tells("done") as PublisherReport;
  assert.deepEqual({ confirmed, failures }, { confirmed: sent, failures: [] });
  return { sent: [sent], stopped: await settled(stopped, sent), other: await settled(other, sent) };
}

function notices(report: ListenerReport): string[] {
  return report.notices.map(({ kind, reason }) => reason === undefined ? kind : `${kind} ${reason}`);
}
