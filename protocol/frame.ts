/**
 * A frame: 24 bytes of header, little-endian, without padding, then an optional headers block, then the payload.
 *
 *     offset size  field
 *     0      u32   length    the whole frame, header included
 *     4      u8    type
 *     5      u8    flags
 *     6      u16   headers   bytes of the headers block: one msgpack map, or 0 for none
 *     8      u32   source    client id of the sender, written by the broker
 *     12     u32   target    client id of the receiver, or 0
 *     16     u32   id        see FRAME_TYPES
 *     20     u32   aux       see FRAME_TYPES
 *
 * An EVENT has the same layout coming in and going out, so the broker stamps `source`, `id` and `aux` into the buffer
 * that it read into and passes the bytes on.
 *
 * @module
 */
import { HEADER_BYTES, HEADERS_BYTES_MAX } from "./limits.ts";

/** Where each field of the header stands. */
export const OFFSET = { length: 0, type: 4, flags: 5, headers: 6, source: 8, target: 12, id: 16, aux: 20 } as const;

/** Frame types. What `id` and `aux` hold is said beside each. */
export const FRAME_TYPES = {
  /** client. */
  HELLO: 0x01,
  /** broker. */
  WELCOME: 0x02,
  /** client; id: correlation, answered by ACK. */
  ROLES: 0x03,
  /** id, aux to the broker: correlation, 0; from the broker: sequence number, low and high half. */
  EVENT: 0x10,
  /** id: the requester's correlation; aux: deadline in ms, 0 = the channel's default. */
  REQUEST: 0x11,
  /** id: the request's; aux: status, 0 = done well, 1..255 = exit status, 7000.. = error code. */
  REPLY: 0x12,
  /** id: the request's. */
  CANCEL: 0x13,
  /** id: the EVENT's or ROLES' correlation; aux: number of listeners it was queued for. */
  ACK: 0x14,
  /** broker. */
  GAP: 0x15,
  /** broker. */
  PRESENCE: 0x16,
  /** broker; id: the correlation it answers, or 0. */
  ERROR: 0x17,
  /** id, aux: echoed. */
  PING: 0x20,
  /** id, aux: those of the PING. */
  PONG: 0x21,
  /** the sender closes after it. */
  BYE: 0x2f,
} as const;

/** One of {@linkcode FRAME_TYPES}. */
export type FrameType = (typeof FRAME_TYPES)[keyof typeof FRAME_TYPES];

/** Bits of the flags byte. Bits 0 and 1 are the payload's encoding, bit 7 is zero. */
export const FLAGS = {
  ENCODING: 0x03,
  ACK: 0x04,
  MORE: 0x08,
  ERROR: 0x10,
  RETAIN: 0x20,
  ALL: 0x40,
} as const;

/** How a payload is written; the value of the flags' lowest two bits. */
export const ENCODINGS = {
  BYTES: 0,
  TEXT: 1,
  JSON: 2,
  STRUCTURED: 3,
} as const;

/** One of {@linkcode ENCODINGS}. */
export type Encoding = (typeof ENCODINGS)[keyof typeof ENCODINGS];

/** Which way a frame may travel. */
export const FROM_CLIENT = 1, FROM_BROKER = 2;

const { ACK, MORE, ERROR, RETAIN, ALL, ENCODING } = FLAGS;
const BOTH = FROM_CLIENT | FROM_BROKER;

/**
 * By type: who may send it (high byte) and which flags it may carry (low byte), 0 for a reserved type. One lookup
 * answers both questions on the hot path.
 */
export const RULES: Uint16Array = new Uint16Array(256);
for (
  const [type, from, flags] of [
    [FRAME_TYPES.HELLO, FROM_CLIENT, ENCODING],
    [FRAME_TYPES.WELCOME, FROM_BROKER, ENCODING],
    [FRAME_TYPES.ROLES, FROM_CLIENT, ENCODING],
    [FRAME_TYPES.EVENT, BOTH, ENCODING | ACK | RETAIN],
    [FRAME_TYPES.REQUEST, BOTH, ENCODING | ALL],
    [FRAME_TYPES.REPLY, BOTH, ENCODING | MORE | ERROR],
    [FRAME_TYPES.CANCEL, BOTH, 0],
    [FRAME_TYPES.ACK, BOTH, ENCODING],
    [FRAME_TYPES.GAP, FROM_BROKER, ENCODING],
    [FRAME_TYPES.PRESENCE, FROM_BROKER, ENCODING],
    [FRAME_TYPES.ERROR, FROM_BROKER, ENCODING],
    [FRAME_TYPES.PING, BOTH, ENCODING],
    [FRAME_TYPES.PONG, BOTH, ENCODING],
    [FRAME_TYPES.BYE, BOTH, ENCODING],
  ] as const
) RULES[type] = from << 8 | flags;

