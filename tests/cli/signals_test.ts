import assert from "node:assert/strict";
import { family, runs } from "../e2e/process.ts";
import { eventually } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

/** A command that says which processes it has, in a file, and does not end. */
const FAMILY = `sh -c 'sleep 1000 & echo $$ $! >"$1"; sleep 1000' sh`;

Deno.test("ipc ends by the signal that it is sent, so that a shell sees 128 + n", async () => {
  await using cli = new CliSandbox();
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    for (const line of ["listen --ready-fd 2 x", "listen --ready-fd 2 x -- cat"]) {
      const listener = cli.start(`ipc ${line}`);
      await listener.says("subscribed");
      listener.signal(signal);
      assert.equal(await listener.exit(), code, line);
    }
    const handler = cli.start("ipc handle h -- cat");
    assert.equal((await cli.sh("ipc request --wait=20s h hello")).stdout, "hello\n");
    handler.signal(signal);
    assert.equal(await handler.exit(), code);
  }
});

Deno.test("ipc handle leaves no process behind at Ctrl-C", async () => {
  await using cli = new CliSandbox();
  const handler = cli.start(`ipc handle x -- ${FAMILY} ${cli.directory}/family`);
  const request = cli.start("ipc request --wait=20s x hello");
  const pids = await family(`${cli.directory}/family`);
  handler.signal("SIGINT");
  assert.equal(await handler.exit(), 130);
  assert.deepEqual(pids.filter(runs), []);
  // The requester is told that its handler is gone.
  assert.equal(await request.exit(), 69);
});

Deno.test("ipc listen ends the commands that it runs at Ctrl-C", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen(`x -- ${FAMILY} ${cli.directory}/family`);
  await cli.sh("ipc send x hello");
  const pids = await family(`${cli.directory}/family`);
  listener.signal("SIGINT");
  assert.equal(await listener.exit(), 130);
  assert.deepEqual(pids.filter(runs), []);
});

Deno.test("ipc handle ends a command whose requester has gone or gave up", async () => {
  await using cli = new CliSandbox();
  cli.start(`ipc handle x --kill-after 5s -- ${FAMILY} ${cli.directory}/family`);
  const request = cli.start("ipc request --wait=20s x hello");
  const gone = await family(`${cli.directory}/family`);
  request.signal("SIGTERM");
  assert.equal(await request.exit(), 143);
  await eventually(() => !gone.some(runs), "the command of a requester that has gone runs on");

  Deno.removeSync(`${cli.directory}/family`);
  const late = cli.start("ipc request --wait=20s -t 300ms x hello");
  const given_up = await family(`${cli.directory}/family`);
  assert.equal(await late.exit(), 124);
  await eventually(() => !given_up.some(runs), "the command of a requester that gave up runs on");
});

Deno.test("ipc listen ends at once when its reader does, whether or not another event comes", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  for (const more of ["", "--json"]) {
    const line = `{ ipc listen ${more} --ready-fd 2 x; echo "left with $?" >&2; } | head -1`;
    const listener = cli.start(`sh -c '${line}'`);
    await listener.says("subscribed");
    await cli.sh("ipc send x hello");
    assert.equal(await listener.exit(), 0);
    assert.match(listener.stderr, /left with 141/);
  }
});
