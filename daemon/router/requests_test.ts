import assert from "node:assert/strict";
import { FLAGS } from "../../protocol/frame.ts";
import { UNLIMITED } from "../quota.ts";
import { large, settled, TestRouter } from "./testing.ts";

const { MORE } = FLAGS;

Deno.test("Requests: a request reaches its handler stamped, and its reply the requester", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
  asker.request(7, { payload: "how?", deadline_ms: 1_234 });
  assert.deepEqual(await handler.told(), [`ask ${asker.id}/7 how?`]);
  assert.equal(handler.sink.frames[0]!.aux, 1_234);
  assert.equal(test.channel.requests_open, 1);
  handler.reply(asker, 7, "so");
  assert.deepEqual(await asker.told(), [`reply 7 from ${handler.id} so`]);
  assert.deepEqual([test.channel.requests_open, test.router.requests.deadlines.size, handler.client.serving.size], [
    0,
    0,
    0,
  ]);
});

Deno.test("Requests fail at once with NO_HANDLER where nobody handles", async () => {
  const test = new TestRouter(), asker = test.join({ listen: true });
  asker.request(1);
  asker.request(2, { all: true });
  assert.deepEqual(await asker.told(), ["reply 1 from 0 NO_HANDLER", "reply 2 from 0 NO_HANDLER"]);
});

Deno.test("Requests go to the handler with the fewest open, ties in turn", async () => {
  const test = new TestRouter(), asker = test.join();
  const handlers = [test.join({ handle: true }), test.join({ handle: true }), test.join({ handle: true })];
  for (let id = 1; id <= 6; id++) asker.request(id);
  const told = await Promise.all(handlers.map((handler) => handler.told()));
  assert.deepEqual(told, [["ask 1/1", "ask 1/4"], ["ask 1/2", "ask 1/5"], ["ask 1/3", "ask 1/6"]]);
  handlers[1]!.reply(asker, 2);
  asker.request(7);
  assert.deepEqual(await handlers[1]!.told(), ["ask 1/7"]);
  for (const id of [1, 4]) handlers[0]!.reply(asker, id);
  for (const id of [8, 9]) asker.request(id);
  assert.deepEqual(await handlers[0]!.told(), ["ask 1/8", "ask 1/9"]);
});

Deno.test("Requests: with nothing open, each handler has its turn", async () => {
  const test = new TestRouter(), asker = test.join(), handlers = [1, 2, 3].map(() => test.join({ handle: true }));
  for (let id = 1; id <= 9; id++) {
    asker.request(id);
    for (const handler of handlers) handler.reply(asker, id);
  }
  for (const handler of handlers) assert.equal((await handler.told()).length, 3);
});

Deno.test("Requests: ids are the requester's own; two may use the same", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), [a, b] = [test.join(), test.join()];
  a.request(1), b.request(1);
  assert.deepEqual(await handler.told(), [`ask ${a.id}/1`, `ask ${b.id}/1`]);
  handler.reply(b, 1, "for b"), handler.reply(a, 1, "for a");
  assert.deepEqual([await a.told(), await b.told()], [["reply 1 from 1 for a"], ["reply 1 from 1 for b"]]);
});

Deno.test("Requests: an id that is in use is an ERROR, and the open request goes on", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
  asker.request(1), asker.request(1);
  assert.deepEqual(await asker.told(), ["error 1 PROTOCOL"]);
  handler.reply(asker, 1, "done");
  assert.deepEqual(await asker.told(), ["reply 1 from 1 done"]);
  asker.request(1);
  assert.deepEqual(await handler.told(), ["ask 2/1", "ask 2/1"]);
});

Deno.test("Requests: a streamed reply ends with the first without MORE; nothing comes behind it", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
  asker.request(1);
  handler.reply(asker, 1, "a", MORE), handler.reply(asker, 1, "b", MORE), handler.reply(asker, 1, "c");
  handler.reply(asker, 1, "late"), handler.reply(asker, 1, "late", MORE);
  assert.deepEqual(await asker.told(), ["more 1 from 1 a", "more 1 from 1 b", "reply 1 from 1 c"]);
});

