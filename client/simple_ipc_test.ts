import assert from "node:assert/strict";
import { startTestBroker } from "../daemon/testing.ts";
import { socketPath } from "../protocol/socket_path.ts";
import { connect } from "./mod.ts";
import {
  listenIpBroadcast,
  listenIpRequest,
  listenUdsBroadcast,
  listenUdsRequest,
  postIpBroadcast,
  postIpRequest,
  postUdsBroadcast,
  postUdsRequest,
} from "./simple_ipc.ts";
import { leaveDeadSocket, startNetworkBroker } from "./testing.ts";
import { eventually } from "../tests/e2e/wait.ts";

/** Where the functions look for sockets, for as long as it lives. */
function lookingIn(dir: string): Disposable {
  const before = Deno.env.get("IPC_SOCKET_DIR");
  Deno.env.set("IPC_SOCKET_DIR", dir);
  return {
    [Symbol.dispose]() {
      if (before === undefined) Deno.env.delete("IPC_SOCKET_DIR");
      else Deno.env.set("IPC_SOCKET_DIR", before);
    },
  };
}

/** A directory without a broker. */
async function alone(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "ipc-simple-" });
  using _looking = lookingIn(dir);
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** What comes back for these bytes and half-close, in hex. */
async function raw(to: Deno.ConnectOptions | Deno.UnixConnectOptions, hex: string): Promise<string> {
  using conn = await Deno.connect(to as Deno.ConnectOptions);
  await conn.write(Uint8Array.fromHex(hex));
  await conn.closeWrite();
  let back = "";
  const buffer = new Uint8Array(1000);
  for (let got; (got = await conn.read(buffer)) !== null;) back += buffer.subarray(0, got).toHex();
  return back;
}

