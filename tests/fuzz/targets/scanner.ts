/**
 * The scanner, against a reading of the same bytes that has them all at once: however they are cut, the same frames and
 * the same error come out, runs are stamped as documented, memory follows what has arrived, and what was lent stays as
 * it was.
 *
 * @module
 */
import assert from "node:assert/strict";
import { FLAGS, FRAME_TYPES, FROM_BROKER, FROM_CLIENT, OFFSET, RULES } from "../../../protocol/frame.ts";
import type { ErrorName } from "../../../protocol/errors.ts";
import { IpcError } from "../../../protocol/errors.ts";
import { type Memory, Scanner } from "../../../protocol/scanner.ts";
import { frames } from "../grammar/frames.ts";
import { mutated } from "../mutate.ts";
import { type Choices, fnv, Random } from "../random.ts";
import { attempt, type Target } from "../target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Longer inputs are not given byte by byte. */
const SINGLE_BYTES_MAX = 4096;
const SOURCE = 7;

/** What a stream of bytes holds. */
interface Reading {
  /** Whole frames, those of a run stamped. */
  frames: Bytes[];
  acks: number[];
  error: ErrorName | "UNKNOWN" | undefined;
}

/** See the module's head. */
export const SCANNER: Target = {
  name: "scanner",
  about: "frames out of a stream of bytes, cut anywhere",
  input(choices: Choices) {
    const bytes = frames(choices, choices.oneIn(20) ? 400 : 12);
    return choices.oneIn(3) ? bytes : mutated(bytes, choices);
  },
  check(input, timed) {
    const choices = new Random(String(fnv(input)));
    const from = choices.oneIn(3) ? FROM_BROKER : FROM_CLIENT, limit = choices.pick([0, 1, 64, 4096, 1 << 20, 1 << 30]);
    const first_low = choices.oneIn(2) ? 0xffff_fffe : 1, is_broker = from === FROM_CLIENT;
    const expected = readWhole(input, from, limit, is_broker ? first_low : undefined);
    const ways: number[][] = [[input.length], [1 + choices.below(input.length + 1), input.length]];
    ways.push(choices.many(16, () => 1 + choices.size(Math.max(1, input.length))));
    if (input.length <= SINGLE_BYTES_MAX) ways.push([1]);
    for (const sizes of ways) {
      const lends = choices.oneIn(2);
      const actual = timed(() => readInPieces(input, sizes, from, limit, is_broker ? first_low : undefined, lends));
      assert.deepEqual(actual.acks, expected.acks);
      assert.deepEqual(actual.error, expected.error);
      assert.equal(actual.frames.length, expected.frames.length);
      for (const [at, frame] of expected.frames.entries()) assert.deepEqual(actual.frames[at], frame);
    }
  },
};

/** Reads what is there as a whole. */
function readWhole(input: Bytes, from: number, limit: number, first_low: number | undefined): Reading {
  const reading: Reading = { frames: [], acks: [], error: undefined }, view = new DataView(input.buffer);
  const sequence = { low: first_low ?? 0, high: 3 };
  for (let at = 0; input.length - at >= 24;) {
    const length = view.getUint32(at, true), type = input[at + 4]!, flags = input[at + 5]!;
    const payload = length - 24 - view.getUint16(at + 6, true), rule = RULES[type]!;
    if ((rule >> 8 & from) === 0 || (flags & ~(rule & 0xff)) !== 0 || payload < 0) reading.error = "PROTOCOL";
    else if (payload > limit) reading.error = "TOO_LARGE";
    if (reading.error !== undefined || length > input.length - at) break;
    const frame = input.slice(at, at + length);
    if (first_low !== undefined && isForRun(frame)) stamp(frame, sequence, reading.acks);
    reading.frames.push(frame);
    at += length;
  }
  return reading;
}

function isForRun(frame: Bytes): boolean {
  const target = new DataView(frame.buffer).getUint32(OFFSET.target, true);
  return frame[4] === FRAME_TYPES.EVENT && target === 0 && (frame[5]! & FLAGS.RETAIN) === 0;
}

function stamp(frame: Bytes, sequence: { low: number; high: number }, acks: number[]): void {
  const view = new DataView(frame.buffer);
  if ((frame[5]! & FLAGS.ACK) !== 0) acks.push(view.getUint32(OFFSET.id, true));
  frame[5]! &= ~FLAGS.ACK;
  view.setUint32(OFFSET.source, SOURCE, true);
  view.setUint32(OFFSET.id, sequence.low, true);
  view.setUint32(OFFSET.aux, sequence.high, true);
  sequence.low = (sequence.low + 1) >>> 0;
  if (sequence.low === 0) sequence.high++;
}

/** Reads as a connection does; `sizes` says how much comes at a time, again and again. */
function readInPieces(
  input: Bytes,
  sizes: readonly number[],
  from: typeof FROM_CLIENT | typeof FROM_BROKER,
  limit: number,
  first_low: number | undefined,
  lends: boolean,
): Reading {
  const lent: { view: Bytes; copy: Bytes }[] = [], memory = new PoisonedMemory();
  const scanner = new Scanner(from, limit, memory), sequence = { low: first_low ?? 0, high: 3 };
  const reading: Reading = { frames: [], acks: [], error: undefined };
  const { error } = attempt(
    () => {
      for (let at = 0, turn = 0; at < input.length; turn++) {
        const space = scanner.space(),
          piece = input.subarray(at, at + Math.min(sizes[turn % sizes.length]!, space.length));
        assert(space.length > 0);
        space.set(piece);
        scanner.filled(piece.length);
        at += piece.length;
        assert(scanner.bytes.length <= Math.max(1024, 4 * at), `${scanner.bytes.length} bytes of memory for ${at}`);
        for (let type; (type = scanner.next()) !== 0;) {
          if (first_low === undefined || !isForRun(scanner.bytes.slice(scanner.start, scanner.start + 24))) {
            assert.equal(scanner.frame().type, type);
            reading.frames.push(scanner.bytes.slice(scanner.start, scanner.start + scanner.frame_bytes));
            scanner.advance();
            continue;
          }
          const count = scanner.events(SOURCE, sequence),
            run = scanner.bytes.subarray(scanner.run_start, scanner.start);
          if (lends) {
            scanner.lend();
            memory.keep(run);
            lent.push({ view: run, copy: run.slice() });
          }
          const view = new DataView(run.buffer, run.byteOffset);
          let taken = 0;
          for (let place = 0; place < run.length; taken++) {
            const length = view.getUint32(place, true);
            reading.frames.push(run.slice(place, place + length));
            place += length;
          }
          assert(count > 0 && count === taken);
        }
      }
    },
    "PROTOCOL",
    "TOO_LARGE",
  );
  for (const { view, copy } of lent) assert.deepEqual(view, copy, "what was lent has been written to");
  reading.acks = scanner.acks;
  if (error instanceof IpcError) reading.error = error.reason;
  return reading;
}

/** Memory that is spoilt when it is released, unless somebody was lent a part of it. */
class PoisonedMemory implements Memory {
  readonly #kept = new Set<ArrayBuffer>();

  take(bytes: number): Bytes {
    return new Uint8Array(bytes).fill(0xaa);
  }

  release(bytes: Bytes): void {
    if (!this.#kept.has(bytes.buffer)) bytes.fill(0xdd);
  }

  forget(bytes: Bytes): void {
    this.release(bytes);
  }

  keep(part: Bytes): void {
    this.#kept.add(part.buffer);
  }
}
