import assert from "node:assert/strict";
import fc from "fast-check";
import { seed } from "../../tests/random.ts";
import { decodeGap } from "../../protocol/bodies.ts";
import { encodeFrame, type Frame, FRAME_TYPES } from "../../protocol/frame.ts";
import { BLOCK_BYTES, buffers } from "../buffer_pool.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import { settled, SlowSink } from "./testing.ts";

const MIB = 1024 * 1024;

function setup(limit_bytes = 8 * MIB, owner: Partial<OutboxOwner> = {}) {
  const sink = new SlowSink(), lost: unknown[] = [];
  const outbox = new Outbox(sink, limit_bytes, { room() {}, lost: (error) => lost.push(error), ...owner });
  return { sink, outbox, lost };
}

/** Events as they stand in a channel's history, next to each other. */
function events(first: number, count: number, payload_bytes = 8): Uint8Array<ArrayBuffer> {
  const size = 24 + payload_bytes, run = new Uint8Array(size * count);
  for (let n = 0; n < count; n++) {
    const payload = new Uint8Array(payload_bytes).fill(first + n);
    run.set(encodeFrame({ type: FRAME_TYPES.EVENT, id: first + n, payload }), n * size);
  }
  return run;
}

function push(outbox: Outbox, bytes: Uint8Array<ArrayBuffer>, first: number, count: number): void {
  outbox.pushRun(bytes, 0, bytes.length, first, count);
}

const ping = (id: number, payload_bytes = 0) =>
  encodeFrame({ type: FRAME_TYPES.PING, id, payload: new Uint8Array(payload_bytes) });

/** What a listener is told, in order: "5" for an event, "3..4" for a gap, "ping 7" for another frame. */
function told(frames: Frame[]): string[] {
  return frames.map((frame) => {
    if (frame.type === FRAME_TYPES.EVENT) return String(frame.id);
    if (frame.type !== FRAME_TYPES.GAP) return `ping ${frame.id}`;
    const gap = decodeGap(frame.payload);
    assert.equal(gap.reason, "overflow");
    return `${gap.from}..${gap.to}`;
  });
}

Deno.test("Outbox writes everything in order to a sink that takes few bytes at a time", async () => {
  for (const bytes of [1, 7, 25, 1000]) {
    const { sink, outbox } = setup();
    push(outbox, events(1, 3), 1, 3);
    outbox.pushFrames(ping(9));
    push(outbox, events(4, 1, 9000), 4, 1);
    outbox.pushFrames(ping(10, 9000));
    push(outbox, events(5, 2), 5, 2);
    while (outbox.queued_bytes > 0) {
      await sink.allow(bytes * 20);
      if (bytes < 25) await sink.allow(20_000);
    }
    assert.deepEqual(told(sink.frames), ["1", "2", "3", "ping 9", "4", "ping 10", "5", "6"]);
  }
});

Deno.test("Outbox.pushRun() makes one entry of runs that touch in memory, so that they leave in one write", async () => {
  const { sink, outbox } = setup(), memory = events(1, 1000, 100), size = 124;
  for (let n = 0; n < 1000; n++) outbox.pushRun(memory, n * size, (n + 1) * size, n + 1, 1);
  assert.equal(outbox.queued_bytes, memory.length);
  await sink.allow(Infinity);
  assert.deepEqual(sink.offered, [memory.length]);
  assert.equal(outbox.queued_bytes, 0);
});

Deno.test("Outbox gathers small pieces that do not touch into one write", async () => {
  const { sink, outbox } = setup();
  for (let n = 1; n <= 50; n++) push(outbox, events(n, 1), n, 1);
  await sink.allow(Infinity);
  assert.equal(sink.offered.length, 1);
  assert.deepEqual(told(sink.frames), Array.from({ length: 50 }, (_, n) => String(n + 1)));
});

Deno.test("Outbox.pushFrames() copies: the caller may reuse its memory", async () => {
  for (const payload_bytes of [0, 20_000]) {
    const { sink, outbox } = setup(), frame = ping(3, payload_bytes);
    outbox.pushFrames(frame);
    frame.fill(0);
    await sink.allow(Infinity);
    assert.equal(sink.frames[0]?.id, 3);
  }
});

