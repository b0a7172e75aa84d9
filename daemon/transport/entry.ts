/**
 * One piece of what waits in an outbox: a range of memory, and which events stand in it.
 *
 * @module
 */
import { encodeGap } from "../../protocol/bodies.ts";
import { encodeFrame, ENCODINGS, FRAME_TYPES, OFFSET } from "../../protocol/frame.ts";

/** What an entry costs besides its bytes. */
export const ENTRY_BYTES = 96;

/** A range of memory that is to be written. */
export interface Entry {
  bytes: Uint8Array<ArrayBuffer>;
  start: number;
  end: number;
  /** Sequence number of the first event, or of the first one missing. */
  first: number;
  /** How many events; 0 for other frames; -1 for a GAP. */
  count: number;
  /** Sequence number of the last one missing, for a GAP. */
  last: number;
}

/** Whether a run follows the last entry. Next to each other in memory is not yet next in sequence. */
export function joins(
  last: Entry | undefined,
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  first: number,
): last is Entry {
  return last !== undefined && last.bytes === bytes && last.end === start && last.count > 0 &&
    last.first + last.count === first;
}

/**
 * Takes events from the front of an entry until they come to so many bytes.
 *
 * @param in_frames Whether the events stand there as frames; else it is all or none.
 * @returns How many.
 */
export function shorten(entry: Entry, bytes: number, in_frames: boolean): number {
  const before = entry.start, had = entry.count;
  if (in_frames) {
    const view = new DataView(entry.bytes.buffer, entry.bytes.byteOffset);
    for (; entry.count > 0 && entry.start - before < bytes; entry.count--, entry.first++) {
      entry.start += view.getUint32(entry.start + OFFSET.length, true);
    }
  } else {
    entry.start = entry.end;
    entry.count = 0;
  }
  return had - entry.count;
}

/** Events that were dropped, as a frame. */
export function gapFrame(first: number, last: number): Uint8Array<ArrayBuffer> {
  const payload = encodeGap({ from: first, to: last, reason: "overflow" });
  return encodeFrame({ type: FRAME_TYPES.GAP, flags: ENCODINGS.STRUCTURED, payload });
}
