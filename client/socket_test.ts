import assert from "node:assert/strict";
import { startTestBroker } from "../daemon/testing.ts";
import { socketPath } from "../protocol/socket_path.ts";
import { connect, control } from "./mod.ts";
import type { Connection } from "./runtime.ts";
import { openSocket } from "./socket.ts";
import { failure, leaveDeadSocket } from "./testing.ts";
import { pause } from "../tests/e2e/wait.ts";

const NEVER = new AbortController().signal;
const as_root = Deno.uid() === 0;

async function withDirectory(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "ipc-test-" });
  try {
    await test(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("openSocket() gives nothing where nobody listens", () =>
  withDirectory(async (dir) => {
    assert.equal(await openSocket(`${dir}/missing`, undefined, NEVER), undefined);
    assert.equal(await openSocket(`${dir}/missing/deeper`, undefined, NEVER), undefined);
    leaveDeadSocket(`${dir}/dead`);
    assert.ok(Deno.lstatSync(`${dir}/dead`).isSocket);
    assert.equal(await openSocket(`${dir}/dead`, undefined, NEVER), undefined);
  }));

Deno.test("openSocket() refuses what is no socket, a link to one included, and says what it is", () =>
  withDirectory(async (dir) => {
    using listener = Deno.listen({ transport: "unix", path: `${dir}/real` });
    Deno.symlinkSync(`${dir}/real`, `${dir}/link`);
    Deno.writeTextFileSync(`${dir}/file`, "");
    for (const [name, what] of [["link", "a symbolic link"], ["file", "a file"], [".", "a directory"]] as const) {
      const error = await failure(openSocket(`${dir}/${name}`, undefined, NEVER));
      assert.equal(error.reason, "FORBIDDEN");
      assert.ok(error.message.includes(`it is ${what} of user`), error.message);
    }
    (await openSocket(`${dir}/real`, undefined, NEVER))!.close();
    (await listener.accept()).close();
  }));

Deno.test({
  name: "openSocket() refuses a socket of somebody else without connecting, and takes it from the configured user",
  ignore: !as_root,
  fn: () =>
    withDirectory(async (dir) => {
      const path = `${dir}/foreign`;
      using listener = Deno.listen({ transport: "unix", path });
      Deno.chownSync(path, 12345, 12345);
      const accepting = listener.accept();
      const error = await failure(openSocket(path, undefined, NEVER));
      assert.equal(error.reason, "FORBIDDEN");
      assert.match(error.message, /it belongs to user 12345, not to root or this user \(0\)\. Nothing was sent/);
      // For who runs ipc, and for who writes a program.
      assert.match(error.message, /broker_user = "12345".*IPC_BROKER_USER=12345.*broker_uid: 12345/);
      assert.equal(await Promise.race([accepting, pause(20)]), undefined);
      (await openSocket(path, 12345, NEVER))!.close();
      (await accepting).close();
    }),
});

Deno.test("openSocket() waits for a broker whose backlog is full, until it is given up", () =>
  withDirectory(async (dir) => {
    const path = `${dir}/busy`, conns: Connection[] = [];
    using _listener = Deno.listen({ transport: "unix", path });
    const full = new AbortController();
    setTimeout(() => full.abort(), 400);
    const opened = (async () => {
      for (;;) conns.push((await openSocket(path, undefined, full.signal))!);
    })();
    await assert.rejects(opened, (error) => error === full.signal.reason);
    for (const conn of conns) conn.close();
  }));

Deno.test("connect() says that no broker runs, and what to do", () =>
  withDirectory(async (dir) => {
    const error = await failure(connect("deploys", { socket_dir: dir }));
    assert.equal(error.reason, "CHANNEL_NOT_FOUND");
    assert.equal(
      error.message,
      `no broker is running for socket directory "${dir}": start one with "ipc daemon start"`,
    );
    assert.equal((await failure(control("ping", {}, { socket_dir: dir }))).message, error.message);
    assert.equal((await failure(connect("../x", { socket_dir: dir }))).reason, "CHANNEL_NAME");
  }));

Deno.test("connect() opens a channel unless told not to, and tells why the broker does not", async () => {
  await using broker = await startTestBroker({}, (settings) => ({ ...settings, dynamic_channels: ["ok-*"] }));
  const { socket_dir } = broker;
  const not_open = await failure(connect("ok-1", { socket_dir, open: false }));
  assert.equal(not_open.reason, "CHANNEL_NOT_FOUND");
  assert.match(not_open.message, /nobody listens on ".*\.deno\.ok-1\.socket"/);
  await using _channel = await connect("ok-1", { socket_dir });
  await using _again = await connect("ok-1", { socket_dir, open: false });
  const forbidden = await failure(connect("other", { socket_dir }));
  assert.equal(forbidden.reason, "CHANNEL_NOT_FOUND");
  assert.match(forbidden.message, /dynamic_channels does not allow/);
});

Deno.test("connect() gives up after its time, when aborted, and when told BYE", () =>
  withDirectory(async (dir) => {
    using listener = Deno.listen({ transport: "unix", path: socketPath(dir, "mute") });
    const accepted: Deno.Conn[] = [];
    const accepting = (async () => {
      for await (const conn of listener) accepted.push(conn);
    })();
    const late = await failure(connect("mute", { socket_dir: dir, connect_timeout_ms: 30 }));
    assert.equal(late.reason, "TIMEOUT");
    assert.match(late.message, /Cannot connect to channel "mute": not done within 30 ms. Is the broker stopped/);
    const abort = new AbortController(),
      connecting = failure(connect("mute", { socket_dir: dir, signal: abort.signal }));
    await pause(5);
    abort.abort();
    assert.equal((await connecting).reason, "CANCELLED");
    assert.equal((await failure(connect("mute", { socket_dir: dir, signal: abort.signal }))).reason, "CANCELLED");
    listener.close();
    await accepting;
    for (const conn of accepted) conn.close();
  }));

Deno.test("connect() tries again where it was taken for a text client because it spoke late, but not for ever", async () => {
  await using broker = await startTestBroker();
  await control("open", { channel: "a" }, broker);
  const socket_dir = Deno.makeTempDirSync(), text = new TextEncoder().encode("what a text client is sent\n");
  using listener = Deno.listen({ transport: "unix", path: socketPath(socket_dir, "a") });
  for (const [late, reason] of [[2, undefined], [3, "PROTOCOL"]] as const) {
    const connecting = connect("a", { socket_dir, open: false, reconnect: false });
    const outcome = connecting.then(() => undefined, (error) => error.reason);
    for (let tries = 0; tries < late; tries++) {
      using conn = await listener.accept();
      await conn.write(text);
      while (await conn.read(new Uint8Array(1024)).catch(() => null) !== null);
    }
    if (reason === undefined) {
      const conn = await listener.accept();
      const path = socketPath(broker.socket_dir, "a"), relayed = await Deno.connect({ transport: "unix", path });
      const ended = [conn.readable.pipeTo(relayed.writable), relayed.readable.pipeTo(conn.writable)];
      await (await connecting).close();
      await Promise.allSettled(ended);
    }
    assert.equal(await outcome, reason);
  }
  Deno.removeSync(socket_dir, { recursive: true });
});

Deno.test("control() tries again where it was taken for a text client because it spoke late", async () => {
  await using broker = await startTestBroker();
  const socket_dir = Deno.makeTempDirSync();
  using listener = Deno.listen({ transport: "unix", path: socketPath(socket_dir, "ipcd") });
  const asking = control("ping", {}, { socket_dir });
  {
    using conn = await listener.accept();
    await conn.write(new TextEncoder().encode('{"event":"client_joined","channel":"ipcd"}\n'));
    while (await conn.read(new Uint8Array(1024)).catch(() => null) !== null);
  }
  const conn = await listener.accept();
  const relayed = await Deno.connect({ transport: "unix", path: socketPath(broker.socket_dir, "ipcd") });
  const ended = [conn.readable.pipeTo(relayed.writable), relayed.readable.pipeTo(conn.writable)];
  const { version } = await asking as { version: string };
  assert.equal(version, "0.0.0-test");
  await Promise.allSettled(ended);
  Deno.removeSync(socket_dir, { recursive: true });
});

Deno.test("control() brings the broker's answer, or its error", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  const { version } = await control("ping", {}, { socket_dir }) as { version: string };
  assert.equal(version, "0.0.0-test");
  assert.equal((await failure(control("no such method", {}, { socket_dir }))).reason, "PROTOCOL");
  assert.equal((await failure(control("channel", { channel: "missing" }, { socket_dir }))).reason, "CHANNEL_NOT_FOUND");
});
