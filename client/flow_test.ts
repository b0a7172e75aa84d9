import assert from "node:assert/strict";
import { RawClient, startTestBroker, testSettings } from "../daemon/testing.ts";
import { encodeFrame, FRAME_TYPES } from "../protocol/frame.ts";
import { connect, type GapNotice } from "./mod.ts";
import { numbers, settle } from "./testing.ts";
import { eventually, pause } from "../tests/e2e/wait.ts";

const KIB = new Uint8Array(1_000);

Deno.test("Channel.listen() with a slow callback holds publishers up, and loses nothing", async () => {
  await using broker = await startTestBroker({ queue_bytes: 64_000 });
  const { socket_dir } = broker;
  await using publisher = await connect("slow", { socket_dir, queue_bytes: 64_000 });
  await using listener = await connect("slow", { socket_dir, queue_bytes: 64_000 });
  const got: number[] = [];
  const { promise: go, resolve: release } = Promise.withResolvers<void>();
  listener.listen(async ({ seq }) => {
    if (got.length === 0) await go;
    got.push(seq);
  });
  await listener.flush();
  let sent = 0;
  const publishing = (async () => {
    for (; sent < 5_000; sent++) await publisher.broadcast(KIB);
    await publisher.flush();
  })();
  await pause(100);
  assert.ok(sent < 2_000, `${sent} of 5000 were sent while nobody took any`);
  release();
  await publishing;
  await eventually(() => got.length === 5_000, "all events");
  assert.deepEqual(got, numbers(5_000).map((n) => n + 1));
});

Deno.test("Channel.listen() callback may await a request though its queue is full, and is told what that cost", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using service = await connect("asking", { socket_dir, handle: true });
  await using publisher = await connect("asking", { socket_dir });
  await using listener = await connect("asking", { socket_dir, queue_bytes: 50_000 });
  const { promise: go, resolve: release } = Promise.withResolvers<void>();
  service.handle(async () => {
    await go;
    return "reply";
  });
  const got: number[] = [], gaps: GapNotice[] = [], order: string[] = [];
  let reply: unknown;
  listener.listen(async ({ seq }) => {
    got.push(seq);
    order.push("event");
    if (seq === 1) reply = await listener.invoke("x");
  }, {
    ongap: (notice) => {
      gaps.push(notice);
      order.push("gap");
    },
  });
  await listener.flush();
  for (let n = 0; n < 2_000; n++) await publisher.broadcast(KIB);
  await publisher.flush();
  release();
  await eventually(() => got.at(-1) === 2_000, "the last event");
  assert.equal(reply, "reply");
  const missing = gaps.flatMap(({ from, to }) => numbers(to! - from + 1).map((n) => n + from));
  assert.ok(missing.length > 1_000, `${missing.length} are missing`);
  assert.deepEqual([...got, ...missing].sort((a, b) => a - b), numbers(2_000).map((n) => n + 1));
  assert.ok(gaps.every(({ reason, epoch }) => reason === "overflow" && epoch === listener.epoch));
  assert.equal(order.indexOf("gap"), got.indexOf(gaps[0]!.to! + 1), "the notice does not stand where the events were");
});

Deno.test("Channel.flush() is answered while a listener's queue is full", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using publisher = await connect("full", { socket_dir });
  await using listener = await connect("full", { socket_dir, queue_bytes: 20_000 });
  const { promise: go, resolve: release } = Promise.withResolvers<void>();
  let count = 0;
  listener.listen(async () => {
    if (count++ === 0) await go;
  }, { ongap: () => {} });
  await listener.flush();
  for (let n = 0; n < 500; n++) await publisher.broadcast(KIB);
  await publisher.flush();
  await settle(listener);
  release();
});

Deno.test("Channel.broadcast() waits when queue_bytes are full, and lets a larger message go alone", async () => {
  await using broker = await startTestBroker({ queue_bytes: 20_000, stall_timeout_ms: 60_000 });
  const { socket_dir } = broker;
  const stopped = await RawClient.join(socket_dir, "waiting", { listen: true });
  await using publisher = await connect("waiting", { socket_dir, queue_bytes: 20_000 });
  let sent = 0;
  const publishing = (async () => {
    for (; sent < 1_000; sent++) await publisher.broadcast(KIB);
    await publisher.broadcast(new Uint8Array(1_000_000));
    await publisher.flush();
  })();
  await pause(100);
  const before = sent;
  await pause(50);
  assert.ok(sent < 1_000 && sent === before, `${sent} events were taken in`);
  for (let events = 0; events < 1_001; events++) await stopped.until(FRAME_TYPES.EVENT);
  await publishing;
  stopped.close();
});