function freePort(): number {
  for (;;) {
    const port = 49_152 + Math.floor(Math.random() * 16_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

Deno.test("listenUdsRequest() serves its socket itself where no broker runs, and only for this user", () =>
  alone(async (dir) => {
    const server = listenUdsRequest("ch0", (data: string) => `${data}, pong`), path = socketPath(dir, "ch0");
    assert.equal(server.path, path);
    assert.equal(typeof server.rid, "number");
    assert.equal(Deno.lstatSync(path).mode! & 0o777, 0o600);
    assert.equal(await postUdsRequest<string, string>("ch0", "ping"), "ping, pong");
    assert.equal(await server.ready, "self");
    // "x" as JSON, there and back
    assert.equal(await raw({ transport: "unix", path }, "00227822"), "0022782c20706f6e6722");
    server.close();
    await server.finished;
    assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
    await assert.rejects(postUdsRequest("ch0", "ping"), Deno.errors.NotFound);
  }));

Deno.test("listenUdsRequest() takes and gives JSON and bytes, empty and large, many at a time", () =>
  alone(async (dir) => {
    const server = listenUdsRequest("echo", (data: Uint8Array) => data),
      to = {
        transport: "unix" as const,
        path: server.path,
      };
    const bytes = crypto.getRandomValues(new Uint8Array(60_000)), large = new Uint8Array(5_000_000).fill(9);
    for (const data of [bytes, large, new Uint8Array(0)]) {
      assert.deepEqual(await postUdsRequest<Uint8Array, Uint8Array>("echo", data), data);
    }
    for (const data of [{ a: [1, null, "é"] }, 0, false, null, "", []]) {
      // deno-lint-ignore no-explicit-any -- whatever JSON can say
      assert.deepEqual(await postUdsRequest<any, any>("echo", data), data);
    }
    assert.equal(await raw(to, "01"), "01");
    assert.equal(await raw(to, "01ff00"), "01ff00");
    const all = Array.from({ length: 500 }, (_, n) => postUdsRequest<number, number>("echo", n));
    assert.deepEqual(await Promise.all(all), Array.from({ length: 500 }, (_, n) => n));
    server.close();
    await server.finished;
    assert.deepEqual([...Deno.readDirSync(dir)], []);
  }));

Deno.test("listenUdsBroadcast() takes messages, and can be closed from within", () =>
  alone(async () => {
    const got: unknown[] = [];
    const server = listenUdsBroadcast("ch1", (data: string) => {
      got.push(data);
      server.close();
    });
    await postUdsBroadcast("ch1", "request");
    await server.finished;
    assert.deepEqual([...got], ["request"]);
    const next = listenUdsBroadcast("ch1", (data: number) => void got.push(data));
    assert.equal(await raw({ transport: "unix", path: next.path }, "0037"), "");
    await assert.rejects(postUdsRequest("ch1", 8), Deno.errors.UnexpectedEof);
    assert.deepEqual(got, ["request", 7, 8]);
    next.close();
    const after = listenUdsBroadcast("ch1", () => {}); // before the path is free
    assert.equal(await after.ready, "self");
    await postUdsBroadcast("ch1", "x");
    after.close();
    await after.finished;
  }));

Deno.test("listenUdsRequest() goes on after messages that are none, and handlers that fail", () =>
  alone(async () => {
    const server = listenUdsRequest("ch2", (data: string) => {
      if (data === "fail") throw new Error("no such thing");
      return data;
    });
    const to = { transport: "unix" as const, path: server.path }, { warn, error } = console, said: string[] = [];
    console.warn = console.error = (text) => void said.push(String(text));
    try {
      assert.equal(await raw(to, ""), "");
      assert.equal(await raw(to, "007b"), "");
      assert.equal(await raw(to, "0022ff22"), "");
      await assert.rejects(postUdsRequest("ch2", "fail"), Deno.errors.UnexpectedEof);
      await assert.rejects(postUdsRequest("ch2", new Uint8Array(20 * 1024 * 1024)));
      assert.equal(await postUdsRequest("ch2", "fine"), "fine");
    } finally {
      Object.assign(console, { warn, error });
    }
    assert.ok(said.some((text) => text.includes("no such thing")));
    assert.ok(said.some((text) => text.includes("limit is 16777216")), said.join("\n"));
    server.close();
    await server.finished;
  }));

Deno.test("listenUdsRequest() takes over a dead socket of this user, and nothing else", () =>
  alone(async (dir) => {
    const path = socketPath(dir, "old");
    leaveDeadSocket(path);
    const server = listenUdsRequest("old", (data: number) => data + 1);
    assert.equal(await postUdsRequest<number, number>("old", 1), 2); // waits until it is there
    assert.equal(await server.ready, "self");

    const second = listenUdsRequest("old", () => 0);
    await assert.rejects(second.ready, /AddrInUse: Cannot listen on .*a process listens there/);
    await second.finished;
    assert.equal(await postUdsRequest<number, number>("old", 1), 2);

    Deno.writeTextFileSync(socketPath(dir, "file"), "text");
    assert.throws(() => listenUdsRequest("file", () => 0), Deno.errors.AddrInUse);
    Deno.symlinkSync(path, socketPath(dir, "link"));
    assert.throws(() => listenUdsRequest("link", () => 0), Deno.errors.AddrInUse);
    if (Deno.uid() === 0) {
      const foreign = socketPath(dir, "foreign");
      using listener = Deno.listen({ transport: "unix", path: foreign });
      Deno.chownSync(foreign, 12345, 12345);
      assert.throws(() => listenUdsRequest("foreign", () => 0), /a socket of user 12345 stands there/);
      await assert.rejects(postUdsRequest("foreign", 0), { reason: "FORBIDDEN" });
      assert.ok(Deno.lstatSync(foreign).isSocket && listener.addr.path === foreign);
    }
    assert.equal(Deno.readTextFileSync(socketPath(dir, "file")), "text");

    server.close();
    await server.finished;
  }));

Deno.test({
  name: "UdsListener.close() leaves the socket of somebody else who has taken its path",
  // What cannot be closed without unlinking that path stays open.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    alone(async () => {
      const server = listenUdsRequest("taken", () => 0), { path } = server;
      Deno.removeSync(path);
      using other = Deno.listen({ transport: "unix", path });
      server.close();
      const accepting = other.accept();
      (await Deno.connect({ transport: "unix", path })).close();
      (await accepting).close();
      assert.ok(Deno.lstatSync(path).isSocket);
    }),
});

Deno.test("listenUdsRequest() refuses what is no channel", () =>
  alone(async () => {
    await Promise.resolve();
    for (const ch of ["", "../x", "a b", "ipcd"]) {
      assert.throws(() => listenUdsRequest(ch, () => 0), { reason: "CHANNEL_NAME" });
    }
  }));

Deno.test("listenIpRequest() and listenIpBroadcast() serve ports of this machine", async () => {
  const port = freePort(), got: unknown[] = [];
  const server = listenIpRequest(port, (data: { n: number }) => ({ n: data.n + 1 }));
  assert.deepEqual([server.host, server.port], ["127.0.0.1", port]);
  assert.deepEqual(await postIpRequest<{ n: number }, { n: number }>(port, { n: 1 }), { n: 2 });
  assert.equal(await raw({ hostname: "127.0.0.1", port }, "007b226e223a307d"), "007b226e223a317d");
  assert.throws(() => listenIpRequest(port, () => 0), Deno.errors.AddrInUse);
  server.close();
  const next = listenIpBroadcast(port, (data: Uint8Array) => void got.push(data));
  await postIpBroadcast(port, new Uint8Array([1, 2]));
  await eventually(() => got.length === 1, "the message");
  assert.deepEqual(got, [new Uint8Array([1, 2])]);
  next.close();
  await next.finished;
  await assert.rejects(postIpRequest(port, 0), Deno.errors.ConnectionRefused);
  for (const ch of [49_151, 65_536, 50_000.5]) assert.throws(() => listenIpRequest(ch, () => 0), RangeError);
});

Deno.test("listenUdsRequest() registers with a broker: whatever speaks to it reaches the handler", async () => {
  await using broker = await startTestBroker();
  using _looking = lookingIn(broker.socket_dir);
  const server = listenUdsRequest("words", (data: string) => data.split(" ").length);
  assert.equal(await postUdsRequest<string, number>("words", "three words here"), 3);
  assert.equal(await server.ready, "broker");
  await using channel = await connect("words", { socket_dir: broker.socket_dir });
  assert.equal(await channel.invoke("two words"), 2);
  const second = listenUdsRequest("words", () => 0); // with a broker there may be many
  assert.equal(await second.ready, "broker");
  assert.equal((await channel.clients()).filter(({ handle, name }) => handle && name === "simple_ipc").length, 2);
  for (const ipc of [server, second]) {
    ipc.close();
    await ipc.finished;
  }
});

Deno.test("listenUdsBroadcast() registers with a broker: whatever speaks to it is heard", async () => {
  await using broker = await startTestBroker();
  using _looking = lookingIn(broker.socket_dir);
  const got: unknown[] = [], listen = () => listenUdsBroadcast("news", (data: string) => void got.push(data));
  const [one, two] = [listen(), listen()];
  await postUdsBroadcast("news", "by post");
  await eventually(() => got.length === 2, "both");
  await using channel = await connect("news", { socket_dir: broker.socket_dir });
  await channel.broadcast({ by: "channel" });
  await eventually(() => got.length === 4, "both");
  assert.deepEqual(got, ["by post", "by post", { by: "channel" }, { by: "channel" }]);
  for (const ipc of [one, two]) {
    ipc.close();
    await ipc.finished;
  }
});

Deno.test("listenUdsRequest() serves itself where a broker was", () =>
  alone(async (dir) => {
    const path = socketPath(dir, "ipcd");
    leaveDeadSocket(path);
    const server = listenUdsRequest("ch3", (data: number) => -data);
    assert.equal(await postUdsRequest<number, number>("ch3", 3), -3);
    assert.equal(await server.ready, "self");
    server.close();
    await server.finished;
    assert.ok(Deno.lstatSync(path).isSocket);
  }));

Deno.test("listenIpRequest() registers with the broker that has its port", async () => {
  const port = freePort();
  await using broker = await startNetworkBroker({}, [{ port, channel: "by_port" }]);
  using _looking = lookingIn(broker.socket_dir);
  const server = listenIpRequest(port, (data: number) => data * 2);
  assert.equal(await postIpRequest<number, number>(port, 21), 42);
  assert.equal(await server.ready, "broker");
  await using channel = await connect("by_port", { socket_dir: broker.socket_dir });
  assert.equal(await channel.invoke(4), 8);
  server.close();
  await server.finished;

  using taken = Deno.listen({ hostname: "127.0.0.1", port: freePort() });
  await assert.rejects(listenIpRequest(taken.addr.port, () => 0).ready, Deno.errors.AddrInUse);
});

Deno.test("a program written for Simple IPC runs with this import", () =>
  alone(async (dir) => {
    const program = `
      import { listenUdsBroadcast, listenUdsRequest, postUdsBroadcast, postUdsRequest } from "./simple_ipc.ts";
      const ipc = listenUdsRequest("example_channel", (data: string) => {
        console.log(data);
        return "response-bar";
      });
      const response = await postUdsRequest<string, string>("example_channel", "request-foo");
      console.log(response);
      ipc.close();
      const other = listenUdsBroadcast("other_channel", async (data: number[]) => {
        await Promise.resolve();
        console.log(data.length);
        other.close();
      });
      await postUdsBroadcast("other_channel", [1, 2, 3]);`;
    const path = `${dir}/program.ts`;
    const module = import.meta.resolve("./simple_ipc.ts");
    await Deno.writeTextFile(path, program.replace("./simple_ipc.ts", module));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-lock", "--allow-all", path],
      env: { IPC_SOCKET_DIR: dir },
    }).output();
    assert.equal(new TextDecoder().decode(stderr).replace(/^.*Check.*\n/gm, ""), "");
    assert.equal(new TextDecoder().decode(stdout), "request-foo\nresponse-bar\n3\n");
    assert.equal(code, 0);
  }));