Deno.test("Outbox.fits() counts what is in flight until the sink has taken it, and lets anything into an empty queue", async () => {
  const { sink, outbox } = setup(1000);
  assert(outbox.fits(5000));
  push(outbox, events(1, 1, 776), 1, 1);
  assert(outbox.fits(200) && !outbox.fits(201));
  await sink.allow(300);
  assert(outbox.fits(500) && !outbox.fits(501));
  await sink.allow(500);
  assert.equal(outbox.queued_bytes, 0);
  assert(outbox.fits(5000));
});

Deno.test("Outbox counts writes and tells its owner of room each time that bytes were taken", async () => {
  let rooms = 0;
  const { sink, outbox } = setup(1000, { room: () => rooms++ });
  push(outbox, events(1, 1, 76), 1, 1);
  await sink.allow(30);
  await sink.allow(30);
  assert.deepEqual([outbox.writes, rooms, outbox.written_bytes], [2, 2, 60]);
});

Deno.test("Outbox.dropOldest() leaves one exact GAP where the dropped events stood", async () => {
  const { sink, outbox } = setup(400);
  outbox.pushFrames(ping(1));
  await settled(); // in flight: cannot be dropped
  for (let n = 1; n <= 8; n++) push(outbox, events(n, 1), n, 1);
  outbox.pushFrames(ping(2));
  assert.equal(outbox.dropOldest(150), 4);
  assert(outbox.fits(150));
  push(outbox, events(9, 1), 9, 1);
  assert.equal(outbox.dropOldest(220), 3);
  await sink.allow(Infinity);
  assert.deepEqual(told(sink.frames), ["ping 1", "1..7", "8", "ping 2", "9"]);
  assert.equal(outbox.queued_bytes, 0);
});

Deno.test("Outbox.dropOldest() keeps other frames, and the order of gaps around them", async () => {
  const { sink, outbox } = setup(300);
  outbox.pushFrames(ping(1));
  await settled();
  push(outbox, events(1, 2), 1, 2);
  outbox.pushFrames(ping(2));
  push(outbox, events(3, 2), 3, 2);
  assert.equal(outbox.dropOldest(290), 4);
  await sink.allow(Infinity);
  assert.deepEqual(told(sink.frames), ["ping 1", "1..2", "ping 2", "3..4"]);
});

Deno.test("Outbox.dropOldest() names the right events when some in between were not for this client", async () => {
  const { sink, outbox } = setup(400), memory = events(1, 1);
  const block = new Uint8Array(64);
  block.set(memory);
  block.set(events(3, 1), 32);
  outbox.pushFrames(ping(1));
  await settled();
  // 1 and 3 are neighbours in the channel's block; 2 stands in a buffer of its own and was this client's own.
  outbox.pushRun(block, 0, 32, 1, 1);
  outbox.pushRun(block, 32, 64, 3, 1);
  assert.equal(outbox.dropOldest(390), 2);
  push(outbox, events(4, 1), 4, 1);
  await sink.allow(Infinity);
  assert.deepEqual(told(sink.frames), ["ping 1", "1..3", "4"]);
});

Deno.test("Outbox.dropOldest() cannot drop what is in flight, and says so by dropping nothing", async () => {
  const { sink, outbox } = setup(100);
  push(outbox, events(1, 1, 200), 1, 1);
  await settled();
  assert.equal(outbox.dropOldest(50), 0);
  await sink.allow(Infinity);
  assert.deepEqual(told(sink.frames), ["1"]);
});

Deno.test("Outbox with dropped events tells each number once, as event or in a gap, in order", async () => {
  const step = fc.record({ count: fc.integer({ min: 1, max: 5 }), take: fc.nat(200), frame: fc.boolean() });
  const input = fc.record({ steps: fc.array(step, { maxLength: 60 }), limit: fc.integer({ min: 100, max: 900 }) });
  for (const { steps, limit } of fc.sample(input, { seed, numRuns: 60 })) {
    for (const how of ["apart", "together", "in words"] as const) {
      const { sink, outbox } = setup(limit), memory = new Uint8Array(16 * 1024);
      outbox.in_frames = how !== "in words";
      let next = 1, used = 0, dropped = 0;
      for (const { count, take, frame } of steps) {
        const run = events(next, count);
        if (!outbox.fits(run.length)) dropped += outbox.dropOldest(run.length);
        if (how === "apart") push(outbox, run, next, count);
        else if (how === "in words") outbox.pushWords(run, next, count);
        else {
          memory.set(run, used);
          outbox.pushRun(memory, used, used += run.length, next, count);
        }
        next += count;
        if (frame) outbox.pushFrames(ping(0));
        await sink.allow(take);
      }
      await sink.allow(Infinity);
      let expected = 1, missed = 0;
      for (const text of told(sink.frames)) {
        if (text.startsWith("ping")) continue;
        const [from, to = from] = text.split("..").map(Number);
        assert.equal(from, expected, `${how}, seed ${seed}`);
        expected = to! + 1;
        if (text.includes("..")) missed += to! - from! + 1;
      }
      assert.deepEqual([expected, missed, outbox.queued_bytes], [next, dropped, 0], `${how}, seed ${seed}`);
    }
  }
});