Deno.test("Requests take a reply only from the handler that holds the request", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), other = test.join({ handle: true });
  const asker = test.join(), nobody = test.join();
  asker.request(1);
  other.reply(asker, 1, "forged"), nobody.reply(asker, 1, "forged"), asker.reply(asker, 1, "forged");
  assert.deepEqual(await asker.told(), []);
  handler.reply(asker, 1, "true");
  assert.deepEqual(await asker.told(), ["reply 1 from 1 true"]);
});

Deno.test("Requests with ALL ask every handler; each answer has MORE, and the last frame counts them", async () => {
  const test = new TestRouter(), handlers = [1, 2, 3].map(() => test.join({ handle: true })), asker = test.join();
  asker.request(5, { all: true });
  for (const handler of handlers) assert.deepEqual(await handler.told(), ["ask 4/5"]);
  handlers[2]!.reply(asker, 5, "c");
  handlers[0]!.reply(asker, 5, "a1", MORE), handlers[0]!.reply(asker, 5, "a2");
  assert.deepEqual(await asker.told(), ["more 5 from 3 c", "more 5 from 1 a1", "more 5 from 1 a2"]);
  test.router.leave(handlers[1]!.client);
  assert.deepEqual(await asker.told(), ["more 5 from 0 HANDLER_GONE", "reply 5 from 0 3"]);
  assert.equal(asker.sink.frames.at(-1)!.aux, 3);
  assert.equal(test.channel.requests_open, 0);
});

Deno.test("Requests with ALL count a handler whose queue is full as one that answered OVERLOADED", async () => {
  const test = new TestRouter(), full = test.join({ handle: true }), handler = test.join({ handle: true });
  const asker = test.join();
  full.pushFrames(large(9_990));
  asker.request(1, { all: true });
  handler.reply(asker, 1, "fine");
  assert.deepEqual(await asker.told(), ["more 1 from 0 OVERLOADED", "more 1 from 2 fine", "reply 1 from 0 2"]);
});

Deno.test("Requests: CANCEL tells the handler and ends the request with CANCELLED, once", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
  asker.request(1);
  test.router.requests.cancel(asker.client, 1), test.router.requests.cancel(asker.client, 1);
  test.router.requests.cancel(asker.client, 99);
  handler.reply(asker, 1, "too late");
  assert.deepEqual(await asker.told(), ["reply 1 from 0 CANCELLED"]);
  assert.deepEqual(await handler.told(), ["ask 2/1", "cancel 2/1"]);
  assert.equal(handler.client.serving.size, 0);
});

Deno.test("Requests: nobody can cancel another's request", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join(), other = test.join();
  asker.request(1);
  test.router.requests.cancel(other.client, 1), test.router.requests.cancel(handler.client, 1);
  assert.deepEqual([await asker.told(), await handler.told()], [[], ["ask 2/1"]]);
});

Deno.test("Requests end with TIMEOUT at their deadline, never before, and the handler is told", async () => {
  const test = new TestRouter({ request_timeout_ms: 2_000 }), handler = test.join({ handle: true });
  const asker = test.join();
  test.now_ms = 3;
  asker.request(1, { deadline_ms: 1_000 }), asker.request(2), asker.request(3, { deadline_ms: 0xffff_ffff });
  await handler.told();
  for (
    const [now_ms, expected] of [[1_002, []], [1_020, ["reply 1 from 0 TIMEOUT"]], [2_002, []], [2_020, [
      "reply 2 from 0 TIMEOUT",
    ]], [1e12, []]] as const
  ) {
    test.router.requests.tick(now_ms);
    assert.deepEqual(await asker.told(), expected, `at ${now_ms}`);
  }
  assert.deepEqual(await handler.told(), ["cancel 2/1", "cancel 2/2"]);
  handler.reply(asker, 1, "too late");
  handler.reply(asker, 3, "in time");
  assert.deepEqual(await asker.told(), ["reply 3 from 1 in time"]);
  assert.equal(test.router.requests.deadlines.size, 0);
});

