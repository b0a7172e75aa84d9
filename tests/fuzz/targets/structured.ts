/**
 * The structured encoding: what the guard lets through msgpackr reads, at a cost that its size justifies, as data and
 * nothing else; and what is written is what is read.
 *
 * @module
 */
import assert from "node:assert/strict";
import { toJsonText } from "../../../protocol/json_view.ts";
import { type Encoding, ENCODINGS } from "../../../protocol/frame.ts";
import { decodePayload, encodePayload } from "../../../protocol/payload.ts";
import { structuredCodec } from "../../../protocol/structured_clone.ts";
import { joined } from "../../../protocol/joined.ts";
import { json } from "../grammar/json.ts";
import { structured, WRITTEN } from "../grammar/structured.ts";
import { anyValue, jsonValue } from "../grammar/values.ts";
import { mutated } from "../mutate.ts";
import { type Choices, Tape } from "../random.ts";
import { attempt, attemptWith, type Target } from "../target.ts";

/** How long a line of a value the broker would write is more than most tests need. */
const CHARACTERS_MAX = 1_000_000;

/** Bytes from strangers. */
export const STRUCTURED: Target = {
  name: "structured",
  about: "structured payloads from strangers, read, shown as JSON and written again",
  input(choices) {
    const bytes = choices.oneIn(3) ? choices.pick(WRITTEN) : structured(choices);
    return choices.oneIn(2) ? bytes : mutated(bytes, choices, WRITTEN);
  },
  check(input, timed) {
    const before = input.slice();
    const read = timed(() => attempt(() => structuredCodec.decode(input), "SERIALIZATION"));
    assert.deepEqual(input, before, "the input was changed");
    if (read.error !== undefined) return;
    assertData(read.value, new Set());
    const shown = timed(() =>
      attemptWith(() => toJsonText(read.value, CHARACTERS_MAX), (error) => error instanceof RangeError)
    );
    if (shown.value !== undefined) assertOneLine(shown.value);
    const written = timed(() => attempt(() => structuredCodec.encode(read.value), "SERIALIZATION"));
    if (written.value !== undefined) timed(() => structuredCodec.decode(written.value!));
  },
};

/** Every encoding that a payload may say it has. */
export const PAYLOADS: Target = {
  name: "payloads",
  about: "payloads from strangers in the encoding that their first byte says: bytes, text, JSON, structured",
  input(choices) {
    const made = choices.pick([
      () => json(choices),
      () => choices.bytes(choices.size(200)),
      () => choices.pick(WRITTEN),
    ])();
    return joined([new Uint8Array([choices.below(4)]), made]);
  },
  check(input, timed) {
    const encoding = (input[0] ?? 0) & 3, bytes = input.slice(1);
    const read = timed(() =>
      attempt(() => decodePayload(encoding as Encoding, bytes, structuredCodec), "SERIALIZATION")
    );
    if (read.error !== undefined) return assert(encoding !== ENCODINGS.BYTES);
    if (encoding === ENCODINGS.TEXT) assert.deepEqual(encodePayload(read.value), { encoding, bytes });
  },
};

/** Values of our own. */
export const STRUCTURED_VALUES: Target = {
  name: "structured-values",
  about: "any value that can be sent, in the encoding that is chosen for it, is what is received",
  input: (choices) => choices.bytes(choices.size(300)),
  check(input, timed) {
    const choices: Choices = new Tape(input), value = choices.oneIn(4) ? jsonValue(choices) : anyValue(choices);
    const sent = timed(() => attempt(() => encodePayload(value, structuredCodec)!, "SERIALIZATION"));
    if (sent.value === undefined) return; // What is inside an Error that it is inside of.
    const { encoding, bytes } = sent.value;
    assert.deepEqual(timed(() => decodePayload(encoding, bytes, structuredCodec)), value);
    const structured = attempt(() => structuredCodec.encode(value), "SERIALIZATION");
    if (structured.value !== undefined) assert.deepEqual(structuredCodec.decode(structured.value), value);
    assertOneLine(toJsonText(value, CHARACTERS_MAX));
  },
};

function assertOneLine(text: string): void {
  JSON.parse(text);
  assert(!/[\r\n]/.test(text), "what is shown is more than a line");
}

const PLAIN: ReadonlySet<unknown> = new Set([
  ...[Object, Array, Map, Set, Date, RegExp, ArrayBuffer, DataView, Uint8Array, Int8Array, Uint8ClampedArray],
  ...[Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array],
  ...[Error, AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError],
].map(({ prototype }) => prototype));

/** No function, no prototype of somebody's choice. */
function assertData(root: unknown, seen: Set<object>): void {
  const left: unknown[] = [root];
  while (left.length > 0) {
    const value = left.pop();
    assert(typeof value !== "function" && typeof value !== "symbol", `a ${typeof value} was read`);
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    assert(PLAIN.has(Object.getPrototypeOf(value)), `an object of another class was read`);
    if (ArrayBuffer.isView(value)) continue;
    if (value instanceof Map) { for (const pair of value) left.push(...pair); }
    else if (value instanceof Set) { for (const item of value) left.push(item); }
    else for (const key of Object.keys(value)) left.push((value as Record<string, unknown>)[key]);
  }
}
