import assert from "node:assert/strict";
import { startBroker } from "../../daemon/mod.ts";
import { testSettings } from "../../daemon/testing.ts";
import { CliSandbox } from "./sandbox.ts";

const ROOT = Deno.uid() === 0, SOMEBODY_ELSE = 12_345;
const linux = { ignore: Deno.build.os !== "linux" };

/** What it finds; a rule of this machine that ages /tmp is not the test's doing. */
async function findings(cli: CliSandbox, line = "ipc doctor --json", env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await cli.sh(line, { env });
  assert(code === 0 || code === 1, `${code} ${stderr}`);
  const all = stdout.split("\n").filter((text) => text !== "").map((text) => JSON.parse(text))
    .filter(({ finding }) => finding !== "tmpfiles");
  assert.equal(code, all.some(({ level }) => level === "problem") ? 1 : 0, stdout);
  return all as { finding: string; level: string; path?: string; what: string; fix: string }[];
}

async function succeeds(cli: CliSandbox, line: string): Promise<void> {
  const { code, stderr } = await cli.sh(line);
  assert.equal(code, 0, stderr);
}

/** Fails unless it finds exactly one thing, and that is this. */
async function assertFinds(
  cli: CliSandbox,
  expected: { finding: string; level?: string; what: RegExp; fix: RegExp },
  env: Record<string, string> = {},
): Promise<void> {
  const all = await findings(cli, "ipc doctor --json", env);
  assert.equal(all.length, 1, JSON.stringify(all, null, 1));
  assert.deepEqual([all[0]!.finding, all[0]!.level], [expected.finding, expected.level ?? "problem"]);
  assert.match(all[0]!.what, expected.what);
  assert.match(all[0]!.fix, expected.fix);
}

/** Leaves a socket as a broker does that was killed. */
function leaveStale(path: string): void {
  const listener = Deno.listen({ transport: "unix", path: `${path}.1` });
  Deno.renameSync(`${path}.1`, path);
  listener.close();
}

Deno.test("ipc doctor finds nothing wrong with a broker that runs, and says when none does", linux, async () => {
  await using cli = new CliSandbox();
  await assertFinds(cli, { finding: "no_broker", level: "note", what: /no broker runs/, fix: /ipc daemon start/ });
  await assertFinds(cli, { finding: "no_broker", what: /IPC_AUTOSTART/, fix: /ipc daemon start/ }, {
    IPC_AUTOSTART: "0",
  });
  await cli.sh("ipc daemon start && ipc send x hello");
  const { code, stdout } = await cli.sh("ipc doctor");
  assert.equal(code, 0);
  assert.match(stdout, /(^|\n)no problems found\n$/);
  assert.deepEqual(await findings(cli), []);
});

Deno.test(
  "ipc doctor says what a socket is that nobody listens on, and --fix removes it if no broker runs",
  linux,
  async () => {
    await using cli = new CliSandbox();
    const jobs = `${cli.socket_dir}/.deno.jobs.socket`;
    await cli.sh("ipc daemon start && ipc send jobs hello");
    for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
    while ((await cli.brokers()).length > 0);
    const stale = (await findings(cli)).filter(({ level }) => level === "problem");
    assert.deepEqual(stale.map(({ finding, fix }) => [finding, fix]), [
      ["stale_socket", "ipc doctor --fix"],
      ["stale_socket", "ipc doctor --fix"],
    ]);
    const { code, stdout, stderr } = await cli.sh("ipc doctor --fix");
    assert.equal(code, 0, stdout);
    assert.equal(
      stderr,
      [".deno.ipcd.socket", ".deno.jobs.socket"].map((name) => `ipc: removed ${cli.socket_dir}/${name}\n`).join(""),
    );
    assert.deepEqual([...Deno.readDirSync(cli.socket_dir)], []);

    // Where a broker runs it is about to be its, so it is left to it.
    await cli.sh("ipc daemon start");
    leaveStale(jobs);
    await assertFinds(cli, {
      finding: "stale_socket",
      level: "note",
      what: /nobody listens on .*jobs/,
      fix: /^none is needed/,
    });
    assert.equal((await cli.sh("ipc doctor --fix")).code, 0);
    assert(Deno.lstatSync(jobs).isSocket);
    assert.equal((await cli.sh("ipc send jobs hello")).code, 0);
    assert.deepEqual(await findings(cli), []);
  },
);

