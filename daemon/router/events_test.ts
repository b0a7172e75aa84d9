import assert from "node:assert/strict";
import fc from "fast-check";
import { seed } from "../../tests/random.ts";
import { ANONYMOUS } from "../identity.ts";
import { UNLIMITED } from "../quota.ts";
import { FLAGS } from "../../protocol/frame.ts";
import { encodeFrame, FRAME_TYPES, type IpcError } from "../../protocol/mod.ts";
import { eventBytes, large, settled, type TestClient, TestRouter } from "./testing.ts";

function retained(payload: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(payload);
  return encodeFrame({ type: FRAME_TYPES.EVENT, flags: FLAGS.RETAIN | FLAGS.ACK, id: 77, payload: bytes });
}

/** Publishes without waiting, and notes when it was done. */
function start(order: string[], name: string, client: TestClient, bytes: number): void {
  client.publish(large(bytes)).then(() => order.push(name));
}

Deno.test("Events.publish() gives every listener the same events in the same order, stamped", async () => {
  const test = new TestRouter(), a = test.join({ listen: true }), b = test.join({ listen: true }), p = test.join();
  await p.publish("x", "y");
  await a.publish("z");
  for (const listener of [a, b]) {
    assert.deepEqual(await listener.told(), ["1:x", "2:y", "3:z"]);
    assert.deepEqual(listener.sink.frames.map((frame) => frame.source), [p.id, p.id, a.id]);
  }
  assert.deepEqual(await p.told(), []);
  assert.equal(test.channel.seq, 3);
});

Deno.test("Events.publish() leaves out a sender that wants no echo", async () => {
  const test = new TestRouter(), a = test.join({ listen: true, echo: false }), b = test.join({ listen: true });
  await a.publish("own");
  await b.publish("other");
  assert.deepEqual(await a.told(), ["2:other"]);
  assert.deepEqual(await b.told(), ["1:own", "2:other"]);
  assert.equal(test.router.events.reach(a.client), 1);
  assert.equal(test.router.events.reach(b.client), 2);
});

Deno.test("Events.turn() makes a publisher wait while a listener is full, and nobody else's queue grows", async () => {
  const test = new TestRouter(), slow = test.join({ listen: true }), fast = test.join({ listen: true });
  const p = test.join(), order: string[] = [];
  await p.publish(large(9_000));
  await fast.take(20_000);
  start(order, "second", p, 5_000);
  await settled();
  assert.deepEqual([order, fast.queued_bytes, test.channel.seq], [[], 0, 1]);
  await slow.take(5_000);
  assert.deepEqual(order, ["second"]);
});

Deno.test("Events.turn() gives turns in order: a large message is not starved by small ones", async () => {
  const test = new TestRouter(), slow = test.join({ listen: true }), order: string[] = [];
  const [a, b, c] = [test.join(), test.join(), test.join()];
  await a.publish(large(9_950));
  start(order, "large", b, 30_000); // needs an empty queue
  for (let n = 0; n < 3; n++) start(order, `small ${n}`, [a, c, a][n]!, 10);
  await settled();
  await slow.take(9_000); // the small ones would fit now
  assert.deepEqual(order, []);
  await slow.take(974);
  assert.deepEqual(order, ["large"]);
  await slow.take(30_000);
  assert.deepEqual(order, ["large", "small 0", "small 1", "small 2"]);
  assert.deepEqual((await slow.told()).map((text) => text.split(":")[0]), ["1", "2", "3", "4", "5"]);
});

Deno.test("Events.turn() lets the next in when the first leaves before its turn", async () => {
  const test = new TestRouter(), slow = test.join({ listen: true }), order: string[] = [];
  const [a, b] = [test.join(), test.join()];
  await a.publish(large(5_000));
  start(order, "a", a, 30_000);
  start(order, "b", b, 100);
  await settled();
  assert.deepEqual(order, []);
  test.router.leave(a.client);
  await settled();
  assert.deepEqual(order.sort(), ["a", "b"]);
  assert.deepEqual((await slow.told()).length, 2, "what a wanted to publish was not");
});

