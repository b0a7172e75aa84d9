import assert from "node:assert/strict";
import { control } from "../../client/mod.ts";
import { writeNewFile } from "../../commands/new_file.ts";
import type { IpcError } from "../../protocol/errors.ts";
import { type BrokerProcess, Sandbox } from "../e2e/harness.ts";
import { eventually, within } from "../e2e/wait.ts";
import { type Canaries, startCanaries } from "./canaries.ts";
import { figure } from "./figures.ts";
import { SmallDisk, WITH_DISK } from "./small_disk.ts";

/** A broker's end, told to or not. */
const END_MS_MAX = 10_000;

Deno.test(
  "a directory of sockets on a disk that is full costs those who want a new channel, and nobody else",
  WITH_DISK,
  async () => {
    await using sandbox = new Sandbox();
    using disk = new SmallDisk(sandbox.socket_dir, { files: 20, bytes: 64 * 1024 });
    await sandbox.broker();
    await using canaries = await singing(sandbox);
    const { socket_dir } = sandbox;
    disk.fillWithFiles();
    for (let tries = 0; tries < 3; tries++) {
      await assert.rejects(control("open", { channel: "more" }, { socket_dir }), (error: IpcError) => {
        assert.equal(error.reason, "CHANNEL_RECV");
        assert.match(error.message, /\.deno\.more\.socket.*No space left/s);
        return true;
      });
    }
    disk.empty();
    disk.fill();
    await control("open", { channel: "more" }, { socket_dir });
    const report = await canaries.stop();
    report.assertFaultless();
    figure(10, "socket_dir on a full disk", `${report}`, "new channels refused, nothing lost");
  },
);

Deno.test(
  "broker says which directory is on a disk that is full, and ends with 69; a lock needs no byte",
  WITH_DISK,
  async () => {
    await using sandbox = new Sandbox();
    {
      using disk = new SmallDisk(sandbox.socket_dir, { files: 4, bytes: 4096 });
      disk.fillWithFiles();
      const broker = sandbox.tryBroker();
      assert.equal(await broker.exit(), 69);
      assert.match(broker.stderr, /^ipc: Cannot .*sockets\/\.deno\.ipcd\.socket.*No space left/m);
    }
    const state_dir = `${sandbox.socket_dir}-state`;
    Deno.mkdirSync(state_dir);
    using disk = new SmallDisk(state_dir, { files: 4, bytes: 8192 });
    disk.fillWithFiles();
    const unlocked = sandbox.tryBroker({ XDG_RUNTIME_DIR: state_dir });
    assert.equal(await unlocked.exit(), 69);
    assert.match(unlocked.stderr, /^ipc: Cannot open lock file .*No space left/m);
    disk.empty();
    disk.fill();
    const broker = await sandbox.broker({ XDG_RUNTIME_DIR: state_dir });
    const second = sandbox.tryBroker({ XDG_RUNTIME_DIR: state_dir });
    assert.equal(await second.exit(), 77);
    broker.signal("SIGTERM");
    assert.equal(await broker.exit(), 0);
  },
);

Deno.test("broker goes on when its log cannot be written: closed, full, or a pipe that nobody reads", async () => {
  for (
    const [what, redirection] of [
      ["stderr closed", "2>&-"],
      ["stderr on /dev/full", "2>/dev/full"],
      ["stderr a pipe that nobody reads", '2>"$UNREAD"'],
    ] as const
  ) {
    await using sandbox = new Sandbox();
    const unread = `${sandbox.socket_dir}/unread`;
    new Deno.Command("mkfifo", { args: [unread] }).outputSync();
    using _reader = Deno.openSync(unread, { read: true, write: true });
    const broker = sandbox.tryBroker({ IPC_LOG_LEVEL: "debug", UNREAD: unread }, sh(redirection));
    await eventually(
      () => control("ping", {}, { socket_dir: sandbox.socket_dir }).then(() => true, () => false),
      "no broker",
    );
    await using canaries = await singing(sandbox);
    const before_bytes = broker.memoryBytes();
    await comeAndGo(sandbox);
    const grown_mib = (broker.memoryBytes() - before_bytes) / 1024 / 1024;
    const report = await canaries.stop();
    report.assertFaultless();
    assert(grown_mib < 64, `the broker has grown by ${grown_mib} MiB`);
    const took_ms = await end(broker);
    figure(10, `${what}: the others`, `${report}`, "nothing lost");
    figure(10, `${what}: it ends within`, `${took_ms} ms`, `<= ${END_MS_MAX} ms`);
  }
});

