import assert from "node:assert/strict";
import { startTestBroker } from "../daemon/testing.ts";
import { connect, ENCODINGS, type Message, type Notice } from "./mod.ts";
import { numbers, reasonOf, settle } from "./testing.ts";
import { eventually, pause } from "../tests/e2e/wait.ts";

Deno.test("Channel.broadcast() brings every kind of value to a listener, in order", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("values", { socket_dir: broker.socket_dir, name: "a" });
  await using b = await connect("values", { socket_dir: broker.socket_dir, name: "b", listen: true });
  const cyclic: Record<string, unknown> = { name: "ring" };
  cyclic.self = cyclic;
  const values = [
    "text",
    "",
    { json: [1, null, "x"] },
    new Uint8Array([0, 255]),
    new Map([["key", new Date(0)]]),
    new Set([1n, 2n]),
    cyclic,
    undefined,
    "after the structured ones",
    "x".repeat(100_000),
    new Uint8Array(300_000).fill(7),
  ];
  // Not awaited one by one: those behind the first structured one wait for its codec too.
  await Promise.all(values.map((value) => a.broadcast(value)));
  await a.flush();
  const got: Message[] = [];
  b.listen((message) => void got.push(message));
  await eventually(() => got.length === values.length, "all values");
  assert.deepEqual(got.map((message) => message.data), values);
  assert.deepEqual(got.map((message) => message.seq), numbers(values.length).map((at) => at + 1));
  assert.equal(got[0]!.source, a.client);
  assert.equal(got[0]!.channel, "values");
  assert.equal(got[2]!.encoding, ENCODINGS.JSON);
  assert.equal(b.seq, values.length);
});

Deno.test("Channel.broadcast() sends a copy of what may be changed after its promise", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("copies", { socket_dir: broker.socket_dir });
  await using b = await connect("copies", { socket_dir: broker.socket_dir, listen: true });
  const small = new Uint8Array(8).fill(1), large = new Uint8Array(500_000).fill(1), map = new Map([["n", 1]]);
  const sent = [a.broadcast(small), a.broadcast(map)];
  small.fill(2);
  map.set("n", 2);
  await Promise.all(sent);
  await a.broadcast(large);
  large.fill(2);
  const events = b.events();
  assert.deepEqual((await events.next()).value.data, new Uint8Array(8).fill(1));
  assert.deepEqual((await events.next()).value.data, new Map([["n", 1]]));
  assert.deepEqual((await events.next()).value.data, new Uint8Array(500_000).fill(1));
});

Deno.test("Channel.broadcast() carries headers", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("headers", { socket_dir: broker.socket_dir });
  const events = a.events();
  await a.broadcast("x", { headers: { trace: "t1", attempt: 2 } });
  await a.broadcast("y");
  const { value } = await events.next();
  assert.deepEqual([...value.headers], [["trace", "t1"], ["attempt", 2]]);
  assert.equal((await events.next()).value.headers.size, 0);
});

Deno.test("Channel.broadcast() with ack gives the number of listeners", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("acks", { socket_dir });
  assert.deepEqual(await a.broadcast("x", { ack: true }), { listeners: 0 });
  await using b = await connect("acks", { socket_dir });
  await using c = await connect("acks", { socket_dir });
  b.listen(() => {});
  c.listen(() => {});
  await settle(b, c);
  assert.deepEqual(await a.broadcast("x", { ack: true }), { listeners: 2 });
});

Deno.test("Channel.broadcast() to one client reaches only that one, without a number", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("direct", { socket_dir });
  const notices: Notice[] = [];
  await using b = await connect("direct", { socket_dir, onnotice: (notice) => void notices.push(notice) });
  const to_a: Message[] = [], to_b: Message[] = [];
  a.listen((message) => void to_a.push(message));
  b.listen((message) => void to_b.push(message));
  await settle(a, b);
  assert.deepEqual(await b.broadcast("to a", { to: a.client, ack: true }), { listeners: 1 });
  await b.broadcast("to all", { ack: true });
  await eventually(() => to_a.length === 2 && to_b.length === 1, "the events");
  assert.deepEqual(to_a.map(({ data, seq }) => [data, seq]), [["to a", 0], ["to all", 1]]);
  assert.match(await reasonOf(b.broadcast("x", { to: 9999, ack: true })), /^CLIENT_NOT_FOUND no client 9999/);
  // Without ack nobody waits, so it is a notice.
  await b.broadcast("x", { to: 9999 });
  await eventually(() => notices.length === 1, "the notice");
  assert.equal(notices[0]!.type === "error" && notices[0]!.error.reason, "CLIENT_NOT_FOUND");
});