Deno.test("Requests ask for deadlines to be kept when the first one is open, not for each", () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
  asker.request(1), asker.request(2);
  assert.equal(test.deadlines, 1);
  handler.reply(asker, 1), handler.reply(asker, 2);
  asker.request(3);
  assert.equal(test.deadlines, 2);
});

Deno.test("Requests: a handler that leaves fails what it held with HANDLER_GONE; the others' goes on", async () => {
  const test = new TestRouter(), gone = test.join({ handle: true }), stays = test.join({ handle: true });
  const asker = test.join();
  for (let id = 1; id <= 100; id++) asker.request(id);
  test.router.leave(gone.client);
  const told = await asker.told();
  assert.equal(told.length, 50);
  assert(told.every((text) => text.endsWith("from 0 HANDLER_GONE")));
  for (let id = 1; id <= 100; id++) stays.reply(asker, id, "ok");
  assert.equal((await asker.told()).length, 50);
  asker.request(101);
  assert.equal((await stays.told()).length, 51);
});

Deno.test("Requests: a handler that gives up the role still answers what it holds, and gets nothing new", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
  asker.request(1);
  test.router.roles(handler.client, { handle: false }, false);
  asker.request(2);
  handler.reply(asker, 1, "still");
  assert.deepEqual(await asker.told(), ["reply 2 from 0 NO_HANDLER", "reply 1 from 1 still"]);
});

Deno.test("Requests.desert() fails what a handler holds, its own requests to itself among them; what it asked goes on", async () => {
  const test = new TestRouter(), other = test.join({ handle: true }), handler = test.join({ handle: true });
  const asker = test.join();
  for (const id of [1, 2]) asker.request(id);
  for (const id of [1, 2]) handler.request(id);
  assert.equal(handler.client.serving.size, 2);
  test.router.requests.desert(handler.client);
  assert.deepEqual(await asker.told(), ["reply 2 from 0 HANDLER_GONE"]);
  assert.equal(handler.client.serving.size, 0);
  assert.deepEqual((await handler.told()).filter((line) => line.startsWith("reply")), ["reply 2 from 0 HANDLER_GONE"]);
  other.reply(handler, 1, "so");
  assert.deepEqual(await handler.told(), [`reply 1 from ${other.id} so`]);
});

Deno.test("Requests: a requester that leaves turns its requests into CANCEL", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
  asker.request(1), asker.request(2);
  test.router.leave(asker.client);
  assert.deepEqual(await handler.told(), ["ask 2/1", "ask 2/2", "cancel 2/1", "cancel 2/2"]);
  assert.deepEqual([handler.client.serving.size, test.router.requests.deadlines.size], [0, 0]);
});

Deno.test("Requests: a client that asks itself and leaves leaves nothing behind", () => {
  const test = new TestRouter(), self = test.join({ handle: true });
  self.request(1), self.request(2, { all: true });
  test.router.leave(self.client);
  assert.deepEqual([test.channel.requests_open, test.router.requests.deadlines.size], [0, 0]);
});

Deno.test("Requests: a handler whose queue is full is passed over; if all are, OVERLOADED", async () => {
  const test = new TestRouter(), full = test.join({ handle: true }), handler = test.join({ handle: true });
  const asker = test.join();
  full.pushFrames(large(9_990));
  asker.request(1), asker.request(2);
  assert.equal(handler.client.serving.size, 2);
  handler.pushFrames(large(9_940));
  asker.request(3);
  assert.deepEqual(await asker.told(), ["reply 3 from 0 OVERLOADED"]);
});

