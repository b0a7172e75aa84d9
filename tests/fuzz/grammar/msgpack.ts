/**
 * Plain msgpack, written token by token: the widths that an encoder would not choose, counts that lie, keys that are no
 * text, nesting to the limit and over.
 *
 * @module
 */
import { NESTING_MAX } from "../../../protocol/limits.ts";
import { EDGES } from "../mutate.ts";
import type { Choices } from "../random.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What the protocol's bodies have as keys, and what would hurt if it were a key of an object. */
const KEYS = [
  ...["name", "pid", "listen", "handle", "presence", "echo", "token", "channel", "schema", "overflow", "resume"],
  ...["epoch", "seq", "client", "server", "version", "features", "max_message", "from", "to", "reason", "event"],
  ...["code", "message", "data", "stream", "__proto__", "constructor", "toString", "hasOwnProperty", ""],
];
const WORDS = ["drop", "block", "disconnect", "join", "leave", "roles", "overflow", "jobs", "a", "\u{1f600}", "\u0007"];

const encoder = new TextEncoder();

/** A map, as a body must be. */
export function body(choices: Choices): Bytes {
  const output: number[] = [];
  map(choices, output, 0);
  return Uint8Array.from(output);
}

/** Any value; where it lies, it does so about once in a hundred tokens. */
export function value(choices: Choices): Bytes {
  const output: number[] = [];
  if (choices.oneIn(24)) nested(choices, output);
  else any(choices, output, 0);
  return Uint8Array.from(output);
}

function any(choices: Choices, output: number[], depth: number): void {
  if (output.length > 4096) return void output.push(0xc0);
  const kind = choices.below(depth > 4 ? 8 : 11);
  if (kind < 2) output.push(choices.below(128));
  else if (kind === 2) output.push(choices.pick([0xc0, 0xc2, 0xc3, 0xc3, 0xe0, 0xff]));
  else if (kind === 3) number(choices, output);
  else if (kind < 6) text(choices, output, choices.oneIn(2) ? choices.pick(WORDS) : undefined);
  else if (kind === 6) memory(choices, output);
  else if (kind === 7) output.push(choices.oneIn(12) ? choices.below(256) : 0xc2);
  else if (kind === 8) list(choices, output, depth);
  else map(choices, output, depth);
}

function number(choices: Choices, output: number[]): void {
  const head = choices.pick([0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3]);
  const width = head < 0xcc ? 4 << (head & 1) : 1 << (head & 3), edge = choices.pick([0, 0x7f, 0x80, 0xff]);
  output.push(head);
  for (let left = width; left > 0; left--) output.push(choices.oneIn(2) ? edge : choices.below(256));
}

function memory(choices: Choices, output: number[]): void {
  const length = choices.size(40);
  lengthOf(choices, output, length, 0xc4);
  output.push(...choices.bytes(length));
}

function list(choices: Choices, output: number[], depth: number): void {
  const count = choices.size(6);
  countOf(choices, output, count, 0x90, 0xdc);
  for (let left = count; left > 0; left--) any(choices, output, depth + 1);
}

function map(choices: Choices, output: number[], depth: number): void {
  const count = choices.size(8);
  countOf(choices, output, count, 0x80, 0xde);
  for (let left = count; left > 0; left--) {
    if (choices.oneIn(60)) any(choices, output, depth + 1);
    else text(choices, output, choices.pick(KEYS));
    any(choices, output, depth + 1);
  }
}

function text(choices: Choices, output: number[], given?: string): void {
  const bytes = given === undefined ? someText(choices) : encoder.encode(given);
  if (bytes.length < 32 && !choices.oneIn(6)) output.push(0xa0 | bytes.length);
  else lengthOf(choices, output, bytes.length, 0xd9);
  for (const byte of bytes) output.push(byte);
}

function someText(choices: Choices): Bytes {
  const length = choices.size(80);
  if (choices.oneIn(8)) return choices.bytes(length);
  return encoder.encode(String.fromCodePoint(...choices.many(length, () => choices.oneIn(9) ? 0xe9 : 0x61)));
}

/** As deep as it goes, or one deeper. */
function nested(choices: Choices, output: number[]): void {
  const depth = choices.oneIn(8) ? choices.size(20_000) : NESTING_MAX - 2 + choices.below(5);
  for (let left = depth; left > 0; left--) {
    if (choices.oneIn(2)) output.push(0x91);
    else output.push(0x81, 0xa1, 0x61);
  }
  output.push(choices.oneIn(2) ? 0x90 : 0x01);
}

/** A count in the head, or in 2 or 4 bytes behind it. */
function countOf(choices: Choices, output: number[], count: number, narrow: number, wide: number): void {
  const said = choices.oneIn(100) ? choices.pick(EDGES) : count;
  if (said < 16 && !choices.oneIn(8)) output.push(narrow | said);
  else if (said < 65_536 && !choices.oneIn(3)) output.push(wide, said >> 8, said & 0xff);
  else output.push(wide + 1, said >>> 24, said >>> 16 & 0xff, said >>> 8 & 0xff, said & 0xff);
}

/** A length in 1, 2 or 4 bytes behind the head. */
function lengthOf(choices: Choices, output: number[], length: number, wide: number): void {
  const said = choices.oneIn(100) ? choices.pick(EDGES) : length;
  if (said < 256 && !choices.oneIn(3)) output.push(wide, said);
  else if (said < 65_536 && !choices.oneIn(3)) output.push(wide + 1, said >> 8, said & 0xff);
  else output.push(wide + 2, said >>> 24, said >>> 16 & 0xff, said >>> 8 & 0xff, said & 0xff);
}
