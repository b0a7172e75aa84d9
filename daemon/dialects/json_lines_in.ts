/**
 * JSON lines as frames. A line is checked where it stands; of its members only those are read that its type has, so that
 * newer clients work, and `data` is passed on as it was written.
 *
 * @module
 */
import { decodeHello, encodeError, encodeHello, type Hello } from "../../protocol/bodies.ts";
import { ERROR_CODES, IpcError } from "../../protocol/errors.ts";
import { encodeFrame, ENCODINGS, FLAGS, type Frame, FRAME_TYPES, type FrameType } from "../../protocol/frame.ts";
import { DEADLINE_MS_MAX, HANDSHAKE_BYTES_MAX, HEADERS_BYTES_MAX, ID_MAX, NESTING_MAX } from "../../protocol/limits.ts";
import { encodeBody, type Plain } from "../../protocol/msgpack.ts";
import type { EncodedPayload } from "../../protocol/payload.ts";
import { decodeUtf8 } from "../../protocol/utf8.ts";
import { JsonError, scanJson } from "./json_scan.ts";
import { payloadOfJson } from "./payloads.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Parts = Partial<Frame>;

interface Shape {
  type: FrameType;
  parts: (line: Line) => Parts;
}

/** What each type of line is as a frame. */
const TYPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ["event", {
    type: FRAME_TYPES.EVENT,
    parts: (line) => message(line, line.flag("ack", FLAGS.ACK) | line.flag("retain", FLAGS.RETAIN)),
  }],
  ["request", {
    type: FRAME_TYPES.REQUEST,
    parts: (line) => ({ ...message(line, line.flag("all", FLAGS.ALL)), aux: deadline(line) }),
  }],
  ["reply", { type: FRAME_TYPES.REPLY, parts: reply }],
  ["cancel", { type: FRAME_TYPES.CANCEL, parts: () => ({}) }],
  ["roles", {
    type: FRAME_TYPES.ROLES,
    parts: (line) => ({ flags: ENCODINGS.STRUCTURED, payload: encodeBody(line.pick(ROLES)) }),
  }],
  ["ack", { type: FRAME_TYPES.ACK, parts: () => ({}) }],
  ["ping", { type: FRAME_TYPES.PING, parts: (line) => message(line, 0) }],
  ["pong", { type: FRAME_TYPES.PONG, parts: () => ({}) }],
  ["bye", { type: FRAME_TYPES.BYE, parts: () => ({}) }],
]);

const ROLES = ["listen", "handle", "presence", "overflow"] as const;
/** These cannot do without an id. */
const NUMBERED: ReadonlySet<string> = new Set(["request", "reply", "cancel", "roles"]);
const MEMBERS: ReadonlySet<string> = new Set([
  ...["type", "id", "target", "data", "encoding", "headers", "ack", "retain", "all", "more", "status", "error"],
  ...["timeout_ms", ...ROLES],
]);

/** A line's frame, or what its payload is not. */
export type LineFrame = { type: FrameType; id: number } & ({ frame: Bytes } | { error: IpcError });

/**
 * Reads one line behind the first.
 *
 * @returns The frame in memory of its own. A payload that is not what it says is the sender's error alone.
 * @throws {IpcError} PROTOCOL if it is no line of this dialect, TOO_LARGE if its payload is over `message_bytes_max`.
 */
export function frameOfLine(bytes: Bytes, message_bytes_max: number): LineFrame {
  const line = new Line(bytes, MEMBERS);
  const name = line.text("type"), known = TYPES.get(name);
  if (known === undefined) {
    throw wrong(
      `type ${JSON.stringify(name.slice(0, 100))} has no place here; there are ${[...TYPES.keys()].join(", ")}`,
    );
  }
  const { type, parts } = known, id = line.uint("id") ?? 0;
  if (NUMBERED.has(name) && !line.has("id")) throw wrong(`${name} needs an "id"`);
  try {
    const frame: Parts = { type, id, target: line.uint("target") ?? 0, ...parts(line) };
    const payload_bytes = frame.payload?.length ?? 0, headers_bytes = frame.headers?.length ?? 0;
    if (payload_bytes > message_bytes_max) {
      throw new IpcError("TOO_LARGE", `message of ${payload_bytes} bytes, limit is ${message_bytes_max}`);
    }
    if (headers_bytes > HEADERS_BYTES_MAX) {
      throw new IpcError("SERIALIZATION", `headers of ${headers_bytes} bytes, limit is ${HEADERS_BYTES_MAX}`);
    }
    return { type, id, frame: encodeFrame({ ...frame, type }) };
  } catch (error) {
    if (error instanceof IpcError && error.reason === "SERIALIZATION") return { type, id, error };
    throw error;
  }
}

/**
 * Reads a client's first line.
 *
 * @throws {IpcError} PROTOCOL
 */
export function helloOfLine(bytes: Bytes): Hello {
  const line = new Line(bytes, undefined, NESTING_MAX); // all of it becomes one body
  if (line.text("type") !== "hello") throw wrong('the first line must be of type "hello"');
  return decodeHello(encodeHello(line.pick(HELLO) as Hello));
}

const HELLO = ["name", "pid", "echo", "token", "channel", "schema", "resume", ...ROLES];

function message(line: Line, flags: number): Parts {
  const { encoding, bytes } = payload(line), headers = line.object("headers");
  return { flags: flags | encoding, payload: bytes, ...headers === undefined ? {} : { headers: encodeBody(headers) } };
}

