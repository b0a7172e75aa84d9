/**
 * A frame as those who monitor see it: plain data, small enough to be sent on. What a large payload begins with is there,
 * the rest is not.
 *
 * @module
 */
import { encodingOf, ENCODINGS, FLAGS, type Frame, FRAME_TYPES, sequenceOf } from "../../protocol/frame.ts";
import { toJsonText } from "../../protocol/json_view.ts";
import { decodeBody } from "../../protocol/msgpack.ts";
import { decodeUtf8 } from "../../protocol/utf8.ts";

/** What frames are called. */
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FRAME_TYPES).map(([name, type]) => [type, name.toLowerCase()]),
);
const FLAG_NAMES = (["ACK", "MORE", "ERROR", "RETAIN", "ALL"] as const).map((name) =>
  [FLAGS[name], name.toLowerCase()] as const
);
const ENCODING_NAMES = ["bytes", "text", "json", "structured"] as const;

/** Frames whose payload is a body of the protocol's own. */
const BODIES: ReadonlySet<number> = new Set([
  FRAME_TYPES.WELCOME,
  FRAME_TYPES.ROLES,
  FRAME_TYPES.ACK,
  FRAME_TYPES.GAP,
  FRAME_TYPES.PRESENCE,
  FRAME_TYPES.ERROR,
  FRAME_TYPES.BYE,
]);
/** A body that is larger is shown as a payload is. */
const BODY_BYTES_MAX = 4096;

/** @param payload_bytes How much of its payload is wanted. */
export function viewFrame(frame: Frame, payload_bytes: number): Record<string, unknown> {
  const { type, flags, source, target, id, aux } = frame, view: Record<string, unknown> = {};
  const event = type === FRAME_TYPES.EVENT;
  view["type"] = NAMES.get(type) ?? String(type);
  if (source !== 0) view["source"] = source;
  if (target !== 0) view["target"] = target;
  // An event to all that has a sender was stamped: this is its number.
  if (event && target === 0 && source !== 0) view["seq"] = sequenceOf(frame);
  else if (id !== 0) view["id"] = id;
  if (type === FRAME_TYPES.REPLY) view["status"] = aux;
  if (type === FRAME_TYPES.REQUEST && aux !== 0) view["timeout_ms"] = aux;
  const names = FLAG_NAMES.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
  if (names.length > 0) view["flags"] = names;
  if (frame.payload.length > 0) addPayload(view, frame, payload_bytes);
  return view;
}

function addPayload(view: Record<string, unknown>, { type, flags, payload }: Frame, payload_bytes: number): void {
  const encoding = encodingOf(flags);
  const body = BODIES.has(type) || (type === FRAME_TYPES.REPLY && (flags & FLAGS.ERROR) !== 0);
  if (body && encoding === ENCODINGS.STRUCTURED && payload.length <= BODY_BYTES_MAX) {
    try {
      view["data"] = JSON.parse(toJsonText(decodeBody(payload)));
      return;
    } catch {
      // Not what its sender said: shown as it is.
    }
  }
  view["encoding"] = ENCODING_NAMES[encoding];
  view["payload_bytes"] = payload.length;
  const shown = payload.subarray(0, payload_bytes);
  if (shown.length === 0) return;
  const text = encoding === ENCODINGS.TEXT || encoding === ENCODINGS.JSON
    ? textOf(shown, shown.length < payload.length)
    : undefined;
  if (text === undefined) view["base64"] = shown.toBase64();
  else view["text"] = text;
}

/** @param cut Whether a character may be cut off at the end. @returns `undefined` for what is no text. */
function textOf(bytes: Uint8Array<ArrayBuffer>, cut: boolean): string | undefined {
  let end = bytes.length;
  if (cut) {
    let at = end - 1;
    while (at > 0 && end - at < 4 && (bytes[at]! & 0xc0) === 0x80) at--;
    const lead = bytes[at]!, needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (at + needed > end) end = at;
  }
  try {
    return decodeUtf8(bytes.subarray(0, end));
  } catch {
    return undefined;
  }
}
