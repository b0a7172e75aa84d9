import assert from "node:assert/strict";
import type { Settings } from "../config/settings.ts";
import { decodeError, encodeFrame, FRAME_TYPES, type IpcError, PREFACE, socketPath } from "../protocol/mod.ts";
import { FLAGS } from "../protocol/frame.ts";
import { startBroker } from "./mod.ts";
import { controlRequest, RawClient, startTestBroker, type TestBroker, testSettings } from "./testing.ts";

const { EVENT, REQUEST, REPLY, ACK, PING, PONG, BYE } = FRAME_TYPES;

const text = (value: string) => new TextEncoder().encode(value);
const ping = (id: number) => encodeFrame({ type: PING, id });

/** Waits for something to become so; how long that takes is the broker's business, not the test's. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end_ms = performance.now() + 10_000; performance.now() < end_ms;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain until ${what}`);
}

async function reachable(test: TestBroker, channel: string): Promise<boolean> {
  try {
    (await RawClient.connect(test.socket_dir, channel)).close();
    return true;
  } catch {
    return false;
  }
}

/** A broker in a directory that another one may use as well. */
function startIn(socket_dir: string, change: (settings: Settings) => Settings = (settings) => settings) {
  const mask = Deno.umask(), log = { debug() {}, info() {}, warning() {}, error() {} };
  const settings = change(testSettings(socket_dir));
  const started = startBroker({ settings, state_dir: `${socket_dir}/state`, version: "second", log });
  return started.finally(() => Deno.umask(mask));
}

Deno.test("startBroker() relays events in order, stamped with source and sequence number", async () => {
  await using test = await startTestBroker();
  const listener = await RawClient.join(test.socket_dir, "deploys", { listen: true });
  const publisher = await RawClient.join(test.socket_dir, "deploys");
  for (let n = 0; n < 100; n++) await publisher.send(encodeFrame({ type: EVENT, flags: 1, payload: text(`n${n}`) }));
  for (let n = 0; n < 100; n++) {
    const event = await listener.until(EVENT);
    assert.deepEqual([event.id, event.source, event.payload], [n + 1, publisher.welcome!.client, text(`n${n}`)]);
  }
  listener.close(), publisher.close();
});

Deno.test("startBroker() answers a request by its handler and by nobody", async () => {
  await using test = await startTestBroker();
  const requester = await RawClient.join(test.socket_dir, "wc");
  await requester.send(encodeFrame({ type: REQUEST, id: 5 }));
  assert.equal((await requester.until(REPLY)).aux, 7004);
  const handler = await RawClient.join(test.socket_dir, "wc", { handle: true });
  await requester.send(encodeFrame({ type: REQUEST, id: 6, payload: text("in") }));
  const request = await handler.until(REQUEST);
  assert.deepEqual([request.source, request.id], [requester.welcome!.client, 6]);
  await handler.send(encodeFrame({ type: REPLY, target: request.source, id: 6, payload: text("out") }));
  const reply = await requester.until(REPLY);
  assert.deepEqual([reply.id, reply.aux, reply.payload], [6, 0, text("out")]);
  await requester.send(encodeFrame({ type: REQUEST, id: 7 }));
  await handler.until(REQUEST);
  handler.close();
  assert.equal((await requester.until(REPLY)).aux, 7005);
  await requester.send(encodeFrame({ type: REQUEST, id: 8 }));
  assert.equal((await requester.until(REPLY)).aux, 7004);
  requester.close();
});

Deno.test("startBroker() fails a request at its deadline", async () => {
  await using test = await startTestBroker();
  const requester = await RawClient.join(test.socket_dir, "c");
  const handler = await RawClient.join(test.socket_dir, "c", { handle: true });
  await requester.send(encodeFrame({ type: REQUEST, id: 1, aux: 50 }));
  assert.equal((await requester.until(REPLY)).aux, 7006);
  assert.equal((await handler.until(FRAME_TYPES.CANCEL)).id, 1);
  requester.close(), handler.close();
});

Deno.test("startBroker(): one broker for each socket directory; the other is told who holds it", async () => {
  await using test = await startTestBroker();
  await assert.rejects(startIn(test.socket_dir), (error: IpcError) => {
    return error.reason === "FORBIDDEN" && error.message.includes(`pid ${Deno.pid}`);
  });
  assert(await reachable(test, "ipcd"));
});

