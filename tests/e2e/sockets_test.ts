import assert from "node:assert/strict";
import { connect, control, IpcError } from "../../client/mod.ts";
import { RawClient } from "../../daemon/testing.ts";
import { Sandbox } from "./harness.ts";
import { eventually, pause } from "./wait.ts";

/** "A socket is reachable again within 5 s" is what is promised, so this is no matter of patience. */
const REBIND_MS_MAX = 5_000;
const SOMEBODY_ELSE = 12_345;
const ROOT = Deno.uid() === 0;

Deno.test("broker of two started at once, one serves and the other names it", async () => {
  await using sandbox = new Sandbox();
  const brokers = [sandbox.tryBroker(), sandbox.tryBroker()];
  const served = await Promise.all(brokers.map((broker) => broker.serves()));
  const [winner, loser] = served[0] ? brokers : brokers.toReversed();
  assert.deepEqual(served.toSorted(), [false, true]);
  assert.notEqual(await loser!.exit(), 0);
  assert.match(loser!.stderr, new RegExp(`pid ${winner!.pid}\\b`));
  assert.equal(await pidOf(sandbox), winner!.pid);
});

Deno.test("broker takes over the sockets of one that was killed", async () => {
  await using sandbox = new Sandbox();
  const killed = await sandbox.broker();
  await control("open", { channel: "jobs" }, sandbox);
  await killed.kill();
  assert(Deno.lstatSync(sandbox.socket("jobs")).isSocket);
  await assert.rejects(connect("jobs", { ...sandbox, reconnect: false }), { reason: "CHANNEL_NOT_FOUND" });
  const broker = await sandbox.broker();
  assert.equal(await pidOf(sandbox), broker.pid);
  await using channel = await connect("jobs", sandbox);
  await channel.flush();
});

Deno.test("broker leaves alone what is not its own", async (test) => {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  const path = sandbox.socket("jobs"), aside = sandbox.socket("aside"), precious = sandbox.socket("precious");
  const make: Record<string, () => Disposable | undefined | void> = {
    "a file": () => Deno.writeTextFileSync(path, "precious"),
    "a directory": () => Deno.mkdirSync(path),
    "a symbolic link": () => {
      Deno.writeTextFileSync(precious, "precious");
      Deno.symlinkSync(precious, path);
    },
    "a FIFO": () => void new Deno.Command("mkfifo", { args: [path] }).outputSync(),
    "a live socket of this user": () => Deno.listen({ transport: "unix", path }),
  };
  if (ROOT) {
    make["a dead socket of somebody else"] = () => {
      // Closing it removes it, unless it has been moved.
      const listener = Deno.listen({ transport: "unix", path: aside });
      Deno.renameSync(aside, path);
      listener.close();
      Deno.chownSync(path, SOMEBODY_ELSE, SOMEBODY_ELSE);
    };
  }
  for (const [what, put] of Object.entries(make)) {
    await test.step(what, async () => {
      using _open = put() ?? undefined;
      const before = Deno.lstatSync(path);
      await assert.rejects(control("open", { channel: "jobs" }, sandbox), (error) => {
        assert(error instanceof IpcError);
        assert.equal(error.reason, "FORBIDDEN");
        assert(error.message.includes(path) && error.message.includes(`user ${before.uid}`), error.message);
        return true;
      });
      const after = Deno.lstatSync(path);
      assert.deepEqual([after.ino, after.mode, after.size, after.uid], [
        before.ino,
        before.mode,
        before.size,
        before.uid,
      ]);
      if (before.isFile) assert.equal(Deno.readTextFileSync(path), "precious");
      if (before.isSymlink) assert.equal(Deno.readTextFileSync(precious), "precious");
      Deno.removeSync(path);
    });
  }
});

Deno.test("broker does not start where somebody else's file stands", async () => {
  await using sandbox = new Sandbox();
  const path = sandbox.socket("ipcd");
  Deno.writeTextFileSync(path, "precious");
  const broker = sandbox.tryBroker();
  assert.notEqual(await broker.exit(), 0);
  assert(broker.stderr.includes(path) && broker.stderr.includes(`user ${Deno.uid()}`), broker.stderr);
  assert.equal(Deno.readTextFileSync(path), "precious");
});

Deno.test({
  name: "connect() sends nothing to a socket of somebody else, and names the owner",
  ignore: !ROOT, // only root can make one
  async fn() {
    await using sandbox = new Sandbox();
    const path = sandbox.socket("jobs");
    using listener = Deno.listen({ transport: "unix", path });
    Deno.chownSync(path, SOMEBODY_ELSE, SOMEBODY_ELSE);
    const sent = listener.accept().then(async (conn) => {
      using caller = conn;
      return await caller.read(new Uint8Array(1)) ?? 0;
    }, () => "never connected");
    await assert.rejects(connect("jobs", { ...sandbox, token: "secret" }), (error) => {
      assert(error instanceof IpcError);
      assert.equal(error.reason, "FORBIDDEN");
      assert(error.message.includes(path) && error.message.includes(`user ${SOMEBODY_ELSE}`), error.message);
      return true;
    });
    await pause(100);
    listener.close();
    assert.equal(await sent, "never connected");
  },
});

Deno.test("broker that is started while its predecessor drains keeps its sockets", async () => {
  await using sandbox = new Sandbox();
  let predecessor = await sandbox.broker({ IPC_DRAIN_TIMEOUT: "60s" });
  for (let round = 0; round < 5; round++) {
    // As long as this client does not read, the broker has something to deliver, and does not end.
    const reader = await slowReader(sandbox);
    const broker = sandbox.tryBroker({ IPC_DRAIN_TIMEOUT: "60s" });
    predecessor.signal("SIGTERM");
    await broker.says("broker is ready");
    assert(predecessor.running, "the predecessor has ended, so nothing was tested");
    assert.equal(await pidOf(sandbox), broker.pid);
    reader.close();
    assert.equal(await predecessor.exit(), 0);
    assert.equal(await pidOf(sandbox), broker.pid);
    await control("open", { channel: "jobs" }, sandbox);
    assert(Deno.lstatSync(sandbox.socket("jobs")).isSocket);
    predecessor = broker;
  }
});

Deno.test("broker binds again what was removed under it", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker();
  await using channel = await connect("jobs", sandbox);
  Deno.removeSync(sandbox.socket("ipcd"));
  Deno.removeSync(sandbox.socket("jobs"));
  for (const name of ["ipcd", "jobs"]) {
    await eventually(
      async () => {
        // Without asking the broker to open it, which would hide that the socket is missing.
        const found = await connect(name, { ...sandbox, open: false, reconnect: false }).catch(() => undefined);
        await found?.close();
        return found !== undefined;
      },
      `channel ${name} is not reachable again`,
      REBIND_MS_MAX,
    );
  }
  await channel.flush();
  assert.equal(await pidOf(sandbox), broker.pid);
});

/** A client that listens and has not read what waits for it. */
async function slowReader(sandbox: Sandbox): Promise<RawClient> {
  const reader = await RawClient.join(sandbox.socket_dir, "jobs", { listen: true });
  await using publisher = await connect("jobs", sandbox);
  // More than the kernel holds for a socket.
  for (let sent = 0; sent < 4; sent++) await publisher.broadcast(new Uint8Array(1024 * 1024));
  await publisher.flush();
  return reader;
}

async function pidOf(sandbox: Sandbox): Promise<number> {
  return (await control("ping", {}, sandbox) as { pid: number }).pid;
}
