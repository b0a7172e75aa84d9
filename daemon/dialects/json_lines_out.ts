/**
 * Frames as JSON lines: the type in lower case, the fields by name, the payload in `data`. What the protocol itself writes
 * as a map (WELCOME, GAP, PRESENCE, ...) stands in the object directly.
 *
 * @module
 */
import { decodeError } from "../../protocol/bodies.ts";
import type { IpcError } from "../../protocol/errors.ts";
import { encodingOf, FLAGS, type Frame, FRAME_TYPES, sequenceOf } from "../../protocol/frame.ts";
import { toJsonText } from "../../protocol/json_view.ts";
import { CONVERTED_BYTES_MAX, DEADLINE_MS_MAX } from "../../protocol/limits.ts";
import { type Body, decodeBody } from "../../protocol/msgpack.ts";
import { jsonOfPayload } from "./payloads.ts";
import { framesIn, type Language } from "./translating_peer.ts";

const encoder = new TextEncoder();

/** What is written for each type of frame, without braces. */
const FIELDS: ReadonlyMap<number, (frame: Frame) => string> = new Map<number, (frame: Frame) => string>([
  [FRAME_TYPES.WELCOME, ({ payload }) => `"type":"welcome",${members(payload)}`],
  [FRAME_TYPES.EVENT, event],
  [FRAME_TYPES.REQUEST, request],
  [FRAME_TYPES.REPLY, reply],
  [FRAME_TYPES.CANCEL, ({ source, id }) => `"type":"cancel","source":${source},"id":${id}`],
  [
    FRAME_TYPES.ACK,
    ({ id, aux, payload }) =>
      `"type":"ack","id":${id},${payload.length === 0 ? `"listeners":${aux}` : members(payload)}`,
  ],
  [FRAME_TYPES.GAP, ({ payload }) => `"type":"gap",${members(payload)}`],
  [FRAME_TYPES.PRESENCE, ({ payload }) => `"type":"presence",${members(payload)}`],
  [FRAME_TYPES.ERROR, ({ id, payload }) => `"type":"error","id":${id},${errorMembers(decodeError(payload))}`],
  [FRAME_TYPES.PING, (frame) => `"type":"ping","id":${frame.id}${echoed(frame)}`],
  [FRAME_TYPES.PONG, (frame) => `"type":"pong","id":${frame.id}${echoed(frame)}`],
]);

/** See the module's head. */
export const JSON_LINES: Language = {
  words: "json_lines",
  run(bytes, start, end) {
    let lines = "";
    for (const frame of framesIn(bytes, start, end)) {
      lines += frame.payload.length <= CONVERTED_BYTES_MAX ? `{${event(frame)}}\n` : missed(frame);
    }
    return encoder.encode(lines);
  },
  frame(frame) {
    const fields = FIELDS.get(frame.type);
    if (fields === undefined) return new Uint8Array(0);
    return encoder.encode(`{${fields(frame)}}\n`);
  },
  gap: (first, last) => encoder.encode(gapLine(first, last, "overflow")),
  farewell: (error) => encoder.encode(`{"type":"bye",${errorMembers(error)}}\n`),
};

function event(frame: Frame): string {
  // An event for one client alone has no number.
  const which = frame.target === 0 ? `"seq":${sequenceOf(frame)}` : `"target":${frame.target}`;
  const retained = (frame.flags & FLAGS.RETAIN) === 0 ? "" : ',"retain":true';
  return `"type":"event",${which},"source":${frame.source}${retained}${message(frame)}`;
}

function request(frame: Frame): string {
  const all = (frame.flags & FLAGS.ALL) === 0 ? "" : ',"all":true';
  const deadline = frame.aux === DEADLINE_MS_MAX ? "" : `,"timeout_ms":${frame.aux}`;
  return `"type":"request","source":${frame.source},"id":${frame.id}${deadline}${all}${message(frame)}`;
}

function reply(frame: Frame): string {
  const more = (frame.flags & FLAGS.MORE) === 0 ? "" : ',"more":true';
  const { id, source, aux } = frame;
  if ((frame.flags & FLAGS.ERROR) !== 0) {
    const error = `{${errorMembers(decodeError(frame.payload))}}`;
    return `"type":"reply","id":${id},"source":${source},"status":${aux}${more},"error":${error}`;
  }
  // The broker's own end of a request that went to every handler: it says how many there were.
  if (source === 0 && more === "" && frame.payload.length === 0) {
    return `"type":"reply","id":${id},"source":0,"status":0,"handlers":${aux}`;
  }
  return `"type":"reply","id":${id},"source":${source},"status":${aux}${more}${message(frame)}`;
}

/** Headers and payload. */
function message({ flags, headers, payload }: Frame): string {
  const before = headers.length === 0 ? "" : headersMember(headers);
  const value = jsonOfPayload(encodingOf(flags), payload);
  const how = value.encoding === undefined ? "" : `,"encoding":"${value.encoding}"`;
  return `${before}${how},"data":${value.text}`;
}

function echoed(frame: Frame): string {
  return frame.payload.length === 0 ? "" : message(frame);
}

function missed(frame: Frame): string {
  const seq = sequenceOf(frame);
  return gapLine(seq, seq, "too_large");
}

function gapLine(from: number, to: number, reason: string): string {
  return `{"type":"gap","from":${from},"to":${to},"reason":"${reason}"}\n`;
}

/** A client may write what it likes into its headers; what nobody can read is left out. */
function headersMember(headers: Uint8Array<ArrayBuffer>): string {
  let body: Body;
  try {
    body = decodeBody(headers);
  } catch {
    return "";
  }
  return `,"headers":${toJsonText(body)}`;
}

/** The members of a body of the broker's own. */
function members(payload: Uint8Array<ArrayBuffer>): string {
  return toJsonText(decodeBody(payload)).slice(1, -1);
}

function errorMembers({ code, reason, message, data }: IpcError): string {
  const more = data === undefined || data === null ? "" : `,"data":${toJsonText(data)}`;
  return `"code":${code},"reason":"${reason}","message":${JSON.stringify(message)}${more}`;
}