Deno.test("Events.turn() passes on when the one that was admitted leaves before it publishes", async () => {
  const test = new TestRouter(), slow = test.join({ listen: true }), [a, b] = [test.join(), test.join()];
  await a.publish(large(9_000));
  const turns = [test.router.events.turn(a.client, 5_000), test.router.events.turn(b.client, 5_000)];
  await slow.take(9_024);
  await turns[0];
  assert.equal(test.channel.admitted, a.client);
  test.router.leave(a.client);
  await turns[1];
  assert.equal(test.channel.admitted, b.client);
});

Deno.test("Events.turn() ends a wait when the listener leaves, stops listening or asks for drop", async () => {
  for (const how of ["leave", "roles", "drop"] as const) {
    const test = new TestRouter(), slow = test.join({ listen: true }), p = test.join(), order: string[] = [];
    await p.publish(large(9_000));
    start(order, "second", p, 5_000);
    await settled();
    assert.deepEqual(order, []);
    if (how === "leave") test.router.leave(slow.client);
    else test.router.roles(slow.client, how === "drop" ? { overflow: "drop" } : { listen: false }, false);
    await settled();
    assert.deepEqual(order, ["second"], how);
  }
});

Deno.test("Events: a publisher never waits for itself; it is told what its own queue could not take", async () => {
  const test = new TestRouter(), p = test.join({ listen: true });
  for (let n = 0; n < 30; n++) await p.publish(large(1_000));
  assert(p.queued_bytes <= 10_100, `${p.queued_bytes}`);
  const told = await p.told();
  assert.equal(told[0], "1:(1000)"); // was in flight
  const [, to] = /^gap 2\.\.(\d+) overflow$/.exec(told[1]!)!;
  assert.deepEqual(
    told.slice(2).map((text) => Number(text.split(":")[0])),
    Array.from({ length: 30 - Number(to) }, (_, n) => Number(to) + 1 + n),
  );
  assert.equal(test.router.events.gaps, Number(to) - 1);
});

Deno.test('Events with overflow "drop" tell a full listener which it missed, and hold nobody up', async () => {
  for (const where of ["channel", "listener"]) {
    const test = new TestRouter({ overflow: where === "channel" ? "drop" : "block" });
    const slow = test.join({ listen: true, ...where === "listener" ? { overflow: "drop" } : {} });
    const fast = test.join({ listen: true }), p = test.join(), numbers: number[] = [];
    for (let n = 1; n <= 50; n++) {
      await p.publish(large(1_000));
      assert.deepEqual(await fast.told(), [`${n}:(1000)`]);
    }
    for (const text of await slow.told()) {
      const gap = /^gap (\d+)\.\.(\d+) overflow$/.exec(text);
      const from = Number(gap?.[1] ?? text.split(":")[0]), to = Number(gap?.[2] ?? from);
      assert.equal(from, (numbers.at(-1) ?? 0) + 1);
      for (let seq = from; seq <= to; seq++) numbers.push(seq);
    }
    assert.equal(numbers.length, 50);
  }
});

Deno.test('Events with overflow "disconnect" close a full listener, and hold nobody up', async () => {
  for (const where of ["channel", "listener"]) {
    const test = new TestRouter({ overflow: where === "channel" ? "disconnect" : "block" });
    const slow = test.join({ listen: true, ...where === "listener" ? { overflow: "disconnect" } : {} });
    const fast = test.join({ listen: true }), p = test.join();
    for (let n = 1; n <= 20; n++) {
      await p.publish(large(1_000));
      assert.deepEqual(await fast.told(), [`${n}:(1000)`]);
    }
    assert.equal(slow.why(), "SLOW_CONSUMER");
    assert.deepEqual(test.left, [`${slow.id} SLOW_CONSUMER`]);
    assert.equal(test.router.slow.closed, 1);
  }
});

Deno.test("Events: a publisher is not closed for what it sent itself, whatever its policy as a listener", async () => {
  for (const overflow of ["block", "disconnect", "drop"] as const) {
    const test = new TestRouter(), p = test.join({ listen: true, overflow });
    for (let n = 0; n < 30; n++) await p.publish(large(1_000));
    assert.equal(p.why(), undefined, overflow);
    assert.match((await p.told())[1]!, /^gap 2\.\.\d+ overflow$/);
    // Somebody else's events are another matter.
    const other = test.join();
    await p.publish(large(9_900));
    other.publish(large(9_900));
    await settled();
    assert.equal(p.why(), overflow === "disconnect" ? "SLOW_CONSUMER" : undefined, overflow);
  }
});

