/**
 * Leaves out the events whose payload does not fit a condition.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { encodingOf, ENCODINGS, type Frame } from "../../protocol/frame.ts";
import { toJsonText } from "../../protocol/json_view.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";
import { decodePayload, type StructuredCodec } from "../../protocol/payload.ts";
import { decodeUtf8 } from "../../protocol/utf8.ts";
import { joined } from "../../protocol/joined.ts";
import { eachFrame } from "./frames.ts";
import { StructuredNeeded } from "../payload_text.ts";
import type { Condition } from "./where.ts";

/**
 * The frames that fit, one behind the other.
 *
 * @throws {StructuredNeeded} If there is a structured payload and nothing to read it with.
 */
export function fittingFrames(
  frames: Uint8Array<ArrayBuffer>,
  fits: Condition,
  structured: StructuredCodec | undefined,
): Uint8Array<ArrayBuffer> {
  const kept: Uint8Array<ArrayBuffer>[] = [];
  let at = 0, bytes = 0;
  for (const frame of eachFrame(frames)) {
    const end = at + HEADER_BYTES + frame.headers.length + frame.payload.length;
    if (fits(valueOf(frame, structured))) {
      kept.push(frames.subarray(at, end));
      bytes += end - at;
    }
    at = end;
  }
  return bytes === frames.length ? frames : joined(kept);
}

/**
 * A payload as a JSON value. Shells send JSON as text as often as not, so text that is JSON counts as that. Bytes that are
 * no text are no value.
 */
function valueOf(frame: Frame, structured: StructuredCodec | undefined): unknown {
  const encoding = encodingOf(frame.flags);
  if (encoding === ENCODINGS.STRUCTURED) {
    if (structured === undefined) throw new StructuredNeeded();
    try {
      return JSON.parse(toJsonText(decodePayload(encoding, frame.payload, structured)));
    } catch (error) {
      if (error instanceof IpcError) return undefined;
      throw error;
    }
  }
  let text: string;
  try {
    text = decodeUtf8(frame.payload);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
