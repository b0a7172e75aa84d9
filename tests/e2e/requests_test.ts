import assert from "node:assert/strict";
import { connect } from "../../client/mod.ts";
import { Sandbox } from "./harness.ts";
import { eventually, pause } from "./wait.ts";

const MIB = 1024 * 1024;
/** What is promised for requests whose handler is killed, so this is no matter of patience. */
const GONE_MS_MAX = 1_000;

Deno.test("requests of a handler that is killed all fail with HANDLER_GONE within a second", async () => {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  const handler = sandbox.worker("handler", { channel: "jobs" });
  await handler.tells("ready");
  const requester = sandbox.worker("requester", { channel: "jobs", count: 100, at_once: 100, hang: true });
  await requester.tells("ready");
  await requester.write("go");
  await eventually(async () => (await handler.ask("report")).open === 100, "the handler does not get the requests");
  const killed_ms = Date.now();
  handler.signal("SIGKILL");
  const { failures, last_ms } = await requester.tells("done");
  assert.deepEqual(failures, { HANDLER_GONE: 100 });
  assert(last_ms - killed_ms < GONE_MS_MAX, `it took ${last_ms - killed_ms} ms`);
});

Deno.test("requests of 64 clients get their own replies from 4 handlers, streamed ones whole and in order", async () => {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  const handlers = [1, 2, 3, 4].map((name) => sandbox.worker("handler", { channel: "jobs", name: `handler-${name}` }));
  await Promise.all(handlers.map((handler) => handler.tells("ready")));
  const each = { channel: "jobs", clients: 16, count: 1_000, at_once: 8, stream_every: 100, parts: 20 };
  const requesters = [1, 2, 3, 4].map(() => sandbox.worker("requester", each));
  await Promise.all(requesters.map((requester) => requester.tells("ready")));
  await Promise.all(requesters.map((requester) => requester.write("go")));
  for (const requester of requesters) {
    const { asked, right, wrong, streams, failures } = await requester.tells("done");
    assert.deepEqual({ asked, right, wrong, streams, failures }, {
      asked: 16_000,
      right: 15_840,
      wrong: 0,
      streams: 160,
      failures: {},
    });
  }
  for (const handler of handlers) {
    const { answered } = await handler.ask("report");
    assert(answered > 1_000, `of 64,000 requests one of four handlers was given ${answered}`);
  }
});

Deno.test("requests with a reply of 1 GB to a slow requester take little of the broker's memory", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker();
  const handler = sandbox.worker("handler", { channel: "jobs" });
  await handler.tells("ready");
  await using channel = await connect("jobs", sandbox);
  const parts = 16_000, bytes = 64 * 1024;
  const before = broker.memoryBytes();
  let peak = 0, received = 0, part = 0;
  for await (const { data } of channel.invokeStream({ parts, bytes }, { timeout_ms: Infinity })) {
    if (!(data instanceof Uint8Array)) continue;
    assert.equal(new DataView(data.buffer, data.byteOffset).getUint32(8), ++part);
    received += data.length;
    if (part % 400 === 0) {
      await pause(20);
      peak = Math.max(peak, broker.memoryBytes());
    }
  }
  assert.equal(received, parts * bytes);
  assert(peak < before + 128 * MIB, `the broker used ${peak / MIB} MiB, before it were ${before / MIB}`);
});
