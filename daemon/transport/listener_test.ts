import assert from "node:assert/strict";
import type { IpcError } from "../../protocol/errors.ts";
import { Listener, type ListenerOwner, type SocketAccess } from "./listener.ts";
import { settled } from "./testing.ts";
import { pause } from "../../tests/e2e/wait.ts";

const NOBODY = 65_534;
const OWNER_ALONE = { mode: 0o600, gid: undefined };
const as_root = { ignore: Deno.build.os === "windows" || Deno.uid() !== 0 };

/** A directory of the test's own, and an owner that closes whoever connects. */
function setup(owner: Partial<ListenerOwner> = {}) {
  const directory = Deno.makeTempDirSync({ prefix: "ipc-test-" }), path = `${directory}/.deno.a.socket`;
  const accepted: Deno.UnixConn[] = [], failed: unknown[] = [];
  const bind = (access: SocketAccess = OWNER_ALONE) =>
    Listener.bind(path, access, {
      accepted: (conn) => accepted.push(conn),
      ready: () => undefined,
      failed: (error) => failed.push(error),
      rebound() {},
      ...owner,
    });
  return {
    directory,
    path,
    accepted,
    failed,
    bind,
    [Symbol.dispose]() {
      for (const conn of accepted) conn.close();
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

/** Connects, and returns whether somebody was there. */
async function reaches(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    await settled();
    return true;
  } catch {
    return false;
  }
}

/** Leaves a socket as a broker does that was killed: nobody listens on it. */
async function leaveStale(path: string): Promise<void> {
  const listener = Deno.listen({ transport: "unix", path: `${path}.1` });
  Deno.renameSync(`${path}.1`, path);
  listener.close();
  await settled();
}

const refusal = (...words: string[]) => (error: IpcError) =>
  error.reason === "FORBIDDEN" && words.every((word) => error.message.includes(word));

Deno.test("Listener.bind() accepts connections; close() removes the socket", async () => {
  using test = setup();
  const listener = await test.bind();
  assert(await reaches(test.path) && await reaches(test.path));
  assert.equal(test.accepted.length, 2);
  assert(listener.intact());
  await listener.close();
  await listener.close();
  assert(!await reaches(test.path));
  assert.deepEqual([...Deno.readDirSync(test.directory)], []);
});

Deno.test("Listener.bind() takes over a socket that nobody listens on", async () => {
  using test = setup();
  await leaveStale(test.path);
  const listener = await test.bind();
  assert(await reaches(test.path));
  await listener.close();
});

Deno.test("Listener.bind() refuses a socket that somebody listens on, and leaves it working", async () => {
  using test = setup();
  const first = await test.bind();
  await assert.rejects(test.bind(), refusal(test.path, "a process listens on it", `user ${Deno.uid()}`));
  assert(first.intact() && await reaches(test.path));
  await first.close();
});

Deno.test("Listener.bind() refuses a file, a link, a pipe and a directory, names the owner and touches nothing", async () => {
  using test = setup();
  const { path } = test, target = `${test.directory}/target`;
  const things: [string, () => void][] = [
    ["file", () => Deno.writeTextFileSync(path, "precious")],
    ["symbolic link", () => Deno.symlinkSync(target, path)],
    ["directory", () => Deno.mkdirSync(path)],
    ["pipe", () => assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success)],
  ];
  await leaveStale(target); // a link to a stale socket is a link
  for (const [kind, make] of things) {
    make();
    const before = Deno.lstatSync(path);
    await assert.rejects(test.bind(), refusal(path, kind, `user ${Deno.uid()}`));
    const after = Deno.lstatSync(path);
    assert.deepEqual([after.ino, after.size, after.mtime], [before.ino, before.size, before.mtime]);
    Deno.removeSync(path);
  }
  assert(Deno.lstatSync(target).isSocket);
});

Deno.test("Listener.bind() refuses a socket of another user, stale or not", as_root, async () => {
  using test = setup();
  await leaveStale(test.path);
  Deno.chownSync(test.path, NOBODY, null);
  const before = Deno.lstatSync(test.path).ino;
  await assert.rejects(test.bind(), refusal(test.path, `user ${NOBODY}`));
  assert.equal(Deno.lstatSync(test.path).ino, before);
});

Deno.test("Listener.bind() says which path it could not listen on", async () => {
  using test = setup();
  const path = `${test.directory}/missing/.deno.a.socket`;
  const owner = { accepted() {}, ready: () => undefined, failed() {}, rebound() {} };
  await assert.rejects(Listener.bind(path, OWNER_ALONE, owner), (error: IpcError) => {
    return error.reason === "CHANNEL_RECV" && error.message.includes(path);
  });
});

Deno.test("Listener.rebind() listens again after its path was removed", async () => {
  using test = setup();
  const listener = await test.bind();
  Deno.removeSync(test.path);
  assert(!listener.intact() && !await reaches(test.path));
  await listener.rebind();
  assert(listener.intact() && await reaches(test.path));
  await listener.close();
  assert(!await reaches(test.path));
});

Deno.test("Listener.rebind() succeeds later if the directory was gone for a while", async () => {
  using test = setup();
  const listener = await test.bind();
  Deno.removeSync(test.directory, { recursive: true });
  for (let n = 0; n < 2; n++) {
    await assert.rejects(listener.rebind(), (error: IpcError) => error.reason === "CHANNEL_RECV");
  }
  Deno.mkdirSync(test.directory);
  await listener.rebind();
  assert(listener.intact() && await reaches(test.path));
  assert.deepEqual(test.failed, []);
  await listener.close();
});

Deno.test("Listener.rebind() leaves what somebody else put there, and takes the path when it is gone", async () => {
  using test = setup();
  const listener = await test.bind();
  Deno.removeSync(test.path);
  Deno.writeTextFileSync(test.path, "precious");
  await assert.rejects(listener.rebind(), refusal("file"));
  assert.equal(Deno.readTextFileSync(test.path), "precious");
  Deno.removeSync(test.path);
  await listener.rebind();
  assert(await reaches(test.path));
  await listener.close();
});

Deno.test("Listener.close() while it binds again leaves nothing behind", async () => {
  using test = setup();
  const listener = await test.bind();
  Deno.removeSync(test.path);
  await Promise.all([listener.rebind(), listener.close()]);
  assert(!await reaches(test.path));
});

Deno.test("Listener.close() does not unlink somebody else's socket", async () => {
  using test = setup();
  // In a process of its own: such a listener is left open, and ends with its process.
  const program = `
    import { Listener } from ${JSON.stringify(import.meta.resolve("./listener.ts"))};
    const path = ${JSON.stringify(test.path)};
    const listener = await Listener.bind(path, { mode: 0o600, gid: undefined }, { accepted() {}, ready: () => undefined, failed() {}, rebound() {} });
    Deno.removeSync(path);
    Deno.stdout.writeSync(new Uint8Array(1));
    await Deno.stdin.read(new Uint8Array(1));
    await listener.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    Deno.exit(0);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--ext=ts", program],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const removed = child.stdout.getReader();
  await removed.read();
  const foreign = Deno.listen({ transport: "unix", path: test.path });
  await child.stdin.close();
  assert.equal((await child.status).code, 0);
  await removed.cancel();
  assert(await reaches(test.path));
  foreign.close();
});

Deno.test("Listener accepts again after accepting failed", async () => {
  let fail = true;
  using test = setup({
    accepted(conn) {
      conn.close();
      if (!fail) return;
      fail = false;
      throw new Error("Too many open files (os error 24)");
    },
  });
  const listener = await test.bind();
  for (let n = 0; n < 2; n++) {
    using conn = await Deno.connect({ transport: "unix", path: test.path });
    assert.equal(await conn.read(new Uint8Array(1)), null, "accepted, and closed by the owner");
  }
  assert.equal(test.failed.length, 1);
  await listener.close();
});

Deno.test("Listener accepts again after the system had no descriptors left", async () => {
  using test = setup();
  const program = `
    import { Listener } from ${JSON.stringify(import.meta.resolve("./listener.ts"))};
    const say = (text) => Deno.stdout.writeSync(new TextEncoder().encode(text));
    await Listener.bind(${JSON.stringify(test.path)}, { mode: 0o600, gid: undefined }, {
      accepted: (conn) => conn.read(new Uint8Array(1)).then(() => conn.close()),
      ready: () => undefined,
      failed: () => say("f"),
    });
    say("b");`;
  const child = new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 80; exec "$0" eval --no-check --ext=ts "$1"', Deno.execPath(), program],
    stdout: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  assert.deepEqual((await output.read()).value, new TextEncoder().encode("b"));
  const crowd = await Promise.all(
    Array.from({ length: 100 }, () => Deno.connect({ transport: "unix", path: test.path })),
  );
  assert.equal(new TextDecoder().decode((await output.read()).value)[0], "f");
  for (const conn of crowd) conn.close();
  using conn = await Deno.connect({ transport: "unix", path: test.path });
  await conn.write(new Uint8Array(1));
  assert.equal(await conn.read(new Uint8Array(1)), null, "accepted, and closed by the owner");
  child.kill("SIGKILL");
  await child.status;
  await output.cancel();
});

Deno.test("Listener hands a connection over only when there is a place for it, asked when it came", async () => {
  let full = Promise.withResolvers<void>(), free = true;
  using test = setup({ ready: () => free ? undefined : full.promise });
  const listener = await test.bind();
  await settled();
  free = false; // accept() is waiting since before
  using conn = await Deno.connect({ transport: "unix", path: test.path });
  await pause(20);
  assert.equal(test.accepted.length, 0);
  const before = full;
  full = Promise.withResolvers();
  before.resolve(); // somebody else took the place
  await settled();
  assert.equal(test.accepted.length, 0);
  free = true;
  full.resolve();
  await settled();
  assert.equal(test.accepted.length, 1);
  assert(conn);
  await listener.close();
});

/** What stands at a path: permission bits and group. */
function accessAt(path: string): [string, number | null] {
  const { mode, gid } = Deno.lstatSync(path);
  return [((mode ?? 0) & 0o7777).toString(8), gid];
}

Deno.test("Listener.bind() leaves a socket to its owner alone, whatever the umask is", async () => {
  using test = setup();
  const before = Deno.umask(0);
  try {
    const listener = await test.bind();
    assert.equal(Deno.umask(), 0, "the umask was not given back");
    assert.equal(accessAt(test.path)[0], "600");
    await listener.close();
  } finally {
    Deno.umask(before);
  }
});

Deno.test("Listener.bind() and permit() give a socket its group and mode, rebind() again", as_root, async () => {
  using test = setup();
  const listener = await test.bind({ mode: 0o660, gid: NOBODY });
  assert.deepEqual(accessAt(test.path), ["660", NOBODY]);
  Deno.removeSync(test.path);
  await listener.rebind();
  assert.deepEqual(accessAt(test.path), ["660", NOBODY]);
  listener.permit({ mode: 0o660, gid: 1 });
  assert.deepEqual(accessAt(test.path), ["660", 1]);
  listener.permit({ mode: 0o666, gid: undefined });
  assert.deepEqual(accessAt(test.path), ["666", Deno.gid()]);
  listener.permit(OWNER_ALONE);
  assert.deepEqual(accessAt(test.path), ["600", Deno.gid()]);
  Deno.removeSync(test.path);
  listener.permit({ mode: 0o660, gid: 1 });
  await listener.rebind();
  assert.deepEqual(accessAt(test.path), ["660", 1]);
  await listener.close();
});

Deno.test("Listener.restrict() lets in who may before and after, and nobody else", as_root, async () => {
  using test = setup();
  const listener = await test.bind({ mode: 0o660, gid: NOBODY });
  const restricted = (access: SocketAccess) => {
    listener.permit({ mode: 0o660, gid: NOBODY });
    listener.restrict(access);
    return accessAt(test.path);
  };
  assert.deepEqual(restricted({ mode: 0o666, gid: NOBODY }), ["660", NOBODY]);
  assert.deepEqual(restricted({ mode: 0o600, gid: NOBODY }), ["600", NOBODY]);
  assert.deepEqual(restricted({ mode: 0o660, gid: 1 }), ["600", NOBODY]);
  listener.permit({ mode: 0o660, gid: 1 });
  assert.deepEqual(accessAt(test.path), ["660", 1]);
  listener.permit(OWNER_ALONE);
  Deno.chmodSync(test.directory, 0o777);
  assert.throws(() => listener.restrict({ mode: 0o666, gid: undefined }), refusal(test.path, "not sticky"));
  assert.equal(accessAt(test.path)[0], "600");
  await listener.close();
});

Deno.test("Listener.bind() opens no socket to others where they could exchange it, and leaves none", async () => {
  using test = setup();
  Deno.chmodSync(test.directory, 0o777);
  await assert.rejects(test.bind({ mode: 0o660, gid: undefined }), refusal(test.path, "not sticky"));
  assert.deepEqual([...Deno.readDirSync(test.directory)], []);
  Deno.chmodSync(test.directory, 0o1777);
  const listener = await test.bind({ mode: 0o660, gid: undefined });
  assert.equal(accessAt(test.path)[0], "660");
  await listener.close();
});

Deno.test("Listener.bind() opens no socket to others in a directory of somebody else", as_root, async () => {
  using test = setup();
  Deno.chownSync(test.directory, NOBODY, null);
  await assert.rejects(test.bind({ mode: 0o660, gid: undefined }), refusal(test.path, `user ${NOBODY}`));
  const listener = await test.bind();
  await listener.close();
});

Deno.test("Listener.rebind() is done once for all who ask at the same time", async () => {
  let rebound = 0;
  using test = setup({ rebound: () => rebound++ });
  const listener = await test.bind();
  Deno.removeSync(test.path);
  await Promise.all([listener.rebind(), listener.rebind(), listener.rebind()]);
  assert.equal(rebound, 1);
  assert(await reaches(test.path));
  await listener.close();
});
