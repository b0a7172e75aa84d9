import assert from "node:assert/strict";
import type { Process } from "../e2e/process.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { lockPath } from "../../daemon/lock.ts";
import { startCanaries } from "./canaries.ts";
import { figure } from "./figures.ts";
import { conclude, ROOT, STRANGER, Users, WITH_USERS } from "./users.ts";

const KINDS = ["socket", "symlink", "file", "fifo"];
/** How long a broker leaves a socket's path alone before it looks at it again. */
const GUARD_MS = 2_000;
const WHOSE = new RegExp(`user ${STRANGER.uid}\\b`);

/** What a stranger has put somewhere. */
interface Planted {
  readonly path: string;
  readonly before: Deno.FileInfo;
  readonly stranger: Process;
}

async function plant(users: Users, kind: string, channel: string): Promise<Planted> {
  const path = users.socket(channel), stranger = await users.stranger(STRANGER, "plant", kind, path);
  return { path, stranger, before: Deno.lstatSync(path) };
}

/** It still stands there as it was, and if it is a socket nobody has connected to it. */
async function assertUntouched({ path, before, stranger }: Planted): Promise<void> {
  const after = Deno.lstatSync(path), text = before.isFile ? Deno.readTextFileSync(path) : "planted";
  const of = ({ ino, mode, uid, gid, size, mtime }: Deno.FileInfo) => [ino, mode, uid, gid, size, mtime?.getTime()];
  assert.deepEqual(of(after), of(before), path);
  assert.equal(after.uid, STRANGER.uid);
  assert.equal(text, "planted");
  assert.deepEqual(await conclude(stranger), { connections: 0, bytes: 0 });
}

/** A client that wants to send there says whose it is, at once, and leaves with 77. */
async function assertNothingSent(users: Users, channel: string): Promise<void> {
  Deno.writeTextFileSync(`${users.directory}/token`, "a secret", { mode: 0o600 });
  const began_ms = performance.now();
  const { code, stderr } = await users.sh(ROOT, `ipc --token-file token send ${channel} secret`);
  assert.equal(code, 77, stderr);
  assert.match(stderr, WHOSE);
  assert(stderr.includes(users.socket(channel)), stderr);
  assert(performance.now() - began_ms < 5_000, "it hangs");
}

Deno.test(
  "what another user plants before the broker starts: nothing is deleted, nothing is sent, both say whose it is",
  WITH_USERS,
  async () => {
    await using users = new Users();
    users.installIpc();
    for (const channel of ["jobs", "ipcd"]) {
      users.configure("[channels.jobs]\n");
      for (const kind of KINDS) {
        const planted = await plant(users, kind, channel);
        const broker = users.start(ROOT, "ipc daemon run");
        assert.equal(await broker.exit(), 77, broker.stderr);
        assert.match(broker.stderr, WHOSE);
        assert(broker.stderr.includes(planted.path), broker.stderr);
        await assertNothingSent(users, channel);
        await assertUntouched(planted);
        Deno.removeSync(planted.path);
        assert.deepEqual([...Deno.readDirSync(users.socket_dir)], [], "the broker has left something");
      }
    }
    figure(
      9,
      "planted before start: socket, symlink, file, FIFO",
      "8 of 8 untouched, 0 bytes sent",
      "untouched, 0 bytes",
    );
  },
);

Deno.test(
  "what another user plants while the broker runs: nothing is deleted, nothing is sent, both say whose it is",
  WITH_USERS,
  async () => {
    await using users = new Users();
    users.installIpc();
    const broker = await users.broker();
    for (const kind of KINDS) assert.equal((await users.sh(ROOT, `ipc send ${kind} first`)).code, 0);
    await using canaries = await startCanaries(users);
    const listener = users.start(ROOT, "ipc listen --ready-fd 2 socket");
    await listener.says("subscribed");
    // A cleaner of /tmp removes them, and somebody else is there first.
    const planted: Planted[] = [];
    for (const kind of KINDS) {
      Deno.removeSync(users.socket(kind));
      planted.push(await plant(users, kind, kind));
    }
    const said = () => KINDS.filter((kind) => new RegExp(`channel=${kind} .*user ${STRANGER.uid}`).test(broker.stderr));
    await eventually(() => said().length === KINDS.length, "the broker does not say whose it is", 2 * GUARD_MS);
    for (const kind of KINDS) {
      await assertNothingSent(users, kind);
      const open = await users.sh(ROOT, `ipc request ipcd '{"method":"open","params":{"channel":"${kind}"}}'`);
      assert.notEqual(open.code, 0);
      assert.match(open.stderr, WHOSE);
    }
    await pause(GUARD_MS);
    for (const one of planted) {
      await assertUntouched(one);
      Deno.removeSync(one.path);
    }
    // Who was connected has noticed nothing, and everything is as before.
    for (const kind of KINDS) assert.equal((await users.sh(ROOT, `ipc send ${kind} again`)).code, 0);
    await listener.line((line) => line === "again" || undefined, "hear what is sent again");
    const report = await canaries.stop();
    report.assertFaultless();
    broker.signal("SIGTERM");
    assert.equal(await broker.exit(), 0);
    assert.deepEqual([...Deno.readDirSync(users.socket_dir)], []);
    figure(
      9,
      "planted while running: socket, symlink, file, FIFO",
      `4 of 4 untouched, 0 bytes sent; canaries: ${report}`,
      "untouched, 0 bytes; faultless",
    );
  },
);

Deno.test(
  "links that another user has left where lock and log would stand are not written through",
  WITH_USERS,
  async () => {
    await using users = new Users();
    users.installIpc();
    const shared = `${users.directory}/shared`, precious = `${users.directory}/precious`;
    Deno.writeTextFileSync(precious, "precious", { mode: 0o600 });
    Deno.mkdirSync(shared);
    Deno.chmodSync(shared, 0o1777);
    const links = [lockPath(`${shared}/ipc`, users.socket_dir), `${shared}/ipc/ipcd.log`];
    const left = await users.sh(
      STRANGER,
      `umask 0; mkdir ${shared}/ipc; ${links.map((link) => `ln -s ${precious} '${link}'`).join("; ")}`,
    );
    assert.equal(left.code, 0, left.stderr);
    for (const command of ["ipc daemon run", "ipc daemon start", "ipc listen -n 1 jobs"]) {
      const { code, stderr } = await users.sh(ROOT, command, { XDG_RUNTIME_DIR: shared });
      assert.equal(code, 77, `${command}: ${stderr}`);
      assert.match(stderr, WHOSE);
    }
    assert.equal(Deno.readTextFileSync(precious), "precious");
  },
);