Deno.test('Events: a listener cannot ask for "block" where the channel drops', async () => {
  const test = new TestRouter({ overflow: "drop" }), slow = test.join({ listen: true, overflow: "block" });
  const p = test.join();
  for (let n = 0; n < 50; n++) await p.publish(large(1_000));
  assert(slow.queued_bytes <= 10_100);
  assert.equal(test.channel.seq, 50);
});

Deno.test("Events: that a listener is closed does not overtake the event that closed it", async () => {
  const test = new TestRouter({ overflow: "disconnect" });
  // On the control channel a client that is closed is an event of that same channel.
  const leave = test.router.slow.giveUp.bind(test.router.slow);
  test.router.slow.giveUp = (client, why) => {
    leave(client, why);
    test.router.events.announce(test.channel, new TextEncoder().encode("left"));
  };
  const slow = test.join({ listen: true }), fast = test.join({ listen: true }), p = test.join();
  await p.publish(large(9_900));
  await fast.told();
  await p.publish(large(1_000));
  assert.equal(slow.why(), "SLOW_CONSUMER");
  assert.deepEqual(await fast.told(), ["2:(1000)", "3:left"]);
});

Deno.test("Events.announce() drops for full listeners: the broker never waits", async () => {
  const test = new TestRouter(), slow = test.join({ listen: true });
  for (let n = 0; n < 50; n++) test.router.events.announce(test.channel, large(1_000));
  assert.match((await slow.told())[0]!, /^gap 1\.\.\d+ overflow$/);
  assert.equal(slow.sink.frames.at(-1)!.id, 50);
  assert.equal(slow.sink.frames.at(-1)!.source, 0);
});

Deno.test("Events.retain() keeps the last event for listeners to come, with its flag, until an empty one", async () => {
  const test = new TestRouter(), live = test.join({ listen: true }), p = test.join();
  test.router.events.retain(p.client, retained("first"));
  test.router.events.retain(p.client, retained("second"));
  await p.publish("third");
  assert.deepEqual(await live.told(), ["1:first", "2:second", "3:third"]);
  assert(live.sink.frames.every((frame) => frame.flags === 0));
  const later = test.join({ listen: true });
  assert.deepEqual(await later.told(), ["retained 2:second"]);
  const role = test.join();
  test.router.roles(role.client, { listen: true }, false);
  assert.deepEqual(await role.told(), ["retained 2:second"]);
  test.router.events.retain(p.client, retained(""));
  assert.equal(test.channel.retained, undefined);
  assert.deepEqual(await test.join({ listen: true }).told(), []);
  assert.deepEqual(await live.told(), ["4:"]);
});

Deno.test("Events.retain() keeps its own copy: the reader's buffer may be reused", async () => {
  const test = new TestRouter(), p = test.join(), frame = retained("kept");
  assert.equal(test.router.events.retain(p.client, frame), false);
  frame.fill(0);
  assert.deepEqual(await test.join({ listen: true }).told(), ["retained 1:kept"]);
});

Deno.test("Events.direct() reaches one client only, outside the sequence and the history", async () => {
  const test = new TestRouter(), a = test.join({ listen: true }), b = test.join({ listen: true }), p = test.join();
  const frame = encodeFrame({
    type: FRAME_TYPES.EVENT,
    flags: FLAGS.ACK,
    target: b.id,
    id: 5,
    payload: new TextEncoder().encode("psst"),
  });
  test.router.events.direct(p.client, frame);
  assert.deepEqual(await b.told(), ["0:psst"]);
  assert.deepEqual([b.sink.frames[0]!.source, b.sink.frames[0]!.flags, b.sink.frames[0]!.aux], [p.id, 0, 0]);
  assert.deepEqual(await a.told(), []);
  assert.equal(test.channel.seq, 0);
});

