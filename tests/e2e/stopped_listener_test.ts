import assert from "node:assert/strict";
import { assertAccounted, assertComplete, type PublisherReport, settled } from "./accounts.ts";
import { Sandbox } from "./harness.ts";
import { eventually, pause } from "./wait.ts";

/** Less than `stall_timeout`, which is 5 s, and more. */
const SHORT_MS = 3_000, LONG_MS = 10_000;

Deno.test("listener that is stopped loses nothing, or is closed and told what it has missed", async () => {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  // Both at once, each on a channel of its own: they take as long as they take.
  const [short, long] = await Promise.all([
    stopUnderLoad(sandbox, "short", SHORT_MS),
    stopUnderLoad(sandbox, "long", LONG_MS),
  ]);
  for (const { sent, other } of [short, long]) assertComplete(other, sent);

  assertComplete(short.stopped, short.sent);
  assert.deepEqual(short.stopped.notices, []);
  assert.equal(short.stopped.digest, short.other.digest);

  assertAccounted(long.stopped, long.sent);
  assert(long.stopped.missed > 0, "the history cannot hold all that");
  assert.equal(long.stopped.notices[0]?.reason, "SLOW_CONSUMER");
  let skipped = 0;
  for (const { skipped: stretches } of Object.values(long.stopped.publishers)) {
    for (const [first, last] of stretches) skipped += last - first + 1;
  }
  assert.equal(skipped, long.stopped.missed);
});

/** Two publishers, two listeners, one of which is stopped for a while. */
async function stopUnderLoad(sandbox: Sandbox, channel: string, stop_ms: number) {
  const publishers = [1, 2].map((publisher) =>
    sandbox.worker("publisher", { channel, publisher, bytes: 512, flush_every: 1_000, rest_ms: 10 })
  );
  const stopped = sandbox.worker("listener", { channel }), other = sandbox.worker("listener", { channel });
  await Promise.all([stopped, other, ...publishers].map((worker) => worker.tells("ready")));
  await Promise.all(publishers.map((publisher) => publisher.write("go")));
  await eventually(async () => (await stopped.ask("report")).received > 1_000, "nothing arrives");
  stopped.signal("SIGSTOP");
  await pause(stop_ms);
  stopped.signal("SIGCONT");
  await Promise.all(publishers.map((publisher) => publisher.write("stop")));
  const sent: number[] = [];
  for (const publisher of publishers) sent.push((await publisher.tells("done") as PublisherReport).sent);
  const total = sent.reduce((sum, events) => sum + events, 0);
  return { sent, stopped: await settled(stopped, total), other: await settled(other, total) };
}