Deno.test("Channel.broadcast() with retain is given to listeners to come", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("retain", { socket_dir });
  await a.broadcast("state 1", { retain: true, ack: true });
  await a.broadcast("passing", { ack: true });
  await using b = await connect("retain", { socket_dir });
  const events = b.events();
  const { value } = await events.next();
  assert.deepEqual([value.data, value.retained, value.seq], ["state 1", true, 1]);
  await a.broadcast("", { retain: true, ack: true });
  assert.deepEqual((await events.next()).value.data, "");
  await using c = await connect("retain", { socket_dir });
  const others = c.events();
  await c.flush();
  await a.broadcast("next");
  assert.equal((await others.next()).value.data, "next");
});

Deno.test("Channel.broadcast() refuses what is too large or cannot be sent, and goes on", async () => {
  await using broker = await startTestBroker({ max_message_bytes: 1000 });
  await using a = await connect("limits", { socket_dir: broker.socket_dir });
  assert.equal(a.message_bytes_max, 1000);
  assert.match(await reasonOf(a.broadcast("x".repeat(1001))), /^TOO_LARGE message of 1001 bytes, limit is 1000/);
  assert.match(await reasonOf(a.broadcast(() => {})), /^SERIALIZATION /);
  assert.match(await reasonOf(a.broadcast("x", { headers: { large: "x".repeat(70_000) } })), /^TOO_LARGE headers/);
  assert.deepEqual(await a.broadcast("x".repeat(1000), { ack: true }), { listeners: 0 });
});

Deno.test("Channel.listen() begins and ends with its disposer", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("disposers", { socket_dir: broker.socket_dir });
  const got: string[] = [];
  const first = a.listen(({ data }) => void got.push(`first ${data}`));
  {
    using _second = a.listen(({ data }) => void got.push(`second ${data}`));
    await a.broadcast("1", { ack: true });
  }
  await a.broadcast("2", { ack: true });
  first();
  first();
  assert.deepEqual(await a.broadcast("3", { ack: true }), { listeners: 0 });
  a.listen(({ data }) => void got.push(`third ${data}`));
  await a.broadcast("4", { ack: true });
  await settle(a);
  assert.deepEqual(got, ["first 1", "second 1", "first 2", "third 4"]);
});

Deno.test("Channel.listen() may be disposed of by its own callback", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("once", { socket_dir: broker.socket_dir });
  const got: unknown[] = [];
  const dispose = a.listen(({ data }) => {
    got.push(data);
    dispose();
  });
  await Promise.all(numbers(10).map((n) => a.broadcast(n)));
  await settle(a);
  assert.deepEqual(got, [0]);
});

Deno.test("Channel.listen() waits for the promise of one event before the next", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("serial", { socket_dir: broker.socket_dir });
  let running = 0;
  const got: unknown[] = [];
  a.listen(async ({ data }) => {
    assert.equal(++running, 1);
    await pause((data as number) % 3);
    running--;
    got.push(data);
  });
  await Promise.all(numbers(30).map((n) => a.broadcast(n)));
  await eventually(() => got.length === 30, "all events");
  assert.deepEqual(got, numbers(30));
});

Deno.test("Channel.events() gives what came from its making on, and ends with the loop", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("iterate", { socket_dir: broker.socket_dir });
  const events = a.events();
  await Promise.all(numbers(100).map((n) => a.broadcast(n)));
  const got: unknown[] = [];
  for await (const { data } of events) {
    got.push(data);
    if (got.length === 100) break;
  }
  assert.deepEqual(got, numbers(100));
  assert.deepEqual(await a.broadcast("x", { ack: true }), { listeners: 0 });
  assert.deepEqual(await events.next(), { value: undefined, done: true });
});

