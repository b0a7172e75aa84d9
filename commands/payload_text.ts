/**
 * A payload as people and shells get it. Bytes, text and JSON are passed on as they came; what is structured (a Map, a
 * Date, ...) becomes one line of JSON. A payload that is not what its sender said is shown as the bytes it is.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import { type Encoding, ENCODINGS } from "../protocol/frame.ts";
import { toJsonText } from "../protocol/json_view.ts";
import { decodePayload, type StructuredCodec } from "../protocol/payload.ts";
import { decodeUtf8 } from "../protocol/utf8.ts";

const encoder = new TextEncoder();

/** Thrown for a structured payload as long as {@linkcode loadStructuredCodec} was not asked. */
export class StructuredNeeded extends Error {
  override readonly name = "StructuredNeeded";
}

/** Loads what reads structured payloads. It costs some milliseconds, so wait until one comes. */
export async function loadStructuredCodec(): Promise<StructuredCodec> {
  return (await import("../protocol/structured_clone.ts")).structuredCodec;
}

/** The bytes to print for a payload. @throws {StructuredNeeded} */
export function payloadText(
  encoding: Encoding,
  payload: Uint8Array<ArrayBuffer>,
  structured: StructuredCodec | undefined,
): Uint8Array<ArrayBuffer> {
  return encoding === ENCODINGS.STRUCTURED ? encoder.encode(payloadJson(encoding, payload, structured)) : payload;
}

/** The bytes to print for a value. */
export function dataText(data: unknown): Uint8Array<ArrayBuffer> {
  if (data instanceof Uint8Array) return data as Uint8Array<ArrayBuffer>;
  return encoder.encode(typeof data === "string" ? data : toJsonText(data));
}

/** A value, and what it was written as if that was JSON. */
export interface Decoded {
  data: unknown;
  json?: Uint8Array<ArrayBuffer> | undefined;
}

/** The bytes to print for a payload that was decoded already. */
export function decodedText({ data, json }: Decoded): Uint8Array<ArrayBuffer> {
  return json ?? dataText(data);
}

/** The same as a JSON value, on one line. */
export function decodedJson({ data, json }: Decoded): string {
  return json === undefined ? toJsonText(data) : jsonLine(json);
}

/** Numbers that JavaScript cannot hold stay what they are. Line ends in JSON stand between its tokens only. */
function jsonLine(payload: Uint8Array<ArrayBuffer>): string {
  return decodeUtf8(payload).replaceAll(/[\r\n]/g, " ");
}

/** A payload as a JSON value, on one line. @throws {StructuredNeeded} */
export function payloadJson(
  encoding: Encoding,
  payload: Uint8Array<ArrayBuffer>,
  structured: StructuredCodec | undefined,
): string {
  if (encoding === ENCODINGS.STRUCTURED && structured === undefined) throw new StructuredNeeded();
  try {
    const data = decodePayload(encoding, payload, structured);
    return encoding === ENCODINGS.JSON ? jsonLine(payload) : toJsonText(data);
  } catch (error) {
    if (error instanceof IpcError) return toJsonText(payload);
    throw error;
  }
}
