/**
 * The protocol's own bodies: msgpack from strangers, against npm's msgpackr as a second reader; and what each frame's
 * body is read as.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Unpackr } from "msgpackr/unpack";
import {
  type Body,
  decodeBody,
  decodeError,
  decodeGap,
  decodeHello,
  decodePosition,
  decodePresence,
  decodeRoles,
  decodeWelcome,
  encodeBody,
  encodeError,
  encodeGap,
  encodeHello,
  encodePosition,
  encodePresence,
  encodeRoles,
  encodeWelcome,
  HEADER_BYTES,
  IpcError,
  type Plain,
  type Position,
  type Value,
} from "../../../protocol/mod.ts";
import { GOLDEN } from "../grammar/frames.ts";
import { body, value } from "../grammar/msgpack.ts";
import { plainBody } from "../grammar/values.ts";
import { mutated } from "../mutate.ts";
import { Tape } from "../random.ts";
import { attempt, type Target } from "../target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const SEEDS: readonly Bytes[] = GOLDEN.map((frame) => frame.slice(HEADER_BYTES)).filter(({ length }) => length > 8);

/** Another reader of msgpack, which trusts its input: it is asked only about what ours has taken. */
const other = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "number" });

/** What each frame's body is read by, and how what was read is written. */
const CODECS: readonly { decode: (bytes: Bytes) => unknown; encode: (read: never) => Bytes }[] = [
  { decode: decodeHello, encode: encodeHello },
  { decode: decodeRoles, encode: encodeRoles },
  { decode: decodeWelcome, encode: encodeWelcome },
  { decode: decodeGap, encode: encodeGap },
  { decode: decodePresence, encode: encodePresence },
  {
    decode: decodePosition,
    encode: (read: Position | undefined) => read === undefined ? encodeBody({}) : encodePosition(read),
  },
];

/** Bytes from strangers. */
export const BODIES: Target = {
  name: "bodies",
  about: "msgpack bodies from strangers: HELLO, ROLES, WELCOME, GAP, PRESENCE, errors, headers",
  input(choices) {
    const made = choices.pick([
      () => choices.pick(SEEDS),
      () => body(choices),
      () => body(choices),
      () => value(choices),
    ]);
    const bytes = made();
    return choices.oneIn(2) ? bytes : mutated(bytes, choices, SEEDS);
  },
  check(input, timed) {
    const before = input.slice();
    const { value: read } = timed(() => attempt(() => decodeBody(input), "SERIALIZATION"));
    if (read !== undefined) {
      assertPlain(read);
      const written = encodeBody(read);
      assert.deepEqual(decodeBody(written), read);
      assert.deepEqual(encodeBody(decodeBody(written)), written, "what was written is written differently again");
      if (!hasByteOrderMark(read)) assert.deepEqual(other.unpack(input.slice()), read, "msgpackr reads something else");
    }
    for (const { decode, encode } of CODECS) {
      const { value: said } = timed(() => attempt(() => decode(input), "SERIALIZATION", "PROTOCOL"));
      if (said !== undefined) assert.deepEqual(decode(encode(said as never)), said);
    }
    const error = timed(() => decodeError(input));
    assert(error instanceof IpcError && Number.isSafeInteger(error.code) && error.code > 0);
    const again = decodeError(encodeError(error));
    assert.deepEqual([again.code, again.message, again.data], [error.code, error.message, error.data]);
    assert.deepEqual(input, before, "the input was changed");
  },
};

/** Values of our own. */
export const BODY_VALUES: Target = {
  name: "body-values",
  about: "what a body is made of is what is read from it",
  input: (choices) => choices.bytes(choices.size(400)),
  check(input, timed) {
    const plain = plainBody(new Tape(input));
    const read = timed(() => decodeBody(encodeBody(plain)));
    assert.deepEqual(read, asRead(plain));
  },
};

/** Only what the type says: no object with a prototype of somebody's choice. */
function assertPlain(value: Value): void {
  if (Array.isArray(value)) value.forEach(assertPlain);
  else if (value instanceof Map) {
    for (const [key, item] of value) {
      assert.equal(typeof key, "string");
      assertPlain(item);
    }
  } else assert(typeof value !== "object" || value === null || value instanceof Uint8Array);
}

/** The one thing that msgpackr reads differently: it takes such a mark from the beginning of a long text. */
function hasByteOrderMark(value: Value): boolean {
  if (Array.isArray(value)) return value.some(hasByteOrderMark);
  if (value instanceof Map) return [...value].some((pair) => pair.some(hasByteOrderMark));
  return typeof value === "string" && value.startsWith("\ufeff");
}

function asRead(value: Plain): Value {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(asRead);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value as Value;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const body: Body = new Map();
  for (const [key, item] of entries) if (item !== undefined) body.set(key, asRead(item));
  return body;
}
