import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { SocketStream } from "./socket_stream.ts";
import { pause } from "../../tests/e2e/wait.ts";

const unix = { ignore: Deno.build.os === "windows" };

/** A stream, and whoever is at its other end. */
async function withPair(test: (stream: SocketStream, peer: Deno.UnixConn) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync(), path = `${directory}/socket`;
  const server = createServer({ allowHalfOpen: true });
  const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const peer = await Deno.connect({ transport: "unix", path }), socket = await connected;
  try {
    await test(new SocketStream(socket), peer);
  } finally {
    socket.destroy();
    try {
      peer.close();
    } catch {
      // The test did.
    }
    await new Promise((resolve) => server.close(resolve));
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test(
  "SocketStream.read() fills as much as there is room for, and finds the end",
  unix,
  () =>
    withPair(async (stream, peer) => {
      await peer.write(new Uint8Array([1, 2, 3, 4, 5]));
      const three = new Uint8Array(3);
      assert.equal(await stream.read(three), 3);
      assert.deepEqual([...three], [1, 2, 3]);
      assert.ok(stream.spoke);
      const rest = new Uint8Array(10);
      assert.equal(await stream.read(rest), 2);
      assert.deepEqual([...rest.subarray(0, 2)], [4, 5]);
      const later = stream.read(rest);
      await peer.write(new Uint8Array([6]));
      assert.equal(await later, 1);
      const end = stream.read(rest);
      await peer.closeWrite();
      assert.equal(await end, null);
      assert.equal(await stream.read(rest), null);
      // Half of it is still open.
      assert.equal(await stream.write(new Uint8Array([7])), 1);
      assert.equal(await peer.read(rest), 1);
    }),
);

Deno.test(
  "SocketStream.read() takes no more than is asked for: the peer has to wait",
  unix,
  () =>
    withPair(async (stream, peer) => {
      const sent = new Uint8Array(4 * 1024 * 1024);
      let written = 0;
      const writing = (async () => {
        while (written < sent.length) written += await peer.write(sent.subarray(written));
      })();
      await pause(200);
      assert.ok(written < sent.length / 2, `${written} bytes were taken in`);
      const into = new Uint8Array(256 * 1024);
      for (let got = 0; got < sent.length;) got += (await stream.read(into))!;
      await writing;
    }),
);

Deno.test(
  "SocketStream.write() takes a piece at a time, and waits for a peer that does not read",
  unix,
  () =>
    withPair(async (stream, peer) => {
      const bytes = new Uint8Array(1024 * 1024);
      let written = 0, done = false;
      const writing = (async () => {
        while (written < bytes.length) {
          const took = await stream.write(bytes.subarray(written));
          assert.ok(took <= 64 * 1024);
          written += took;
        }
        done = true;
      })();
      await pause(200);
      assert.ok(!done);
      const into = new Uint8Array(64 * 1024);
      for (let got = 0; got < bytes.length;) got += (await peer.read(into))!;
      await writing;
    }),
);

Deno.test(
  "SocketStream fails as a connection of Deno's does when the peer is gone, and ends when it is closed",
  unix,
  () =>
    withPair(async (stream, peer) => {
      const reading = stream.read(new Uint8Array(1));
      peer.close();
      assert.equal(await reading, null);
      await assert.rejects(async () => {
        for (;;) await stream.write(new Uint8Array(1024));
      }, (error) => error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.BadResource);
      stream.close();
      assert.ok(stream.gone);
      await assert.rejects(stream.write(new Uint8Array(1)), Deno.errors.BadResource);
    }),
);

Deno.test("SocketStream.close() ends a read and a write in flight", unix, () =>
  withPair(async (stream) => {
    const reading = stream.read(new Uint8Array(1));
    const writing = (async () => {
      for (;;) await stream.write(new Uint8Array(64 * 1024));
    })();
    await pause(50);
    const failed = assert.rejects(writing, Deno.errors.BadResource);
    stream.close();
    assert.equal(await reading, null);
    await failed;
  }));
