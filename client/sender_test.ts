import assert from "node:assert/strict";
import { decodeFrame, FLAGS, FRAME_TYPES, FROM_CLIENT } from "../protocol/frame.ts";
import { Scanner } from "../protocol/scanner.ts";
import { IpcError } from "./mod.ts";
import { Sender } from "./sender.ts";
import { failure, numbers } from "./testing.ts";
import { pause } from "../tests/e2e/wait.ts";

const { EVENT, REQUEST, PING, REPLY } = FRAME_TYPES;

/** The two ends of a connection. */
async function pair(): Promise<{ near: Deno.Conn; far: Deno.Conn }> {
  const dir = Deno.makeTempDirSync(), path = `${dir}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  const [near, far] = await Promise.all([Deno.connect({ transport: "unix", path }), listener.accept()]);
  Deno.removeSync(dir, { recursive: true });
  return { near, far };
}

/** Reads whole frames until there are so many, or nothing more comes. */
async function frames(conn: Deno.Conn, count: number): Promise<{ type: number; id: number; payload: string }[]> {
  const scanner = new Scanner(FROM_CLIENT, 1 << 30), found = [];
  while (found.length < count) {
    while (scanner.next() !== 0) {
      const { type, id, payload } = scanner.frame();
      found.push({ type, id, payload: `${payload.length}:${payload[0]}` });
      scanner.advance();
    }
    if (found.length >= count) break;
    const got = await conn.read(scanner.space());
    if (got === null) break;
    scanner.filled(got);
  }
  return found;
}

function send(sender: Sender, type: number, id: number, bytes: number, fill = id): Promise<void> {
  const flags = type === EVENT && id !== 0 ? FLAGS.ACK : 0;
  return sender.send(type, flags, 0, id, 0, undefined, new Uint8Array(bytes).fill(fill), false);
}

Deno.test("Sender.send() writes frames of all sizes whole and in order", async () => {
  const { near, far } = await pair();
  const sender = new Sender(1 << 30);
  sender.attach(near);
  const sizes = [0, 1, 16_359, 16_360, 16_361, 100_000, 5, 400_000, 1_000_000, 16_000, 16_000, 3];
  const sent = sizes.map((size, at) => send(sender, EVENT, at + 1, size));
  const got = await frames(far, sizes.length);
  await Promise.all(sent);
  assert.deepEqual(
    got.map(({ id, payload }) => [id, payload.split(":")[0]]),
    sizes.map((size, at) => [at + 1, String(size)]),
  );
  await sender.drain();
  assert.equal(sender.bytes, 0);
  assert.equal(sender.events, sizes.length);
  near.close();
  far.close();
  await sender.close(new IpcError("CANCELLED", "closed"));
});

Deno.test("Sender.send() gathers what one turn of the loop brings in one write", async () => {
  const { near, far } = await pair();
  const sender = new Sender(1 << 20);
  sender.attach(near);
  for (const n of numbers(1_000)) void send(sender, EVENT, n + 1, 16);
  const buffer = new Uint8Array(1 << 20);
  assert.equal(await far.read(buffer), 1_000 * 40);
  near.close();
  far.close();
  await sender.close(new IpcError("CANCELLED", "closed"));
});

Deno.test("Sender.send() waits beyond its limit, takes what is larger alone, and keeps the order", async () => {
  const sender = new Sender(1_000);
  const order: number[] = [];
  const note = (n: number) => (): void => void order.push(n);
  await send(sender, EVENT, 1, 476);
  await send(sender, EVENT, 2, 476);
  const waiting = [send(sender, EVENT, 3, 5_000).then(note(3)), send(sender, EVENT, 4, 0).then(note(4))];
  await pause(5);
  assert.deepEqual(order, []);
  assert.equal(sender.bytes, 1_000);
  const { near, far } = await pair();
  sender.attach(near);
  assert.deepEqual((await frames(far, 4)).map(({ id }) => id), [1, 2, 3, 4]);
  await Promise.all(waiting);
  assert.deepEqual(order, [3, 4]);
  near.close();
  far.close();
  await sender.close(new IpcError("CANCELLED", "closed"));
});

Deno.test("Sender.sendNow() does not wait for room, and takeBack() takes only what waits", async () => {
  const sender = new Sender(100);
  await send(sender, EVENT, 1, 76);
  void send(sender, REQUEST, 2, 10);
  void send(sender, REQUEST, 3, 10);
  sender.sendNow(PING, 4, 0, new Uint8Array(0));
  assert.equal(sender.takeBack(2), true);
  assert.equal(sender.takeBack(1), false);
  const { near, far } = await pair();
  sender.attach(near);
  assert.deepEqual((await frames(far, 3)).map(({ id }) => id), [1, 4, 3]);
  near.close();
  far.close();
  await sender.close(new IpcError("CANCELLED", "closed"));
});

Deno.test("Sender.close() rejects what waits", async () => {
  const sender = new Sender(100);
  await send(sender, EVENT, 1, 76);
  const waiting = send(sender, EVENT, 2, 10);
  const [error] = await Promise.all([failure(waiting), sender.close(new IpcError("CANCELLED", "closed"))]);
  assert.equal(error.message, "closed");
  assert.equal((await failure(send(sender, EVENT, 3, 0))).message, "closed");
});

Deno.test("Sender.send() gives borrowed memory back when it is written", async () => {
  const { near, far } = await pair();
  const sender = new Sender(1 << 30);
  const memory = new Uint8Array(100_000).fill(1);
  let back = 0;
  const sent = [1, 2].map((id) =>
    sender.send(EVENT, 0, 0, id, 0, undefined, memory, true).then(() => {
      back++;
    })
  );
  await pause(5);
  assert.equal(back, 0);
  sender.attach(near);
  await frames(far, 2);
  await Promise.all(sent);
  near.close();
  far.close();
  await sender.close(new IpcError("CANCELLED", "closed"));
});

Deno.test("Sender.sift() keeps exactly the frames that the kernel has not taken whole, wherever it breaks", async () => {
  // The far end reads a part and closes, so the near end's write stops somewhere in the middle.
  for (const read of [0, 1, 23, 24, 100, 20_000, 300_000, 700_001]) {
    const { near, far } = await pair();
    const sender = new Sender(1 << 30);
    sender.attach(near);
    const sizes = numbers(60).map((n) => n % 3 === 0 ? 60_000 + n : n % 7 === 0 ? 16_359 + n % 5 : n * 10);
    for (const [at, size] of sizes.entries()) void send(sender, EVENT, at + 1, size);
    const buffer = new Uint8Array(Math.max(1, read));
    for (let got = 0; got < read;) got += (await far.read(buffer.subarray(got)))!;
    await pause(2);
    const before = sender.bytes;
    far.close();
    near.close();
    await sender.detach();
    const { lost, kept_ids } = sender.sift();
    // What is kept is the end of the sequence, without a hole.
    assert.deepEqual([...kept_ids], numbers(60).map((n) => n + 1).slice(60 - kept_ids.size), `after ${read}`);
    assert.equal(lost, 60 - kept_ids.size);
    assert.ok(before >= 0 && kept_ids.size < 60 && kept_ids.size > 0, `${kept_ids.size} kept after ${read}`);
    const again = await pair();
    sender.attach(again.near);
    const got = await frames(again.far, kept_ids.size);
    assert.deepEqual(got.map(({ id }) => id), [...kept_ids]);
    assert.deepEqual(
      got.map(({ payload }) => payload),
      [...kept_ids].map((id) => {
        const size = sizes[id - 1]!;
        return `${size}:${size === 0 ? undefined : id}`;
      }),
    );
    again.near.close();
    again.far.close();
    await sender.close(new IpcError("CANCELLED", "closed"));
  }
});

Deno.test("Sender.sift() counts events in doubt: handed over and not confirmed", async () => {
  const { near, far } = await pair();
  const sender = new Sender(1 << 30);
  sender.attach(near);
  for (const n of numbers(10)) await send(sender, EVENT, n + 1, 8);
  await send(sender, PING, 11, 0);
  await frames(far, 11);
  assert.equal(sender.unconfirmed, 10);
  sender.confirm(4);
  assert.equal(sender.unconfirmed, 6);
  near.close();
  far.close();
  await sender.detach();
  await send(sender, EVENT, 12, 8);
  assert.deepEqual(sender.sift(), { lost: 6, kept_ids: new Set([12]) });
  assert.equal(sender.lost, 6);
  assert.equal(sender.unconfirmed, 1);
  await sender.close(new IpcError("CANCELLED", "closed"));
});

Deno.test("Sender.filter() drops frames from among the kept, queued or waiting", async () => {
  const sender = new Sender(100_200);
  const rejected: number[] = [];
  for (const id of numbers(8).map((n) => n + 1)) {
    const type = [EVENT, REQUEST, REPLY][id % 3]!;
    send(sender, type, id, id === 5 || id === 6 ? 50_000 : 8).catch(() => rejected.push(id));
  }
  sender.filter((type, _target, id) => type !== REQUEST && id !== 3, new IpcError("CANCELLED", "dropped"));
  const { near, far } = await pair();
  sender.attach(near);
  assert.deepEqual((await frames(far, 4)).map(({ id }) => id), [2, 5, 6, 8]);
  assert.deepEqual(rejected, [7]);
  assert.equal(sender.lost, 1);
  near.close();
  far.close();
  await sender.close(new IpcError("CANCELLED", "closed"));
});

Deno.test("decodeFrame() reads what Sender writes with headers", async () => {
  const { near, far } = await pair();
  const sender = new Sender(1 << 20);
  sender.attach(near);
  for (const [headers, payload] of [[3, 5], [60_000, 5], [3, 60_000], [65_535, 300_000]] as const) {
    void sender.send(EVENT, 1, 9, 7, 5, new Uint8Array(headers).fill(2), new Uint8Array(payload).fill(4), false);
    const bytes = new Uint8Array(24 + headers + payload);
    for (let got = 0; got < bytes.length;) got += (await far.read(bytes.subarray(got)))!;
    const frame = decodeFrame(bytes);
    assert.deepEqual([frame.flags, frame.target, frame.id, frame.aux], [1, 9, 7, 5]);
    assert.ok(frame.headers.length === headers && frame.headers.every((byte) => byte === 2));
    assert.ok(frame.payload.length === payload && frame.payload.every((byte) => byte === 4));
  }
  near.close();
  far.close();
  await sender.close(new IpcError("CANCELLED", "closed"));
});
