import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc listen starts a broker that outlives it, and ends itself when nobody needs it", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen("-n 1 x");
  assert.equal((await cli.sh("ipc send x hello")).code, 0);
  assert.equal(await listener.exit(), 0);
  const [broker, ...others] = await cli.brokers();
  assert.ok(broker !== undefined && others.length === 0);
  const config = await cli.sh(`printf '%s' '{"method":"config"}' | ipc request --json ipcd`);
  assert.equal(JSON.parse(config.stdout).idle_exit_ms, 600_000, config.stderr);
  // A session of its own: the terminal's signals and end do not reach it.
  const session = Deno.readTextFileSync(`/proc/${broker}/stat`).replace(/^.*\) /, "").split(" ")[3];
  assert.equal(Number(session), broker);
});

Deno.test("ipc listen leaves idle_exit to whoever configured it", async () => {
  await using cli = new CliSandbox({ IPC_IDLE_EXIT: "1s" });
  const listener = await cli.listen("-n 1 x");
  await cli.sh("ipc send x hello");
  assert.equal(await listener.exit(), 0);
  await eventually(async () => (await cli.brokers()).length === 0, "the broker does not end itself");
});

Deno.test("listeners that start at the same time end up on one broker", async () => {
  await using cli = new CliSandbox();
  const listeners = await Promise.all([1, 2, 3, 4].map((count) => cli.listen(`-n 1 --name l${count} x`)));
  assert.equal((await cli.sh("ipc send --expect 4 x hello")).code, 0);
  for (const listener of listeners) assert.equal(await listener.exit(), 0);
  await eventually(async () => (await cli.brokers()).length === 1, "more than one broker runs");
});

Deno.test("ipc listen says why a broker cannot be started", async () => {
  await using cli = new CliSandbox();
  Deno.writeTextFileSync(`${cli.socket_dir}/.deno.ipcd.socket`, "somebody's file");
  const { code, stderr } = await cli.sh("ipc listen x");
  assert.equal(code, 77, stderr);
  const missing = await cli.sh("ipc listen x", { env: { IPC_SOCKET_DIR: `${cli.directory}/nowhere` } });
  assert.equal(missing.code, 69, missing.stderr);
  assert.match(missing.stderr, /ipc: cannot start a broker: [^]*nowhere[^]*Make that directory/);
});

Deno.test("ipc listen says which file a broker that it starts cannot write to, and what to do", async () => {
  await using cli = new CliSandbox();
  Deno.writeTextFileSync(`${cli.directory}/file`, "");
  const { code, stderr } = await cli.sh("ipc listen x", { env: { XDG_RUNTIME_DIR: `${cli.directory}/file` } });
  assert.equal(code, 69, stderr);
  assert.match(stderr, /^ipc: cannot start a broker: .*\/file\/ipc\/ipcd\.log".*Set XDG_RUNTIME_DIR/);
});

Deno.test("ipc --socket-dir and --config go for the broker that listen starts, too", async () => {
  await using cli = new CliSandbox();
  Deno.mkdirSync(`${cli.directory}/other`);
  Deno.writeTextFileSync(`${cli.directory}/own.toml`, `idle_exit = "5s"\n[channels.known]\n`);
  const where = `--socket-dir ${cli.directory}/other --config own.toml`;
  const listener = cli.start(`ipc ${where} listen --ready-fd 2 -n 1 x`);
  await listener.says("subscribed");
  assert.equal((await cli.sh("ipc send x hello")).code, 69);
  assert.equal((await cli.sh(`ipc ${where} send x hello`)).code, 0);
  assert.equal(await listener.exit(), 0);
  assert.match((await cli.sh(`ipc ${where} channels`)).stdout, /^known /m);
  assert.equal((await cli.sh(`ipc ${where} daemon stop`)).code, 0);
});

Deno.test("ipc send -l leaves with 69 when the broker is killed, and says how much is in doubt", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen("--raw x");
  const sender = cli.start("sh -c 'yes | { ipc send -l x; echo left with $? >&2; }'");
  await eventually(async () => /^x .* [1-9]\d{4,} /m.test((await cli.sh("ipc channels")).stdout), "nothing is sent");
  for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
  await sender.says("left with 69");
  assert.equal(sender.stderr.match(/\d+ events may not have arrived/g)?.length, 1, sender.stderr);
  assert.doesNotMatch(sender.stderr, /bug/);
  await listener.kill();
});