Deno.test("startBroker() that fails on a foreign file leaves it, and nothing else behind", async () => {
  const socket_dir = Deno.makeTempDirSync({ prefix: "ipc-test-" }), path = socketPath(socket_dir, "mine");
  Deno.writeTextFileSync(path, "precious");
  const change = (settings: Settings) => ({ ...settings, channels: new Map([["mine", settings.defaults]]) });
  await assert.rejects(startIn(socket_dir, change), (error: IpcError) => error.message.includes(path));
  assert.equal(Deno.readTextFileSync(path), "precious");
  assert.deepEqual([...Deno.readDirSync(socket_dir)].map((entry) => entry.name).sort(), [".deno.mine.socket", "state"]);
  Deno.removeSync(path);
  const broker = await startIn(socket_dir, change); // the lock is free again
  await broker.drain("the test is over");
  Deno.removeSync(socket_dir, { recursive: true });
});

Deno.test("Broker.drain() delivers what was accepted, says BYE SHUTDOWN and removes its sockets", async () => {
  await using test = await startTestBroker({ history_bytes: 0 });
  const listener = await RawClient.join(test.socket_dir, "c", { listen: true });
  const publisher = await RawClient.join(test.socket_dir, "c"), payload = new Uint8Array(10_000), count = 400;
  for (let n = 0; n < count; n++) await publisher.send(encodeFrame({ type: EVENT, payload }));
  await publisher.send(ping(1));
  await publisher.until(PONG); // all accepted
  const drained = test.broker.drain("a test");
  let seen = 0;
  for (let frame; (frame = await listener.next())?.type === EVENT;) assert.equal(frame!.id, ++seen);
  assert.equal(seen, count);
  assert.equal(await publisher.reasonOfEnd(), "SHUTDOWN");
  await drained, await test.broker.finished;
  assert.deepEqual([...Deno.readDirSync(test.socket_dir)].map((entry) => entry.name), ["state"]);
  listener.close();
});

Deno.test("Broker.drain() waits for the reply to an open request, and for all of a streamed one", async () => {
  await using test = await startTestBroker();
  const handler = await RawClient.join(test.socket_dir, "c", { handle: true });
  const requester = await RawClient.join(test.socket_dir, "c");
  await requester.send(encodeFrame({ type: REQUEST, id: 1 }));
  const { source } = await handler.until(REQUEST);
  const drained = test.broker.drain("a test");
  for (const more of [FLAGS.MORE, FLAGS.MORE, 0]) {
    await handler.send(encodeFrame({ type: REPLY, flags: more, target: source, id: 1, payload: text("part") }));
    assert.equal((await requester.until(REPLY)).flags, more);
  }
  assert.equal(await requester.reasonOfEnd(), "SHUTDOWN");
  assert.equal(await handler.reasonOfEnd(), "SHUTDOWN");
  await drained;
});

Deno.test("Broker.drain(): a reply behind an event or request that is not accepted any more arrives", async () => {
  await using test = await startTestBroker();
  const handler = await RawClient.join(test.socket_dir, "c", { handle: true });
  const listener = await RawClient.join(test.socket_dir, "c", { listen: true });
  const requester = await RawClient.join(test.socket_dir, "c");
  await requester.send(encodeFrame({ type: REQUEST, id: 1 }));
  const { source } = await handler.until(REQUEST);
  const drained = test.broker.drain("a test");
  await handler.send(
    encodeFrame({ type: EVENT, flags: FLAGS.ACK, id: 2 }),
    ping(3),
    encodeFrame({ type: REQUEST, id: 4 }),
    encodeFrame({ type: EVENT }),
    ping(5),
    encodeFrame({ type: REPLY, target: source, id: 1 }),
  );
  assert.equal((await requester.until(REPLY)).aux, 0);
  const told: [number, number, number][] = [];
  for (let frame; (frame = await handler.next()) !== undefined && frame.type !== BYE;) {
    told.push([frame.type, frame.id, frame.aux]);
  }
  // Nothing says that the event without ACK was accepted: no PONG behind it.
  assert.deepEqual(told, [[FRAME_TYPES.ERROR, 2, 7017], [PONG, 3, 0], [REPLY, 4, 7017]]);
  assert.equal((await listener.next())?.type, BYE);
  for (const client of [handler, listener, requester]) client.close();
  await drained;
});

