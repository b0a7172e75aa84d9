import assert from "node:assert/strict";
import type { IpcError } from "../protocol/errors.ts";
import { Lock, lockPath, makeStateDirectory, readHolder } from "./lock.ts";
import { pause } from "../tests/e2e/wait.ts";

function setup() {
  const directory = Deno.makeTempDirSync({ prefix: "ipc-test-" }), state_dir = `${directory}/deep/state`;
  return {
    state_dir,
    path: lockPath(state_dir, "/tmp"),
    take: () => Lock.take(state_dir, "/tmp", "1.2.3"),
    [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }),
  };
}

Deno.test("Lock.take() makes a directory and a file that only this user can enter, whatever the mask", async () => {
  using test = setup();
  const mask = Deno.umask(0o177);
  try {
    const lock = await test.take();
    assert.equal(Deno.umask(), 0o177);
    assert.equal(Deno.statSync(test.state_dir).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(test.path).mode! & 0o777, 0o600);
    lock.release();
  } finally {
    Deno.umask(mask);
  }
});

Deno.test("makeStateDirectory() takes none in which others may have put something", {
  ignore: Deno.build.os === "windows",
}, () => {
  const directory = Deno.makeTempDirSync({ prefix: "ipc-test-" }), path = `${directory}/ipc`;
  makeStateDirectory(path);
  makeStateDirectory(path);
  for (const mode of [0o770, 0o702, 0o1777]) {
    Deno.chmodSync(path, mode);
    assert.throws(() => makeStateDirectory(path), {
      reason: "FORBIDDEN",
      message: /others may write to it.*chmod go-w/,
    });
  }
  Deno.chmodSync(path, 0o755);
  makeStateDirectory(path);
  if (Deno.uid() === 0) {
    Deno.chownSync(path, 12_345, null);
    assert.throws(() => makeStateDirectory(path), { reason: "FORBIDDEN", message: /belongs to user 12345/ });
  }
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("Lock.take(): of two at once one wins, the other says who holds it", async () => {
  using test = setup();
  const results = await Promise.allSettled([test.take(), test.take()]);
  const won = results.filter((result) => result.status === "fulfilled");
  const lost = results.find((result) => result.status === "rejected")!.reason as IpcError;
  assert.equal(won.length, 1);
  assert.equal(lost.reason, "FORBIDDEN");
  assert(lost.message.includes(`broker 1.2.3 with pid ${Deno.pid}`) && lost.message.includes(test.path), lost.message);
  won[0]!.value.release();
});

Deno.test("Lock.take() waits for a holder that is going away", async () => {
  using test = setup();
  const first = await test.take();
  first.draining();
  assert.equal(readHolder(test.path)?.state, "draining");
  let taken = false;
  const second = test.take().then((lock) => {
    taken = true;
    return lock;
  });
  // Longer than it would wait for one that is not going away.
  await pause(400);
  assert(!taken);
  first.release();
  const lock = await second;
  assert.equal(readHolder(test.path)?.state, "running");
  lock.release();
});

Deno.test("Lock.release() empties the file and leaves it, so that there is only ever one to lock", async () => {
  using test = setup();
  (await test.take()).release();
  assert.equal(readHolder(test.path), undefined);
  assert.equal(Deno.statSync(test.path).size, 0);
  (await test.take()).release();
});

Deno.test("Lock.take() does not mind what a dead broker left in the file", async () => {
  for (const left of ['{"pid":1,"state":"running"}', "not JSON", "x".repeat(10_000)]) {
    using test = setup();
    Deno.mkdirSync(test.state_dir, { recursive: true });
    Deno.writeTextFileSync(test.path, left);
    const lock = await test.take();
    assert.deepEqual(readHolder(test.path), { pid: Deno.pid, socket_dir: "/tmp", version: "1.2.3", state: "running" });
    lock.release();
  }
});

Deno.test("Lock.take() says which file it cannot open, and why", async () => {
  using test = setup();
  const file = `${test.state_dir}/../file`;
  Deno.mkdirSync(test.state_dir, { recursive: true });
  Deno.writeTextFileSync(file, "");
  await assert.rejects(Lock.take(`${file}/state`, "/tmp", "1"), (error: IpcError) => {
    return error.reason === "CHANNEL_RECV" && error.message.includes(`${file}/state`);
  });
});

Deno.test("lockPath() is one file for each socket directory, whatever slashes end it", () => {
  assert.equal(lockPath("/s", "/tmp/"), lockPath("/s", "/tmp"));
  assert.notEqual(lockPath("/s", "/tmp/a"), lockPath("/s", "/tmp_a"));
  assert.match(lockPath("/s", "/a/../b"), /^\/s\/[^/]+\.lock$/);
  assert.equal(lockPath("/s", "/"), "/s/%2F.lock");
});

Deno.test("readHolder() is undefined for what is no holder", () => {
  using test = setup();
  Deno.mkdirSync(test.state_dir, { recursive: true });
  assert.equal(readHolder(test.path), undefined);
  for (const text of ["", "null", "7", "{}", '{"state":"running"}']) {
    Deno.writeTextFileSync(test.path, text);
    assert.equal(readHolder(test.path), undefined, text);
  }
});
