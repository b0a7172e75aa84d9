import assert from "node:assert/strict";
import { startBroker } from "../daemon/mod.ts";
import { startTestBroker, testSettings } from "../daemon/testing.ts";
import { backoffMs } from "./backoff.ts";
import { type Channel, connect, control, type GapNotice, type Notice } from "./mod.ts";
import { failure, numbers, reasonOf, settle, Wire } from "./testing.ts";
import { eventually, pause } from "../tests/e2e/wait.ts";

const SILENT = { debug() {}, info() {}, warning() {}, error() {} };

/** Numbers that a listener got, and what it was told is missing. */
function record(channel: Channel): { got: number[]; gaps: GapNotice[] } {
  const got: number[] = [], gaps: GapNotice[] = [];
  channel.listen(({ data }) => void got.push(data as number), { ongap: (gap) => void gaps.push(gap) });
  return { got, gaps };
}

Deno.test("backoffMs() doubles from 50 ms to 5 s, with jitter", () => {
  assert.deepEqual([0, 1, 2, 6, 7, 50].map((attempt) => backoffMs(attempt, 1)), [50, 100, 200, 3200, 5000, 5000]);
  assert.equal(backoffMs(0, 0), 25);
});

Deno.test("Channel resumes after a break: nothing missed, nothing doubled", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "cut");
  await using publisher = await connect("cut", { socket_dir: broker.socket_dir });
  const notices: Notice[] = [];
  await using listener = await connect("cut", {
    socket_dir: wire.socket_dir,
    open: false,
    onnotice: (notice) => void notices.push(notice),
  });
  const { got, gaps } = record(listener), client = listener.client;
  await listener.flush();
  for (let n = 0; n < 10_000; n++) {
    await publisher.broadcast(n);
    if (n % 2_500 === 1_000) {
      await publisher.flush();
      wire.cut();
    }
    if (n % 2_500 === 2_000) await pause(20);
  }
  await eventually(() => got.length >= 10_000, "all events");
  assert.deepEqual(got, numbers(10_000));
  assert.deepEqual(gaps, []);
  assert.ok(wire.connections >= 3, `${wire.connections} connections`);
  assert.notEqual(listener.client, client);
  const types = notices.map(({ type }) => type);
  assert.deepEqual(types.slice(0, 2), ["disconnected", "reconnected"]);
  assert.ok(notices.every((notice) => notice.type !== "reconnected" || !notice.restarted));
});

Deno.test("Channel tells the gap that the broker's history does not cover", async () => {
  await using broker = await startTestBroker({ history_bytes: 10_000 });
  await using wire = await Wire.lay(broker.socket_dir, "gap");
  await using publisher = await connect("gap", { socket_dir: broker.socket_dir });
  await using listener = await connect("gap", { socket_dir: wire.socket_dir, open: false });
  const { got, gaps } = record(listener);
  await listener.flush();
  await publisher.broadcast(0, { ack: true });
  await eventually(() => got.length === 1, "the first event");
  wire.sever();
  await eventually(() => !listener.connected, "the break");
  for (let n = 1; n < 5_000; n++) await publisher.broadcast(n);
  await publisher.flush();
  wire.mend();
  await eventually(() => listener.connected, "the connection");
  await publisher.broadcast(5_000, { ack: true });
  await eventually(() => got.at(-1) === 5_000, "the last event");
  assert.equal(gaps.length, 1);
  const { from, to, reason, epoch } = gaps[0]!;
  assert.deepEqual([from, reason, epoch], [2, "history", listener.epoch]);
  assert.deepEqual(got, [0, ...numbers(5_001).slice(to!)]);
});

Deno.test("Channel that listened before the first event is not told of less after a break than it missed", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "first");
  await using publisher = await connect("first", { socket_dir: broker.socket_dir });
  await using listener = await connect("first", { socket_dir: wire.socket_dir, open: false });
  const { got, gaps } = record(listener);
  await listener.flush();
  wire.sever();
  await eventually(() => !listener.connected, "the break");
  for (const n of numbers(10)) await publisher.broadcast(n);
  await publisher.flush();
  wire.mend();
  await eventually(() => got.length === 10, "all events");
  assert.deepEqual([got, gaps], [numbers(10), []]);
});