Deno.test("IPC_AUTOSTART=0 starts no broker", async () => {
  await using cli = new CliSandbox({ IPC_AUTOSTART: "0" });
  assert.equal((await cli.sh("ipc listen x")).code, 69);
  assert.equal((await cli.sh("ipc handle x -- cat")).code, 69);
  assert.deepEqual(await cli.brokers(), []);
});

Deno.test("ipc daemon starts, shows, restarts and stops a broker", async () => {
  await using cli = new CliSandbox();
  assert.equal((await cli.sh("ipc daemon start")).code, 0);
  assert.match((await cli.sh("ipc daemon start")).stderr, /running already/);
  assert.match((await cli.sh("ipc daemon status")).stdout, /^state +running\n/);
  const { pid } = JSON.parse((await cli.sh("ipc daemon status --json")).stdout);
  const listener = await cli.listen("-n 1 x");
  assert.equal((await cli.sh("ipc daemon restart")).code, 0);
  assert.notEqual(JSON.parse((await cli.sh("ipc daemon status --json")).stdout).pid, pid);
  await listener.says("connected again");
  assert.equal((await cli.sh("ipc send --wait=20s x hello")).code, 0);
  assert.equal(await listener.exit(), 0);
  assert.equal((await cli.sh("ipc daemon stop")).code, 0);
  assert.deepEqual(await cli.brokers(), []);
  assert.deepEqual([...Deno.readDirSync(cli.socket_dir)], []);
});

Deno.test("ipc daemon run ends with 0 at SIGTERM and SIGINT, and reads its configuration again at SIGHUP", async () => {
  await using cli = new CliSandbox();
  const file = `${cli.directory}/ipc.toml`;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.writeTextFileSync(file, "[channels.first]\n");
    const broker = cli.start(`ipc daemon run --config ${file}`);
    await broker.says("broker is ready");
    assert.match((await cli.sh("ipc channels")).stdout, /^first /m);
    Deno.writeTextFileSync(file, "[channels.first]\n[channels.second]\n");
    broker.signal("SIGHUP");
    await broker.says("configuration was read again");
    assert.match((await cli.sh("ipc channels")).stdout, /^second /m);
    Deno.writeTextFileSync(file, `[channels.first]\n[channels.second]\n[log]\nlevel = "debug"\nformat = "json"\n`);
    broker.signal("SIGHUP");
    await broker.says("a changed log.format needs a restart");
    await cli.sh("ipc send first hello");
    await broker.says("debug   client joined channel=first");
    Deno.writeTextFileSync(file, "nonsense = 1\n");
    broker.signal("SIGHUP");
    await broker.says("nonsense");
    assert.match((await cli.sh("ipc channels")).stdout, /^second /m);
    broker.signal(signal);
    assert.equal(await broker.exit(), 0);
  }
});

Deno.test("ipc daemon reload and a second daemon run say what is wrong", async () => {
  await using cli = new CliSandbox();
  const file = `${cli.directory}/ipc.toml`;
  Deno.writeTextFileSync(file, "");
  await cli.sh("ipc daemon start", { env: { IPC_CONFIG: file } });
  assert.equal((await cli.sh("ipc daemon reload", { env: { IPC_CONFIG: file } })).code, 0);
  Deno.writeTextFileSync(file, "qeue = 1\n");
  const wrong = await cli.sh("ipc daemon reload", { env: { IPC_CONFIG: file } });
  assert.equal(wrong.code, 78);
  assert.match(wrong.stderr, /qeue/);
  const second = await cli.sh("ipc daemon run");
  assert.equal(second.code, 77);
  assert.match(second.stderr, /pid \d+/);
});