function reply(line: Line): Parts {
  const flags = line.flag("more", FLAGS.MORE);
  if (!line.has("target")) throw wrong('reply needs a "target": the "source" of the request');
  const error = line.object("error");
  if (error === undefined) {
    const status = line.uint("status") ?? 0;
    if (status > 255) throw wrong(`"status" must be a number from 0 to 255`);
    return { ...message(line, flags), aux: status };
  }
  const { code = ERROR_CODES.HANDLER_ERROR, message: why = "", data } = error;
  if (typeof code !== "number" || !Number.isInteger(code) || code < 1 || code > ID_MAX || typeof why !== "string") {
    throw wrong('"error" must be an object of code (number), message (text) and data');
  }
  const body = encodeError(new IpcError(code, why, { data }));
  return { flags: flags | FLAGS.ERROR | ENCODINGS.STRUCTURED, aux: code, payload: body };
}

function deadline(line: Line): number {
  const timeout_ms = line.value("timeout_ms", "number");
  if (timeout_ms === undefined) return 0;
  if (!(timeout_ms >= 0)) throw wrong('"timeout_ms" must not be negative');
  return Math.min(Math.ceil(timeout_ms), DEADLINE_MS_MAX);
}

/** @throws {IpcError} SERIALIZATION */
function payload(line: Line): EncodedPayload {
  const json = line.raw("data"), encoding = line.value("encoding", "string");
  if (encoding === undefined) {
    return json === undefined ? { encoding: ENCODINGS.BYTES, bytes: new Uint8Array(0) } : payloadOfJson(json);
  }
  if (encoding !== "base64" && encoding !== "structured") {
    throw new IpcError("SERIALIZATION", `encoding ${JSON.stringify(encoding)} is not known: "base64" is, for bytes`);
  }
  const text = line.text("data");
  try {
    const bytes = Uint8Array.fromBase64(text);
    return { encoding: encoding === "base64" ? ENCODINGS.BYTES : ENCODINGS.STRUCTURED, bytes };
  } catch (cause) {
    throw new IpcError("SERIALIZATION", `"data" of ${text.length} characters is not base64`, { cause });
  }
}

interface Types {
  string: string;
  number: number;
  boolean: boolean;
}

/** One line's members, by name. */
class Line {
  readonly #bytes: Bytes;
  readonly #members = new Map<string, Bytes>();

  /** @param known Others are checked and forgotten; all are kept if left out. */
  constructor(bytes: Bytes, known?: ReadonlySet<string>, depth_max = NESTING_MAX + 1) {
    this.#bytes = bytes;
    if (bytes.find((byte) => byte !== 0x20 && byte !== 0x09) !== 0x7b) throw wrong("a line must be a JSON object");
    try {
      scanJson(bytes, 0, bytes.length, depth_max, (name, start, end) => {
        if (known?.has(name) ?? true) this.#members.set(name, bytes.subarray(start, end));
      });
    } catch (error) {
      if (error instanceof JsonError) {
        throw wrong(`a line of ${this.#bytes.length} bytes is not JSON: it ${error.message}`);
      }
      throw error;
    }
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  /** A value as it was written; `undefined` also for null, except that `data` may be null. */
  raw(name: string): Bytes | undefined {
    const raw = this.#members.get(name);
    return raw !== undefined && raw[0] === 0x6e && name !== "data" ? undefined : raw;
  }

  value<T extends keyof Types>(name: string, type: T): Types[T] | undefined {
    const raw = this.raw(name);
    if (raw === undefined) return undefined;
    const value: unknown = JSON.parse(decodeUtf8(raw));
    const actual: string = typeof value;
    if (actual !== type) throw wrong(`"${name}" must be a ${type}`);
    return value as Types[T];
  }

  /** A text that must be there. */
  text(name: string): string {
    const value = this.value(name, "string");
    if (value === undefined) throw wrong(`"${name}" must be a string`);
    return value;
  }

  uint(name: string): number | undefined {
    const value = this.value(name, "number");
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= ID_MAX)) {
      throw wrong(`"${name}" must be a whole number from 0 to ${ID_MAX}`);
    }
    return value;
  }

  flag(name: string, bit: number): number {
    return this.value(name, "boolean") === true ? bit : 0;
  }

  /** A small object of the sender's. */
  object(name: string): { [key: string]: Plain } | undefined {
    const raw = this.raw(name);
    if (raw === undefined) return undefined;
    if (raw[0] !== 0x7b) throw wrong(`"${name}" must be an object`);
    // Every byte of what fits takes at most six characters; nothing larger is worth reading.
    if (raw.length > 6 * HEADERS_BYTES_MAX) {
      throw new IpcError("SERIALIZATION", `"${name}" of ${raw.length} bytes is too large`);
    }
    return JSON.parse(decodeUtf8(raw));
  }

  /** Some members, as they are. */
  pick(names: readonly string[]): { [key: string]: Plain } {
    const values: { [key: string]: Plain } = {};
    for (const name of names) {
      const raw = this.raw(name);
      if (raw === undefined) continue;
      if (raw.length > HANDSHAKE_BYTES_MAX) throw wrong(`"${name}" of ${raw.length} bytes is too large`);
      if (name !== "resume" && (raw[0] === 0x5b || raw[0] === 0x7b)) throw wrong(`"${name}" must be one value`);
      values[name] = JSON.parse(decodeUtf8(raw));
    }
    return values;
  }
}

function wrong(message: string): IpcError {
  return new IpcError("PROTOCOL", message);
}
