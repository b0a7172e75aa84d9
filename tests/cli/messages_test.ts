import assert from "node:assert/strict";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc send and listen carry any bytes of any length unchanged", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  for (
    const make of [
      "printf ''",
      "printf 'no line feed'",
      "printf 'nul\\000and \\377\\376 no UTF-8\\n\\n'",
      "head -c 16777216 /dev/urandom",
    ]
  ) {
    assert.equal((await cli.sh(`${make} > sent`)).code, 0);
    const listener = cli.start("sh -c 'ipc listen --raw -n 1 --ready-fd 2 x > got'");
    await listener.says("subscribed");
    assert.equal((await cli.sh("ipc send x < sent")).code, 0);
    assert.equal(await listener.exit(), 0);
    assert.equal((await cli.sh("cmp sent got")).code, 0, make);
  }
});

Deno.test("ipc send -l and listen carry lines in order, complete, as they are", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const make = "{ seq 300000; printf 'cr\\r\\n\\n\\377\\n'; head -c 300000 /dev/zero | tr '\\0' x; printf '\\nlast'; }";
  const listener = cli.start("sh -c 'ipc listen --ready-fd 2 -n 300005 x > got'");
  await listener.says("subscribed");
  assert.equal((await cli.sh(`${make} > sent; ipc send -l x < sent`)).code, 0);
  assert.equal(await listener.exit(), 0);
  assert.equal((await cli.sh("echo >> sent; cmp sent got")).code, 0);
});

Deno.test("ipc listen writes all to a pipe that does not block and is read late", async () => {
  await using cli = new CliSandbox();
  const unblocked = "perl -MFcntl=:DEFAULT -e 'fcntl(STDOUT, F_SETFL, O_WRONLY | O_NONBLOCK); exec @ARGV'";
  Deno.writeTextFileSync(
    `${cli.directory}/late`,
    `${unblocked} ipc listen -n 100000 --ready-fd 2 x | { sleep 1; cat; } >got`,
  );
  const listener = cli.start("sh late");
  await listener.says("subscribed");
  assert.equal((await cli.sh("seq 100000 >sent; ipc send -l x <sent")).code, 0);
  assert.equal(await listener.exit(), 0);
  assert.equal((await cli.sh("cmp sent got")).code, 0);
});

Deno.test("ipc send -l sends each line as it comes", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen("x");
  const sender = cli.start("ipc send -l x");
  for (const line of ["one", "two"]) {
    await sender.write(line);
    await listener.line((text) => text === line || undefined, `print ${line}`);
  }
});

Deno.test("ipc listen prints the same bytes on a terminal and in a pipe", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start; ipc send --retain x \"$(printf '\\033[1mbold\\033[0m')\"");
  assert.equal((await cli.sh("ipc listen -n 1 x")).stdout, "\x1b[1mbold\x1b[0m\n");
  assert.equal((await cli.terminal("ipc listen -n 1 x")).stdout, "\x1b[1mbold\x1b[0m\n");
});

Deno.test("ipc listen takes globs, with channels that appear later", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start; ipc send early.a before");
  const listener = await cli.listen("-n 4 -F '%c %p' 'early.*' '*.late'");
  for (const line of ["early.a 1", "other 2", "b.late 3", "c.late 4", "early.b 5"]) {
    assert.equal((await cli.sh(`ipc send ${line}`)).code, 0);
  }
  assert.equal(await listener.exit(), 0);
  const lines = [];
  for (let count = 0; count < 4; count++) lines.push(await listener.line((line) => line, "print"));
  assert.deepEqual(lines.sort(), ["b.late 3", "c.late 4", "early.a 1", "early.b 5"]);
});

Deno.test("ipc listen --last begins with the latest events", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start; seq 10 | ipc send -l x");
  assert.equal((await cli.sh("ipc listen --last 3 -n 3 x")).stdout, "8\n9\n10\n");
  assert.deepEqual(await cli.sh("ipc listen --last 100 -n 10 x | tail -1"), { code: 0, stdout: "10\n", stderr: "" });
});

Deno.test("ipc listen --json tells of presence", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen("--json --presence x");
  assert.equal((await cli.sh("ipc send --name visitor x hello")).code, 0);
  // deno-lint-ignore no-explicit-any -- what is looked for says itself what it is
  const object = (wanted: (object: any) => boolean) =>
    listener.line((line) => wanted(JSON.parse(line)) ? JSON.parse(line) : undefined, "tell");
  const { client } = await object(({ event, name }) => event === "join" && name === "visitor");
  const event = await object(({ type }) => type === "event");
  assert.deepEqual([event.source, event.name, event.data], [client, "visitor", "hello"]);
  await object((gone) => gone.event === "leave" && gone.client === client);
});

