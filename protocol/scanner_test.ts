import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { type ERROR_CODES, IpcError } from "./errors.ts";
import {
  encodeFrame,
  FLAGS,
  type Frame,
  FRAME_TYPES,
  type FrameType,
  FROM_BROKER,
  FROM_CLIENT,
  RULES,
  writeHeader,
} from "./frame.ts";
import { HEADER_BYTES, READ_BUFFER_BYTES_MAX, READ_BUFFER_BYTES_MIN } from "./limits.ts";
import { Scanner, type Sequence } from "./scanner.ts";

const LIMIT = 1024 * 1024;
const { EVENT, REQUEST, REPLY, PING, HELLO } = FRAME_TYPES;

function payload(length: number, fill = 0x61): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(fill);
}

function joined(frames: Partial<Frame>[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(frames.flatMap((frame) => [...encodeFrame(frame as Frame)]));
}

/** Reads `bytes` as if reads brought what `sizes` says, again and again, and gives every frame a copy. */
function scan(bytes: Uint8Array, sizes: Iterable<number>, scanner = new Scanner(FROM_CLIENT, LIMIT)): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  for (const size of sizes) {
    for (const end = Math.min(at + size, bytes.length); at < end;) {
      const space = scanner.space(), part = bytes.subarray(at, Math.min(end, at + space.length));
      assert.ok(space.length > 0);
      space.set(part);
      scanner.filled(part.length);
      at += part.length;
      while (scanner.next() !== 0) {
        const frame = scanner.frame();
        frames.push({ ...frame, headers: frame.headers.slice(), payload: frame.payload.slice() });
        scanner.advance();
      }
      assert.ok(0 <= scanner.start && scanner.start <= scanner.end && scanner.end <= scanner.bytes.length);
    }
  }
  assert.equal(at, bytes.length, "the sizes did not cover the input");
  return frames;
}

function feed(scanner: Scanner, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const space = scanner.space(), part = bytes.subarray(at, at + space.length);
    space.set(part);
    scanner.filled(part.length);
    at += part.length;
  }
}

const SAMPLE: Frame[] = [
  frame(HELLO, 0, 0, 12),
  frame(EVENT, FLAGS.ACK | 1, 5, 40),
  frame(EVENT, 0, 0, 0),
  frame(REQUEST, FLAGS.ALL | 2, 300, 7),
  frame(REPLY, FLAGS.MORE | FLAGS.ERROR, 1, 1),
  frame(PING, 0, 0, 0),
];

function frame(type: FrameType, flags: number, headers: number, length: number): Frame {
  const rest = { source: 0, target: 9, id: 0xdead_beef, aux: 0xffff_ffff };
  return { type, flags, ...rest, headers: payload(headers, 0x80), payload: payload(length) };
}

Deno.test("Scanner finds every frame whole, byte by byte and in every two-way split", () => {
  const bytes = joined(SAMPLE);
  assert.deepEqual(scan(bytes, [bytes.length]), SAMPLE);
  assert.deepEqual(scan(bytes, payload(bytes.length, 1)), SAMPLE);
  for (let at = 0; at <= bytes.length; at++) assert.deepEqual(scan(bytes, [at, bytes.length - at]), SAMPLE);
});

Deno.test("Scanner gives what is whole and keeps what is truncated at each byte", () => {
  const bytes = joined(SAMPLE), ends: number[] = [];
  for (const one of SAMPLE) ends.push((ends.at(-1) ?? 0) + encodeFrame(one).length);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const whole = ends.filter((end) => end <= cut).length;
    const scanner = new Scanner(FROM_CLIENT, LIMIT);
    assert.deepEqual(scan(bytes.subarray(0, cut), [cut], scanner), SAMPLE.slice(0, whole));
    assert.equal(scanner.end - scanner.start, cut - (ends[whole - 1] ?? 0));
  }
});

Deno.test("Scanner finds random frames in random pieces", () => {
  const frames = fc.array(
    fc.record({
      type: fc.constantFrom(EVENT, REQUEST, REPLY, PING),
      source: fc.nat(0xffff_ffff),
      target: fc.nat(0xffff_ffff),
      id: fc.nat(0xffff_ffff),
      aux: fc.nat(0xffff_ffff),
      flags: fc.nat(3),
      headers: fc.uint8Array({ maxLength: 100 }).map((bytes) => new Uint8Array(bytes)),
      payload: fc.nat(20_000).map((length) => payload(length)),
    }, { noNullPrototype: true }),
    { maxLength: 20 },
  );
  checkRandomly(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1 }), (frames, sizes) => {
      const bytes = joined(frames), repeated: number[] = [];
      for (let at = 0, next = 0; at < bytes.length; next++) {
        repeated.push(sizes[next % sizes.length]!);
        at += repeated.at(-1)!;
      }
      assert.deepEqual(scan(bytes, repeated), frames);
    }),
    50,
  );
});

