import assert from "node:assert/strict";
import { CliSandbox } from "./sandbox.ts";

const on_linux = { ignore: Deno.build.os !== "linux" };
const commandOf = (pid: number) => Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
const flagsOf = (pid: number) => commandOf(pid).filter((word) => word.startsWith("--allow-"));

Deno.test(
  "ipc daemon run gets --allow-ffi where peer_credentials is set and not otherwise, and never --allow-run",
  on_linux,
  async () => {
    await using cli = new CliSandbox();
    const plain = cli.start("ipc daemon run");
    await plain.says("broker is ready");
    const flags = ["--allow-read", "--allow-write", "--allow-net", "--allow-env", "--allow-sys"];
    assert.deepEqual(flagsOf(plain.pid), flags);
    plain.signal("SIGTERM");
    assert.equal(await plain.exit(), 0);
    Deno.writeTextFileSync(`${cli.directory}/own.toml`, "peer_credentials = true\n");
    const asking = cli.start(`ipc --socket-dir ${cli.socket_dir} daemon --config own.toml run`);
    await asking.says("broker is ready");
    assert.deepEqual(flagsOf(asking.pid), [...flags, "--allow-ffi"]);
    asking.signal("SIGTERM");
    assert.equal(await asking.exit(), 0);
  },
);

Deno.test("ipc daemon run still prints its help, and leaves with 64 and 78", on_linux, async () => {
  await using cli = new CliSandbox();
  const help = await cli.sh("ipc daemon run --help");
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^Usage: ipc daemon/);
  assert.doesNotMatch(help.stdout, /print-permissions/);
  assert.equal((await cli.sh("ipc daemon run --nonsense")).code, 64);
  const wrong = await cli.sh("ipc daemon run", { env: { IPC_QUEUE: "much" } });
  assert.equal(wrong.code, 78, wrong.stderr);
  assert.match(wrong.stderr, /IPC_QUEUE: queue = "much"/);
});

Deno.test("ipc clients and inspect show the process and user that the kernel names", on_linux, async () => {
  await using cli = new CliSandbox({ IPC_PEER_CREDENTIALS: "true" });
  const listener = await cli.listen("--name honest x");
  const [broker] = await cli.brokers();
  assert(flagsOf(broker!).includes("--allow-ffi"));
  // Says that it is the broker, and is this test.
  const liar = await Deno.connect({ transport: "unix", path: `${cli.socket_dir}/.deno.x.socket` });
  await liar.write(new TextEncoder().encode(`{"ipc":1,"type":"hello","name":"liar","pid":${broker}}\n`));
  await liar.read(new Uint8Array(1000));
  const lines = (await cli.sh("ipc clients --json")).stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  const [honest, lying] = ["honest", "liar"].map((name) => lines.find((line) => line.name === name));
  const ids = { uid: Deno.uid(), gid: Deno.gid() };
  const groups: number[] = honest.credentials.groups;
  assert(groups.every(Number.isInteger), String(groups));
  assert.deepEqual([honest.pid, honest.credentials], [listener.pid, { pid: listener.pid, ...ids, groups }]);
  assert.deepEqual([lying.pid, lying.credentials], [broker, { pid: Deno.pid, ...ids, groups }]);
  for (const command of ["ipc clients", "ipc inspect x"]) {
    const { stdout } = await cli.sh(command);
    assert.match(stdout, /PID {2}USER/);
    if (Deno.uid() === 0) assert.match(stdout, new RegExp(`honest +${listener.pid} {2}root `));
    assert.match(stdout, new RegExp(`liar +${Deno.pid}, says ${broker} `));
  }
  liar.close();
  await listener.kill();
});

Deno.test("ipc daemon run says what is missing where it may not ask the kernel", on_linux, async () => {
  await using cli = new CliSandbox({ IPC_PEER_CREDENTIALS: "true" });
  // As somebody would who starts the program without its launcher.
  const { code, stderr } = await cli.sh(
    `eval "$(grep -o 'exec .* --print-permissions' "$(command -v ipc)" | sed 's/ "$@" --print-permissions/ daemon run/')"`,
  );
  assert.equal(code, 78, stderr);
  assert.match(stderr, /^ipc: cannot ask who connects .*without --allow-ffi/);
});