Deno.test("Channel sends after a break what was not handed over, and says how much is in doubt", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "doubt");
  await using listener = await connect("doubt", { socket_dir: broker.socket_dir });
  const { got } = record(listener);
  await listener.flush();
  await using publisher = await connect("doubt", { socket_dir: wire.socket_dir, open: false });
  for (const n of numbers(10)) await publisher.broadcast(n);
  await publisher.flush();
  wire.held = true;
  await pause(10);
  // Some of it is in the kernel's buffer, a frame is cut, the rest is still here.
  const filler = " ".repeat(500), count = 3_000;
  for (let n = 10; n < count; n++) await publisher.broadcast([n, filler]);
  const flushing = failure(publisher.flush()), acked = failure(publisher.broadcast("acked", { ack: true, to: 1 }));
  await pause(10);
  wire.cut();
  wire.held = false;
  const error = await flushing, { events: lost } = error.data as { events: number };
  assert.equal(error.reason, "CHANNEL_SEND");
  assert.match(error.message, new RegExp(`^${lost} events may not have arrived`));
  assert.ok(lost > 0 && lost < count, `${lost} lost`);
  assert.equal((await acked).reason, "CLIENT_NOT_FOUND");
  await publisher.flush();
  await settle(listener);
  const seen = got.map((data) => Array.isArray(data) ? data[0] as number : data);
  assert.deepEqual(seen, [...new Set(seen)].sort((a, b) => a - b), "order or number is wrong");
  assert.ok(seen.length >= count - lost && seen.length < count, `${seen.length} arrived, ${lost} in doubt`);
  assert.equal(seen.at(-1), count - 1);
});

Deno.test("Channel.flush() reports a break that happened before it, once", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "before");
  await using publisher = await connect("before", { socket_dir: wire.socket_dir, open: false });
  await publisher.broadcast("in doubt");
  await pause(10);
  wire.cut();
  await eventually(() => wire.connections === 2 && publisher.connected, "another connection");
  assert.match(await reasonOf(publisher.flush()), /^CHANNEL_SEND 1 event may not have arrived/);
  await publisher.flush();
  wire.cut();
  await eventually(() => wire.connections === 3 && publisher.connected, "another connection");
  await publisher.flush();
});

Deno.test("Channel rejects what was asked when the connection breaks, and keeps what was not sent", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "asked");
  await using service = await connect("asked", { socket_dir: broker.socket_dir });
  const aborted: unknown[] = [];
  service.handle(({ data, signal }) => {
    signal.addEventListener("abort", () => aborted.push(data));
    return data === "never" ? new Promise(() => {}) : `re ${data}`;
  });
  await service.flush();
  await using client = await connect("asked", { socket_dir: wire.socket_dir, open: false });
  const never = reasonOf(client.invoke("never"));
  await client.flush();
  wire.sever();
  assert.match(await never, /^CHANNEL_RECV the connection broke before the reply came/);
  await eventually(() => aborted.length === 1, "the aborted request");
  const later = client.invoke("later"), sent = client.broadcast("x", { ack: true });
  const timed_out = reasonOf(client.invoke("too late", { signal: AbortSignal.timeout(5) }));
  assert.match(await timed_out, /^CANCELLED/);
  wire.mend();
  assert.equal(await later, "re later");
  assert.deepEqual(await sent, { listeners: 0 });
});

Deno.test("Channel keeps its handler and presence over a break, and aborts what it was doing", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "keeps");
  await using client = await connect("keeps", { socket_dir: broker.socket_dir, name: "client" });
  await using service = await connect("keeps", { socket_dir: wire.socket_dir, open: false, name: "service" });
  const reasons: string[] = [], seen: string[] = [];
  service.presence(({ event, name }) => void seen.push(`${event} ${name}`));
  service.handle(({ data, signal }) =>
    data === "never"
      ? new Promise(() => signal.addEventListener("abort", () => reasons.push(signal.reason.reason)))
      : "here"
  );
  await settle(service);
  const never = reasonOf(client.invoke("never"));
  await client.flush();
  await service.flush();
  wire.cut();
  assert.match(await never, /^HANDLER_GONE/);
  await eventually(() => reasons.length === 1, "the abort");
  assert.deepEqual(reasons, ["CHANNEL_RECV"]);
  await eventually(() => service.connected, "the connection");
  await settle(service);
  assert.equal(await client.invoke("x"), "here");
  const everybody = ["join client", "join service"];
  assert.deepEqual(seen, [...everybody, "leave client", "leave service", ...everybody]);
});

Deno.test("Channel connects to a restarted broker, and says that it was", async () => {
  const socket_dir = Deno.makeTempDirSync({ prefix: "ipc-test-" }), mask = Deno.umask();
  const start = () =>
    startBroker({ settings: testSettings(socket_dir), state_dir: `${socket_dir}/state`, version: "1", log: SILENT });
  let broker = await start();
  const notices: Notice[] = [];
  const a = await connect("restart", { socket_dir, name: "a", onnotice: (notice) => void notices.push(notice) });
  const b = await connect("restart", { socket_dir, name: "b" });
  const { got, gaps } = record(a), { epoch } = a;
  await a.flush();
  for (const n of [1, 2, 3]) await b.broadcast(n);
  await b.flush();
  await broker.drain("test");
  await eventually(() => !a.connected && !b.connected, "the break");
  const direct = failure(b.broadcast("to nobody in particular", { to: a.client, ack: true }));
  const kept = b.broadcast(4, { ack: true });
  broker = await start();
  await kept;
  assert.equal((await direct).reason, "CLIENT_NOT_FOUND");
  await eventually(() => a.connected, "the connection");
  await b.broadcast(5, { ack: true });
  await eventually(() => got.at(-1) === 5, "the last event");
  assert.deepEqual(got, [1, 2, 3, 4, 5]);
  assert.deepEqual(gaps, [{ type: "gap", from: 4, to: null, reason: "restart", epoch }]);
  assert.notEqual(a.epoch, epoch);
  const [down, up] = notices;
  assert.ok(down?.type === "disconnected" && down.error.reason === "SHUTDOWN", JSON.stringify(down));
  assert.ok(up?.type === "reconnected" && up.restarted && up.epoch === a.epoch, JSON.stringify(up));
  assert.match(await reasonOf(b.close()), /^CHANNEL_SEND 1 event may not/);
  await a.close();
  await broker.drain("test");
  Deno.removeSync(socket_dir, { recursive: true });
  Deno.umask(mask);
});

