/**
 * A tape: events as lines of JSON, with the time of each, so that they can be sent again as they were. docs/tapes.md is its
 * description for those who write one by hand or read one with other programs.
 *
 * The payload of a line stands where people can read it if nothing is lost by that: text as a string, JSON as the value that
 * it is. Otherwise it stands there as it is on the wire: JSON that would be written differently as a string in `text`, all
 * other bytes in `base64`. Headers are an object if that says all of them, else `headers_base64`.
 *
 * @module
 */
import { type Encoding, encodingOf, ENCODINGS, FLAGS, type Frame, sequenceOf } from "../protocol/frame.ts";
import { HEADERS_BYTES_MAX } from "../protocol/limits.ts";
import { type Body, decodeBody, encodeBody, type Plain } from "../protocol/msgpack.ts";
import { toJsonText } from "../protocol/json_view.ts";
import { decodeUtf8 } from "../protocol/utf8.ts";
import { type EventContext, type EventFormat, eventFormat } from "./events/format.ts";
import { bytesIn, objectIn, shown } from "./text_lines.ts";

/** What can be sent again of a line. */
export interface TapedEvent {
  channel: string;
  /** When it came, in milliseconds since 1970; `undefined` for at once after the one before. */
  time_ms: number | undefined;
  encoding: Encoding;
  payload: Uint8Array<ArrayBuffer>;
  /** Headers block, or empty. */
  headers: Uint8Array<ArrayBuffer>;
  /** It was the channel's retained event. */
  retained: boolean;
}

/** A line that is no event: that some were missed. */
export interface TapedGap {
  /** How many; 0 if nobody knows. */
  missed: number;
}

/** Names of the encodings. */
const NAMES = new Map<Encoding, string>([
  [ENCODINGS.TEXT, "text"],
  [ENCODINGS.JSON, "json"],
  [ENCODINGS.BYTES, "bytes"],
  [ENCODINGS.STRUCTURED, "structured"],
]);

/** A string can have 2^29 characters, and one byte can become six. */
const READABLE_BYTES_MAX = 64 * 1024 * 1024;

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

/** Writes events as lines of a tape. */
export function tapeFormat(): EventFormat {
  return eventFormat((sink, frame, context) => sink.push(tapeLine(frame, context, now())), "\n");
}

/** A clock that nobody sets: what came later never has an earlier time. */
function now(): Date {
  return new Date(performance.timeOrigin + performance.now());
}

/** One event as a line, without its line feed. */
export function tapeLine(
  frame: Frame,
  { channel, nameOf }: Pick<EventContext, "channel" | "nameOf">,
  at: Date,
): string {
  const known = JSON.stringify({
    type: "event",
    time: at.toISOString(),
    channel,
    seq: sequenceOf(frame),
    source: frame.source,
    name: nameOf(frame.source),
    ...((frame.flags & FLAGS.RETAIN) === 0 ? {} : { retained: true }),
    encoding: NAMES.get(encodingOf(frame.flags)),
  });
  return `${known.slice(0, -1)}${headersPart(frame.headers)},${payloadPart(encodingOf(frame.flags), frame.payload)}}`;
}

function headersPart(block: Uint8Array<ArrayBuffer>): string {
  if (block.length === 0) return "";
  try {
    const text = toJsonText(decodeBody(block));
    if (same(encodeBody(JSON.parse(text)), block)) return `,"headers":${text}`;
  } catch { /* what cannot be read has no other form than its bytes */ }
  return `,"headers_base64":"${block.toBase64()}"`;
}

function payloadPart(encoding: Encoding, payload: Uint8Array<ArrayBuffer>): string {
  if ((encoding === ENCODINGS.TEXT || encoding === ENCODINGS.JSON) && payload.length <= READABLE_BYTES_MAX) {
    const text = textOf(payload);
    if (text !== undefined) {
      if (encoding === ENCODINGS.TEXT) return `"data":${JSON.stringify(text)}`;
      return isPlain(text) ? `"data":${text}` : `"text":${JSON.stringify(text)}`;
    }
  }
  return `"base64":"${payload.toBase64()}"`;
}

function textOf(payload: Uint8Array): string | undefined {
  try {
    return decodeUtf8(payload);
  } catch {
    return undefined;
  }
}

