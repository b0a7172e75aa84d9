import assert from "node:assert/strict";
import { CliSandbox } from "./sandbox.ts";

/** Profiles: the broker of this sandbox, another one, and one elsewhere. */
function profiles(cli: CliSandbox): string {
  const directory = `${cli.directory}/.config/ipc/profiles`;
  Deno.mkdirSync(directory, { recursive: true });
  Deno.mkdirSync(`${cli.directory}/other`);
  Deno.writeTextFileSync(`${directory}/here.toml`, `socket_dir = "${cli.socket_dir}"\n`);
  Deno.writeTextFileSync(`${directory}/other.toml`, `socket_dir = "${cli.directory}/other"\nqueue = "1MiB"\n`);
  Deno.writeTextFileSync(`${directory}/far.toml`, `connect = "tcp://127.0.0.1:1"\nqueue = "1MiB"\n`);
  return directory;
}

Deno.test("ipc --profile says which broker is meant, whatever the environment says", async () => {
  await using cli = new CliSandbox();
  const directory = profiles(cli);
  await cli.listen("deploys");
  assert.equal((await cli.sh("ipc --profile here send --expect 1 deploys x")).code, 0);
  const other = await cli.sh("ipc --profile other send deploys x");
  assert.deepEqual([other.code, other.stderr.includes(`${cli.directory}/other`)], [69, true], other.stderr);
  assert.equal((await cli.sh("ipc --profile far send deploys x")).code, 69);
  assert.equal((await cli.sh("IPC_CONNECT=tcp://127.0.0.1:1 ipc --profile here send --expect 1 deploys x")).code, 0);
  // Named by a variable, it is one among others: IPC_SOCKET_DIR wins over it.
  assert.equal((await cli.sh("IPC_PROFILE=other ipc send --expect 1 deploys x")).code, 0);
  assert.equal((await cli.sh("env -u IPC_SOCKET_DIR IPC_PROFILE=other ipc send deploys x")).code, 69);
  assert.equal((await cli.sh("env -u IPC_SOCKET_DIR IPC_PROFILE=here ipc send --expect 1 deploys x")).code, 0);

  const shown = await cli.sh("ipc --profile far config show --json");
  const { profile, keys } = JSON.parse(shown.stdout);
  assert.deepEqual(profile, { name: "far", path: `${directory}/far.toml` });
  const from = `profile far (${directory}/far.toml)`;
  const row = (name: string) => keys.find(({ key }: { key: string }) => key === name);
  assert.deepEqual([row("queue").value, row("queue").from], ['"1MiB"', from]);
  assert.deepEqual([row("connect").value, row("connect").from], ['"tcp://127.0.0.1:1"', from]);
  assert.match((await cli.sh("ipc --profile far config path")).stdout, /^profile +read +.*far\.toml$/m);
});

Deno.test("ipc listen --profile starts that profile's broker", async () => {
  await using cli = new CliSandbox();
  profiles(cli);
  const listener = cli.start("ipc --profile other listen --ready-fd 2 -n 1 deploys");
  await listener.says("subscribed");
  assert.equal((await cli.sh("ipc --profile other send --expect 1 deploys x")).code, 0);
  assert.equal(await listener.exit(), 0);
  assert.equal((await cli.sh("ipc send deploys x")).code, 69, "the broker stands where the environment says");
  assert.equal((await cli.sh("ipc --profile other daemon stop")).code, 0);
});

Deno.test("ipc refuses a profile that there is not, and to act here for a broker elsewhere", async () => {
  await using cli = new CliSandbox();
  profiles(cli);
  const unknown = await cli.sh("ipc --profile othr send deploys x");
  assert.equal(unknown.code, 78);
  assert.match(unknown.stderr, /no profile "othr": did you mean other\?/);
  assert.equal((await cli.sh("IPC_PROFILE=othr ipc send deploys x")).code, 78);
  for (const line of ["version", "help send", "completion bash"]) {
    assert.equal((await cli.sh(`ipc --profile othr ${line}`)).code, 0, line);
  }
  const elsewhere = await cli.sh("ipc --profile far daemon stop");
  assert.deepEqual([elsewhere.code, elsewhere.stderr.includes("is about this machine")], [64, true]);
  assert.equal((await cli.sh("ipc completion bash --words -- --profile o")).stdout, ":values\nother\t\n");
});
