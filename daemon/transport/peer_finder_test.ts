import assert from "node:assert/strict";
import type { PeerCredentials } from "../identity.ts";
import { Listener } from "./listener.ts";
import { PeerFinder } from "./peer_finder.ts";

const LINUX = Deno.build.os === "linux", ROOT = LINUX && Deno.uid() === 0;
const OTHERS = [12_345, 23_456] as const;
const on_linux = { ignore: !LINUX };

/** Listeners of the test's own that know who connects. */
async function setup(count: number, accepted: (conn: Deno.UnixConn, credentials: PeerCredentials, at: number) => void) {
  const directory = Deno.makeTempDirSync({ prefix: "ipc-test-" }), peers = new PeerFinder();
  Deno.chmodSync(directory, 0o755);
  const failed: unknown[] = [], paths = Array.from({ length: count }, (_, at) => `${directory}/${at}.socket`);
  const listeners = await Promise.all(paths.map((path, at) =>
    Listener.bind(path, { mode: 0o666, gid: undefined }, {
      peers,
      accepted: (conn, credentials) => accepted(conn, credentials!, at),
      ready: () => undefined,
      failed: (error) => failed.push(error),
      rebound() {},
    })
  ));
  return {
    directory,
    paths,
    peers,
    listeners,
    failed,
    async [Symbol.asyncDispose]() {
      await Promise.all(listeners.map((listener) => listener.close()));
      peers.close();
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

/** Connects again and again to all paths, as a process of some user, and says on each connection who it is and where. */
const CALLER = `
import os, random, socket, sys
count, paths, kept = int(sys.argv[1]), sys.argv[2:], []
for n in range(count):
    at = random.randrange(len(paths))
    s = socket.socket(socket.AF_UNIX)
    s.connect(paths[at])
    s.sendall(b"%d %d %d %d\\n" % (os.getpid(), os.getuid(), os.getgid(), at))
    kept.append(s)
    while len(kept) > random.randrange(40):
        kept.pop(random.randrange(len(kept))).close()
`;

function caller(uid: number, count: number, paths: readonly string[]): Deno.ChildProcess {
  return new Deno.Command("setpriv", {
    args: [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "python3", "-c", CALLER, String(count), ...paths],
    // Not what only this user may enter.
    env: { PATH: "/usr/bin:/bin" },
  }).spawn();
}

Deno.test({
  name: "PeerFinder never takes one connection for another: 6 processes of 2 users, 6,000 connections, 8 channels",
  ignore: !ROOT, // only root can be somebody else
  async fn() {
    const COUNT = 1_000;
    const wrong: string[] = [], told: Promise<void>[] = [];
    let right = 0;
    // What else this process does with descriptors meanwhile.
    let over = false;
    const scratch = Deno.makeTempFileSync();
    const churn = (async () => {
      for (let open: Deno.FsFile[] = []; !over;) {
        open.push(await Deno.open(scratch));
        if (open.length > 20) {
          for (const file of open) file.close();
          open = [];
        }
        if (over) { for (const file of open) file.close(); }
      }
    })();
    {
      const check = async (conn: Deno.UnixConn, { pid, uid, gid }: PeerCredentials, at: number): Promise<void> => {
        const bytes = new Uint8Array(100), length = await conn.read(bytes).catch(() => null);
        // Not at once, so that numbers come free in no order.
        if (Math.random() < 0.5) await new Promise((resolve) => setTimeout(resolve, 5 * Math.random()));
        const said = new TextDecoder().decode(bytes.subarray(0, length ?? 0)).split("\n")[0];
        if (said === `${pid} ${uid} ${gid} ${at}`) right++;
        else wrong.push(`${said} is not ${pid} ${uid} ${gid} ${at}`);
        conn.close();
      };
      await using test = await setup(
        8,
        (conn, credentials, at) =>
          told.push(
            check(conn, credentials, at).finally(() => {
              if (Math.random() < 0.9) test.peers.gone(credentials); // it must do no harm if that is forgotten
            }),
          ),
      );
      const callers = OTHERS.flatMap((uid) => [1, 2, 3].map(() => caller(uid, COUNT, test.paths)));
      for (const { status } of callers) assert.equal((await status).code, 0);
      while (told.length < callers.length * COUNT && test.failed.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await Promise.all(told);
      assert.deepEqual(test.failed, []);
    }
    over = true;
    await churn;
    Deno.removeSync(scratch);
    assert.deepEqual(wrong, []);
    assert.equal(right, 6_000);
  },
});

Deno.test("PeerFinder says who connects, also when what it remembers is wrong", on_linux, async () => {
  const found: PeerCredentials[] = [], conns: Deno.Conn[] = [];
  await using test = await setup(2, (conn, credentials) => {
    found.push(credentials);
    conns.push(conn);
  });
  const connect = async (at: number): Promise<void> => {
    const expected = found.length + 1;
    conns.push(await Deno.connect({ transport: "unix", path: test.paths[at]! }));
    while (found.length < expected && test.failed.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.deepEqual(found.at(-1), { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid() });
  };
  for (let n = 0; n < 20; n++) await connect(n % 2);
  // Closed without a word to the finder: their numbers, and those of files, become connections' again.
  for (const conn of conns.splice(0)) conn.close();
  const files = Array.from({ length: 60 }, () => Deno.openSync("/dev/null"));
  for (let n = 0; n < 20; n++) await connect(n % 2);
  for (const file of files) file.close();
  for (let n = 0; n < 60; n++) await connect(n % 2);
  // Far above what was seen so far.
  const many = Array.from({ length: 3_000 }, () => Deno.openSync("/dev/null"));
  await connect(0);
  for (const file of many) file.close();
  for (const conn of conns) conn.close();
  assert.deepEqual(test.failed, []);
});

Deno.test("PeerFinder tells nothing rather than something that is not certain", on_linux, async () => {
  await using test = await setup(1, (conn) => conn.close());
  const watch = test.peers.watch("/nowhere");
  assert.equal(watch.next(), undefined);
  assert.throws(() => test.peers.watch("/nowhere"), /another listener accepts there/);
  watch.end();
  test.peers.watch("/nowhere").end();
  assert.throws(() => test.peers.watch(test.paths[0]!), /another listener accepts there/);
  Deno.removeSync(test.paths[0]!);
  await test.listeners[0]!.rebind();
  (await Deno.connect({ transport: "unix", path: test.paths[0]! })).close();
});

Deno.test("PeerFinder says what is missing", on_linux, async () => {
  const program = `
    import { PeerFinder } from ${JSON.stringify(import.meta.resolve("./peer_finder.ts"))};
    try { new PeerFinder(); } catch (error) { console.log(error.message); }`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--ext=ts",
      "--no-prompt",
      "--allow-read",
      `data:application/typescript,${encodeURIComponent(program)}`,
    ],
  }).output();
  assert.match(new TextDecoder().decode(stdout), /Cannot ask who connects.*--allow-ffi/);
});

Deno.test("PeerFinder.of() says whose a descriptor is, as node:net names one", on_linux, async () => {
  const { createServer } = await import("node:net");
  const directory = Deno.makeTempDirSync({ prefix: "ipc-test-" }), peers = new PeerFinder();
  const found = Promise.withResolvers<PeerCredentials | undefined>();
  const server = createServer((socket) => {
    found.resolve(peers.of((socket as unknown as { _handle: { fd: number } })._handle.fd));
    socket.destroy();
  });
  await new Promise<void>((listening) => server.listen(`${directory}/socket`, listening));
  const conn = await Deno.connect({ transport: "unix", path: `${directory}/socket` });
  assert.deepEqual(await found.promise, { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid() });
  for (const descriptor of [-1, 0, 999_999]) assert.equal(peers.of(descriptor), undefined);
  conn.close();
  await new Promise((closed) => server.close(closed));
  peers.close();
  Deno.removeSync(directory, { recursive: true });
});