Deno.test("ipc doctor says whose thing stands in a channel's place, and leaves it", linux, async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const path = `${cli.socket_dir}/.deno.jobs.socket`;
  const things: [RegExp, () => void][] = [
    [/is a file of user \w+, not a socket/, () => Deno.writeTextFileSync(path, "precious")],
    [/is a symbolic link of user/, () => Deno.symlinkSync("/dev/null", path)],
    [/is a named pipe of user/, () => void new Deno.Command("mkfifo", { args: [path] }).outputSync()],
    [/is a directory of user/, () => Deno.mkdirSync(path)],
  ];
  for (const [what, put] of things) {
    put();
    const before = Deno.lstatSync(path);
    await assertFinds(cli, { finding: "wrong_kind", what, fix: /once you know what it is: rm/ });
    assert.equal((await cli.sh("ipc doctor --fix")).code, 1);
    assert.equal(Deno.lstatSync(path).ino, before.ino);
    Deno.removeSync(path);
  }
  if (!ROOT) return; // only root can make what is somebody else's
  leaveStale(path);
  Deno.chownSync(path, SOMEBODY_ELSE, SOMEBODY_ELSE);
  const foreign = { finding: "foreign_owner", what: /belongs to user 12345/, fix: /broker_user = "12345"/ };
  await assertFinds(cli, { ...foreign, level: "note" });
  Deno.writeTextFileSync(`${cli.directory}/own.toml`, "[channels.jobs]\n");
  await assertFinds(cli, foreign, { IPC_CONFIG: `${cli.directory}/own.toml` });
  assert.equal((await cli.sh("ipc doctor --fix")).code, 0);
  assert(Deno.lstatSync(path).isSocket);
  await assertFinds(cli, {
    finding: "stale_socket",
    what: /nobody listens on/,
    fix: /start the broker of user 12345/,
  }, { IPC_BROKER_USER: String(SOMEBODY_ELSE) }).catch((error) => {
    // That user's ipcd is missing, too: ours is.
    assert.match(String(error), /no_broker|foreign_owner|stale_socket/);
  });
});

Deno.test("ipc doctor says when modes are not as configured, and when they let everybody in", linux, async () => {
  await using cli = new CliSandbox();
  Deno.writeTextFileSync(`${cli.directory}/own.toml`, `[channels.board]\nmode = "0666"\n`);
  const env = { IPC_CONFIG: `${cli.directory}/own.toml` };
  await cli.sh("ipc daemon start", { env });
  await assertFinds(cli, {
    finding: "open_to_all",
    level: "note",
    what: /every user of this machine may connect to .*board/,
    fix: /mode = "0660"/,
  }, env);
  Deno.chmodSync(`${cli.socket_dir}/.deno.board.socket`, 0o600);
  await assertFinds(cli, {
    finding: "mode_differs",
    what: /board\.socket has mode 0600 .* the configuration says mode 0666/,
    fix: /ipc daemon reload/,
  }, env);
});

