import assert from "node:assert/strict";
import { IpcError } from "../protocol/mod.ts";
import { deliver } from "./delivery.ts";
import { ANONYMOUS } from "./identity.ts";
import type { Log } from "./log.ts";
import { Reports } from "./reports.ts";
import { TestRouter } from "./router/testing.ts";

/** Reports of a router, and what they log. */
function reporting() {
  const lines: string[] = [], test = new TestRouter();
  const write = (message: string, properties = {}) => void lines.push(`${message} ${JSON.stringify(properties)}`);
  const log: Log = { debug() {}, info: write, warning: write, error: write };
  return { lines, test, reports: new Reports(log, () => test.router) };
}

Deno.test("Reports.refused() names a client only if there is one", () => {
  const { lines, test, reports } = reporting();
  reports.refused(new IpcError("UNAUTHORIZED", "no such token"));
  assert.deepEqual(lines, ['refused a connection {"why":"no such token"}']);
  assert.deepEqual([...test.router.counters.refused], [["UNAUTHORIZED", 1]]);
});

Deno.test("Reports.refused() does not count again what a rule has refused", () => {
  const { lines, test, reports } = reporting();
  const error = new IpcError("FORBIDDEN", "you may not");
  reports.forbidden({ ...ANONYMOUS, name: "x" }, "c", error, 3);
  reports.refused(error, test.join().client);
  assert.deepEqual([...test.router.counters.refused], [["FORBIDDEN", 3]]);
  assert.equal(lines.length, 1);
});

Deno.test("Reports.warn() says a thing once in a while, however often it happens, and other things meanwhile", () => {
  const { lines, reports } = reporting();
  assert.equal(reports.warn("too much", { n: 1 }), true);
  assert.equal(reports.warn("too much", { n: 2 }), false);
  assert.equal(reports.warn("too much", { n: 3 }, "of another kind"), true);
  assert.deepEqual(lines, ['too much {"n":1}', 'too much {"n":3}']);
});

Deno.test("Reports.left() logs who does not read once in a while for each channel", () => {
  const { lines, test, reports } = reporting(), error = new IpcError("SLOW_CONSUMER", "it took nothing");
  const { client } = test.join();
  for (let times = 0; times < 3; times++) reports.left(client, error);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^closed a client that does not read .*"channel":"c"/);
});

Deno.test("deliver() closes a channel when it is done, and says what was left on one that is not", async () => {
  const { test } = reporting(), gone = new IpcError("SHUTDOWN", "the end");
  const listener = test.join({ listen: true }), sender = test.join();
  await sender.publish("one");
  const left = deliver(test.router, 60_000, gone);
  assert.equal(listener.why(), undefined);
  await listener.take();
  await sender.take();
  assert.equal(await left, 0);
  assert.equal(listener.why(), "SHUTDOWN");

  const other = new TestRouter(), deaf = other.join({ listen: true });
  await other.join().publish("one");
  assert.equal(await deliver(other.router, 0, gone), 24 + "one".length);
  assert.equal(deaf.why(), "SHUTDOWN");
});