/** Whether JSON is what comes of reading and writing it. */
function isPlain(text: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === text;
  } catch { // no JSON, or nested deeper than can be written
    return false;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/**
 * Reads a line of a tape.
 *
 * @returns `undefined` for what is not to be sent: an empty line, or who came and went.
 * @throws {RangeError} If it is not a line of a tape, saying why.
 */
export function readTapeLine(line: string): TapedEvent | TapedGap | undefined {
  if (line.trim() === "") return undefined;
  const object = objectIn(line);
  const { type = "event" } = object;
  if (type === "presence") return undefined;
  if (type === "gap") return { missed: missedOf(object) };
  if (type !== "event") throw new RangeError(`its "type" is ${shown(type)}, not "event", "gap" or "presence"`);
  const { channel, time, retained = false } = object;
  if (typeof channel !== "string") throw new RangeError('it has no "channel"');
  if (typeof retained !== "boolean") throw new RangeError(`its "retained" is ${shown(retained)}, not true or false`);
  return { channel, time_ms: timeOf(time), headers: headersOf(object), retained, ...payloadOf(object) };
}

function missedOf({ from, to }: Record<string, unknown>): number {
  return typeof from === "number" && typeof to === "number" && from > 0 ? to - from + 1 : 0;
}

function timeOf(time: unknown): number | undefined {
  if (time === undefined) return undefined;
  const time_ms = typeof time === "string" ? Date.parse(time) : NaN;
  if (Number.isNaN(time_ms)) throw new RangeError(`its "time" is ${shown(time)}, not like "2026-11-20T08:05:09.007Z"`);
  return time_ms;
}

function headersOf({ headers, headers_base64 }: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  let block: Uint8Array<ArrayBuffer> = NOTHING;
  if (headers_base64 !== undefined) {
    if (headers !== undefined) throw new RangeError('it has both "headers" and "headers_base64"');
    block = bytesIn("headers_base64", headers_base64);
  } else if (headers !== undefined) {
    if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
      throw new RangeError(`its "headers" are ${shown(headers)}, not an object`);
    }
    block = encodeBody(headers as Record<string, Plain>);
  }
  if (block.length > HEADERS_BYTES_MAX) {
    throw new RangeError(`its headers are ${block.length} bytes, limit is ${HEADERS_BYTES_MAX}`);
  }
  return block.length > 0 && isEmptyMap(block) ? NOTHING : block;
}

function isEmptyMap(block: Uint8Array<ArrayBuffer>): boolean {
  let map: Body;
  try {
    map = decodeBody(block);
  } catch (error) {
    throw new RangeError(`its headers cannot be read: ${(error as Error).message}`);
  }
  return map.size === 0;
}

/** Payload and encoding of an object with `data`, `text` or `base64`, and perhaps `encoding`. */
function payloadOf(object: Record<string, unknown>): Pick<TapedEvent, "encoding" | "payload"> {
  const places = (["data", "text", "base64"] as const).filter((name) => Object.hasOwn(object, name));
  const [place] = places;
  if (place === undefined) throw new RangeError('it has no payload: "data", "text" or "base64"');
  if (places.length > 1) throw new RangeError(`it has both "${place}" and "${places[1]}"`);
  const value = object[place];
  const encoding = encodingNamed(object.encoding) ??
    (place === "base64" ? ENCODINGS.BYTES : typeof value === "string" ? ENCODINGS.TEXT : ENCODINGS.JSON);
  if (place === "base64") return { encoding, payload: bytesIn(place, value) };
  if (encoding === ENCODINGS.JSON && place === "data") {
    return { encoding, payload: encoder.encode(JSON.stringify(value)) };
  }
  if (encoding !== ENCODINGS.TEXT && encoding !== ENCODINGS.JSON) {
    throw new RangeError(`its payload is ${NAMES.get(encoding)}: that stands in "base64", not in "${place}"`);
  }
  if (typeof value !== "string") throw new RangeError(`its "${place}" is ${shown(value)}, not a string`);
  if (!value.isWellFormed()) throw new RangeError(`its "${place}" has half a character, which UTF-8 cannot say`);
  return { encoding, payload: encoder.encode(value) };
}

function encodingNamed(name: unknown): Encoding | undefined {
  if (name === undefined) return undefined;
  for (const [encoding, known] of NAMES) if (known === name) return encoding;
  throw new RangeError(`its "encoding" is ${shown(name)}, not one of ${[...NAMES.values()].join(", ")}`);
}
