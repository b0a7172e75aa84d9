/**
 * A control socket that somebody else bound, as systemd does: `systemd-socket-activate` listens, starts the broker when
 * somebody connects, and passes the socket on.
 */
import assert from "node:assert/strict";
import { controlRequest, RawClient } from "../../daemon/testing.ts";
import { socketPath } from "../../protocol/mod.ts";
import { Process } from "../e2e/process.ts";

const ACTIVATE = "systemd-socket-activate";
const CLI = decodeURIComponent(new URL("../../cli.ts", import.meta.url).pathname);

function withoutActivation(): boolean {
  const { success } = new Deno.Command("sh", { args: ["-c", `command -v ${ACTIVATE}`], stdout: "null" }).outputSync();
  if (!success) console.error(`tests/systemd: skipped, there is no ${ACTIVATE}`);
  return !success;
}

const activation = { ignore: Deno.build.os !== "linux" || withoutActivation() };

/** Sockets and a broker of a test's own. */
class Place implements AsyncDisposable {
  readonly socket_dir = Deno.makeTempDirSync({ prefix: "ipc-activation-" });
  readonly control = socketPath(this.socket_dir, "ipcd");
  readonly #processes: Process[] = [];

  start(command: readonly string[], env: Record<string, string> = {}): Process {
    const process = new Process(command[0]!, command, {
      cwd: this.socket_dir,
      env: {
        PATH: Deno.env.get("PATH")!,
        HOME: this.socket_dir,
        DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
        XDG_RUNTIME_DIR: this.socket_dir,
        IPC_CONFIG: "/dev/null",
        IPC_SOCKET_DIR: this.socket_dir,
        ...env,
      },
    });
    this.#processes.push(process);
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()));
    Deno.removeSync(this.socket_dir, { recursive: true });
  }
}

const BROKER = [Deno.execPath(), "run", "-A", CLI, "daemon", "run"];
// The variables that the broker is given are only those that are named.
const PASSED = ["PATH", "HOME", "DENO_DIR", "XDG_RUNTIME_DIR", "IPC_CONFIG", "IPC_SOCKET_DIR"].map((name) =>
  `--setenv=${name}`
);

Deno.test(
  "a broker takes its control socket over from whoever bound it, and leaves it in place",
  activation,
  async () => {
    await using place = new Place();
    const broker = place.start([ACTIVATE, `--listen=${place.control}`, "--fdname=ipcd", ...PASSED, ...BROKER]);
    await broker.says("Listening on");
    const before = Deno.lstatSync(place.control);
    // What connects before there is a broker is answered by it.
    assert.equal((await controlRequest(place.socket_dir, "ping") as { pid: number }).pid, broker.pid);
    using client = await RawClient.join(place.socket_dir, "ipcd", { name: "first" });
    // Longer than any buffer, in both directions.
    const names = Array.from({ length: 50 }, (_, number) => `channel-${number}`);
    for (const channel of names) await controlRequest(place.socket_dir, "open", { channel });
    const channels = await controlRequest(place.socket_dir, "channels") as unknown[];
    assert.equal(channels.length, names.length + 1);
    assert.match(broker.stderr, /broker is ready/);
    broker.signal("SIGTERM");
    assert.equal(await client.reasonOfEnd(), "SHUTDOWN");
    assert.equal(await broker.exit(), 0);
    assert.equal(Deno.lstatSync(place.control).ino, before.ino);
    assert.deepEqual(
      [...Deno.readDirSync(place.socket_dir)].map(({ name }) => name).filter((name) => name.endsWith(".socket")),
      [".deno.ipcd.socket"],
    );
  },
);

Deno.test("a broker finds out who connects to a socket that was passed to it", activation, async () => {
  await using place = new Place();
  const passed = [...PASSED, "--setenv=IPC_PEER_CREDENTIALS=true"];
  const broker = place.start([ACTIVATE, `--listen=${place.control}`, ...passed, ...BROKER]);
  await broker.says("Listening on");
  const asked = await Promise.all([1, 2, 3, 4, 5].map(() => controlRequest(place.socket_dir, "clients")));
  for (const clients of asked as { name: string; credentials: { pid: number; uid: number } }[][]) {
    assert.ok(clients.length > 0);
    for (const { credentials: { pid, uid } } of clients) assert.deepEqual([pid, uid], [Deno.pid, Deno.uid()]);
  }
});

Deno.test("a broker says that the socket that was passed is not where its clients look", activation, async () => {
  await using place = new Place();
  const elsewhere = `${place.socket_dir}/elsewhere.socket`;
  const broker = place.start([ACTIVATE, `--listen=${elsewhere}`, ...PASSED, ...BROKER]);
  await broker.says("Listening on");
  (await Deno.connect({ transport: "unix", path: elsewhere })).close();
  assert.equal(await broker.exit(), 77);
  assert.match(
    broker.stderr,
    /Cannot listen on descriptor 3: there is nothing at .*ListenStream and socket_dir must agree/,
  );
});

Deno.test(
  "a broker leaves alone what was passed to another process, and binds its own socket",
  activation,
  async () => {
    await using place = new Place();
    const broker = place.start(BROKER, { LISTEN_PID: "1", LISTEN_FDS: "1" });
    await broker.says("broker is ready");
    assert.equal((await controlRequest(place.socket_dir, "ping") as { pid: number }).pid, broker.pid);
  },
);
