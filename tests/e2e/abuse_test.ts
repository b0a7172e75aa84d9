import assert from "node:assert/strict";
import { type Channel, connect } from "../../client/mod.ts";
import { assertComplete, type PublisherReport, settled } from "./accounts.ts";
import { Sandbox } from "./harness.ts";
import { eventually, pause, within } from "./wait.ts";

const MIB = 1024 * 1024;
const DESCRIPTORS = 64, CLIENTS = 120;
const LIMITED = ["sh", "-c", `ulimit -n ${DESCRIPTORS} && exec "$@"`, "sh"];
/** How many connections bring garbage, twice. */
const CONNECTIONS = 20_000;
/** Long enough to see whether a process is busy, and how busy one that waits may be. */
const WATCH_MS = 2_000, BUSY_MS_MAX = 1_000;

Deno.test("broker without descriptors waits for some, and accepts again", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker({}, LIMITED);
  await using first = await connect("jobs", sandbox);
  const connected = new Set<Channel>(), late = { ...sandbox, connect_timeout_ms: 60_000 };
  const connecting = Array.from({ length: CLIENTS }, async () => {
    const channel = await connect("jobs", late);
    connected.add(channel);
  });
  await broker.says("cannot accept connections");
  const before_ms = broker.processorMs();
  await pause(WATCH_MS);
  const used_ms = broker.processorMs() - before_ms;
  assert(used_ms < BUSY_MS_MAX, `the broker was busy for ${used_ms} of ${WATCH_MS} ms`);
  assert(connected.size > 0 && connected.size < DESCRIPTORS, `${connected.size} clients are connected`);
  await first.flush();
  // Each that leaves makes room for another.
  let served = 0;
  while (served < CLIENTS) {
    const [channel] = await eventually(() => connected.size > 0 && connected, `only ${served} were served`);
    connected.delete(channel!);
    await channel!.flush();
    await channel!.close();
    served++;
  }
  await within(Promise.all(connecting), "clients are still connecting");
  assert(broker.running);
});

Deno.test("broker that is sent garbage keeps its memory, its descriptors and its other clients' events", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker();
  const listener = sandbox.worker("listener", { channel: "jobs" });
  const publisher = sandbox.worker("publisher", {
    channel: "jobs",
    publisher: 1,
    bytes: 64,
    flush_every: 100,
    rest_ms: 5,
  });
  await Promise.all([listener.tells("ready"), publisher.tells("ready")]);
  await publisher.write("go");
  const garbage = [1, 2].map(() => sandbox.worker("garbage", { path: sandbox.socket("jobs"), at_once: 16 }));
  await Promise.all(garbage.map((program) => program.tells("ready")));
  const descriptors = broker.descriptors();
  await Promise.all(garbage.map((program) => program.write("go")));
  const connections = async (at_least: number) => {
    const all = async () => {
      let sum = 0;
      for (const program of garbage) sum += (await program.ask("report")).connections;
      return sum;
    };
    await eventually(async () => await all() >= at_least, "the broker takes no connections any more");
  };
  // A runtime takes what memory it likes to work with; after that it has to manage.
  await connections(CONNECTIONS);
  const memory_bytes = broker.memoryBytes();
  await connections(2 * CONNECTIONS);
  await Promise.all(garbage.map((program) => program.kill()));
  await eventually(
    () => broker.descriptors() <= descriptors,
    () => `the broker has ${broker.descriptors()} descriptors open, before it were ${descriptors}`,
  );
  const grown_mib = () => (broker.memoryBytes() - memory_bytes) / MIB;
  await eventually(() => grown_mib() < 32, () => `the broker has grown by ${grown_mib()} MiB`);
  await publisher.write("stop");
  const { sent, confirmed, failures } = await publisher.tells("done") as PublisherReport;
  assert.deepEqual({ confirmed, failures }, { confirmed: sent, failures: [] });
  const report = await settled(listener, sent);
  // Some garbage is an event, and is passed on as what it is.
  assertComplete({ ...report, others: 0 }, [sent]);
  assert.deepEqual(report.notices, []);
});