Deno.test("Outbox gives a receiver up when frames that cannot be refused go 1 MiB over the limit", async () => {
  const { outbox, lost } = setup(1000);
  for (let n = 0; n < 1 + MIB / 1024; n++) outbox.pushFrames(ping(n, 1000));
  assert.equal(lost.length, 0);
  outbox.pushFrames(ping(0, 2000));
  assert.equal(lost.length, 1);
  outbox.close();
  await settled();
});

Deno.test("Outbox gives nobody up for a message larger than its limit, or for small frames behind it", async () => {
  const { sink, outbox, lost } = setup(1000);
  push(outbox, events(1, 1, 3 * MIB), 1, 1);
  await settled();
  outbox.pushFrames(ping(2));
  push(outbox, events(2, 1), 2, 1);
  outbox.pushFrames(ping(3));
  assert.deepEqual(lost, []);
  await sink.allow(Infinity);
  assert.deepEqual(told(sink.frames), ["1", "ping 2", "2", "ping 3"]);
});

Deno.test("Outbox forgets how far it was over its limit once it is below again", async () => {
  const { sink, outbox, lost } = setup(1000);
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 700; n++) outbox.pushFrames(ping(n, 1000));
    await sink.allow(700 * 1024);
  }
  assert.deepEqual(lost, []);
});

Deno.test("Outbox.seal() takes nothing more and still writes what it has", async () => {
  const { sink, outbox } = setup();
  outbox.pushFrames(ping(1));
  outbox.seal();
  outbox.pushFrames(ping(2));
  push(outbox, events(1, 1), 1, 1);
  await sink.allow(Infinity);
  assert.deepEqual(told(sink.frames), ["ping 1"]);
});

Deno.test("Outbox.clear() forgets what waits; a frame in flight is finished, so that the next one can be read", async () => {
  const { sink, outbox } = setup();
  push(outbox, events(1, 1, 100), 1, 1);
  await sink.allow(30);
  push(outbox, events(2, 1, 100), 2, 1);
  outbox.clear();
  assert.equal(outbox.queued_bytes, 94);
  outbox.pushFrames(ping(5));
  await sink.allow(Infinity);
  assert.deepEqual(told(sink.frames), ["1", "ping 5"]);
});

Deno.test("Outbox.close() writes nothing more and resolves who waits", async () => {
  const { sink, outbox } = setup();
  outbox.pushFrames(ping(1));
  await sink.allow(10);
  const drained = outbox.drained();
  outbox.close();
  await drained;
  outbox.pushFrames(ping(2));
  await sink.allow(14);
  assert.equal(sink.taken.length, 24);
  assert.equal(outbox.queued_bytes, 0);
});

Deno.test("Outbox.drained() resolves when the last byte is taken, and at once if there is none", async () => {
  const { sink, outbox } = setup();
  await outbox.drained();
  outbox.pushFrames(ping(1));
  let done = false;
  const drained = outbox.drained().then(() => done = true);
  await sink.allow(23);
  assert(!done);
  outbox.pushFrames(ping(2));
  await sink.allow(24);
  assert(!done);
  await sink.allow(1);
  await drained;
});

Deno.test("Outbox tells its owner once that writing failed, and lets go of everything", async () => {
  const { sink, outbox, lost } = setup();
  push(outbox, events(1, 1), 1, 1);
  push(outbox, events(2, 1, 9000), 2, 1);
  await settled();
  const drained = outbox.drained();
  await sink.fail(new Error("broken pipe"));
  await drained;
  assert.deepEqual(lost.map(String), ["Error: broken pipe"]);
  outbox.pushFrames(ping(1));
  await settled();
  assert.equal(sink.offered.length, 1);
});

