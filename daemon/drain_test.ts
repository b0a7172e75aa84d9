import assert from "node:assert/strict";
import { encodeFrame, FRAME_TYPES, PREFACE } from "../protocol/mod.ts";
import { FLAGS } from "../protocol/frame.ts";
import { eventually } from "../tests/e2e/wait.ts";
import { controlRequest, ping, RawClient, reachable, startIn, startTestBroker } from "./testing.ts";

const { EVENT, REQUEST, REPLY, PONG, BYE } = FRAME_TYPES;

const text = (value: string) => new TextEncoder().encode(value);

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
  await eventually(async () => {
    const channel = await controlRequest(test.socket_dir, "channel", { channel: "c" }) as Record<string, unknown>;
    return channel["publishers_waiting"] === 1;
  }, "not yet: the publisher waits");
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
  await eventually(() => controlRequest(test.socket_dir, "ping").then(() => true), "not yet: it was accepted");
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