Deno.test("Broker.drain(): what is published from then on is not accepted, and no PONG says that it was", async () => {
  await using test = await startTestBroker();
  const handler = await RawClient.join(test.socket_dir, "c", { handle: true, listen: true });
  const requester = await RawClient.join(test.socket_dir, "c"), publisher = await RawClient.join(test.socket_dir, "c");
  await requester.send(encodeFrame({ type: REQUEST, id: 1 })); // keeps the broker until it is answered
  const { source } = await handler.until(REQUEST);
  const drained = test.broker.drain("a test");
  await publisher.send(encodeFrame({ type: EVENT, flags: FLAGS.ACK, id: 2, payload: text("late") }), ping(3));
  await requester.send(ping(4), encodeFrame({ type: REQUEST, id: 5 }), ping(6));
  assert.equal((await requester.until(PONG)).id, 4, "who publishes nothing is still served");
  await handler.send(encodeFrame({ type: REPLY, target: source, id: 1 }));
  const told: number[] = [];
  for (const client of [publisher, requester, handler]) {
    for (let frame; (frame = await client.next()) !== undefined && frame.type !== BYE;) told.push(frame.type);
    client.close();
  }
  assert.deepEqual(told, [REPLY]);
  await drained;
});

Deno.test("Broker.drain(): a publisher that waits for room is not accepted either", async () => {
  await using test = await startTestBroker({ queue_bytes: 1_000, history_bytes: 0 });
  const slow = await RawClient.join(test.socket_dir, "c", { listen: true });
  const publisher = await RawClient.join(test.socket_dir, "c"),
    frame = encodeFrame({
      type: EVENT,
      payload: new Uint8Array(1_000_000),
    });
  // The first fills what the kernel takes and the queue; the second waits.
  await publisher.send(frame);
  const sending = publisher.send(frame, ping(1));
  await until("the publisher waits", async () => {
    const channel = await controlRequest(test.socket_dir, "channel", { channel: "c" }) as Record<string, unknown>;
    return channel["publishers_waiting"] === 1;
  });
  const drained = test.broker.drain("a test");
  const events: number[] = [];
  for (let frame; (frame = await slow.next())?.type === EVENT;) events.push(frame!.id);
  assert.deepEqual(events, [1]);
  await sending.catch(() => {});
  assert.equal(await publisher.reasonOfEnd(), "SHUTDOWN");
  await drained;
  slow.close();
});

Deno.test("Broker.drain() gives up after drain_timeout on who does not read, and says so in the log", async () => {
  await using test = await startTestBroker({}, (settings) => ({ ...settings, drain_timeout_ms: 100 }));
  const stopped = await RawClient.join(test.socket_dir, "c", { listen: true });
  const publisher = await RawClient.join(test.socket_dir, "c");
  await publisher.send(encodeFrame({ type: EVENT, payload: new Uint8Array(2_000_000) }), ping(1));
  await publisher.until(PONG);
  await test.broker.drain("a test");
  assert(test.log.some((line) => line.startsWith("warning some clients did not take")), test.log.join("\n"));
  stopped.close(), publisher.close();
});

Deno.test("Broker.drain() tells strangers and newcomers SHUTDOWN, or is not there", async () => {
  await using test = await startTestBroker();
  await controlRequest(test.socket_dir, "open", { channel: "c" });
  const stranger = await RawClient.connect(test.socket_dir, "c");
  await stranger.send(PREFACE);
  await until("it was accepted", () => controlRequest(test.socket_dir, "ping").then(() => true));
  const drained = test.broker.drain("a test"), again = test.broker.drain("a test");
  assert.equal(await stranger.reasonOfEnd(), "SHUTDOWN");
  await Promise.all([drained, again]);
  assert(!await reachable(test, "c"));
  assert(!test.log.some((line) => line.includes("refused")));
});

Deno.test("Broker.drain(): a successor starts while it drains, and keeps its sockets", async () => {
  await using test = await startTestBroker();
  const handler = await RawClient.join(test.socket_dir, "c", { handle: true });
  const requester = await RawClient.join(test.socket_dir, "c");
  await requester.send(encodeFrame({ type: REQUEST, id: 1 }));
  const { source } = await handler.until(REQUEST);
  const drained = test.broker.drain("a test"), successor = await startIn(test.socket_dir);
  const client = await RawClient.join(test.socket_dir, "c");
  assert.notEqual(client.welcome!.epoch, requester.welcome!.epoch);
  await handler.send(encodeFrame({ type: REPLY, target: source, id: 1 }));
  assert.equal((await requester.until(REPLY)).aux, 0);
  await drained;
  assert(await reachable(test, "ipcd") && await reachable(test, "c"));
  await client.send(ping(2));
  assert.equal((await client.until(PONG)).id, 2);
  for (const old of [client, handler, requester]) old.close();
  await successor.drain("the test is over");
});

Deno.test("control drain ends the broker, and who asked is answered", async () => {
  await using test = await startTestBroker();
  assert.deepEqual(await controlRequest(test.socket_dir, "drain"), { draining: true });
  await test.broker.finished;
});

