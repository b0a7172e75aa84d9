/**
 * Makes something wrong out of something right: bytes that are nearly what a decoder expects reach further into it than
 * any that are only random.
 *
 * @module
 */
import type { Choices } from "./random.ts";
import { joined } from "../../protocol/joined.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** No mutation makes an input longer than this. */
export const INPUT_BYTES_MAX = 256 * 1024;

/** Lengths and counts at which something changes. */
export const EDGES: readonly number[] = [
  ...[0, 1, 2, 15, 16, 23, 24, 25, 31, 32, 63, 64, 65, 127, 128, 255, 256, 1023, 1024, 4095, 4096, 4097],
  ...[16_384, 16_385, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff],
];

type Mutation = (bytes: Bytes, choices: Choices, others: readonly Bytes[]) => Bytes;

const MUTATIONS: readonly Mutation[] = [
  // One bit.
  (bytes, choices) => changed(bytes, choices, (byte) => byte ^ 1 << choices.below(8)),
  // One byte.
  (bytes, choices) => changed(bytes, choices, () => choices.below(256)),
  (bytes, choices) => changed(bytes, choices, (byte) => byte + (choices.oneIn(2) ? 1 : 255)),
  // A number that some length field may be.
  (bytes, choices) => number(bytes, choices, 4, choices.oneIn(4)),
  (bytes, choices) => number(bytes, choices, 2, choices.oneIn(2)),
  // A piece is lost, doubled, moved, put in.
  (bytes, choices) => {
    const [from, to] = piece(bytes, choices);
    return joined([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (bytes, choices) => {
    const [from, to] = piece(bytes, choices), times = 1 + choices.size(64);
    const more = Array.from({ length: times }, () => bytes.subarray(from, to));
    return joined([bytes.subarray(0, to), ...more, bytes.subarray(to)]);
  },
  (bytes, choices) => {
    const [from, to] = piece(bytes, choices), at = choices.below(bytes.length + 1);
    return joined([bytes.subarray(0, at), bytes.subarray(from, to), bytes.subarray(at)]);
  },
  (bytes, choices) => {
    const at = choices.below(bytes.length + 1);
    return joined([bytes.subarray(0, at), choices.bytes(1 + choices.size(32)), bytes.subarray(at)]);
  },
  // The end is missing.
  (bytes, choices) => bytes.slice(0, choices.below(bytes.length + 1)),
  // It goes on as another.
  (bytes, choices, others) => {
    if (others.length === 0) return bytes;
    const other = choices.pick(others), from = choices.below(other.length + 1);
    return joined([bytes.subarray(0, choices.below(bytes.length + 1)), other.subarray(from)]);
  },
];

/**
 * Changes bytes in one to eight ways.
 *
 * @param others What it may be crossed with.
 */
export function mutated(bytes: Bytes, choices: Choices, others: readonly Bytes[] = []): Bytes {
  let result = bytes;
  for (let left = 1 + choices.size(7); left > 0; left--) {
    const next = choices.pick(MUTATIONS)(result, choices, others);
    if (next.length <= INPUT_BYTES_MAX) result = next;
  }
  return result;
}

function changed(bytes: Bytes, choices: Choices, change: (byte: number) => number): Bytes {
  if (bytes.length === 0) return bytes;
  const copy = bytes.slice(), at = choices.below(bytes.length);
  copy[at] = change(copy[at]!);
  return copy;
}

function number(bytes: Bytes, choices: Choices, width: 2 | 4, big_endian: boolean): Bytes {
  if (bytes.length < width) return bytes;
  const copy = bytes.slice(), view = new DataView(copy.buffer), at = choices.below(bytes.length - width + 1);
  // Half of them where the length of the first frame stands.
  const place = width === 4 && choices.oneIn(4) ? 0 : at, edge = choices.pick(EDGES);
  if (width === 4) view.setUint32(place, edge, !big_endian);
  else view.setUint16(place, edge, !big_endian);
  return copy;
}

function piece(bytes: Bytes, choices: Choices): [from: number, to: number] {
  const from = choices.below(bytes.length + 1);
  return [from, from + choices.size(Math.max(1, bytes.length - from))];
}
