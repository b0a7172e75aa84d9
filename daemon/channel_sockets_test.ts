import assert from "node:assert/strict";
import { CHANNELS_MAX } from "../protocol/limits.ts";
import { CONTROL_CHANNEL, encodeFrame, FRAME_TYPES } from "../protocol/mod.ts";
import { ChannelSockets } from "./channel_sockets.ts";
import { Router } from "./router/mod.ts";
import { testSettings } from "./testing.ts";
import { TokenGate } from "./tokens.ts";

const ignore = (): void => {};
const EMFILE = Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });

/** The sockets of a router whose clock a test sets, in a directory of its own. */
function setup() {
  const socket_dir = Deno.makeTempDirSync({ prefix: "ipc-test-" }), warned: unknown[] = [], mask = Deno.umask(0o177);
  const settings = { ...testSettings(socket_dir), channel_idle_ms: 1_000 }, clock = { now_ms: 0 };
  const observer = { joined: ignore, left: ignore, refused: ignore, deadlines: ignore, overloaded: ignore };
  const router = new Router(observer, () => clock.now_ms);
  const sockets = new ChannelSockets({
    router,
    log: { debug: ignore, info: ignore, warning: ignore, error: ignore },
    settings: () => settings,
    gate: new TokenGate(false, ignore),
    peers: undefined,
    accepted: (conn) => conn.close(),
    ready: () => undefined,
    warn: (message, properties) => warned.push(`${message}: ${properties["channel"]}`),
    announce: ignore,
    control_fd: undefined,
    dead: ignore,
  });
  const retain = (name: string): void => {
    const frame = encodeFrame({ type: FRAME_TYPES.EVENT, payload: new Uint8Array(1) });
    router.registry.channel(name).retain(frame);
  };
  return {
    router,
    sockets,
    clock,
    warned,
    retain,
    names: () => [...router.registry.channels.keys()].filter((name) => !name.startsWith("other")),
    async [Symbol.asyncDispose]() {
      await sockets.close();
      Deno.umask(mask);
      Deno.removeSync(socket_dir, { recursive: true });
    },
  };
}

Deno.test("ChannelSockets.relieve() closes the channel that retains for longest what nobody comes for, if descriptors are out", async () => {
  await using test = setup();
  const { sockets, clock, router, retain } = test;
  await sockets.openControl();
  for (const name of ["first", "second", "plain"]) {
    await sockets.open(name);
    clock.now_ms += 100;
  }
  retain("first"), retain("second");
  clock.now_ms = 1_050;
  for (const channel of [...router.registry.channels.values()]) sockets.closeIfIdle(channel, clock.now_ms);
  sockets.relieve(new Error("another"));
  sockets.relieve(undefined);
  assert.deepEqual(test.names(), [CONTROL_CHANNEL, "first", "second", "plain"]);
  sockets.relieve(EMFILE);
  assert.deepEqual(test.names(), [CONTROL_CHANNEL, "second", "plain"]);
  assert.deepEqual(test.warned, ["closed an idle channel with what it retained to make room: first"]);
  // Nobody was away from the others for long enough.
  sockets.relieve(EMFILE);
  assert.deepEqual(test.names(), [CONTROL_CHANNEL, "second", "plain"]);
  clock.now_ms = 10_000;
  for (const channel of [...router.registry.channels.values()]) sockets.closeIfIdle(channel, clock.now_ms);
  assert.deepEqual(test.names(), [CONTROL_CHANNEL, "second"]);
});

Deno.test("ChannelSockets.open() has the channel give way that retains for longest what nobody comes for", async () => {
  await using test = setup();
  const { sockets, clock, router, retain } = test;
  await sockets.openControl();
  await sockets.open("kept");
  retain("kept");
  clock.now_ms = 5_000;
  for (let n = router.registry.channels.size; n < CHANNELS_MAX; n++) {
    router.open(`other-${n}`, true, testSettings("/nowhere").defaults);
  }
  assert.equal((await sockets.open("new")).name, "new");
  assert.deepEqual(test.names(), [CONTROL_CHANNEL, "new"]);
  assert.throws(() => sockets.open("one-more"), { reason: "OVERLOADED", message: /16384 are open/ });
});