Deno.test("Broker binds again when a socket file is removed; connections are not touched", async () => {
  await using test = await startTestBroker();
  const client = await RawClient.join(test.socket_dir, "c");
  for (const channel of ["c", "ipcd"]) Deno.removeSync(socketPath(test.socket_dir, channel));
  await until("both are there again", async () => await reachable(test, "c") && await reachable(test, "ipcd"));
  await client.send(ping(1));
  assert.equal((await client.until(PONG)).id, 1);
  const other = await RawClient.join(test.socket_dir, "c");
  assert.equal(other.welcome!.epoch, client.welcome!.epoch);
  client.close(), other.close();
});

Deno.test("Broker closes a channel opened on demand when it was idle, not one that holds a retained event", async () => {
  await using test = await startTestBroker({}, (settings) => ({
    ...settings,
    channel_idle_ms: 400,
    channels: new Map([["configured", settings.defaults]]),
  }));
  for (const [channel, flags] of [["plain", 0], ["retained", FLAGS.RETAIN]] as const) {
    const client = await RawClient.join(test.socket_dir, channel);
    await client.send(encodeFrame({ type: EVENT, flags: flags | FLAGS.ACK, id: 1, payload: text("x") }));
    await client.until(ACK);
    client.close();
  }
  const used = await RawClient.join(test.socket_dir, "used");
  const names = async () => {
    const channels = await controlRequest(test.socket_dir, "channels") as { channel: string }[];
    return channels.map((channel) => channel.channel).join();
  };
  await until("it is closed", async () => !(await names()).includes("plain"));
  // Seconds of a broker that would close what it should not.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal(await names(), "configured,ipcd,retained,used");
  assert(!await reachable(test, "plain") && await reachable(test, "configured"));
  const listener = await RawClient.join(test.socket_dir, "retained", { listen: true });
  assert.deepEqual((await listener.until(EVENT)).payload, text("x"));
  const reopened = await RawClient.join(test.socket_dir, "plain");
  assert.equal(reopened.welcome!.seq, 0);
  for (const client of [used, listener, reopened]) client.close();
});

Deno.test("Broker with idle_exit ends itself when nobody was there, and not before", async () => {
  await using test = await startTestBroker({}, (settings) => ({ ...settings, idle_exit_ms: 700 }));
  const client = await RawClient.join(test.socket_dir, "c");
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await client.send(ping(1));
  await client.until(PONG);
  client.close();
  await test.broker.finished;
  assert(test.log.some((line) => line.includes("no clients for 700 ms")));
});

Deno.test("Broker.reload() puts new rules in force, leaves who is there the message limit it was told, and opens channels", async () => {
  const next = { settings: undefined as Settings | undefined };
  await using test = await startTestBroker({}, undefined, () => Promise.resolve(next.settings!));
  const client = await RawClient.join(test.socket_dir, "c");
  const before = testSettings(test.socket_dir);
  next.settings = testSettings(test.socket_dir, { max_message_bytes: 100 });
  next.settings.channels = new Map([["fixed", next.settings.defaults]]);
  await test.broker.reload();
  assert(await reachable(test, "fixed"));
  const later = await RawClient.join(test.socket_dir, "c");
  assert.deepEqual([client, later].map(({ welcome }) => welcome!.max_message), [
    before.defaults.max_message_bytes,
    100,
  ]);
  await client.send(encodeFrame({ type: EVENT, payload: new Uint8Array(101) }), ping(1));
  await client.until(PONG);
  await later.send(encodeFrame({ type: EVENT, payload: new Uint8Array(100) }), ping(1));
  await later.until(PONG);
  await later.send(encodeFrame({ type: EVENT, payload: new Uint8Array(101) }));
  assert.equal(decodeError((await later.until(BYE)).payload).reason, "TOO_LARGE");
  client.close(), later.close();

  next.settings = { ...before, socket_dir: "/elsewhere" };
  await assert.rejects(test.broker.reload(), /Cannot change socket_dir/);
  // A channel that cannot be bound: nothing changes.
  Deno.writeTextFileSync(socketPath(test.socket_dir, "taken"), "precious");
  next.settings = { ...before, channels: new Map([["new", before.defaults], ["taken", before.defaults]]) };
  await assert.rejects(test.broker.reload(), /taken/);
  const config = await controlRequest(test.socket_dir, "config") as Settings;
  assert.equal(config.defaults.max_message_bytes, 100);
  assert.deepEqual(Object.keys(config.channels), ["fixed"]);
});

