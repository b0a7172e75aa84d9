/**
 * Reads a connection until it ends: runs of events to the listeners, every other frame to the session.
 *
 * It never waits for a callback. It waits for bytes, for room where the session says that there is none, and once, when
 * the first structured payload appears, for its codec; so decoding never has to wait anywhere else.
 *
 * @module
 */
import { decodeError, type Position } from "../protocol/bodies.ts";
import { IpcError } from "../protocol/errors.ts";
import { encodingOf, ENCODINGS, FLAGS, type Frame, FRAME_TYPES, sequenceAt } from "../protocol/frame.ts";
import type { Scanner } from "../protocol/scanner.ts";
import { loadStructuredCodec, structuredCodec } from "./codec.ts";
import type { Link } from "./link.ts";
import { Run } from "./run.ts";

/** What a receiver needs of its session. */
export interface Incoming {
  /** What was received last; `undefined` until the broker has said where the listener begins. */
  position: Position | undefined;
  readonly epoch: string;
  /** Whether somebody takes events apart. */
  readonly decodes: boolean;
  run(run: Run): void;
  frame(frame: Frame): void;
  /** A promise if nothing should be read before it is settled. */
  pause(): Promise<void> | undefined;
}

/**
 * Reads until the connection ends.
 *
 * @returns Why it did.
 */
export async function receive(link: Link, incoming: Incoming): Promise<IpcError> {
  const { conn, scanner } = link;
  try {
    for (;;) {
      while (!take(scanner, incoming)) await loadStructuredCodec();
      for (let pause; (pause = incoming.pause()) !== undefined;) await pause;
      const got = await conn.read(scanner.space());
      if (got === null) return new IpcError("CHANNEL_RECV", "the broker hung up");
      scanner.filled(got);
    }
  } catch (error) {
    if (error instanceof IpcError) return error;
    return new IpcError("CHANNEL_RECV", `the connection broke: ${(error as Error).message}`, { cause: error });
  }
}

/** Takes all whole frames; returns `false` if it met a structured payload without having the codec. */
function take(scanner: Scanner, incoming: Incoming): boolean {
  for (let type; (type = scanner.next()) !== 0;) {
    if (type === FRAME_TYPES.EVENT) {
      if (!events(scanner, incoming)) return false;
      continue;
    }
    const flags = scanner.frame_flags, is_message = type === FRAME_TYPES.REQUEST || type === FRAME_TYPES.REPLY;
    // The body of an error is plain msgpack.
    if (is_message && (flags & FLAGS.ERROR) === 0 && lacksCodec(flags)) return false;
    const frame = scanner.frame();
    scanner.advance();
    if (type === FRAME_TYPES.BYE) throw decodeError(frame.payload);
    if (is_message && isHandedOn(flags)) frame.payload = kept(frame.payload, scanner);
    incoming.frame(frame);
  }
  return true;
}

/** Takes a run of events. One that was received before, and came again after a break, is left out. */
function events(scanner: Scanner, incoming: Incoming): boolean {
  const { bytes, start } = scanner, view = new DataView(bytes.buffer), decodes = incoming.decodes;
  let last = incoming.position?.seq ?? 0, has_bytes = false, complete = true, repeated = false;
  do {
    const flags = scanner.frame_flags;
    if (encodingOf(flags) === ENCODINGS.BYTES) has_bytes = true;
    else if (decodes && lacksCodec(flags)) {
      complete = false;
      break;
    }
    const seq = sequenceAt(view, scanner.start);
    // Direct events have no number; the retained one has that of a place long passed.
    if (seq !== 0 && (flags & FLAGS.RETAIN) === 0) {
      if (seq <= last) {
        repeated = true;
        break;
      }
      last = seq;
    }
    scanner.advance();
  } while (scanner.next() === FRAME_TYPES.EVENT);
  const end = scanner.start;
  if (repeated) scanner.advance();
  if (end === start) return complete;
  if (incoming.position !== undefined) incoming.position.seq = last;
  else if (last > 0) incoming.position = { epoch: incoming.epoch, seq: last };
  const run = new Run(bytes.subarray(start, end), scanner, incoming.epoch);
  if (has_bytes && decodes) run.keep();
  incoming.run(run);
  return complete;
}

function lacksCodec(flags: number): boolean {
  return encodingOf(flags) === ENCODINGS.STRUCTURED && structuredCodec() === undefined;
}

/** Bytes are a request's or reply's value itself, and what JSON was written as is handed on beside its value. */
function isHandedOn(flags: number): boolean {
  const encoding = encodingOf(flags);
  return encoding === ENCODINGS.BYTES || encoding === ENCODINGS.JSON;
}

/** Bytes that go to a user are not to be written over by the next read. */
function kept(payload: Uint8Array<ArrayBuffer>, scanner: Scanner): Uint8Array<ArrayBuffer> {
  if (payload.length * 2 < payload.buffer.byteLength) return payload.slice();
  scanner.lend();
  return payload;
}
