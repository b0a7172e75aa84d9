/**
 * What `ipc request` does with more than one reply.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Channel, connect, type Handler, IpcError } from "../../client/mod.ts";
import { CliSandbox } from "./sandbox.ts";
import { pause } from "../e2e/wait.ts";

async function handler(cli: CliSandbox, channel: string, handle: Handler): Promise<Channel> {
  const connected = await connect(channel, { socket_dir: cli.socket_dir, handle: true });
  connected.handle(handle);
  return connected;
}

Deno.test("ipc request prints the parts of a reply as they come", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  let goOn = (): void => {};
  await using _service = await handler(cli, "x", async function* () {
    for (const part of ["one", "two", new Uint8Array([255]), { three: 3 }]) {
      yield part;
      await new Promise<void>((resolve) => goOn = resolve);
    }
    return "end";
  });
  for (const start of ["", 'script -qec "$LINE" /dev/null </dev/null #']) {
    const request = start === "" ? cli.start("ipc request x hello") : cli.start(start, { LINE: "ipc request x hello" });
    for (const text of ["one", "two"]) {
      await request.line((line) => line.trimEnd() === text || undefined, `print ${text}`);
      goOn();
    }
    // Bytes get no line feed.
    while (request.running) {
      goOn();
      await pause(10);
    }
    assert.equal(await request.exit(), 0);
    assert.equal((await request.line((line) => line, "print")).trimEnd(), '\ufffd{"three":3}');
    assert.equal((await request.line((line) => line, "print")).trimEnd(), "end");
  }
});

Deno.test("ipc request --replies ends after as many parts or replies, and cancels the rest", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const left = Promise.withResolvers<void>();
  await using _service = await handler(cli, "parts", async function* ({ signal }) {
    signal.addEventListener("abort", () => left.resolve());
    for (let n = 1;; n++) {
      yield n;
      await pause(5);
    }
  });
  assert.deepEqual(await cli.sh("ipc request --replies 3 parts x"), { code: 0, stdout: "1\n2\n3\n", stderr: "" });
  await left.promise;

  await using _a = await handler(cli, "all", () => "a");
  await using _b = await handler(cli, "all", ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    }));
  assert.deepEqual(await cli.sh("ipc request --all --replies 1 all x"), { code: 0, stdout: "a\n", stderr: "" });
  // Those that answered in time are printed; that one did not is the outcome.
  const late = await cli.sh("ipc request --all -t 300ms all x");
  assert.deepEqual([late.code, late.stdout], [124, "a\n"], late.stderr);
});

Deno.test("ipc request --all prints the replies of those that succeed, and tells of the others", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  await using _a = await handler(cli, "x", () => "a");
  await using b = await handler(cli, "x", () => {
    throw new IpcError("SCHEMA", "not what was agreed");
  });
  await using _c = await handler(cli, "x", (request) => {
    request.status = 3;
    return "c";
  });
  const { code, stdout, stderr } = await cli.sh("ipc request --all x hello");
  assert.equal(code, 65);
  assert.deepEqual(stdout.split("\n").sort(), ["", "a", "c"]);
  assert.equal(stderr, `ipc: client ${b.client}: not what was agreed\n`);
  assert.equal((await cli.sh("ipc request --all --no-remote-status x hello")).code, 65);
  await b.close();
  assert.equal((await cli.sh("ipc request --all x hello")).code, 3);
  assert.equal((await cli.sh("ipc request --all --no-remote-status x hello")).code, 0);
});

Deno.test("ipc request and ipc send --expect carry JSON as it was written", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  cli.start("ipc handle x -- cat");
  const json = '{"n": 12345678901234567890, "f": 1.0, "n": 1}';
  assert.equal((await cli.sh(`ipc request --wait=20s --json x '${json}'`)).stdout, `${json}\n`);
  cli.start("ipc handle --mode lines --json-lines z -- cat");
  assert.equal((await cli.sh(`ipc request --wait=20s --json z '${json}'`)).stdout, `${json}\n`);
  const listener = await cli.listen("-n 1 y");
  assert.equal((await cli.sh(`ipc send --expect 1 --json y '${json}'`)).code, 0);
  assert.equal(await listener.exit(), 0);
  assert.equal(await listener.line((line) => line, "print"), json);
});

Deno.test("ipc handle gives each of many requests that come at once its own reply", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  cli.start("ipc handle --workers 4 command -- cat");
  cli.start("ipc handle --mode lines --workers 2 lines -- cat");
  cli.start("ipc handle --mode lines --json-lines --workers 2 json -- cat");
  for (const name of ["command", "lines", "json"]) {
    assert.equal((await cli.sh(`ipc request --wait=20s ${name} hello`)).stdout, "hello\n");
    await using client = await connect(name, { socket_dir: cli.socket_dir });
    await Promise.all(Array.from({ length: name === "command" ? 40 : 1000 }, async (_, n) => {
      assert.equal(await client.invoke(`text ${n}`, { timeout_ms: 60_000 }), `text ${n}`);
      const json = await client.invoke({ n }, { timeout_ms: 60_000 });
      assert.deepEqual(typeof json === "string" ? JSON.parse(json) : json, { n });
      if (name === "json") return;
      assert.equal(await client.invoke(new TextEncoder().encode(`bytes ${n}`), { timeout_ms: 60_000 }), `bytes ${n}`);
    }));
  }
});