Deno.test("Scanner.events() stamps a run in place and stops at the first frame that is no event to all", () => {
  const enders: Partial<Frame>[] = [
    { type: PING },
    { type: EVENT, target: 4 },
    { type: EVENT, flags: FLAGS.RETAIN },
    { type: REQUEST },
  ];
  for (const ender of enders) {
    const scanner = new Scanner(FROM_CLIENT, LIMIT), sequence: Sequence = { low: 7, high: 0 };
    const events = [{ type: EVENT, flags: 2, payload: payload(3) }, { type: EVENT, headers: payload(2), id: 5 }, {
      type: EVENT,
    }];
    feed(scanner, joined([...events, ender, { type: EVENT }]));
    assert.equal(scanner.events(12, sequence), 3);
    assert.deepEqual(sequence, { low: 10, high: 0 });
    assert.deepEqual(
      scanner.bytes.slice(scanner.run_start, scanner.start),
      joined(events.map((event, at) => ({ ...event, source: 12, id: 7 + at, aux: 0 }))),
    );
    assert.equal(scanner.events(12, sequence), 0);
    assert.equal(scanner.next(), ender.type);
    scanner.advance();
    assert.equal(scanner.events(12, sequence), 1);
    assert.equal(scanner.start, scanner.end);
  }
});

Deno.test("Scanner.events() leaves a cut event for later", () => {
  const event = { type: EVENT, payload: payload(10) }, bytes = joined([event, event]);
  for (let cut = 34; cut < bytes.length; cut++) {
    const scanner = new Scanner(FROM_CLIENT, LIMIT), sequence: Sequence = { low: 1, high: 0 };
    feed(scanner, bytes.subarray(0, cut));
    assert.equal(scanner.events(1, sequence), 1);
    assert.equal(scanner.next(), 0);
    feed(scanner, bytes.subarray(cut));
    assert.equal(scanner.events(1, sequence), 1);
    assert.deepEqual(
      scanner.bytes.slice(scanner.run_start, scanner.start),
      encodeFrame({ ...event, source: 1, id: 2 }),
    );
  }
});

Deno.test("Scanner.events() notes who wants an ACK and takes the wish out of the frame", () => {
  const scanner = new Scanner(FROM_CLIENT, LIMIT);
  feed(
    scanner,
    joined([{ type: EVENT, flags: FLAGS.ACK | 3, id: 41 }, { type: EVENT, id: 42 }, {
      type: EVENT,
      flags: FLAGS.ACK,
      id: 0xffff_ffff,
    }]),
  );
  assert.equal(scanner.events(1, { low: 1, high: 0 }), 3);
  assert.deepEqual(scanner.acks, [41, 0xffff_ffff]);
  assert.equal(scanner.bytes[scanner.run_start + 5], 3);
});

Deno.test("Scanner.events() carries the sequence number into its high half", () => {
  const scanner = new Scanner(FROM_CLIENT, LIMIT), sequence: Sequence = { low: 0xffff_ffff, high: 6 };
  feed(scanner, joined([{ type: EVENT }, { type: EVENT }, { type: EVENT }]));
  scanner.events(1, sequence);
  assert.deepEqual(sequence, { low: 2, high: 7 });
  const stamped = [0xffff_ffff, 0, 1].map((id) => ({ type: EVENT, source: 1, id, aux: id === 0xffff_ffff ? 6 : 7 }));
  assert.deepEqual(scanner.bytes.slice(scanner.run_start, scanner.start), joined(stamped));
});

function header(length: number, type: number, flags = 0, headers = 0): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  writeHeader(new DataView(bytes.buffer), 0, length, type, flags, headers, 0, 0, 0, 0);
  return bytes;
}

