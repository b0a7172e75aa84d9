/**
 * What is said in JSON and passed on as it stands: the check in place against `JSON.parse`, lines as frames, frames as
 * lines.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decodeHello, encodeHello } from "../../../protocol/bodies.ts";
import {
  decodeFrame,
  encodeFrame,
  ENCODINGS,
  FLAGS,
  type Frame,
  FRAME_TYPES,
  type FrameType,
  FROM_BROKER,
  FROM_CLIENT,
  RULES,
} from "../../../protocol/frame.ts";
import { IpcError } from "../../../protocol/errors.ts";
import { NESTING_MAX } from "../../../protocol/limits.ts";
import { Scanner } from "../../../protocol/scanner.ts";
import { joined } from "../../../protocol/joined.ts";
import { frameOfLine, helloOfLine } from "../../../daemon/dialects/json_lines_in.ts";
import { JSON_LINES } from "../../../daemon/dialects/json_lines_out.ts";
import { JsonError, scanJson } from "../../../daemon/dialects/json_scan.ts";
import { isJson, jsonOfPayload, loadConversion, payloadOfJson } from "../../../daemon/dialects/payloads.ts";
import { TextLanguage } from "../../../daemon/dialects/text_out.ts";
import { frame, GOLDEN } from "../grammar/frames.ts";
import { json, line } from "../grammar/json.ts";
import { structured, WRITTEN } from "../grammar/structured.ts";
import { mutated } from "../mutate.ts";
import { fnv, Random } from "../random.ts";
import { attempt, attemptWith, type Target } from "../target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

await loadConversion();

/** Longer ones are not cut at every byte. */
const CUT_BYTES_MAX = 200;
const MESSAGE_BYTES_MAX = 4096;

/** One value. */
export const JSON_SCAN: Target = {
  name: "json-scan",
  about: "JSON checked where it stands, against JSON.parse",
  input: json,
  check(input, timed) {
    const members = new Map<string, unknown>();
    const { error } = timed(() =>
      attemptWith(
        () =>
          scanJson(input, 0, input.length, NESTING_MAX, (name, start, end) =>
            members.set(name, parsed(input.subarray(start, end)))),
        (error) =>
          error instanceof JsonError,
      )
    );
    const value = parsed(input), depth = depthOf(input);
    if (depth > NESTING_MAX) return assert(error !== undefined, "too deep, and taken");
    assert.equal(error === undefined, value !== INVALID, `${error ?? "taken"}, while JSON.parse says otherwise`);
    if (error !== undefined) return;
    // V8 15.0 reads {"a":1,"\"":2} as {"a":1,"\\":2} once it has met that, so names are not compared where one is escaped.
    const is_object = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!input.includes(0x5c)) assert.deepEqual(members, is_object ? new Map(Object.entries(value)) : new Map());
    if (input.length > CUT_BYTES_MAX || typeof value === "number") return;
    const from = input.findIndex((byte) => byte > 0x20), to = input.findLastIndex((byte) => byte > 0x20);
    for (let end = from; end < to; end++) assert(isCut(input, end), `cut before byte ${end} it is not said to be cut`);
  },
};

/** One line of a client. */
export const LINES_IN: Target = {
  name: "json-lines",
  about: "lines of JSON as frames, and the frames as lines",
  input: line,
  check(input, timed) {
    const hello = timed(() => attempt(() => helloOfLine(input), "PROTOCOL"));
    if (hello.value !== undefined) assert.deepEqual(decodeHello(encodeHello(hello.value)), hello.value);
    const read = timed(() => attempt(() => frameOfLine(input, MESSAGE_BYTES_MAX), "PROTOCOL", "TOO_LARGE"));
    if (read.value === undefined) return;
    if ("error" in read.value) return assert.equal(read.value.error.reason, "SERIALIZATION");
    const bytes = read.value.frame;
    assert.equal(typeOf(bytes), read.value.type, "the frame cannot be read");
    const said = decodeFrame(bytes);
    assert(said.id === read.value.id);
    assert(said.payload.length <= MESSAGE_BYTES_MAX);
    assertLine(timed(() => JSON_LINES.frame(said)), said);
  },
};