Deno.test("ipc listen runs a command for each event", async () => {
  await using cli = new CliSandbox();
  const command = `sh -c 'echo "$IPC_CHANNEL $IPC_SEQ $IPC_SOURCE_NAME $(cat)"'`;
  const listener = await cli.listen(`-n 2 x -- ${command}`);
  await cli.sh("ipc send --name me x one; ipc send --name me x two");
  assert.equal(await listener.exit(), 0);
  assert.equal(await listener.line((line) => line, "print"), "x 1 me one");
  assert.equal(await listener.line((line) => line, "print"), "x 2 me two");

  const failing = await cli.listen("-n 1 --exec 'exit 3' x");
  await cli.sh("ipc send x hello");
  assert.equal(await failing.exit(), 1);
  assert.match(failing.stderr, /left with 3/);
});

Deno.test("ipc request prints a command's reply as it came, with its errors and its status", async () => {
  await using cli = new CliSandbox();
  cli.start("ipc handle cat -- cat");
  cli.start("ipc handle three -- sh -c 'printf out; echo err >&2; exit 3'");
  assert.equal((await cli.sh("printf hello | ipc request --wait=20s cat")).stdout, "hello\n");
  assert.equal((await cli.sh("printf hello | ipc request --raw cat")).stdout, "hello");
  assert.equal((await cli.sh("printf '' | ipc request cat")).stdout, "");
  assert.equal((await cli.sh("seq 3 | ipc request -l cat")).stdout, "1\n2\n3\n");
  assert.deepEqual(await cli.sh("ipc request --wait=20s three hello"), { code: 3, stdout: "out\n", stderr: "err\n" });
  assert.equal((await cli.sh("head -c 8000000 /dev/urandom > sent; ipc request -f sent cat | cmp - sent")).code, 0);
});

Deno.test("ipc request --all asks every handler", async () => {
  await using cli = new CliSandbox();
  for (const answer of ["a", "b"]) cli.start(`ipc handle x -- echo ${answer}`);
  while (!/ 2 handling/.test((await cli.sh("ipc inspect x")).stdout)) { /* not both are there yet */ }
  const { code, stdout } = await cli.sh("ipc request --all x");
  assert.equal(code, 0);
  assert.deepEqual(stdout.split("\n").sort(), ["", "a", "b"]);
});

Deno.test("ipc handle runs as many commands at once as it was told, and leaves after as many as it was told", async () => {
  await using cli = new CliSandbox();
  const handler = cli.start(
    "ipc handle --workers 3 -n 3 x -- sh -c 'echo > $$.here; while [ $(ls *.here | wc -l) -lt 3 ]; do sleep 0.02; done; echo done'",
  );
  const requests = [1, 2, 3].map(() => cli.sh("ipc request --wait=20s x"));
  for (const { code, stdout } of await Promise.all(requests)) assert.deepEqual([code, stdout], [0, "done\n"]);
  assert.equal(await handler.exit(), 0);
});

Deno.test("ipc channels, clients, inspect and ping tell what is there, and nothing of what is not", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  assert.equal((await cli.sh("ipc channels")).stdout, "");
  assert.equal((await cli.sh("ipc clients --json")).stdout, "");
  await cli.listen("--name alice x");
  await cli.sh("ipc send x hello");
  assert.match((await cli.sh("ipc channels")).stdout, /^CHANNEL .*\nx +1 +1 +0 +1 .*\n$/);
  assert.equal(JSON.parse((await cli.sh("ipc channels --json 'x*'")).stdout).seq, 1);
  assert.equal((await cli.sh("ipc channels 'y*'")).stdout, "");
  assert.match((await cli.sh("ipc clients x")).stdout, /alice/);
  assert.equal(JSON.parse((await cli.sh("ipc clients --json")).stdout).name, "alice");
  assert.match((await cli.sh("ipc inspect x")).stdout, /^channel +x\n[^]*alice/);
  assert.equal(JSON.parse((await cli.sh("ipc inspect --json x")).stdout).client_list[0].name, "alice");
  assert.match((await cli.sh("ipc ping -n 2 -i 1ms x")).stdout, /^x: 1 of 2: [\d.]+ ms\nx: 2 of 2.*\nmin .*\n$/);
});