Deno.test("Events.direct() refuses who is not on the channel, and who is full", () => {
  const test = new TestRouter(), p = test.join(), full = test.join();
  const to = (target: number, bytes: number) => {
    const frame = encodeFrame({ type: FRAME_TYPES.EVENT, target, payload: large(bytes) });
    return () => test.router.events.direct(p.client, frame);
  };
  assert.throws(to(99, 1), (error: IpcError) => error.reason === "CLIENT_NOT_FOUND");
  const elsewhere = test.router.open("d", true, test.channel.rules);
  const stranger = test.router.join(elsewhere, full, "test", {}, ANONYMOUS);
  assert.throws(to(stranger.id, 1), (error: IpcError) => error.reason === "CLIENT_NOT_FOUND");
  to(full.id, 9_000)();
  assert.throws(to(full.id, 9_000), (error: IpcError) => error.reason === "OVERLOADED");
});

Deno.test("Events: a client that resumes gets what it missed, once and in order, before anything new", async () => {
  const test = new TestRouter(), p = test.join();
  await p.publish("1", "2", "3", "4", "5");
  await p.publish("6");
  await p.publish(large(9_000));
  for (let seen = 0; seen <= 7; seen++) {
    const back = test.join({ listen: true }, seen);
    const expected = ["1:1", "2:2", "3:3", "4:4", "5:5", "6:6", "7:(9000)"].slice(seen);
    assert.deepEqual(await back.told(), expected, `after ${seen}`);
  }
  const back = test.join({ listen: true }, 6);
  test.router.roles(test.join().client, {}, false);
  await p.publish("8");
  assert.deepEqual(await back.told(), ["7:(9000)", "8:8"]);
});

Deno.test("Events: a client that resumes where the history no longer reaches is told the exact gap first", async () => {
  const test = new TestRouter({ history_bytes: 3_000, queue_bytes: 1 << 20 }), p = test.join();
  for (let n = 1; n <= 10; n++) await p.publish(large(1_000 - 24));
  const back = test.join({ listen: true }, 2);
  assert.deepEqual(await back.told(), ["gap 3..7 history", "8:(976)", "9:(976)", "10:(976)"]);
  assert.equal(test.router.events.gaps, 5);
  const without = new TestRouter({ history_bytes: 0 }), q = without.join();
  await q.publish("1", "2", "3");
  assert.deepEqual(await without.join({ listen: true }, 1).told(), ["gap 2..3 history"]);
  assert.deepEqual(await without.join({ listen: true }, 3).told(), []);
});

Deno.test("Events: a client that resumes gets the retained event if it is among what is gone, and only then", async () => {
  const test = new TestRouter({ history_bytes: 3_000, queue_bytes: 1 << 20 }), p = test.join();
  await p.publish("1", "2");
  test.router.events.retain(p.client, retained("third"));
  const told = (seen: number) => test.join({ listen: true }, seen).told();
  assert.deepEqual(await told(2), ["3:third"]);
  for (let n = 4; n <= 10; n++) await p.publish(large(1_000 - 24));
  assert.deepEqual((await told(1)).slice(0, 3), ["gap 2..7 history", "retained 3:third", "8:(976)"]);
  assert.deepEqual((await told(3)).slice(0, 2), ["gap 4..7 history", "8:(976)"]);
});

Deno.test("Events: a client that resumes gets no more of the history than its holder may have queued, and is told", async () => {
  const test = new TestRouter({ history_bytes: 1 << 20, queue_bytes: 1 << 20 }), p = test.join();
  const quota = { ...UNLIMITED, queued_bytes: 30_000 };
  test.router.accounts.change({ defaults: UNLIMITED, tokens: new Map([["small", quota]]) });
  const over: string[] = [];
  test.router.accounts.exceeded = ({ name }) => void over.push(name);
  for (let n = 1; n <= 50; n++) await p.publish(large(1_000 - 24));
  const back = test.join({ listen: true }, 2, "small");
  await p.publish("51");
  const told = await back.told();
  assert.deepEqual([told.length, told.slice(0, 2), told.at(-1)], [17, ["gap 3..35 overflow", "36:(976)"], "51:51"]);
  assert.deepEqual(over, []);
  // What fits is given whole.
  assert.deepEqual((await test.join({ listen: true }, 46, "small").told())[0], "47:(976)");
});

