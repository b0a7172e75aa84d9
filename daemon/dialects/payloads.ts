/**
 * Payloads between dialects: what is JSON on one side is the same value on the other, text is text, bytes are bytes.
 *
 * Only this file looks into payloads, with limits: nesting, and for structured ones (a Map, a Date, ...) size, because a
 * few bytes of those can stand for many. What cannot be read, or not within the limits, is passed on as the bytes it is.
 *
 * @module
 */
import { type Encoding, ENCODINGS, type Frame } from "../../protocol/frame.ts";
import { toJsonText } from "../../protocol/json_view.ts";
import {
  CONVERTED_BYTES_MAX,
  NESTING_MAX,
  STRUCTURED_BYTES_MAX,
  STRUCTURED_CHARACTERS_MAX,
} from "../../protocol/limits.ts";
import { decodeBody } from "../../protocol/msgpack.ts";
import type { EncodedPayload, StructuredCodec } from "../../protocol/payload.ts";
import { decodeUtf8 } from "../../protocol/utf8.ts";
import { isUtf8, scanJson } from "./json_scan.ts";

const encoder = new TextEncoder();
let structured: StructuredCodec | undefined;

/** Loads what reads structured payloads; to be waited for before the first conversion. */
export async function loadConversion(): Promise<void> {
  structured ??= (await import("../../protocol/structured_clone.ts")).structuredCodec;
}

/** A payload as a JSON value. */
export interface JsonValue {
  /** On one line. */
  text: string;
  /** What `text` is, if not the payload's own value: base64 of bytes, or of a structured payload as it came; or null. */
  encoding?: "base64" | "structured" | "too_large";
}

/** Writes a payload as JSON. */
export function jsonOfPayload(encoding: Encoding, payload: Uint8Array<ArrayBuffer>): JsonValue {
  if (payload.length > CONVERTED_BYTES_MAX) return { text: "null", encoding: "too_large" };
  switch (encoding) {
    case ENCODINGS.BYTES:
      break;
    case ENCODINGS.TEXT:
      if (isUtf8(payload)) return { text: JSON.stringify(decodeUtf8(payload)) };
      break;
    case ENCODINGS.JSON:
      if (isJson(payload)) return { text: oneLine(decodeUtf8(payload)) };
      break;
    case ENCODINGS.STRUCTURED: {
      const text = structuredText(payload);
      return text === undefined ? { text: base64(payload), encoding: "structured" } : { text };
    }
  }
  return { text: base64(payload), encoding: "base64" };
}

/**
 * Reads a payload that stands somewhere as a JSON value, which was checked.
 *
 * @returns TEXT for a string, else JSON as it was written, in memory of its own.
 */
export function payloadOfJson(json: Uint8Array<ArrayBuffer>): EncodedPayload {
  if (json[0] === 0x22) {
    const text: string = JSON.parse(decodeUtf8(json));
    // UTF-8 has no lone surrogates; JSON writes them as escapes.
    if (text.isWellFormed()) return { encoding: ENCODINGS.TEXT, bytes: encoder.encode(text) };
  }
  return { encoding: ENCODINGS.JSON, bytes: json.slice() };
}

/** Whether bytes are a JSON value that is not nested too deep. */
export function isJson(bytes: Uint8Array<ArrayBuffer>): boolean {
  try {
    scanJson(bytes, 0, bytes.length, NESTING_MAX);
    return true;
  } catch {
    return false;
  }
}

/** Whether a part of a reply is what a command wrote to its standard error. */
export function isStderr({ headers }: Frame): boolean {
  if (headers.length === 0) return false;
  try {
    return decodeBody(headers).get("stream") === "stderr";
  } catch {
    return false;
  }
}

/** Line ends in JSON stand between its tokens only. */
function oneLine(json: string): string {
  return json.replaceAll(/[\r\n]/g, " ");
}

function structuredText(payload: Uint8Array<ArrayBuffer>): string | undefined {
  if (payload.length > STRUCTURED_BYTES_MAX || structured === undefined) return undefined;
  try {
    return toJsonText(structured.decode(payload), STRUCTURED_CHARACTERS_MAX);
  } catch {
    return undefined;
  }
}

function base64(bytes: Uint8Array<ArrayBuffer>): string {
  return `"${bytes.toBase64()}"`;
}