Deno.test("Channel.events() is done when the channel is closed", async () => {
  await using broker = await startTestBroker();
  const a = await connect("ending", { socket_dir: broker.socket_dir });
  const events = a.events(), waiting = [events.next(), events.next()];
  await a.close();
  assert.deepEqual(await Promise.all(waiting), [{ value: undefined, done: true }, { value: undefined, done: true }]);
  assert.equal(await a.closed, undefined);
});

Deno.test("Channel.listenRuns() gives all frames", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("runs", { socket_dir: broker.socket_dir });
  let events = 0;
  a.listenRuns((frames) => {
    const view = new DataView(frames.buffer, frames.byteOffset, frames.length);
    for (let at = 0; at < frames.length; at += view.getUint32(at, true)) events++;
  });
  for (let n = 0; n < 50_000; n++) await a.broadcast(`message ${n}`);
  await eventually(() => events === 50_000, "all events");
});

Deno.test("ConnectOptions.echo false keeps a listener's own events from it", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("echo", { socket_dir, echo: false });
  await using b = await connect("echo", { socket_dir });
  const got: unknown[] = [];
  a.listen(({ data }) => void got.push(data));
  await settle(a);
  await a.broadcast("own", { ack: true });
  await b.broadcast("other", { ack: true });
  await settle(a);
  assert.deepEqual(got, ["other"]);
});

Deno.test("Channel keeps bytes that were handed out from later reads", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("bytes", { socket_dir: broker.socket_dir });
  const got: Uint8Array[] = [];
  a.listen(({ data }) => void got.push(data as Uint8Array));
  for (let n = 0; n < 5_000; n++) {
    await a.broadcast(new Uint8Array(n % 700).fill(n));
    if (n % 97 === 0) await a.flush();
  }
  await eventually(() => got.length === 5_000, "all events");
  for (const [n, bytes] of got.entries()) {
    assert.equal(bytes.length, n % 700);
    assert.ok(bytes.every((byte) => byte === n % 256), `event ${n}`);
  }
});

Deno.test("Channel.presence() tells who is there, comes, changes and goes", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("presence", { socket_dir, name: "a" });
  const seen: string[] = [], late: string[] = [];
  a.presence(({ event, name, listen }) =>
    void seen.push(event === "roles" ? `${event} ${name} ${listen}` : `${event} ${name}`)
  );
  const b = await connect("presence", { socket_dir, name: "b" });
  b.listen(() => {});
  await settle(b, a);
  using _late = a.presence(({ event, name }) => void late.push(`${event} ${name}`));
  await settle(a);
  await b.close();
  await eventually(() => seen.length === 4, "four changes");
  assert.deepEqual(seen, ["join a", "join b", "roles b true", "leave b"]);
  assert.deepEqual(late, ["join a", "join b", "leave b"]);
});

Deno.test("Channel.clients() lists who is on the channel", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("list", { socket_dir, name: "a" });
  await using _b = await connect("list", { socket_dir, name: "b" });
  await using _other = await connect("other", { socket_dir, name: "c" });
  assert.deepEqual((await a.clients()).map(({ name, channel }) => [name, channel]), [["a", "list"], ["b", "list"]]);
});

Deno.test("Channel.close() delivers what was sent, and settles everything", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using b = await connect("closing", { socket_dir, listen: true });
  const a = await connect("closing", { socket_dir });
  a.handle(() => new Promise(() => {}));
  await a.flush();
  const sent = numbers(20_000).map((n) => a.broadcast(n));
  const asked = reasonOf(a.invoke("never answered"));
  const closing = a.close();
  assert.equal(a.close(), closing);
  assert.match(
    await reasonOf(a.broadcast("too late")),
    /^CHANNEL_SEND Cannot send on channel "closing": the channel was closed/,
  );
  await closing;
  await Promise.all(sent);
  assert.match(await asked, /^CANCELLED the channel was closed/);
  let count = 0;
  b.listen(({ data }) => assert.equal(data, count++));
  await eventually(() => count === 20_000, "all events");
  assert.match(await reasonOf(a.flush()), /^CHANNEL_SEND/);
  assert.match(await reasonOf(a.invoke("x")), /^CHANNEL_SEND/);
  assert.equal(a.connected, false);
});
