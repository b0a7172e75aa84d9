import assert from "node:assert/strict";
import type { PeerCredentials } from "../identity.ts";
import { Listener } from "./listener.ts";
import { PeerFinder } from "./peer_finder.ts";
import { pause } from "../../tests/e2e/wait.ts";

const on_linux = { ignore: Deno.build.os !== "linux" };
const OWN = { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid(), groups: ownGroups() };

function ownGroups(): number[] {
  if (on_linux.ignore) return [];
  const line = /^Groups:(.*)$/m.exec(Deno.readTextFileSync("/proc/self/status"))![1]!;
  return line.split(/\s+/).filter((word) => word !== "").map(Number);
}

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

Deno.test("PeerFinder says who connects, also when what it remembers is wrong", on_linux, async () => {
  const found: PeerCredentials[] = [], conns: Deno.Conn[] = [];
  await using test = await setup(2, (conn, credentials) => {
    found.push(credentials);
    conns.push(conn);
  });
  const connect = async (at: number): Promise<void> => {
    const expected = found.length + 1;
    conns.push(await Deno.connect({ transport: "unix", path: test.paths[at]! }));
    while (found.length < expected && test.failed.length === 0) await pause(1);
    assert.deepEqual(found.at(-1), OWN);
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
  assert.deepEqual(await found.promise, OWN);
  for (const descriptor of [-1, 0, 999_999]) assert.equal(peers.of(descriptor), undefined);
  conn.close();
  await new Promise((closed) => server.close(closed));
  peers.close();
  Deno.removeSync(directory, { recursive: true });
});
