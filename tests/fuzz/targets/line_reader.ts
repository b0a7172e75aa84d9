/**
 * Lines out of a stream of bytes: however it is cut, the same lines and the same error.
 *
 * @module
 */
import assert from "node:assert/strict";
import { LineReader } from "../../../daemon/dialects/line_reader.ts";
import type { Connection } from "../../../daemon/transport/connection.ts";
import { FROM_CLIENT } from "../../../protocol/frame.ts";
import { Scanner } from "../../../protocol/scanner.ts";
import { joined } from "../../../protocol/joined.ts";
import { fnv, Random } from "../random.ts";
import { attempt, type Target } from "../target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const LF = 0x0a, CR = 0x0d;
const ENDS = ["\n", "\n", "\r\n", "\r", "\r\r\n", "\n\n", ""].map((end) => new TextEncoder().encode(end));

/** See the module's head. */
export const LINE_READER: Target = {
  name: "line-reader",
  about: "lines out of a stream of bytes, cut anywhere",
  input(choices) {
    const line = () => [new Uint8Array(choices.size(choices.oneIn(9) ? 5000 : 70)).fill(0x61), choices.pick(ENDS)];
    return joined([...choices.many(1 + choices.size(20), line).flat(), choices.bytes(choices.size(8))]);
  },
  check(input, timed) {
    const choices = new Random(String(fnv(input))), limit = choices.pick([0, 10, 64, 1000, 100_000]);
    const expected = linesOf(input, limit);
    for (const most of [1, 2, 3 + choices.size(40), input.length]) {
      if (most < 3 && input.length > 4096) continue;
      const actual = timed(() => read(input, () => 1 + choices.below(most), limit));
      assert.deepEqual(actual.lines, expected.lines);
      assert.equal(actual.failed, expected.failed);
    }
  },
};

interface Reading {
  lines: Bytes[];
  failed: boolean;
}

function linesOf(input: Bytes, limit: number): Reading {
  const lines: Bytes[] = [];
  for (let at = 0; at < input.length;) {
    const found = input.indexOf(LF, at), end = found < 0 ? input.length : found;
    const line = input.slice(at, end > at && input[end - 1] === CR ? end - 1 : end);
    if (line.length > limit) return { lines, failed: true };
    // What has no end is all that is left when the stream ends, its CR included.
    lines.push(found < 0 ? input.slice(at) : line);
    at = end + 1;
  }
  return { lines, failed: false };
}

function read(input: Bytes, size: () => number, limit: number): Reading {
  const scanner = new Scanner(FROM_CLIENT, 0), lines: Bytes[] = [];
  // All that it uses of a connection.
  const reader = new LineReader({ scanner } as Connection, () => limit);
  const { error } = attempt(() => {
    for (let at = 0; at < input.length;) {
      const space = scanner.space(), piece = input.subarray(at, at + Math.min(size(), space.length));
      space.set(piece);
      scanner.filled(piece.length);
      at += piece.length;
      while (reader.take()) lines.push(reader.bytes.slice());
      assert(reader.held_bytes <= at);
    }
    if (reader.rest()) lines.push(reader.bytes.slice());
  }, "TOO_LARGE");
  return { lines, failed: error !== undefined };
}