/** The eight bytes that a client opens a binary connection with: `89 'I' 'P' 'C'`, the version, three zeros. */
export const PREFACE: Uint8Array<ArrayBuffer> = new Uint8Array([0x89, 0x49, 0x50, 0x43, 1, 0, 0, 0]);

/** A frame taken apart. `headers` and `payload` are views into the buffer it was read from. */
export interface Frame {
  /** One of {@linkcode FRAME_TYPES}. */
  type: FrameType;
  /** {@linkcode FLAGS}, encoding included. */
  flags: number;
  /** Client id of the sender; 0 where it is the broker, and in what clients send. */
  source: number;
  /** Client id of the receiver, or 0. */
  target: number;
  /** Meaning by type, see {@linkcode FRAME_TYPES}. */
  id: number;
  /** Meaning by type, see {@linkcode FRAME_TYPES}. */
  aux: number;
  /** The headers block, a msgpack map; empty for none. */
  headers: Uint8Array<ArrayBuffer>;
  /** The message, written as the flags' encoding says. */
  payload: Uint8Array<ArrayBuffer>;
}

/** How the payload of a frame with these flags is written. */
export function encodingOf(flags: number): Encoding {
  return (flags & ENCODING) as Encoding;
}

/** The id of a frame in memory. */
export function idOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(OFFSET.id, true);
}

/** An event's number in its channel's sequence; 0 for a direct one, which has none. */
export function sequenceOf({ aux, id }: Pick<Frame, "aux" | "id">): number {
  return aux * 0x1_0000_0000 + id;
}

/** The same of the EVENT that begins at `at`. */
export function sequenceAt(view: DataView, at: number): number {
  return view.getUint32(at + OFFSET.aux, true) * 0x1_0000_0000 + view.getUint32(at + OFFSET.id, true);
}

const NOTHING = new Uint8Array(0);

/**
 * Writes a frame.
 *
 * @param frame What to write; fields left out are 0 or empty.
 * @returns The frame in memory of its own.
 * @throws {RangeError} If the headers block is over 65535 bytes.
 *
 * @example
 * ```ts
 * import { decodeFrame, encodeFrame, FRAME_TYPES } from "./frame.ts";
 *
 * const bytes = encodeFrame({ type: FRAME_TYPES.PING, id: 7 });
 * if (bytes.length !== 24 || decodeFrame(bytes).id !== 7) throw new Error("does not round-trip");
 * ```
 */
export function encodeFrame(frame: Partial<Frame> & { type: FrameType }): Uint8Array<ArrayBuffer> {
  const headers = frame.headers ?? NOTHING, payload = frame.payload ?? NOTHING;
  const bytes = new Uint8Array(HEADER_BYTES + headers.length + payload.length);
  writeHeader(
    new DataView(bytes.buffer),
    0,
    bytes.length,
    frame.type,
    frame.flags ?? 0,
    headers.length,
    frame.source ?? 0,
    frame.target ?? 0,
    frame.id ?? 0,
    frame.aux ?? 0,
  );
  bytes.set(headers, HEADER_BYTES);
  bytes.set(payload, HEADER_BYTES + headers.length);
  return bytes;
}

/**
 * Writes the 24 bytes of a header in place.
 *
 * @throws {RangeError} If the headers block is over 65535 bytes.
 */
export function writeHeader(
  view: DataView,
  at: number,
  length: number,
  type: number,
  flags: number,
  headers: number,
  source: number,
  target: number,
  id: number,
  aux: number,
): void {
  if (headers > HEADERS_BYTES_MAX) {
    throw new RangeError(`Cannot write a headers block of ${headers} bytes, limit is ${HEADERS_BYTES_MAX}`);
  }
  view.setUint32(at, length, true);
  view.setUint32(at + OFFSET.type, type | flags << 8 | headers << 16, true);
  view.setUint32(at + OFFSET.source, source, true);
  view.setUint32(at + OFFSET.target, target, true);
  view.setUint32(at + OFFSET.id, id, true);
  view.setUint32(at + OFFSET.aux, aux, true);
}

/**
 * Takes apart one whole frame whose header a {@linkcode Scanner} has already checked.
 *
 * @param bytes Memory that holds the frame.
 * @param at Where it begins.
 * @returns Its fields; `headers` and `payload` share memory with `bytes`.
 */
export function decodeFrame(bytes: Uint8Array<ArrayBuffer>, at = 0): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
  const length = view.getUint32(OFFSET.length, true), headers = view.getUint16(OFFSET.headers, true);
  const body = at + HEADER_BYTES;
  return {
    type: view.getUint8(OFFSET.type) as FrameType,
    flags: view.getUint8(OFFSET.flags),
    source: view.getUint32(OFFSET.source, true),
    target: view.getUint32(OFFSET.target, true),
    id: view.getUint32(OFFSET.id, true),
    aux: view.getUint32(OFFSET.aux, true),
    headers: bytes.subarray(body, body + headers),
    payload: bytes.subarray(body + headers, at + length),
  };
}