Deno.test("Channel that is kicked closes with FORBIDDEN, after delivering what came", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  const a = await connect("kicked", { socket_dir, listen: true });
  const events = a.events();
  for (const n of numbers(3)) await a.broadcast(n);
  await a.flush();
  const asking = failure(a.invoke("x"));
  await control("kick", { client: a.client, reason: "test" }, { socket_dir });
  const error = await a.closed;
  assert.equal(error?.reason, "FORBIDDEN");
  assert.match((await asking).reason, /^NO_HANDLER$/);
  for (const n of numbers(3)) assert.equal((await events.next()).value.data, n);
  assert.equal((await failure(events.next())).reason, "FORBIDDEN");
  assert.deepEqual(await events.next(), { value: undefined, done: true });
  assert.match(await reasonOf(a.broadcast("x")), /^CHANNEL_SEND .*closed by an operator: test/);
  await a.close();
});

Deno.test("Channel that was closed as SLOW_CONSUMER comes back, and gets or is told all it missed", async () => {
  await using broker = await startTestBroker({ queue_bytes: 100_000, stall_timeout_ms: 300, history_bytes: 300_000 });
  const { socket_dir } = broker;
  await using publisher = await connect("stalled", { socket_dir });
  const notices: Notice[] = [];
  await using listener = await connect("stalled", {
    socket_dir,
    queue_bytes: 100_000,
    onnotice: (notice) => void notices.push(notice),
  });
  const got: number[] = [], gaps: GapNotice[] = [];
  const { promise: go, resolve: release } = Promise.withResolvers<void>();
  listener.listen(async ({ seq }) => {
    got.push(seq);
    await go;
  }, { ongap: (gap) => void gaps.push(gap) });
  await listener.flush();
  for (let n = 0; n < 3_000; n++) await publisher.broadcast(new Uint8Array(1_000));
  await publisher.flush();
  release();
  await eventually(() => got.at(-1) === 3_000, "the last event");
  assert.ok(notices.some((notice) => notice.type === "disconnected" && notice.error.reason === "SLOW_CONSUMER"));
  const missing = gaps.flatMap(({ from, to }) => numbers(to! - from + 1).map((n) => n + from));
  assert.deepEqual([...got, ...missing].sort((a, b) => a - b), numbers(3_000).map((n) => n + 1));
});

Deno.test("Channel.close() while there is no connection gives up at once, and says what was not sent", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "away");
  const a = await connect("away", { socket_dir: wire.socket_dir, open: false });
  wire.sever();
  await eventually(() => !a.connected, "the break");
  await a.broadcast("x");
  const asked = failure(a.invoke("y"));
  assert.match(await reasonOf(a.close()), /^CHANNEL_SEND 1 event may not have arrived/);
  assert.equal((await asked).reason, "CANCELLED");
  assert.equal(await a.closed, undefined);
});

Deno.test("ConnectOptions.reconnect false ends the channel with the connection", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "once");
  const a = await connect("once", { socket_dir: wire.socket_dir, open: false, reconnect: false });
  wire.cut();
  assert.equal((await a.closed)?.reason, "CHANNEL_RECV");
  await a.close();
});

Deno.test("ConnectOptions.resume goes on where another connection ended", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("resume", { socket_dir });
  for (const n of [1, 2, 3, 4]) await a.broadcast(n, { ack: true });
  await using b = await connect("resume", { socket_dir, resume: { epoch: a.epoch, seq: 2 } });
  const { got, gaps } = record(b);
  await eventually(() => got.length === 2, "the events");
  assert.deepEqual(got, [3, 4]);
  await using c = await connect("resume", { socket_dir, resume: { epoch: "another", seq: 2 } });
  const other = record(c);
  await eventually(() => other.got.length === 4, "the events");
  assert.deepEqual(other.got, [1, 2, 3, 4]);
  assert.deepEqual(gaps, []);
  assert.deepEqual(other.gaps, [{ type: "gap", from: 3, to: null, reason: "restart", epoch: "another" }]);
});