Deno.test("ipc doctor looks at the directories", linux, async () => {
  await using cli = new CliSandbox({ IPC_AUTOSTART: "1" });
  const only = (finding: string) => (all: Awaited<ReturnType<typeof findings>>) => {
    const problems = all.filter(({ level }) => level === "problem");
    assert.deepEqual(problems.map((one) => one.finding), [finding], JSON.stringify(all));
    return problems[0]!;
  };
  const at = async (finding: string, env: Record<string, string> = {}) =>
    only(finding)(await findings(cli, "ipc doctor --json", env));
  assert.match((await at("socket_directory", { IPC_SOCKET_DIR: "/no/such" })).fix, /^mkdir -p \/no\/such/);
  assert.match((await at("socket_directory", { IPC_SOCKET_DIR: "/etc/passwd" })).what, /not a directory/);
  assert.match((await at("socket_directory", { IPC_SOCKET_DIR: "/proc" })).fix, /set another socket_dir/);
  const long = `${cli.directory}/${"d".repeat(96 - cli.directory.length - 13)}`;
  Deno.mkdirSync(long);
  assert.match((await at("path_too_long", { IPC_SOCKET_DIR: long })).what, /leaves 9 bytes for a channel's name/);
  Deno.chmodSync(cli.socket_dir, 0o777);
  assert.match((await at("directory_not_sticky")).fix, /^chmod \+t /);
  Deno.chmodSync(cli.socket_dir, 0o1777);
  assert.deepEqual((await findings(cli)).filter(({ level }) => level === "problem"), []);

  const lock = `${cli.directory}/run/ipc`;
  Deno.writeTextFileSync(lock, "");
  assert.match((await at("lock_directory")).what, /not a directory/);
  Deno.removeSync(lock);
  Deno.mkdirSync(lock);
  Deno.chmodSync(lock, 0o777);
  assert.match((await at("lock_directory")).fix, /^chmod go-w /);
  if (!ROOT) return;
  Deno.chmodSync(lock, 0o700);
  Deno.chownSync(lock, SOMEBODY_ELSE, null);
  assert.match((await at("lock_directory")).what, /belongs to user 12345/);
  Deno.chownSync(cli.socket_dir, SOMEBODY_ELSE, null);
  Deno.chownSync(lock, 0, null);
  assert.match((await at("directory_owner")).what, /belongs to user 12345, who can remove and replace/);
});

Deno.test(
  "ipc doctor says that a broker hangs, has lost its socket, is of another version, or has few descriptors",
  linux,
  async () => {
    await using cli = new CliSandbox();
    const broker = cli.start(`sh -c 'ulimit -n 200; exec ipc daemon run'`);
    await broker.says("broker is ready");
    const few = {
      finding: "few_descriptors",
      what: new RegExp(`the broker with pid ${broker.pid} may have 200 desc`),
      fix: /ulimit -n/,
    };
    await assertFinds(cli, few);
    broker.signal("SIGSTOP");
    const hung = new RegExp(`the broker with pid ${broker.pid} runs and does not answer`);
    await assertFinds(cli, { finding: "broker_hung", what: hung, fix: new RegExp(`kill -CONT ${broker.pid}`) });
    const control = `${cli.socket_dir}/.deno.ipcd.socket`;
    Deno.removeSync(control);
    const gone = new RegExp(`the broker with pid ${broker.pid} runs, and there is nothing at ${control}`);
    await assertFinds(cli, { finding: "socket_gone", what: gone, fix: /binds it again/ });
    broker.signal("SIGCONT");
    await succeeds(cli, "until ipc daemon status; do sleep 0.1; done");
    await assertFinds(cli, few);
    broker.signal("SIGTERM");
    assert.equal(await broker.exit(), 0);
    const own = await findings(cli, "ulimit -n 200; exec ipc doctor --json");
    assert.match(
      own.find(({ finding }) => finding === "few_descriptors")!.what,
      /a process that this user starts may have 200/,
    );

    const mask = Deno.umask(), quiet = { debug() {}, info() {}, warning() {}, error() {} };
    const settings = testSettings(cli.socket_dir), state_dir = `${cli.directory}/run/ipc`;
    const other = await startBroker({ settings, state_dir, version: "0.0.1-old", log: quiet }).finally(() =>
      Deno.umask(mask)
    );
    await assertFinds(cli, {
      finding: "version_skew",
      what: /is version 0\.0\.1-old, this ipc is \d/,
      fix: /ipc daemon restart/,
    });
    await other.drain("the test is over");
  },
);

Deno.test("ipc doctor says all that is wrong with a configuration", linux, async () => {
  await using cli = new CliSandbox();
  const all = await findings(cli, "ipc doctor --json", {
    IPC_QUEUE: "much",
    IPC_GROUP: "no-such-group",
    IPC_MODE: "0660",
  });
  assert.deepEqual(all.map(({ finding }) => finding), ["configuration", "configuration"]);
  assert.match(all[0]!.what, /^IPC_QUEUE: queue = "much"/);
  const { stdout } = await cli.sh("ipc doctor", { env: { IPC_QUEUE: "much" } });
  assert.match(stdout, /^problem: IPC_QUEUE: queue = "much" .*\n {2}fix: put it right/);
});
