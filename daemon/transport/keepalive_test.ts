import assert from "node:assert/strict";
import { encodeFrame, FRAME_TYPES } from "../../protocol/frame.ts";
import { Connection } from "./connection.ts";
import { Keepalive } from "./keepalive.ts";
import { SlowSink } from "./testing.ts";

/** A connection whose peer says what the test says, and a clock that goes half a second at a time. */
function setup() {
  const sink = new SlowSink(), arrived: number[] = [];
  const connection = new Connection({
    read: (into) => Promise.resolve(into.length > 0 ? arrived.shift() ?? 0 : 0),
    write: (bytes) => sink.write(bytes),
    close() {},
  }, 1 << 20);
  const keepalive = new Keepalive(), told: string[] = [];
  let now_ms = 1_000;
  keepalive.add(connection, now_ms);
  const pass = (ms: number) => {
    for (const end_ms = now_ms + ms; now_ms < end_ms;) {
      now_ms += 500;
      keepalive.tick(now_ms, (pinged) => {
        pinged.outbox.pushFrames(encodeFrame({ type: FRAME_TYPES.PING }));
        told.push(`ping ${now_ms / 1_000 - 1}`);
      }, () => told.push(`dead ${now_ms / 1_000 - 1}`));
    }
    return told.splice(0);
  };
  return { connection, keepalive, sink, pass };
}

Deno.test("Keepalive pings who was silent for 30 s, and gives it up after two without an answer", () => {
  const { pass } = setup();
  assert.deepEqual(pass(29_500), []);
  assert.deepEqual(pass(60_500), ["ping 30", "ping 60", "dead 90"]);
});

Deno.test("Keepalive begins anew with every read, a PONG included", async () => {
  const { connection, pass } = setup();
  for (let n = 0; n < 5; n++) {
    assert.equal(pass(59_500).length, 1);
    await connection.read();
    assert.deepEqual(pass(29_500).length, 0);
    await connection.read();
  }
});

Deno.test("Keepalive leaves alone who is not read from because others have no room", () => {
  const { connection, pass } = setup();
  connection.held_up = true;
  assert.deepEqual(pass(300_000), []);
  connection.held_up = false;
  assert.deepEqual(pass(30_500).length, 1);
});

Deno.test("Keepalive does not give up a slow peer that still takes what is queued in front of the PING", async () => {
  const { connection, sink, pass } = setup();
  connection.outbox.pushFrames(new Uint8Array(500_000));
  const told: string[] = [];
  for (let n = 0; n < 30; n++) {
    await sink.allow(1_000);
    told.push(...pass(20_000));
  }
  assert(!told.some((text) => text.startsWith("dead")), told.join());
  // Now it takes nothing any more.
  assert.match(pass(120_000).join(), /dead/);
});

Deno.test("Keepalive does not take the PING itself for a sign of life", async () => {
  const { sink, pass } = setup();
  await sink.allow(Infinity);
  const told: string[] = [];
  for (let n = 0; n < 190; n++) {
    told.push(...pass(500));
    await sink.allow(1);
  }
  assert.deepEqual(told, ["ping 30", "ping 60", "dead 90"]);
});

Deno.test("Keepalive.remove() forgets a connection", () => {
  const { connection, keepalive, pass } = setup();
  keepalive.remove(connection);
  assert.deepEqual(pass(300_000), []);
});