Deno.test("Requests: a handler that is full and takes nothing is closed after stall_timeout", async () => {
  const test = new TestRouter(), full = test.join({ handle: true }), asker = test.join();
  asker.request(1);
  full.pushFrames(large(9_990));
  asker.request(2);
  test.pass(6_000);
  assert.equal(full.why(), "SLOW_CONSUMER");
  assert.deepEqual(await asker.told(), ["reply 2 from 0 OVERLOADED", "reply 1 from 0 HANDLER_GONE"]);
});

Deno.test("Requests: who has as many open as its quota is answered OVERLOADED, others are not, and what ends makes room", async () => {
  const test = new TestRouter(), { router } = test;
  router.accounts.change({ defaults: { ...UNLIMITED, requests: 3 }, tokens: new Map() });
  const handler = test.join({ handle: true }), asker = test.join(), other = test.join();
  for (let id = 1; id <= 3; id++) asker.request(id);
  assert.deepEqual(await asker.told(), []);
  asker.request(4);
  assert.deepEqual(await asker.told(), ["reply 4 from 0 OVERLOADED"]);
  assert.deepEqual(test.overloaded, [`requests: client ${asker.id} has 3 requests open, limit is 3 (quota.requests)`]);
  other.request(1);
  assert.deepEqual(await other.told(), []);
  handler.reply(asker, 2);
  asker.cancel(1);
  await asker.told();
  for (let id = 5; id <= 6; id++) asker.request(id);
  assert.deepEqual(await asker.told(), []);
  assert.equal(asker.client.account.requests, 3);
  router.leave(asker.client);
  assert.equal(asker.client.account.idle, true);
  assert.equal(router.counters.overloaded.get("requests"), 1);
});

Deno.test("Requests.room() makes a handler wait while its requester is full, until there is room or it is gone", async () => {
  for (const how of ["takes", "leaves", "cancels"]) {
    const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
    asker.request(1);
    const reply = handler.replyFrame(asker, 1, "x".repeat(5_000));
    assert.equal(test.router.requests.room(handler.client, reply), undefined);
    asker.pushFrames(large(9_000));
    const room = test.router.requests.room(handler.client, reply);
    assert(room !== undefined);
    if (how === "takes") await asker.take(9_000);
    else if (how === "leaves") test.router.leave(asker.client);
    else {
      test.router.requests.cancel(asker.client, 1);
      await asker.take(1);
    }
    await room;
    assert.equal(test.router.requests.room(handler.client, reply), undefined, how);
  }
});

Deno.test("Requests.room() watches a requester that does not read, whatever the size of the reply", async () => {
  const test = new TestRouter(), handler = test.join({ handle: true }), asker = test.join();
  asker.request(1);
  asker.pushFrames(large(100));
  await settled();
  const room = test.router.requests.room(handler.client, handler.replyFrame(asker, 1, "x".repeat(20_000)));
  test.pass(6_000);
  await room;
  assert.equal(asker.why(), "SLOW_CONSUMER");
});

Deno.test("Requests.room() lets a reply to nothing pass, and watches nobody for it", async () => {
  const test = new TestRouter({ overflow: "drop" }), asker = test.join({ listen: true }), forger = test.join();
  await forger.publish(large(9_990));
  assert.equal(test.router.requests.room(forger.client, forger.replyFrame(asker, 1, "x".repeat(5_000))), undefined);
  test.pass(60_000);
  assert.equal(asker.why(), undefined);
});

Deno.test("Requests: a requester that is given up while ALL is sent leaves no handler holding its request", () => {
  const test = new TestRouter({ queue_bytes: 100 }), handler = test.join({ handle: true }), asker = test.join();
  for (let n = 0; n < 3; n++) test.join({ handle: true }).pushFrames(large(90));
  // One byte more that cannot be refused, and the requester is lost.
  asker.pushFrames(large(90));
  for (let n = 0; n < 16; n++) asker.pushFrames(large(65_536));
  assert.equal(asker.why(), undefined);
  asker.request(1, { all: true });
  assert.equal(asker.why(), "SLOW_CONSUMER");
  assert.equal(handler.client.serving.size, 0);
});
