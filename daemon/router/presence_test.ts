import assert from "node:assert/strict";
import { ANONYMOUS } from "../identity.ts";
import { IpcError } from "../../protocol/errors.ts";
import { TestRouter } from "./testing.ts";

Deno.test("presence: a new watcher is told of everybody who is there, itself included, then of changes", async () => {
  const test = new TestRouter();
  test.join({ listen: true }), test.join({ handle: true });
  const watcher = test.join({ presence: true });
  assert.deepEqual(await watcher.told(), ["join 1 listen", "join 2 handle", "join 3"]);
  const late = test.join();
  test.router.roles(late.client, { listen: true, handle: true }, false);
  test.router.leave(late.client);
  assert.deepEqual(await watcher.told(), ["join 4", "roles 4 listen handle", "leave 4"]);
});

Deno.test("presence says why somebody left who did not want to", async () => {
  const test = new TestRouter(), watcher = test.join({ presence: true }), bad = test.join();
  await watcher.told();
  test.router.leave(bad.client, new IpcError("PROTOCOL", "broken"));
  assert.deepEqual(await watcher.told(), ["leave 2 PROTOCOL"]);
});

Deno.test("presence: who takes the role later is told of everybody then; who gives it up hears no more", async () => {
  const test = new TestRouter(), watcher = test.join();
  test.join();
  assert.deepEqual(await watcher.told(), []);
  test.router.roles(watcher.client, { presence: true }, false);
  assert.deepEqual(await watcher.told(), ["join 1", "join 2"]);
  test.router.roles(watcher.client, { presence: true }, false);
  assert.deepEqual(await watcher.told(), []);
  test.router.roles(watcher.client, { presence: false }, false);
  test.join();
  assert.deepEqual(await watcher.told(), []);
});

Deno.test("presence stays on its channel", async () => {
  const test = new TestRouter(), watcher = test.join({ presence: true });
  await watcher.told();
  const elsewhere = test.router.open("d", true, test.channel.rules);
  const other = test.router.join(elsewhere, watcher, "test", {}, ANONYMOUS);
  test.router.roles(other, { listen: true }, true);
  assert.deepEqual(await watcher.told(), []);
});
