/**
 * Frames as they should be, and nearly.
 *
 * @module
 */
import { FLAGS, FRAME_TYPES, RULES, writeHeader } from "../../../protocol/frame.ts";
import { joined } from "../../../protocol/joined.ts";
import { readGolden } from "../../golden/golden.ts";
import { EDGES } from "../mutate.ts";
import type { Choices } from "../random.ts";
import { body } from "./msgpack.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Every kind of frame, as an author of a client would write it. */
export const GOLDEN: readonly Bytes[] = [...readGolden()].filter(([name]) => name !== "preface")
  .map(([, { bytes }]) => bytes);

const TYPES = Object.values(FRAME_TYPES);
/** Flags of a message's payload that say something else than its encoding. */
const MARKS = [0, 0, FLAGS.ACK, FLAGS.MORE, FLAGS.ERROR, FLAGS.RETAIN, FLAGS.ALL, FLAGS.ACK | FLAGS.RETAIN];

/** A number as it may stand in a header: mostly a small one. */
export function field(choices: Choices): number {
  return choices.oneIn(8) ? choices.pick(EDGES) : choices.oneIn(2) ? 0 : choices.below(16);
}

/**
 * One frame. Most are right: the others have a type, flags or a length that cannot be.
 *
 * @param types Of which one is taken.
 */
export function frame(choices: Choices, types: readonly number[] = TYPES): Bytes {
  const type = choices.oneIn(40) ? choices.below(256) : choices.pick(types);
  const may = RULES[type]! & 0xff, wants = choices.pick(MARKS) | choices.below(4);
  const flags = choices.oneIn(40) ? choices.below(256) : wants & may;
  const headers = choices.oneIn(4) ? headersBlock(choices) : new Uint8Array(0), payload = framePayload(choices, type);
  const bytes = new Uint8Array(24 + headers.length + payload.length), view = new DataView(bytes.buffer);
  const length = choices.oneIn(60) ? choices.pick(EDGES) : bytes.length;
  const headers_bytes = choices.oneIn(60) ? choices.pick(EDGES) & 0xffff : headers.length;
  const source = choices.oneIn(4) ? field(choices) : 0, target = choices.oneIn(3) ? field(choices) : 0;
  writeHeader(view, 0, length, type, flags, headers_bytes, source, target, field(choices), field(choices));
  bytes.set(headers, 24);
  bytes.set(payload, 24 + headers.length);
  return bytes;
}

/** Some frames, one behind the other; often the same kind again. */
export function frames(choices: Choices, most: number): Bytes {
  const types = choices.oneIn(2) ? TYPES : [FRAME_TYPES.EVENT, FRAME_TYPES.EVENT, choices.pick(TYPES)];
  const one = () => choices.oneIn(6) ? choices.pick(GOLDEN) : frame(choices, types);
  return joined(choices.many(1 + choices.size(most), one));
}

function headersBlock(choices: Choices): Bytes {
  return choices.oneIn(3) ? choices.bytes(choices.size(40)) : body(choices);
}

function framePayload(choices: Choices, type: number): Bytes {
  const is_message = type >= FRAME_TYPES.EVENT && type <= FRAME_TYPES.REPLY;
  if (!is_message && choices.oneIn(2)) return body(choices);
  const length = choices.oneIn(30) ? choices.size(70_000) : choices.size(64);
  return choices.oneIn(2) ? new Uint8Array(length).fill(0x61) : choices.bytes(Math.min(length, 2000));
}
