/**
 * What `ipc send` does beside sending one message.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect, type Message } from "../../client/mod.ts";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc send repeats a message and fills in a template", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const listener = await cli.listen("-n 8 x");
  assert.equal((await cli.sh("ipc send --count 2 x same")).code, 0);
  assert.equal((await cli.sh("ipc send x '{{n}}'")).code, 0);
  assert.equal((await cli.sh("ipc send --every 50ms --count 2 --template x 'n {{n}}'")).code, 0);
  // Faster than it can be done is as fast as it can be done, and no word about it.
  const hurried = await cli.sh("ipc send --every 0.0001 --count 20 hurry now");
  assert.deepEqual([hurried.code, hurried.stderr], [0, ""]);
  assert.equal((await cli.sh("printf 'a{{n}}\\nb{{n}}' | ipc send -l --template x")).code, 0);
  assert.equal((await cli.sh("ipc send --template x '{{time}} {{uuid}}'")).code, 0);
  assert.equal(await listener.exit(), 0);
  const lines: string[] = [];
  for (let count = 0; count < 8; count++) lines.push(await listener.line((line) => line, "print"));
  assert.deepEqual(lines.slice(0, 7), ["same", "same", "{{n}}", "n 1", "n 2", "a1", "b2"]);
  assert.match(lines[7]!, /^\d{4}-\d\d-\d\dT[\d:.]+Z [\da-f-]{36}$/);

  const wrong = await cli.sh("ipc send --template x 'a {{m}}'");
  assert.deepEqual([wrong.code, wrong.stderr], [
    64,
    "ipc: the template has {{m}}, and what can be filled in is {{n}}, {{time}}, {{uuid}}\n",
  ]);
  assert.equal((await cli.sh("ipc send --count 2 --expect 1 x hello")).code, 1);
});

Deno.test("ipc send --every goes on until it is ended, or the broker is", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const listener = await cli.listen("-n 3 x");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const sender = cli.start("ipc send --every 20ms x tick");
    await listener.line((line) => line === "tick" || undefined, "print tick");
    sender.signal(signal);
    assert.equal(await sender.exit(), { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
  }
  const sender = cli.start("ipc send --every 100s x tick");
  await cli.sh("while ! ipc clients x | grep -q 'ipc send'; do sleep 0.05; done");
  assert.equal((await cli.sh("ipc daemon stop")).code, 0);
  assert.equal(await sender.exit(), 69);
});

Deno.test("ipc send -l leaves when it is refused or the broker has gone, although its input goes on", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const direct = cli.start("ipc send -l --to 4000000 x");
  await direct.write("hello");
  assert.equal(await direct.exit(), 69);
  assert.match(direct.stderr, /no client 4000000/);
  const sender = cli.start("ipc send -l x");
  await cli.sh("while ! ipc clients x | grep -q 'ipc send'; do sleep 0.05; done");
  for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
  assert.equal(await sender.exit(), 69);
  assert.match(sender.stderr, /^ipc: /);
});

Deno.test("ipc send --to sends to one client by name or id, and --wait waits for it", async () => {
  await using cli = new CliSandbox();
  const other = await cli.listen("--name other -n 1 x");
  const waiting = cli.sh("ipc send --wait=20s --to bob x 'for bob'");
  const bob = await cli.listen("--name bob -n 2 x");
  assert.equal((await waiting).code, 0);
  const { stdout } = await cli.sh("ipc clients --json x");
  const { client } = stdout.trim().split("\n").map((line) => JSON.parse(line)).find(({ name }) => name === "bob");
  assert.equal((await cli.sh(`ipc send --wait=20s --expect 1 --to ${client} x again`)).code, 0);
  assert.equal(await bob.exit(), 0);
  assert.equal(await bob.line((line) => line, "print"), "for bob");
  assert.equal(await bob.line((line) => line, "print"), "again");
  const late = await cli.sh("ipc send --wait=100ms --to bob x hello");
  assert.deepEqual([late.code, late.stderr], [124, 'ipc: channel x has no listener "bob" after 100ms\n']);
  await cli.sh("ipc send x 'for all'");
  assert.equal(await other.line((line) => line, "print"), "for all");
  assert.equal(await other.exit(), 0);
});

Deno.test("ipc send carries headers with every kind of message", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  await using listener = await connect("x", { socket_dir: cli.socket_dir, reconnect: false });
  for (const how of ["x hello", "-l x", "--count 1 x hello", "--template -l x", "--expect 1 --retain x hello"]) {
    const came = Promise.withResolvers<Message>();
    using _listening = listener.listen(came.resolve);
    await listener.flush();
    assert.equal((await cli.sh(`printf hello | ipc send -H "trace: t1" -HX:y ${how}`)).code, 0, how);
    const message = await came.promise;
    assert.deepEqual([message.data, message.headers], ["hello", new Map([["trace", "t1"], ["X", "y"]])], how);
  }
});