Deno.test("Events: a history longer than the queue is no reason to close a client that resumes, or to drop for it", async () => {
  for (const overflow of ["disconnect", "drop"] as const) {
    const test = new TestRouter({ overflow, history_bytes: 1 << 20 }), p = test.join();
    for (let n = 1; n <= 50; n++) await p.publish(large(1_000));
    const back = test.join({ listen: true }, 0);
    await p.publish(large(9_000));
    await back.take(40_000);
    assert.equal(back.why(), undefined);
    await p.publish("52");
    assert.equal((await back.told()).length, 52, overflow);
    // It has caught up, and is a listener as any other.
    await p.publish(large(9_000));
    await p.publish(large(9_000));
    assert.equal(back.why(), overflow === "disconnect" ? "SLOW_CONSUMER" : undefined);
  }
  for (const overflow of ["disconnect", "drop"] as const) {
    const test = new TestRouter({ overflow, history_bytes: 1 << 20 }), p = test.join();
    for (let n = 1; n <= 50; n++) await p.publish(large(1_000));
    const stuck = test.join({ listen: true }, 0);
    for (let n = 1; n <= 12; n++) await p.publish(large(1_000));
    if (overflow === "disconnect") assert.equal(stuck.why(), "SLOW_CONSUMER");
    else assert(stuck.queued_bytes <= 51_200 + 2_200, "what is being written cannot be dropped, all else was");
  }
});

Deno.test("Events: a history longer than the queue does not cost a client that resumes its connection", async () => {
  const test = new TestRouter({ history_bytes: 8 << 20, queue_bytes: 2 << 20 }), p = test.join();
  for (let n = 1; n <= 60; n++) await p.publish(large(100_000));
  const back = test.join({ listen: true }, 0);
  for (let n = 0; n < 3; n++) {
    back.pushFrames(encodeFrame({ type: FRAME_TYPES.PONG }));
    await back.take(100_000);
  }
  assert.equal(back.why(), undefined);
  assert.equal((await back.told()).filter((text) => /^\d+:/.test(text)).length, 60);
});

Deno.test("Events reach each listener once and in order, or it is told which it missed, in any mix of traffic", async () => {
  const step = fc.record({
    who: fc.nat(3),
    bytes: fc.constantFrom(1, 100, 3_000, 9_000, 25_000),
    count: fc.integer({ min: 1, max: 4 }),
    take: fc.array(fc.nat(20_000), { minLength: 3, maxLength: 3 }),
  });
  for (const steps of fc.sample(fc.array(step, { maxLength: 40 }), { seed, numRuns: 40 })) {
    const test = new TestRouter({ history_bytes: 20_000 });
    const listeners = [
      test.join({ listen: true }),
      test.join({ listen: true, overflow: "drop" }),
      test.join({ listen: true, echo: false }),
    ];
    const publishers = [...listeners.slice(0, 2), test.join(), test.join()], open: Promise<void>[] = [];
    for (const { who, bytes, count, take } of steps) {
      open.push(publishers[who]!.publish(...Array.from({ length: count }, () => large(bytes))));
      for (const [at, listener] of listeners.entries()) await listener.take(take[at]);
    }
    for (const listener of listeners) listener.take();
    await Promise.all(open);
    for (const [at, listener] of listeners.entries()) {
      let next = 1;
      for (const text of await listener.told()) {
        const [, from, , to = from] = /^(?:gap )?(\d+)(\.\.(\d+))?/.exec(text)!;
        assert.equal(Number(from), next, `listener ${at}, seed ${seed}`);
        next = Number(to) + 1;
      }
      assert.equal(next, test.channel.seq + 1, `listener ${at}, seed ${seed}`);
    }
  }
});

Deno.test("Events.publish() hands out memory that is never overwritten", async () => {
  const test = new TestRouter({ queue_bytes: 1 << 24 }), slow = test.join({ listen: true }), p = test.join();
  const sizes = [10, 5_000, 200_000, 30_000, 10, 90_000, 300_000, 9_000, 1];
  for (let round = 0; round < 5; round++) {
    for (const [n, size] of sizes.entries()) {
      p.publishNow(eventBytes(new Uint8Array(size).fill(round * sizes.length + n)));
    }
  }
  await slow.take();
  const frames = slow.sink.frames;
  assert.equal(frames.length, 5 * sizes.length);
  for (const [n, frame] of frames.entries()) {
    assert.equal(frame.payload.length, sizes[n % sizes.length]);
    assert(frame.payload.every((byte) => byte === n), `event ${n + 1}`);
  }
});