/** What the broker was told by one client, as it tells another. */
export const FRAMES_OUT: Target = {
  name: "frames-out",
  about: "frames of strangers as lines of JSON and of text",
  input(choices) {
    if (choices.oneIn(20)) return choices.pick(OWN);
    if (choices.oneIn(4)) {
      const payload = choices.pick([() => choices.pick(WRITTEN), () => json(choices), () => structured(choices)])();
      const head = choices.pick(GOLDEN).slice(0, 24);
      head[5] = choices.below(4) | head[5]! & 0xfc;
      return joined([head, choices.oneIn(2) ? mutated(payload, choices, WRITTEN) : payload]);
    }
    const bytes = frame(choices, PASSED_ON);
    return choices.oneIn(2) ? bytes : mutated(bytes, choices, WRITTEN);
  },
  check(input, timed) {
    const said = passedOn(input);
    if (said === undefined) return;
    const text = new TextLanguage(), choices = new Random(String(fnv(input)));
    for (let turn = 0; turn < 3; turn++) {
      said.flags ^= choices.oneIn(2) ? FLAGS.MORE : 0;
      if (said.type !== FRAME_TYPES.REPLY) said.flags &= ~(FLAGS.MORE | FLAGS.ERROR);
      const line = timed((): Bytes => JSON_LINES.frame(said));
      assertLine(line, said);
      if (said.type === FRAME_TYPES.EVENT) {
        assert.deepEqual(JSON_LINES.run(encodeFrame(said), 0, encodeFrame(said).length), line);
      }
      timed(() => text.frame(said));
    }
    for (const last of [JSON_LINES.gap(1, 2), JSON_LINES.farewell(new IpcError("PROTOCOL", "x\ny"))]) {
      assertLine(last, said);
    }
    assert.equal(text.farewell(new IpcError("PROTOCOL", "x")).at(-1), 0x0a);
    const encoding = said.flags & FLAGS.ENCODING as 0 | 1 | 2 | 3;
    const shown = timed(() => jsonOfPayload(encoding as 0, said.payload));
    assert(!/[\r\n]/.test(shown.text));
    const value: unknown = JSON.parse(shown.text);
    if (shown.encoding !== undefined) assert.deepEqual(Uint8Array.fromBase64(value as string), said.payload);
    const back = payloadOfJson(new TextEncoder().encode(shown.text));
    if (encoding === ENCODINGS.TEXT && shown.encoding === undefined) assert.deepEqual(back.bytes, said.payload);
  },
};

/** What the broker says by itself. */
const OWN: readonly Bytes[] = GOLDEN.filter((bytes) => ((RULES[bytes[4]!]! >> 8) & FROM_BROKER) !== 0);
const PASSED_ON: readonly FrameType[] = [FRAME_TYPES.EVENT, FRAME_TYPES.REQUEST, FRAME_TYPES.REPLY, FRAME_TYPES.PONG];

/** A frame that goes on from one client to another; the header is what the broker would have made of it. */
function passedOn(input: Bytes): Frame | undefined {
  if (input.length < 24) return undefined;
  const bytes = input.slice(), view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(6, Math.min(view.getUint16(6, true), bytes.length - 24), true);
  const said = decodeFrame(bytes);
  if (!PASSED_ON.includes(said.type) && !OWN.some((own) => own.toHex() === input.toHex())) {
    said.type = FRAME_TYPES.EVENT;
  }
  said.flags &= 0x7f;
  return said;
}

function assertLine(bytes: Bytes, said: Frame): void {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  if (text === "") return;
  assert(text.endsWith("\n") && text.indexOf("\n") === text.length - 1, "what is said is not one line");
  const object = JSON.parse(text);
  assert.equal(object.id ?? said.id, said.id);
  assert.equal(typeof object.type, "string");
  if (object.headers !== undefined) assert(Object.getPrototypeOf(object.headers) === Object.prototype);
}

function typeOf(bytes: Bytes): number {
  const scanner = new Scanner(FROM_CLIENT, MESSAGE_BYTES_MAX);
  for (let at = 0; at < bytes.length;) {
    const space = scanner.space(), piece = bytes.subarray(at, at + space.length);
    space.set(piece);
    scanner.filled(piece.length);
    at += piece.length;
  }
  return scanner.next();
}

const INVALID = Symbol("no JSON");
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parsed(bytes: Bytes): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return INVALID;
  }
}

/** How deep brackets nest, those in texts left out. */
function depthOf(bytes: Bytes): number {
  let depth = 0, deepest = 0, in_text = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (in_text) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) in_text = false;
    } else if (byte === 0x22) in_text = true;
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
}

/** Whether the first bytes only end too early. A number may end anywhere. */
function isCut(bytes: Bytes, end: number): boolean {
  try {
    scanJson(bytes, 0, end, NESTING_MAX);
    return false;
  } catch (error) {
    return error instanceof JsonError && error.cut && !isJson(bytes.subarray(0, end));
  }
}
