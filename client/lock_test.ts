import assert from "node:assert/strict";
import { startTestBroker } from "../daemon/testing.ts";
import { barrier, control, type IpcError, type Lock, lock } from "./mod.ts";
import { failure, numbers, Wire } from "./testing.ts";
import { eventually, pause } from "../tests/e2e/wait.ts";

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  return (await failure(promise)).reason;
}

/** What the broker says of a channel's lock and barrier. */
async function told(socket_dir: string, channel = "c") {
  const details = await control("channel", { channel }, { socket_dir }) as {
    lock: { places: number; holders: { name: string; fence: number }[]; waiting: { name: string }[] } | null;
    barrier: { parties: number; waiting: { name: string }[] } | null;
  };
  const names = (list: { name: string }[]) => list.map(({ name }) => name);
  return {
    lock: details.lock && [details.lock.places, names(details.lock.holders), names(details.lock.waiting)],
    barrier: details.barrier && [details.barrier.parties, names(details.barrier.waiting)],
  };
}

/** Asks for the lock, and resolves when the broker has us in its queue. */
async function queue(socket_dir: string, name: string, more = {}): Promise<{ held: Promise<Lock> }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const held = lock("c", { socket_dir, name, onwaiting: resolve, ...more });
  held.catch(() => {});
  await Promise.race([promise, held]);
  return { held };
}

Deno.test("lock() is held by one at a time, in the order of asking, with a growing fence", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker, order: string[] = [];
  const first = await lock("c", { socket_dir, name: "first" });
  const asked = [];
  for (const name of ["a", "b", "c", "d"]) asked.push({ name, ...await queue(socket_dir, name) });
  assert.deepEqual((await told(socket_dir)).lock, [1, ["first"], ["a", "b", "c", "d"]]);
  let fence = first.fence;
  const running = asked.map(async ({ name, held }) => {
    await using mine = await held;
    assert(mine.fence > fence);
    fence = mine.fence;
    order.push(name);
    await pause(2);
    assert.equal(order.at(-1), name);
  });
  await first.release();
  await first.release();
  await Promise.all(running);
  assert.deepEqual(order, ["a", "b", "c", "d"]);
  assert.deepEqual((await told(socket_dir)).lock, null);
});

Deno.test("lock() with places lets so many in; who says another number is refused", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  const held = await Promise.all(numbers(3).map(() => lock("c", { socket_dir, places: 3 })));
  assert.equal(await lock("c", { socket_dir, places: 3, wait: false }), undefined);
  const error = await failure(lock("c", { socket_dir }));
  assert.equal(error.reason, "SCHEMA");
  assert.match(error.message, /"c" is locked for 3 at a time/);
  await held[1]!.release();
  await using _again = (await lock("c", { socket_dir, places: 3, wait: false }))!;
  await held[0]!.release();
  await held[2]!.release();
});

Deno.test("lock() gives up at its timeout or signal, and leaves the queue", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker, first = await lock("c", { socket_dir, name: "first" });
  assert.equal(await reasonOf(lock("c", { socket_dir, timeout_ms: 50 })), "TIMEOUT");
  const giving_up = new AbortController();
  const { held } = await queue(socket_dir, "gives up", { signal: giving_up.signal });
  const { held: patient } = await queue(socket_dir, "patient");
  giving_up.abort();
  assert.equal(await reasonOf(held), "CANCELLED");
  assert.equal(await reasonOf(lock("c", { socket_dir, signal: AbortSignal.abort() })), "CANCELLED");
  assert.deepEqual((await told(socket_dir)).lock, [1, ["first"], ["patient"]]);
  await first.release();
  await (await patient).release();
  assert.equal(await reasonOf(lock("a/b", { socket_dir })), "CHANNEL_NAME");
  assert.equal(await reasonOf(lock("c", { socket_dir, places: 0 })), "PROTOCOL");
});

Deno.test("lock() is freed when the holder's connection breaks, and the holder is told", async () => {
  await using broker = await startTestBroker();
  await using wire = await Wire.lay(broker.socket_dir, "ipcd");
  const held = await lock("c", { socket_dir: wire.socket_dir });
  const { held: next } = await queue(broker.socket_dir, "next");
  assert.equal(held.lost.aborted, false);
  wire.sever();
  await (await next).release();
  await eventually(() => held.lost.aborted, "the holder is not told");
  assert.equal((held.lost.reason as IpcError).reason, "CHANNEL_RECV");
  await held.release();
});

