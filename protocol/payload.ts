/**
 * What a message's payload is on the wire, and how a value finds its way there and back.
 *
 * The sender chooses the plainest of four encodings that loses nothing, so that programs in other languages can read
 * what they have a chance to read: bytes stay bytes, a string is UTF-8, what JSON can say is JSON, and only the rest
 * (Map, Date, cycles, `undefined`, ...) is structured.
 *
 * The structured codec is handed in by whoever needs it (`await import("./structured_clone.ts")`): most programs never
 * meet such a payload, and they start faster without it.
 *
 * @module
 */
import { IpcError } from "./errors.ts";
import { type Encoding, ENCODINGS } from "./frame.ts";
import { NESTING_MAX } from "./limits.ts";
import { decodeUtf8 } from "./utf8.ts";

const encoder = new TextEncoder();

/** Writes and reads the values that JSON cannot say. `structured_clone.ts` has the one there is. */
export interface StructuredCodec {
  /** @throws {IpcError} SERIALIZATION for what cannot be sent, a function for instance. */
  encode(value: unknown): Uint8Array<ArrayBuffer>;
  /** @throws {IpcError} SERIALIZATION for bytes that are not such a value. */
  decode(bytes: Uint8Array): unknown;
}

/** A payload and the encoding that belongs into its frame's flags. */
export interface EncodedPayload {
  /** How `bytes` are written. */
  readonly encoding: Encoding;
  /** The payload. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * A payload that is written already, to be sent as it is where a value is asked for: JSON with more digits than a number
 * has here, say. Nobody looks whether the bytes are what the encoding says.
 */
export class WrittenPayload implements EncodedPayload {
  /** @param bytes Do not change them while they are being sent. */
  constructor(readonly encoding: Encoding, readonly bytes: Uint8Array<ArrayBuffer>) {}
}

/**
 * Writes a value in the plainest encoding that keeps all of it.
 *
 * @param data A `Uint8Array` becomes BYTES and is not copied: do not change it while it is being sent.
 * @param structured For what is neither bytes nor text nor JSON.
 * @returns `undefined` if the value needs the structured codec and none was given.
 * @throws {IpcError} SERIALIZATION if the structured codec cannot write it either.
 *
 * @example
 * ```ts
 * import { decodePayload, encodePayload } from "./payload.ts";
 *
 * const { encoding, bytes } = encodePayload({ rev: "a1b2" })!;
 * const data = decodePayload(encoding, bytes) as { rev: string };
 * if (data.rev !== "a1b2") throw new Error("does not round-trip");
 * ```
 */
export function encodePayload(data: unknown, structured: StructuredCodec): EncodedPayload;
export function encodePayload(data: unknown, structured?: StructuredCodec): EncodedPayload | undefined;
export function encodePayload(data: unknown, structured?: StructuredCodec): EncodedPayload | undefined {
  // UTF-8 has no lone surrogates; JSON writes them as escapes.
  if (typeof data === "string" && data.isWellFormed()) return { encoding: ENCODINGS.TEXT, bytes: encoder.encode(data) };
  if (data instanceof Uint8Array) return { encoding: ENCODINGS.BYTES, bytes: data as Uint8Array<ArrayBuffer> };
  if (data instanceof WrittenPayload) return data;
  if (isJson(data)) return { encoding: ENCODINGS.JSON, bytes: encoder.encode(JSON.stringify(data)) };
  if (structured === undefined) return undefined;
  return { encoding: ENCODINGS.STRUCTURED, bytes: structured.encode(data) };
}

/**
 * Reads a payload.
 *
 * @param encoding From the frame's flags.
 * @param bytes The payload. BYTES returns this very view, so copy what you keep.
 * @param structured Needed if {@linkcode isStructured} says so.
 * @throws {IpcError} SERIALIZATION if the bytes are not what their encoding says.
 */
export function decodePayload(
  encoding: Encoding,
  bytes: Uint8Array<ArrayBuffer>,
  structured?: StructuredCodec,
): unknown {
  switch (encoding) {
    case ENCODINGS.BYTES:
      return bytes;
    case ENCODINGS.TEXT:
      return text(bytes);
    case ENCODINGS.JSON:
      try {
        return JSON.parse(text(bytes));
      } catch (error) {
        if (error instanceof IpcError) throw error;
        throw new IpcError(
          "SERIALIZATION",
          `payload of ${bytes.length} bytes is not JSON: ${(error as Error).message}`,
          { cause: error },
        );
      }
    case ENCODINGS.STRUCTURED:
      if (structured === undefined) {
        throw new TypeError("Cannot read a structured payload without the structured codec");
      }
      return structured.decode(bytes);
  }
}

/** Whether reading a payload of this encoding takes the structured codec. */
export function isStructured(encoding: Encoding): boolean {
  return encoding === ENCODINGS.STRUCTURED;
}

function text(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    throw new IpcError("SERIALIZATION", `payload of ${bytes.length} bytes is not UTF-8`, { cause: error });
  }
}

/**
 * Whether JSON keeps all of a value. It does not keep `undefined`, NaN, holes, classes, cycles. Nor -0, but no encoding
 * does: it arrives as 0.
 *
 * Arrays and objects that hold others are remembered in `holders`. Finding one of those a second time says no: it may be
 * a cycle, and if it is not, JSON would write it twice, which doubles with each level.
 */
function isJson(value: unknown, depth = 0, holders: { seen?: Set<object> } = {}): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  const prototype = Object.getPrototypeOf(value), is_array = Array.isArray(value);
  if (is_array ? prototype !== Array.prototype : prototype !== Object.prototype && prototype !== null) return false;
  if (depth === NESTING_MAX) return false;
  let holds = false;
  const items = is_array ? value : Object.values(value);
  for (let at = 0; at < items.length; at++) {
    const item = items[at];
    if (!holds && typeof item === "object" && item !== null) {
      holds = true;
      holders.seen ??= new Set();
      if (holders.seen.has(value)) return false;
      holders.seen.add(value);
    }
    if (!isJson(item, depth + 1, holders)) return false;
  }
  return true;
}
