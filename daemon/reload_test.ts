import assert from "node:assert/strict";
import type { Settings } from "../config/settings.ts";
import { decodeError, encodeFrame, FRAME_TYPES, socketPath } from "../protocol/mod.ts";
import {
  controlRequest,
  ping,
  RawClient,
  reachable,
  startTestBroker,
  type TestBroker,
  testSettings,
} from "./testing.ts";

const { EVENT, PONG, BYE } = FRAME_TYPES;

/** Who may connect to the sockets of some channels. */
function modes(test: TestBroker, ...channels: string[]): string[] {
  return channels.map((channel) => (Deno.lstatSync(socketPath(test.socket_dir, channel)).mode! & 0o777).toString(8));
}

Deno.test("Broker.reload() puts new rules in force, leaves who is there the message limit it was told, and opens channels", async () => {
  const next = { settings: undefined as Settings | undefined };
  await using test = await startTestBroker({}, undefined, () => Promise.resolve(next.settings!));
  const client = await RawClient.join(test.socket_dir, "c");
  const before = testSettings(test.socket_dir);
  next.settings = testSettings(test.socket_dir, { max_message_bytes: 100 });
  next.settings.channels = new Map([["fixed", next.settings.defaults]]);
  await test.broker.reload();
  assert(await reachable(test, "fixed"));
  const later = await RawClient.join(test.socket_dir, "c");
  assert.deepEqual([client, later].map(({ welcome }) => welcome!.max_message), [
    before.defaults.max_message_bytes,
    100,
  ]);
  await client.send(encodeFrame({ type: EVENT, payload: new Uint8Array(101) }), ping(1));
  await client.until(PONG);
  await later.send(encodeFrame({ type: EVENT, payload: new Uint8Array(100) }), ping(1));
  await later.until(PONG);
  await later.send(encodeFrame({ type: EVENT, payload: new Uint8Array(101) }));
  assert.equal(decodeError((await later.until(BYE)).payload).reason, "TOO_LARGE");
  client.close(), later.close();

  next.settings = { ...before, socket_dir: "/elsewhere" };
  await assert.rejects(test.broker.reload(), /Cannot change socket_dir/);
  // A channel that cannot be bound: nothing changes.
  Deno.writeTextFileSync(socketPath(test.socket_dir, "taken"), "precious");
  next.settings = { ...before, channels: new Map([["new", before.defaults], ["taken", before.defaults]]) };
  await assert.rejects(test.broker.reload(), /taken/);
  const config = await controlRequest(test.socket_dir, "config") as Settings;
  assert.equal(config.defaults.max_message_bytes, 100);
  assert.deepEqual(Object.keys(config.channels), ["fixed"]);
});

Deno.test("Broker.reload() changes who may connect, for ipcd too, and what is opened later has it", async () => {
  let settings: Settings | undefined;
  await using test = await startTestBroker({}, (first) => settings = first, () => Promise.resolve(settings!));
  await controlRequest(test.socket_dir, "open", { channel: "a" });
  assert.deepEqual(modes(test, "ipcd", "a"), ["600", "600"]);
  const defaults = { ...settings!.defaults, socket_mode: 0o660 };
  settings = { ...settings!, defaults, channels: new Map([["b", { ...defaults, socket_mode: 0o666 }]]) };
  await test.broker.reload();
  await controlRequest(test.socket_dir, "open", { channel: "c" });
  assert.deepEqual(modes(test, "ipcd", "a", "b", "c"), ["660", "660", "666", "660"]);
  Deno.removeSync(socketPath(test.socket_dir, "b"));
  await controlRequest(test.socket_dir, "open", { channel: "b" });
  assert.deepEqual(modes(test, "b"), ["666"]);
  settings = { ...settings, defaults: { ...defaults, socket_mode: 0o600 } };
  await test.broker.reload();
  assert.deepEqual(modes(test, "ipcd", "a", "b", "c"), ["600", "600", "666", "600"]);
  settings = { ...settings, peer_credentials: true };
  await assert.rejects(test.broker.reload(), /peer_credentials while running/);
});

Deno.test("Broker.reload() opens sockets to others only when the new rules are in force", async () => {
  let settings: Settings | undefined, change = (): Promise<Settings> => Promise.resolve(settings!);
  await using test = await startTestBroker({}, (first) => settings = first, () => change());
  const defaults = { ...settings!.defaults, socket_mode: 0o666 };
  // The last channel cannot be opened, so that the reload fails when others have been.
  const channels = new Map(["first", "second", "blocked"].map((name) => [name, defaults]));
  Deno.writeTextFileSync(socketPath(test.socket_dir, "blocked"), "precious");
  const wide = { ...settings!, defaults, channels };
  change = () => Promise.resolve(wide);
  const reloading = test.broker.reload().catch((error: Error) => error.message);
  const seen = new Set<string>();
  for (let over = false; !over;) {
    seen.add(modes(test, "ipcd")[0]!);
    over = await Promise.race([
      reloading.then(() => true),
      new Promise<false>((next) => setTimeout(() => next(false))),
    ]);
  }
  assert.match(String(await reloading), /stands there/);
  assert.deepEqual([...seen], ["600"]);
  assert.deepEqual(modes(test, "ipcd", "first", "second"), ["600", "600", "600"]);
  Deno.removeSync(socketPath(test.socket_dir, "blocked"));
  await test.broker.reload();
  assert.deepEqual(modes(test, "ipcd", "first", "second", "blocked"), ["666", "666", "666", "666"]);
});
