import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { AcceptingServer } from "./accepting_server.ts";
import type { SocketStream } from "./socket_stream.ts";
import { IpcError } from "../../protocol/errors.ts";

const unix = { ignore: Deno.build.os === "windows" };

/** A server, and those who connect to it. */
class Crowd implements AsyncDisposable {
  readonly accepting: AcceptingServer;
  readonly #directory: string;
  readonly #server: Server;
  readonly #callers: Deno.UnixConn[] = [];
  readonly #accepted: SocketStream[] = [];

  private constructor(directory: string, server: Server) {
    this.#directory = directory;
    this.#server = server;
    this.accepting = new AcceptingServer(server);
  }

  static async gather(): Promise<Crowd> {
    const directory = Deno.makeTempDirSync(), server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(`${directory}/socket`, resolve));
    return new Crowd(directory, server);
  }

  /** Somebody connects, and says something or nothing. */
  async comes(text = ""): Promise<Deno.UnixConn> {
    const before = this.accepting.accepted;
    const caller = await Deno.connect({ transport: "unix", path: `${this.#directory}/socket` });
    this.#callers.push(caller);
    if (text !== "") await caller.write(new TextEncoder().encode(text));
    while (this.accepting.accepted === before) await settled();
    // What was said is read when the system says that it is there.
    if (text !== "") { for (let turn = 0; turn < 5; turn++) await settled(); }
    return caller;
  }

  async accept(): Promise<SocketStream> {
    const stream = await this.accepting.accept();
    this.#accepted.push(stream);
    return stream;
  }

  /** What the next to be accepted says. */
  async next(): Promise<string> {
    const into = new Uint8Array(100), stream = await this.accept();
    return stream.spoke ? new TextDecoder().decode(into.subarray(0, (await stream.read(into))!)) : "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.accepting.closed ? undefined : new Promise((resolve) => this.#server.once("close", resolve));
    this.accepting.close();
    for (const stream of this.#accepted) stream.close();
    for (const caller of this.#callers) caller.close();
    await closed;
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test(
  "AcceptingServer.accept() gives one after the other, whoever came first and whoever comes later",
  unix,
  async () => {
    await using crowd = await Crowd.gather();
    await crowd.comes("one");
    await crowd.comes("two");
    assert.equal(await crowd.next(), "one");
    assert.equal(await crowd.next(), "two");
    const later = crowd.accept();
    await crowd.comes("three");
    assert.ok(await later);
  },
);

Deno.test("AcceptingServer.accept() prefers those who have spoken", unix, async () => {
  await using crowd = await Crowd.gather();
  for (let count = 0; count < 20; count++) await crowd.comes();
  await crowd.comes("honest");
  assert.equal(await crowd.next(), "honest");
  assert.equal(await crowd.next(), "");
});

Deno.test(
  "AcceptingServer lets no more than 512 wait: the one that was silent for longest has to go",
  unix,
  async () => {
    await using crowd = await Crowd.gather();
    await crowd.comes("first");
    const silent = await crowd.comes();
    for (let count = 0; count < 511; count++) await crowd.comes();
    assert.equal(await silent.read(new Uint8Array(1)), null);
    assert.equal(await crowd.next(), "first");
  },
);

Deno.test("AcceptingServer.close() ends those who wait, and an accept() in flight", unix, async () => {
  await using waited = await Crowd.gather();
  const waiting = await waited.comes();
  waited.accepting.close();
  assert.equal(await waiting.read(new Uint8Array(1)), null);
  await using idle = await Crowd.gather();
  const failed = assert.rejects(idle.accepting.accept(), Deno.errors.BadResource);
  idle.accepting.close();
  await failed;
});

Deno.test("AcceptingServer.over() says that a descriptor is no Unix socket that listens", unix, async () => {
  await assert.rejects(
    AcceptingServer.over(9_999),
    (error) => error instanceof IpcError && error.reason === "CHANNEL_RECV" && /descriptor 9999/.test(error.message),
  );
});