function refused(bytes: Uint8Array, reason: keyof typeof ERROR_CODES, from: 1 | 2 = FROM_CLIENT): void {
  const scanner = new Scanner(from, LIMIT);
  feed(scanner, bytes);
  assert.equal(scanner.events(1, { low: 1, high: 0 }), 0, "a broken frame was taken into a run");
  assert.throws(() => scanner.next(), (error) => error instanceof IpcError && error.reason === reason);
}

Deno.test("Scanner.next() refuses every type and flag that RULES does not allow", () => {
  for (const from of [FROM_CLIENT, FROM_BROKER] as const) {
    for (let type = 0; type < 256; type++) {
      const rule = RULES[type]!;
      if ((rule >>> 8 & from) === 0) {
        refused(header(24, type), "PROTOCOL", from);
        continue;
      }
      for (let flags = 0; flags < 256; flags++) {
        if ((flags & ~rule & 0xff) !== 0) refused(header(24, type, flags), "PROTOCOL", from);
      }
    }
  }
});

Deno.test("Scanner.next() refuses lengths below the header and above the limit as soon as the header is there", () => {
  for (const length of [0, 1, 23]) refused(header(length, EVENT), "PROTOCOL");
  refused(header(24, EVENT, 0, 1), "PROTOCOL");
  refused(header(24 + 65_534, EVENT, 0, 65_535), "PROTOCOL");
  for (const length of [24 + LIMIT + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    refused(header(length, EVENT), "TOO_LARGE");
  }
  refused(header(24 + 65_535 + LIMIT + 1, EVENT, 0, 65_535), "TOO_LARGE");
  const scanner = new Scanner(FROM_CLIENT, LIMIT);
  feed(scanner, header(24 + 65_535 + LIMIT, EVENT, 0, 65_535));
  assert.equal(scanner.next(), 0);
});

Deno.test("Scanner.space() grows with what has arrived, never with what is announced", () => {
  const scanner = new Scanner(FROM_CLIENT, LIMIT), bytes = encodeFrame({ type: EVENT, payload: payload(LIMIT) });
  feed(scanner, bytes.subarray(0, HEADER_BYTES));
  assert.equal(scanner.next(), 0);
  for (let at = HEADER_BYTES; at < bytes.length;) {
    const space = scanner.space();
    assert.ok(
      scanner.bytes.length <= Math.max(READ_BUFFER_BYTES_MIN, 4 * at),
      `${scanner.bytes.length} bytes for ${at}`,
    );
    const part = bytes.subarray(at, at + space.length);
    space.set(part);
    scanner.filled(part.length);
    at += part.length;
  }
  assert.equal(scanner.next(), EVENT);
  assert.deepEqual(scanner.frame().payload, payload(LIMIT));
  scanner.advance();
  assert.equal(scanner.space().length, READ_BUFFER_BYTES_MAX, "the frame's memory was kept");
});

Deno.test("Scanner.space() grows fourfold when a read filled it and shrinks when reads are small", () => {
  const scanner = new Scanner(FROM_CLIENT, LIMIT), sizes: number[] = [];
  const read = (bytes: number) => {
    sizes.push(scanner.space().length);
    scanner.filled(bytes);
    scanner.start = scanner.end;
  };
  for (const bytes of [1024, 4096, 16_384, 65_536, 262_144, 262_144, 24, 24, 24, 24, 24]) read(bytes);
  assert.deepEqual(sizes, [1024, 4096, 16_384, 65_536, 262_144, 262_144, 262_144, 65_536, 16_384, 4096, 1024]);
});

Deno.test("Scanner.lend() keeps what was lent from being overwritten", () => {
  const scanner = new Scanner(FROM_CLIENT, LIMIT), sequence: Sequence = { low: 1, high: 0 };
  const lent: { view: Uint8Array; copy: Uint8Array }[] = [];
  const bytes = joined(Array.from({ length: 300 }, (_, at) => ({ type: EVENT, payload: payload(at, at) })));
  for (let at = 0; at < bytes.length;) {
    const part = bytes.subarray(at, at + Math.min(scanner.space().length, 777));
    scanner.space().set(part);
    scanner.filled(part.length);
    at += part.length;
    if (scanner.events(5, sequence) > 0) {
      const view = scanner.bytes.subarray(scanner.run_start, scanner.start);
      lent.push({ view, copy: view.slice() });
      scanner.lend();
    }
  }
  for (const { view, copy } of lent) assert.deepEqual(view, copy);
  assert.equal(lent.reduce((sum, { view }) => sum + view.length, 0), bytes.length);
  assert.equal(sequence.low, 301);
});
