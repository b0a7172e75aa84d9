import assert from "node:assert/strict";
import type { Settings } from "../config/settings.ts";
import { encodeFrame, FRAME_TYPES, type IpcError, socketPath } from "../protocol/mod.ts";
import { FLAGS } from "../protocol/frame.ts";
import { eventually, pause } from "../tests/e2e/wait.ts";
import { controlRequest, ping, RawClient, reachable, startIn, startTestBroker } from "./testing.ts";

const { EVENT, REQUEST, REPLY, ACK, PONG } = FRAME_TYPES;

const text = (value: string) => new TextEncoder().encode(value);

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

Deno.test("Broker binds again when a socket file is removed; connections are not touched", async () => {
  await using test = await startTestBroker();
  const client = await RawClient.join(test.socket_dir, "c");
  for (const channel of ["c", "ipcd"]) Deno.removeSync(socketPath(test.socket_dir, channel));
  await eventually(
    async () => await reachable(test, "c") && await reachable(test, "ipcd"),
    "not yet: both are there again",
  );
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
  await eventually(async () => !(await names()).includes("plain"), "not yet: it is closed");
  // Seconds of a broker that would close what it should not.
  await pause(1_000);
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
  await pause(1_500);
  await client.send(ping(1));
  await client.until(PONG);
  client.close();
  await test.broker.finished;
  assert(test.log.some((line) => line.includes("no clients for 700 ms")));
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
  await eventually(() => reachable(test, "ipcd"), "not yet: ipcd is there again");
});