Deno.test(
  "broker whose log is on a disk that is full says afterwards how many lines are missing",
  WITH_DISK,
  async () => {
    await using sandbox = new Sandbox();
    const directory = `${sandbox.socket_dir}/logs`, log = `${directory}/log`;
    Deno.mkdirSync(directory);
    using disk = new SmallDisk(directory, { files: 8, bytes: 64 * 1024 });
    const broker = sandbox.tryBroker({ IPC_LOG_LEVEL: "debug", LOG: log }, sh('2>>"$LOG"'));
    await eventually(() => exists(log) && Deno.readTextFileSync(log).includes("broker is ready"), "no broker");
    await using canaries = await singing(sandbox);
    disk.fill();
    await comeAndGo(sandbox, 200);
    disk.empty();
    await comeAndGo(sandbox, 1);
    const report = await canaries.stop();
    report.assertFaultless();
    await end(broker);
    const lines = Deno.readTextFileSync(log).split("\n").slice(0, -1);
    const lost = lines.map((line) => Number(/log lines were lost lines=(\d+)$/.exec(line)?.[1] ?? 0));
    const sum = lost.reduce((sum, lines) => sum + lines, 0);
    assert(sum >= 50, `${sum} lines were lost`);
    // The disk may have taken a part of a line, but none begins in the middle of another.
    for (const [at, line] of lines.entries()) {
      const dates = line.match(/\d{4}-\d\d-\d\dT/g) ?? [];
      assert(
        dates.length === 1 && line.startsWith(dates[0]) || dates.length === 0 && line.length < 11,
        `${at}: ${line}`,
      );
    }
    figure(10, "log on a full disk: the others", `${report}`, "nothing lost");
    figure(10, "log on a full disk: lines lost", `${sum}, counted in the log`, "counted");
  },
);

Deno.test("broker keeps its configuration when the file disappears, or its directory is closed", async () => {
  for (const how of ["named", "found", "closed"] as const) {
    await using sandbox = new Sandbox();
    const text = '[channels.jobs]\noverflow = "drop"\n', home = `${sandbox.socket_dir}/config`;
    const file = how === "closed" ? `${home}/ipc/config.toml` : sandbox.config_file;
    if (how === "closed") {
      Deno.removeSync(sandbox.config_file);
      Deno.mkdirSync(`${home}/ipc`, { recursive: true });
    }
    Deno.writeTextFileSync(file, text);
    const env = how === "named" ? {} : { IPC_CONFIG: "", XDG_CONFIG_HOME: home };
    // Root may look everywhere, unless that right is taken away.
    const prefix = Deno.uid() === 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : [];
    const broker = await sandbox.broker(env, prefix), { socket_dir } = sandbox;
    await using canaries = await singing(sandbox);
    const settings = await control("config", {}, { socket_dir });
    if (how === "closed") Deno.chmodSync(`${home}/ipc`, 0);
    else Deno.removeSync(file);
    broker.signal("SIGHUP");
    await broker.says("the configuration could not be read again");
    assert.match(
      broker.stderr,
      how === "named" ? /it does not exist/ : /was read before, and cannot be found any more/,
    );
    assert.deepEqual(await control("config", {}, { socket_dir }), settings);
    if (how === "closed") Deno.chmodSync(`${home}/ipc`, 0o700);
    else Deno.writeTextFileSync(file, `${text}[channels.more]\n`);
    broker.signal("SIGHUP");
    await broker.says("configuration was read again");
    const report = await canaries.stop();
    report.assertFaultless();
    figure(
      10,
      `configuration disappears (${how}) and is there again`,
      `${report}`,
      "settings stay, nothing lost",
    );
  }
});

/** Canaries that have begun. */
async function singing(sandbox: Sandbox): Promise<Canaries> {
  const canaries = await startCanaries(sandbox);
  await eventually(async () => await canaries.received() > 500, "the canaries do not sing");
  return canaries;
}

/** Gives the broker something to log: clients that come and go, by default more lines than a pipe and its queue hold. */
async function comeAndGo(sandbox: Sandbox, clients = 4_000): Promise<void> {
  const name = "x".repeat(64), hello = new TextEncoder().encode(`{"ipc":1,"type":"hello","name":"${name}"}\n`);
  const socket_dir = sandbox.socket_dir;
  await control("open", { channel: "visited" }, { socket_dir });
  const before = await joined(socket_dir);
  for (let n = 0; n < clients; n++) {
    using conn = await Deno.connect({ transport: "unix", path: sandbox.socket("visited") });
    await conn.write(hello);
    await within(conn.read(new Uint8Array(1024)), "a client is not answered");
  }
  await eventually(async () => await joined(socket_dir) - before >= clients, "clients are not counted");
}

/** How many clients there were; each has an id of its own. */
async function joined(socket_dir: string): Promise<number> {
  const clients = await control("clients", { channel: "ipcd" }, { socket_dir }) as { client: number }[];
  return Math.max(...clients.map(({ client }) => client));
}

async function end(broker: BrokerProcess): Promise<number> {
  const begin_ms = performance.now();
  broker.signal("SIGTERM");
  assert.equal(await broker.exit(END_MS_MAX), 0);
  return Math.round(performance.now() - begin_ms);
}

function sh(redirection: string): string[] {
  return ["sh", "-c", `exec "$@" ${redirection}`, "sh"];
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("a new token or configuration that a full disk has no room for is not there afterwards", WITH_DISK, () => {
  const directory = Deno.makeTempDirSync();
  try {
    using disk = new SmallDisk(directory, { files: 4, bytes: 4096 });
    disk.fill();
    const path = `${directory}/ci.token`;
    assert.throws(() => writeNewFile(path, "secret", 0o600), /No space left/);
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
    disk.empty();
    writeNewFile(path, "secret", 0o600);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.throws(() => writeNewFile(path, "other", 0o600), Deno.errors.AlreadyExists);
    assert.equal(Deno.readTextFileSync(path), "secret");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