Deno.test("Broker.reload() changes who may connect, for ipcd too, and what is opened later has it", async () => {
  let settings: Settings | undefined;
  await using test = await startTestBroker({}, (first) => settings = first, () => Promise.resolve(settings!));
  const modeOf = (channel: string) => (Deno.lstatSync(socketPath(test.socket_dir, channel)).mode! & 0o777).toString(8);
  await controlRequest(test.socket_dir, "open", { channel: "a" });
  assert.deepEqual([modeOf("ipcd"), modeOf("a")], ["600", "600"]);
  const defaults = { ...settings!.defaults, socket_mode: 0o660 };
  settings = { ...settings!, defaults, channels: new Map([["b", { ...defaults, socket_mode: 0o666 }]]) };
  await test.broker.reload();
  await controlRequest(test.socket_dir, "open", { channel: "c" });
  assert.deepEqual(["ipcd", "a", "b", "c"].map(modeOf), ["660", "660", "666", "660"]);
  Deno.removeSync(socketPath(test.socket_dir, "b"));
  await controlRequest(test.socket_dir, "open", { channel: "b" });
  assert.equal(modeOf("b"), "666");
  settings = { ...settings, defaults: { ...defaults, socket_mode: 0o600 } };
  await test.broker.reload();
  assert.deepEqual(["ipcd", "a", "b", "c"].map(modeOf), ["600", "600", "666", "600"]);
  settings = { ...settings, peer_credentials: true };
  await assert.rejects(test.broker.reload(), /peer_credentials while running/);
});

Deno.test("open binds a removed socket again before it answers, once for all who ask", async () => {
  await using test = await startTestBroker();
  const path = socketPath(test.socket_dir, "a");
  const open = () => controlRequest(test.socket_dir, "open", { channel: "a" });
  await open();
  for (let round = 0; round < 20; round++) {
    Deno.removeSync(path);
    await Promise.all([open(), open(), open()]);
    assert(await reachable(test, "a"));
  }
  assert.equal(test.log.filter((line) => line.includes("bound again")).length, 20);
});

Deno.test("open says whose it is when something else stands in the place of a removed socket", async () => {
  await using test = await startTestBroker();
  const path = socketPath(test.socket_dir, "a");
  await controlRequest(test.socket_dir, "open", { channel: "a" });
  Deno.removeSync(path);
  Deno.writeTextFileSync(path, "precious");
  await assert.rejects(
    controlRequest(test.socket_dir, "open", { channel: "a" }),
    new RegExp(`a file of user ${Deno.uid()} stands there`),
  );
  assert.equal(Deno.readTextFileSync(path), "precious");
  Deno.removeSync(path);
  await controlRequest(test.socket_dir, "open", { channel: "a" });
  assert(await reachable(test, "a"));
});

Deno.test("Broker binds ipcd again without being asked", async () => {
  await using test = await startTestBroker();
  const path = socketPath(test.socket_dir, "ipcd");
  Deno.removeSync(path);
  await until("ipcd is there again", () => reachable(test, "ipcd"));
});

Deno.test("Broker.reload() opens sockets to others only when the new rules are in force", async () => {
  let settings: Settings | undefined, change = (): Promise<Settings> => Promise.resolve(settings!);
  await using test = await startTestBroker({}, (first) => settings = first, () => change());
  const modeOf = (channel: string) => (Deno.lstatSync(socketPath(test.socket_dir, channel)).mode! & 0o777).toString(8);
  const defaults = { ...settings!.defaults, socket_mode: 0o666 };
  // The last channel cannot be opened, so that the reload fails when others have been.
  const channels = new Map(["first", "second", "blocked"].map((name) => [name, defaults]));
  Deno.writeTextFileSync(socketPath(test.socket_dir, "blocked"), "precious");
  const wide = { ...settings!, defaults, channels };
  change = () => Promise.resolve(wide);
  const reloading = test.broker.reload().catch((error: Error) => error.message);
  const seen = new Set<string>();
  for (let over = false; !over;) {
    seen.add(modeOf("ipcd"));
    over = await Promise.race([
      reloading.then(() => true),
      new Promise<false>((next) => setTimeout(() => next(false))),
    ]);
  }
  assert.match(String(await reloading), /stands there/);
  assert.deepEqual([...seen], ["600"]);
  assert.deepEqual(["ipcd", "first", "second"].map(modeOf), ["600", "600", "600"]);
  Deno.removeSync(socketPath(test.socket_dir, "blocked"));
  await test.broker.reload();
  assert.deepEqual(["ipcd", "first", "second", "blocked"].map(modeOf), ["666", "666", "666", "666"]);
});
