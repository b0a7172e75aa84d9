import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { encodeFrame, FRAME_TYPES } from "../protocol/frame.ts";
import { BLOCK_BYTES } from "./buffer_pool.ts";
import { History, type Segment, SMALL_RUN_BYTES } from "./history.ts";

const EVENT_BYTES = 32;

/** A run of events of 32 bytes each that carry their numbers. */
function run(first: number, count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(EVENT_BYTES * count);
  for (let n = 0; n < count; n++) {
    const payload = new Uint8Array(8).fill(first + n);
    bytes.set(encodeFrame({ type: FRAME_TYPES.EVENT, id: first + n, payload }), n * EVENT_BYTES);
  }
  return bytes;
}

/** The numbers of the events that stand in segments, read from their memory. */
function numbers(segments: Segment[]): number[] {
  const all: number[] = [];
  for (const { bytes, start, end, first, count } of segments) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    assert.equal(end - start, count * EVENT_BYTES);
    for (let at = start; at < end; at += EVENT_BYTES) all.push(view.getUint32(at + 16, true));
    assert.equal(all[all.length - count], first);
  }
  return all;
}

const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

Deno.test("History.place() copies small runs behind each other", () => {
  const history = new History(1 << 20), a = run(1, 2), b = run(3, 1);
  assert.equal(history.place(a, 0, a.length, 1, 2), false);
  const memory = history.placed_bytes;
  assert.deepEqual([history.placed_start, history.placed_end], [0, 64]);
  assert.equal(history.place(b, 0, b.length, 3, 1), false);
  assert.equal(history.placed_bytes, memory);
  assert.deepEqual([history.placed_start, history.placed_end], [64, 96]);
  a.fill(0), b.fill(0);
  assert.deepEqual(numbers(history.since(0)), [1, 2, 3]);
});

Deno.test("History.place() keeps a large run where it is if it fills half of its buffer, and copies it otherwise", () => {
  const large = run(1, SMALL_RUN_BYTES / EVENT_BYTES);
  for (
    const [buffer_bytes, lent] of [[large.length, true], [large.length * 2, true], [large.length * 3, false]] as const
  ) {
    const history = new History(1 << 20), buffer = new Uint8Array(buffer_bytes);
    buffer.set(large);
    assert.equal(history.place(buffer, 0, large.length, 1, large.length / EVENT_BYTES), lent);
    assert.equal(history.placed_bytes === buffer, lent);
    assert.equal(history.held_bytes, lent ? buffer_bytes : large.length, "what is held counts, not what is in use");
  }
});

Deno.test("History.place() never writes to memory that it handed out", () => {
  const count = fc.integer({ min: 1, max: 3_000 });
  checkRandomly(
    fc.property(fc.array(count, { maxLength: 60 }), fc.boolean(), (counts, keeps) => {
      const history = new History(keeps ? 1 << 16 : 0), handed_out: { range: Uint8Array; was: Uint8Array }[] = [];
      let next = 1;
      for (const count of counts) {
        const bytes = run(next, count);
        if (!history.place(bytes, 0, bytes.length, next, count)) bytes.fill(0);
        const range = history.placed_bytes.subarray(history.placed_start, history.placed_end);
        handed_out.push({ range, was: range.slice() });
        next += count;
      }
      for (const { range, was } of handed_out) assert.deepEqual(range, was);
    }),
    30,
  );
});

Deno.test("History.since() cuts the first segment at the event that follows", () => {
  const history = new History(1 << 20), bytes = run(1, 10);
  history.place(bytes, 0, bytes.length, 1, 10);
  for (let seq = 0; seq <= 10; seq++) assert.deepEqual(numbers(history.since(seq)), upTo(seq + 1, 10));
  assert.deepEqual(history.since(10), []);
  assert.deepEqual(history.since(99), []);
});

Deno.test("History.since() hands out ranges that do not grow with what is placed later", () => {
  const history = new History(1 << 20), bytes = run(1, 2), more = run(3, 2);
  history.place(bytes, 0, bytes.length, 1, 2);
  const segments = history.since(0);
  history.place(more, 0, more.length, 3, 2);
  assert.deepEqual(numbers(segments), [1, 2]);
});

Deno.test("History keeps the latest events within its limit, whatever the runs", () => {
  const shape = fc.record({
    limit: fc.integer({ min: 0, max: 200_000 }),
    counts: fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 200, max: 4_000 })), { maxLength: 80 }),
  });
  checkRandomly(
    fc.property(shape, ({ limit, counts }) => {
      const history = new History(limit);
      let next = 1;
      for (const count of counts) {
        const bytes = run(next, count);
        history.place(bytes, 0, bytes.length, next, count);
        next += count;
        assert(history.held_bytes <= limit);
      }
      const kept = numbers(history.since(0));
      assert.deepEqual(kept, kept.length === 0 ? [] : upTo(next - kept.length, next - 1));
      assert.equal(history.first, kept[0] ?? 0);
      if (next > 1) {
        const middle = Math.floor(next / 2);
        assert.deepEqual(numbers(history.since(middle)), kept.filter((seq) => seq > middle));
      }
    }),
    40,
  );
});

Deno.test("History loses little more than it must: a sixteenth of the limit, or a block", () => {
  const limit = 4 * BLOCK_BYTES, history = new History(limit);
  for (let seq = 1; seq <= 20_000; seq++) history.place(run(seq, 1), 0, EVENT_BYTES, seq, 1);
  assert(history.held_bytes > limit * 15 / 16 - 2 * EVENT_BYTES, `${history.held_bytes} of ${limit}`);
});

Deno.test("History.resize() lets go of what is over the new limit at once; 0 keeps nothing", () => {
  const history = new History(1 << 20);
  for (let seq = 1; seq <= 1_000; seq++) history.place(run(seq, 1), 0, EVENT_BYTES, seq, 1);
  history.resize(10_000);
  assert(history.held_bytes <= 10_000);
  history.resize(0);
  assert.deepEqual([history.held_bytes, history.first, history.since(0)], [0, 0, []]);
  history.place(run(1_001, 1), 0, EVENT_BYTES, 1_001, 1);
  assert.deepEqual(history.since(0), []);
  history.resize(1 << 20);
  history.place(run(1_002, 1), 0, EVENT_BYTES, 1_002, 1);
  assert.deepEqual(numbers(history.since(0)), [1_002]);
});

Deno.test("History.since() gives the latest that come to so many bytes, cut between events", () => {
  const history = new History(1 << 20), all = upTo(1, 2_100);
  for (let first = 1; first <= 2_100; first += 100) {
    const bytes = run(first, 100);
    history.place(bytes, 0, bytes.length, first, 100);
  }
  assert.deepEqual(numbers(history.since(0, Infinity)), all);
  for (const events of [0, 1, 2, 99, 100, 101, 1_000, 2_099, 2_100, 3_000]) {
    const expected = events === 0 ? [] : all.slice(-events);
    assert.deepEqual(numbers(history.since(0, events * EVENT_BYTES)), expected, `${events}`);
    assert.deepEqual(numbers(history.since(0, events * EVENT_BYTES + EVENT_BYTES - 1)), expected, `${events}`);
  }
  assert.deepEqual(numbers(history.since(2_090, 5 * EVENT_BYTES)), upTo(2_096, 2_100));
  assert.deepEqual(history.since(0, -1), []);
});