Deno.test("lock() is lost when the broker goes away: holders are told, those who wait are refused", async () => {
  const broker = await startTestBroker(), { socket_dir } = broker;
  const held = await lock("c", { socket_dir });
  const { held: waiting } = await queue(socket_dir, "waiting");
  const at_barrier = barrier("c", 2, { socket_dir });
  const refused = reasonOf(at_barrier), lost = reasonOf(waiting);
  await eventually(async () => (await told(socket_dir)).barrier !== null, "nobody is at the barrier");
  await broker[Symbol.asyncDispose]();
  assert.deepEqual([await lost, await refused], ["SHUTDOWN", "SHUTDOWN"]);
  await eventually(() => held.lost.aborted, "the holder is not told");
  assert.equal((held.lost.reason as IpcError).reason, "SHUTDOWN");
});

Deno.test("lock() is for who may ask on the channel, and is taken away when a rule comes", async () => {
  let denied = false;
  const rules = () => ({
    all: {},
    globs: [],
    channels: new Map(denied ? [["c", { request: { deny: ["name:a"] } }]] as const : []),
  });
  let settings!: Parameters<NonNullable<Parameters<typeof startTestBroker>[1]>>[0];
  await using broker = await startTestBroker(
    {},
    (all) => settings = { ...all, access: { ...all.access, ...rules() } },
    () => Promise.resolve({ ...settings, access: { ...settings.access, ...rules() } }),
  );
  const { socket_dir } = broker;
  const held = await lock("c", { socket_dir, name: "a" });
  const { held: waiting } = await queue(socket_dir, "a");
  const { held: allowed } = await queue(socket_dir, "b");
  denied = true;
  await broker.broker.reload();
  assert.equal(await reasonOf(waiting), "FORBIDDEN");
  await (await allowed).release();
  await eventually(() => held.lost.aborted, "the holder is not told");
  assert.equal((held.lost.reason as IpcError).reason, "FORBIDDEN");
  assert.equal(await reasonOf(lock("c", { socket_dir, name: "a" })), "FORBIDDEN");
  assert.equal(await reasonOf(barrier("c", 2, { socket_dir, name: "a" })), "FORBIDDEN");
});

Deno.test("lock() keeps its channel open, and counts as a request of its client's", async () => {
  await using broker = await startTestBroker({}, (settings) => ({
    ...settings,
    channel_idle_ms: 0,
    quota: { ...settings.quota, defaults: { ...settings.quota.defaults, requests: 0 } },
  }));
  assert.equal(await reasonOf(lock("c", { socket_dir: broker.socket_dir })), "OVERLOADED");
  await using other = await startTestBroker({}, (settings) => ({ ...settings, channel_idle_ms: 0 }));
  const { socket_dir } = other, held = await lock("c", { socket_dir, name: "it" });
  await pause(1200);
  assert.deepEqual((await told(socket_dir)).lock, [1, ["it"], []]);
  await held.release();
  const gone = async () => (await control("channels", { glob: "c" }, { socket_dir }) as unknown[]).length === 0;
  await eventually(gone, "the channel stays open");
});

Deno.test("barrier() lets all go on with the last, again and again; who leaves does not count", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  for (let round = 0; round < 3; round++) {
    let gone = 0;
    assert.equal(await reasonOf(barrier("c", 5, { socket_dir, name: "leaves", timeout_ms: 50 })), "TIMEOUT");
    const some = numbers(4).map(() => barrier("c", 5, { socket_dir, name: "p" }).then(() => gone++));
    const all = JSON.stringify([5, ["p", "p", "p", "p"]]);
    await eventually(async () => JSON.stringify((await told(socket_dir)).barrier) === all, "not all are there");
    assert.equal(gone, 0);
    assert.equal(await reasonOf(barrier("c", 4, { socket_dir })), "SCHEMA");
    await Promise.all([...some, barrier("c", 5, { socket_dir })]);
    assert.equal(gone, 4);
    assert.equal((await told(socket_dir)).barrier, null);
  }
});
