import assert from "node:assert/strict";
import type { IpcError } from "../../protocol/errors.ts";
import { HANDSHAKES_MAX } from "../../protocol/limits.ts";
import { Connection } from "./connection.ts";
import { Strangers } from "./strangers.ts";
import { settled } from "./testing.ts";

function setup() {
  const clock = { now_ms: 0 }, refused: [Connection, IpcError][] = [];
  const strangers = new Strangers(() => clock.now_ms, (connection, error) => refused.push([connection, error]));
  const add = () => {
    const connection = new Connection({
      read: () => Promise.resolve(null),
      write: () => Promise.resolve(1),
      close() {},
    }, 1);
    strangers.add(connection);
    return connection;
  };
  return { strangers, clock, refused, add };
}

Deno.test("Strangers.tick() closes who has not said HELLO within 5 s, with TIMEOUT", () => {
  const { strangers, clock, refused, add } = setup(), first = add();
  clock.now_ms = 2_000;
  const second = add();
  clock.now_ms = 4_999;
  strangers.tick();
  assert.equal(refused.length, 0);
  clock.now_ms = 5_000;
  strangers.tick();
  assert.deepEqual(refused.map(([connection, error]) => [connection === first, error.reason]), [[true, "TIMEOUT"]]);
  strangers.remove(second);
  clock.now_ms = 60_000;
  strangers.tick();
});

Deno.test("Strangers: the 65th makes the oldest give way, with OVERLOADED", async () => {
  const { strangers, clock, refused, add } = setup();
  const all = Array.from({ length: HANDSHAKES_MAX }, () => add());
  assert.equal(refused.length, 0);
  clock.now_ms = 250;
  await strangers.ready();
  assert.equal(strangers.ready(), undefined);
  add();
  assert.deepEqual(refused.map(([connection, error]) => [connection === all[0], error.reason]), [[true, "OVERLOADED"]]);
});

Deno.test("Strangers.ready() makes the next wait until somebody has said HELLO", async () => {
  const { strangers, refused, add } = setup(), all = Array.from({ length: HANDSHAKES_MAX }, () => add());
  const ready = [strangers.ready(), strangers.ready()];
  assert(ready[0] !== undefined);
  strangers.remove(all[5]!);
  await Promise.all(ready);
  assert.equal(strangers.ready(), undefined);
  assert.equal(refused.length, 0);
});

Deno.test("Strangers.ready() makes the next wait at most until the oldest had a quarter of a second", async () => {
  const { strangers, clock, add } = setup();
  for (let n = 0; n < HANDSHAKES_MAX; n++) add();
  const ready = strangers.ready();
  clock.now_ms = 250;
  await ready;
  await strangers.ready();
  assert.equal(strangers.ready(), undefined);
});

Deno.test("Strangers.ready() lets nobody give way before what has come meanwhile was read", async () => {
  const { strangers, clock, refused, add } = setup(), all = Array.from({ length: HANDSHAKES_MAX }, () => add());
  clock.now_ms = 10_000; // and nothing was read
  const ready = strangers.ready();
  assert(ready !== undefined);
  strangers.remove(all[0]!); // now it was: it has spoken
  await ready;
  assert.equal(strangers.ready(), undefined);
  add();
  assert.notEqual(strangers.ready(), undefined, "the next oldest must have its turn too");
  await strangers.ready();
  assert.equal(strangers.ready(), undefined);
  assert.equal(refused.length, 0);
});

Deno.test("Strangers.ready() looks once for all who are late, and again if it was long ago", async () => {
  const { strangers, clock, refused, add } = setup();
  for (let n = 0; n < HANDSHAKES_MAX / 2; n++) add();
  clock.now_ms = 100;
  for (let n = 0; n < HANDSHAKES_MAX / 2; n++) add();
  clock.now_ms = 250;
  await strangers.ready();
  for (let n = 0; n < HANDSHAKES_MAX / 2; n++) {
    assert.equal(strangers.ready(), undefined, `the ${n + 1}th of them is as late as the first`);
    add();
  }
  const ready = strangers.ready();
  assert(ready !== undefined, "those who came later are not late");
  assert.equal(refused.length, HANDSHAKES_MAX / 2);
  clock.now_ms = 350;
  await ready;
  await strangers.ready();
  assert.equal(strangers.ready(), undefined);
  clock.now_ms = 500;
  assert.notEqual(strangers.ready(), undefined, "who knows what has come meanwhile");
  await strangers.ready();
  assert.equal(strangers.ready(), undefined);
});

Deno.test("Strangers.ready() gives a tenth of a second to finish to who has begun to speak", async () => {
  const { strangers, clock, add } = setup(), first = add();
  for (let n = 1; n < HANDSHAKES_MAX; n++) add();
  first.reads++;
  clock.now_ms = 99;
  const ready = strangers.ready();
  assert(ready !== undefined);
  clock.now_ms = 100;
  await ready;
  await strangers.ready();
  assert.equal(strangers.ready(), undefined);
  add();
  assert.notEqual(strangers.ready(), undefined, "the next one has said nothing yet, and has more time");
  strangers.close();
});

Deno.test("Strangers.addAgain() makes nobody give way, and lets nobody else in", async () => {
  const { strangers, refused, add } = setup(), all = Array.from({ length: HANDSHAKES_MAX }, () => add());
  strangers.remove(all[0]!);
  add();
  strangers.addAgain(all[0]!);
  assert.equal(refused.length, 0);
  const ready = strangers.ready();
  strangers.remove(all[1]!);
  await ready;
  assert.notEqual(strangers.ready(), undefined, "64 are left");
  strangers.remove(all[2]!);
  assert.equal(strangers.ready(), undefined);
});

Deno.test("Strangers.close() returns who is left, counts nobody as refused, and lets go of who waits", async () => {
  const { strangers, refused, add } = setup(), all = Array.from({ length: HANDSHAKES_MAX }, () => add());
  const ready = strangers.ready();
  assert.deepEqual(strangers.close(), all);
  await ready;
  assert.equal(refused.length, 0);
  assert.equal(strangers.ready(), undefined);
  await settled();
});
