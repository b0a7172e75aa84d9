import assert from "node:assert/strict";
import { encodeFrame, FRAME_TYPES } from "../../protocol/frame.ts";
import { Connection, type Stream } from "./connection.ts";
import { settled, SlowSink } from "./testing.ts";

class TestStream extends SlowSink implements Stream {
  closes = 0;
  #reading: { into: Uint8Array; resolve: (got: number | null) => void } | undefined;

  read(into: Uint8Array): Promise<number | null> {
    return new Promise((resolve) => this.#reading = { into, resolve });
  }

  async arrives(bytes: Uint8Array | null): Promise<void> {
    const { into, resolve } = this.#reading!;
    if (bytes !== null) into.set(bytes);
    resolve(bytes === null ? null : bytes.length);
    await settled();
  }

  close(): void {
    this.closes++;
  }
}

const ping = (id: number, payload_bytes = 0) =>
  encodeFrame({ type: FRAME_TYPES.PING, id, payload: new Uint8Array(payload_bytes) });

function setup() {
  const stream = new TestStream(), connection = new Connection(stream, 1_000), lost: unknown[] = [];
  connection.owner = { room() {}, lost: (error) => lost.push(error) };
  return { stream, connection, lost };
}

Deno.test("Connection.read() brings bytes into the scanner and counts reads; false at the end", async () => {
  const { stream, connection } = setup();
  const read = connection.read();
  await stream.arrives(new Uint8Array([1, 2, 3]));
  assert.equal(await read, true);
  assert.deepEqual([connection.scanner.end, connection.reads], [3, 1]);
  const end = connection.read();
  await stream.arrives(null);
  assert.equal(await end, false);
  assert(connection.open, "a peer that only closed its side may still be written to");
  connection.close();
});

Deno.test("Connection.read() takes nothing that arrives after it was closed, finished or dismissed", async () => {
  for (const how of ["close", "finish", "dismiss"] as const) {
    const { stream, connection } = setup();
    connection.outbox.pushFrames(ping(1));
    const read = connection.read();
    if (how === "dismiss") connection.dismiss(ping(2));
    else connection[how]();
    await stream.arrives(new Uint8Array([1]));
    assert.equal(await read, false);
    assert.equal(await connection.read(), false);
    assert.equal(connection.reads, 0);
    connection.close();
  }
});

Deno.test("Connection.finish() closes when what is queued is written, and takes nothing more", async () => {
  const { stream, connection } = setup();
  connection.outbox.pushFrames(ping(1));
  connection.outbox.pushFrames(ping(2));
  connection.finish();
  connection.outbox.pushFrames(ping(3));
  assert.equal(connection.open, false);
  await stream.allow(47);
  assert.equal(stream.closes, 0);
  await stream.allow(1);
  await connection.closed;
  assert.deepEqual([stream.closes, stream.frames.map((frame) => frame.id)], [1, [1, 2]]);
});

Deno.test("Connection.dismiss() forgets what is queued, finishes the frame in flight and says one thing more", async () => {
  const { stream, connection } = setup();
  connection.outbox.pushFrames(ping(1, 100));
  await stream.allow(50);
  for (let id = 2; id < 9; id++) connection.outbox.pushFrames(ping(id));
  connection.dismiss(ping(99));
  connection.dismiss(ping(100));
  await stream.allow(Infinity);
  await connection.closed;
  assert.deepEqual(stream.frames.map((frame) => frame.id), [1, 99]);
});

Deno.test("Connection.close() closes once and resolves closed", async () => {
  const { stream, connection } = setup();
  connection.outbox.pushFrames(ping(1));
  connection.close(), connection.close(), connection.finish(), connection.dismiss(ping(2));
  await connection.closed;
  assert.deepEqual([stream.closes, stream.taken.length], [1, 0]);
});

Deno.test("Connection survives a stream that is closed already", async () => {
  const { stream, connection } = setup();
  stream.close = () => {
    throw new Deno.errors.BadResource("closed");
  };
  connection.close();
  await connection.closed;
});

Deno.test("Connection tells who owns it that the peer is lost, and closes by itself if it was ending anyway", async () => {
  const { stream, connection, lost } = setup();
  connection.outbox.pushFrames(ping(1));
  await stream.allow(3);
  await stream.fail(new Deno.errors.BrokenPipe("gone"));
  assert.equal(lost.length, 1);
  assert.equal(stream.closes, 0);
  connection.close();
  const other = setup();
  other.connection.outbox.pushFrames(ping(1));
  await other.stream.allow(3);
  other.connection.finish();
  await other.stream.fail(new Deno.errors.BrokenPipe("gone"));
  await other.connection.closed;
  assert.deepEqual([other.lost.length, other.stream.closes], [0, 1]);
});

Deno.test("Connection tells who owns it when bytes were taken", async () => {
  const { stream, connection } = setup();
  let rooms = 0;
  connection.owner = { room: () => rooms++, lost() {} };
  connection.outbox.pushFrames(ping(1));
  await stream.allow(10);
  await stream.allow(14);
  assert.equal(rooms, 2);
  connection.close();
});

Deno.test("Connection.readWithin() gives up waiting, but not the read: the next one brings what came", async () => {
  const { stream, connection } = setup();
  assert.equal(await connection.readWithin(10), undefined);
  await stream.arrives(new Uint8Array([1, 2]));
  assert.equal(connection.scanner.end, 2, "what came is there, though nobody waits");
  connection.scanner.start = 2;
  assert.equal(await connection.readWithin(10_000), true);
  const read = connection.readWithin(10_000);
  await stream.arrives(new Uint8Array([3]));
  assert.equal(await read, true);
  assert.equal(await connection.readWithin(1), undefined);
  const end = connection.read();
  await stream.arrives(null);
  assert.equal(await end, false);
  connection.close();
});

Deno.test("Connection.readUnless() reads until something else happens", async () => {
  const { stream, connection } = setup(), other = Promise.withResolvers<void>();
  const read = connection.readUnless(other.promise);
  await stream.arrives(new Uint8Array([1]));
  assert.equal(await read, true);
  const unread = connection.readUnless(other.promise);
  other.resolve();
  assert.equal(await unread, undefined);
  const last = connection.readUnless(new Promise(() => {}));
  connection.close();
  await stream.arrives(null);
  assert.equal(await last, false);
});