Deno.test("Outbox writes any mix of runs and frames whole and in order, however few bytes the sink takes", async () => {
  const mix = fc.array(
    fc.record({ run: fc.boolean(), bytes: fc.constantFrom(0, 1, 100, 9000, 70_000), take: fc.nat(100_000) }),
    {
      maxLength: 20,
    },
  );
  for (const steps of fc.sample(mix, { seed, numRuns: 40 })) {
    const { sink, outbox } = setup(), expected: string[] = [];
    let seq = 1;
    for (const { run, bytes, take } of steps) {
      if (run) {
        expected.push(String(seq));
        push(outbox, events(seq++, 1, bytes), seq - 1, 1);
      } else {
        expected.push(`ping ${bytes}`);
        outbox.pushFrames(ping(bytes, bytes));
      }
      await sink.allow(take);
    }
    await sink.allow(Infinity);
    assert.deepEqual(told(sink.frames), expected, `seed ${seed}`);
  }
});

Deno.test("Outbox.dropOldest() takes no more events out of a long run than must go, and never the whole for one", async () => {
  const { sink, outbox } = setup(64 * 1024), run = events(1, 600, 76);
  outbox.pushFrames(ping(1));
  await settled();
  push(outbox, run.subarray(0, 60_000), 1, 600);
  // One entry of 600 events of 100 bytes, 488 bytes more than fit beside 6,000, and 1 KiB is made in advance.
  assert.equal(outbox.dropOldest(6_000), 16);
  push(outbox, events(601, 60, 76), 601, 60);
  assert.equal(outbox.dropOldest(2_000), 20);
  assert(outbox.fits(2_000));
  await sink.allow(Infinity);
  const expected = ["ping 1", "1..36", ...Array.from({ length: 624 }, (_, n) => String(37 + n))];
  assert.deepEqual(told(sink.frames), expected);
});

Deno.test("Outbox.dropOldest() gives back shared memory only when none of the run is left", async () => {
  const { sink, outbox } = setup(20_000), block = buffers.take(BLOCK_BYTES);
  block.set(events(1, 150, 76));
  outbox.pushFrames(ping(1));
  await settled();
  outbox.pushRun(block, 0, 15_000, 1, 150);
  buffers.release(block); // as the history does
  const dropped = outbox.dropOldest(10_000);
  assert(dropped < 150);
  assert.notEqual(buffers.take(BLOCK_BYTES).buffer, block.buffer);
  assert.equal(outbox.dropOldest(25_000), 150 - dropped);
  assert.equal(buffers.take(BLOCK_BYTES).buffer, block.buffer);
  await sink.allow(Infinity);
  assert.deepEqual(told(sink.frames), ["ping 1", "1..150"]);
});

Deno.test("Outbox.pushWords() keeps short lines together, and in pieces small enough to be dropped", async () => {
  const { sink, outbox } = setup(100_000);
  outbox.in_frames = false;
  outbox.writeGap = (first, last) => new TextEncoder().encode(`lost ${first} to ${last}\n`);
  const line = (seq: number) => outbox.pushWords(new TextEncoder().encode(`${seq}\n`), seq, 1);
  line(1);
  await settled(); // it is in flight
  for (let seq = 2; seq <= 10_000; seq++) line(seq);
  const dropped = outbox.dropOldest(60_000);
  assert(dropped > 2_000 && dropped < 4_000, `${dropped}`);
  line(10_001);
  await sink.allow(Infinity);
  const rest = Array.from({ length: 10_000 - dropped }, (_, n) => dropped + 2 + n);
  assert.equal(
    new TextDecoder().decode(new Uint8Array(sink.taken)),
    ["1", `lost 2 to ${dropped + 1}`, ...rest, ""].join("\n"),
  );
});

Deno.test("Outbox.dropOldest() writes the gap in the words of whoever reads it, and counts their bytes", async () => {
  const { sink, outbox } = setup(100);
  outbox.in_frames = false;
  outbox.writeGap = (first, last) => new TextEncoder().encode(`lost ${first} to ${last}\n`);
  const event = (seq: number) => outbox.pushWords(new TextEncoder().encode(`event ${seq} ${"x".repeat(30)}\n`), seq, 1);
  event(1);
  await settled(); // it is in flight
  for (const seq of [2, 3, 4]) event(seq);
  assert.equal(outbox.dropOldest(60), 3);
  push(outbox, new TextEncoder().encode("event 5\n"), 5, 1);
  assert.equal(outbox.queued_bytes, 39 + "lost 2 to 4\nevent 5\n".length);
  await sink.allow(Infinity);
  assert.match(new TextDecoder().decode(new Uint8Array(sink.taken)), /^event 1 x+\nlost 2 to 4\nevent 5\n$/);
});