Deno.test("Channel answers a PING at once, while a listener is busy", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("pinged", { socket_dir });
  let heard = 0, before = 0, most = 0;
  a.listen(() => {
    heard++;
    for (const end = performance.now() + 1; performance.now() < end;);
  });
  for (let n = 0; n < 400; n++) await a.broadcast("x");
  while (heard < 400) {
    await pause(1);
    most = Math.max(most, heard - before);
    before = heard;
  }
  // Each takes a millisecond at least, so on a slow machine there are fewer of them between two turns, not more.
  assert.ok(most < 100, `the event loop stood still for ${most} of 400 events`);
});

Deno.test("Channel lets the event loop have its turn between promises that are settled already", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("settled", { socket_dir, listen: true });
  for (let n = 0; n < 400; n++) await a.broadcast("x");
  await a.flush();
  let count = 0;
  a.listen(async () => {
    count++;
    for (const end = performance.now() + 1; performance.now() < end;);
    await null;
  });
  await pause(1);
  assert.ok(count < 200, `${count} events before the event loop had its turn`);
});

Deno.test("Channel.listen() goes on after a callback that throws, a broken payload, and direct events", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  const errors: string[] = [];
  await using a = await connect("broken", {
    socket_dir,
    onnotice: (notice) => notice.type === "error" && errors.push(notice.error.message),
  });
  const raw = await RawClient.join(socket_dir, "broken");
  const got: unknown[] = [], thrown: unknown[] = [];
  const onerror = (event: ErrorEvent): void => {
    event.preventDefault();
    thrown.push(event.error);
  };
  globalThis.addEventListener("error", onerror);
  a.listen(({ data }) => {
    got.push(data);
    if (data === 1) throw new Error("sync");
    return data === 2 ? Promise.reject(new Error("async")) : undefined;
  });
  await a.flush();
  const broken = new Uint8Array([0xff, 0xfe]);
  await raw.send(encodeFrame({ type: FRAME_TYPES.EVENT, flags: 1, payload: broken }));
  await raw.send(encodeFrame({ type: FRAME_TYPES.EVENT, flags: 2, payload: broken }));
  await raw.send(encodeFrame({ type: FRAME_TYPES.EVENT, flags: 3, payload: broken }));
  await raw.send(encodeFrame({ type: FRAME_TYPES.PING }));
  await raw.until(FRAME_TYPES.PONG);
  for (const n of [1, 2, 3]) await a.broadcast(n);
  await eventually(() => got.length === 3, "the events");
  await eventually(() => thrown.length === 2, "the errors");
  globalThis.removeEventListener("error", onerror);
  assert.deepEqual(got, [1, 2, 3]);
  assert.deepEqual(thrown.map((error) => (error as Error).message), ["sync", "async"]);
  assert.equal(errors.length, 3);
  assert.match(errors[0]!, /^event 1 cannot be read: payload of 2 bytes is not UTF-8/);
  raw.close();
});

Deno.test("Channel.listen() gets what a reload of the broker has allowed since it connected", async () => {
  const next = { socket_dir: "" };
  const reload = () => Promise.resolve(testSettings(next.socket_dir, { max_message_bytes: 32 * 1024 * 1024 }));
  await using broker = await startTestBroker({}, undefined, reload);
  const { socket_dir } = broker;
  next.socket_dir = socket_dir;
  await using listener = await connect("large", { socket_dir });
  const got: number[] = [];
  listener.listen(({ data }) => got.push((data as Uint8Array).length));
  await listener.flush();
  await broker.broker.reload();
  await using publisher = await connect("large", { socket_dir });
  await publisher.broadcast(new Uint8Array(20_000_000));
  await publisher.flush();
  await eventually(() => got.length === 1, "the event");
  assert.deepEqual([got, listener.connected], [[20_000_000], true]);
});
