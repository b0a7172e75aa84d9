/**
 * How `ipc listen` prints events. A format takes whole frames as they came in one piece and gives the bytes to write for
 * them, so that a burst that was read in one go is written in one go.
 *
 * @module
 */
import { encodingOf, ENCODINGS, FLAGS, type Frame, OFFSET, sequenceOf } from "../../protocol/frame.ts";
import { toJsonText } from "../../protocol/json_view.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";
import { decodeBody } from "../../protocol/msgpack.ts";
import type { StructuredCodec } from "../../protocol/payload.ts";
import { ByteSink } from "../byte_sink.ts";
import { eachFrame } from "./frames.ts";
import { payloadJson, payloadText } from "../payload_text.ts";

/** What a format may want to know of an event beside the frame. */
export interface EventContext {
  channel: string;
  /** The name of a client, empty if it is not known. */
  nameOf(client: number): string;
  /** Reads structured payloads; `undefined` until one has come. */
  structured: StructuredCodec | undefined;
}

/** What is to be written for some events. */
export interface Formatted {
  /** Valid until the next call. */
  bytes: Uint8Array;
  /** How many events that is. */
  count: number;
}

/**
 * Turns frames into what is printed, at most `most` of them.
 *
 * @throws {StructuredNeeded} If it meets a structured payload and has nothing to read it with. Call again with that.
 */
export type EventFormat = (frames: Uint8Array<ArrayBuffer>, most: number, context: EventContext) => Formatted;

/** Writes one event. */
export type WriteEvent = (sink: ByteSink, frame: Frame, context: EventContext) => void;

/** What stands behind each event. */
export type Terminator = "" | "\n" | "\0";

/** Up to here, copying byte by byte beats a call of `set`. */
const SHORT_BYTES = 64;

/**
 * Payloads and terminators. The common case, and the one that has to be fast: what it writes is never longer than what
 * it reads, and the same memory is used again and again. A line of 8 bytes costs 9 ns, one of 100 bytes 35 ns.
 *
 * @param exact Structured payloads as they are on the wire, instead of as JSON.
 */
export function payloadFormat(terminator: Terminator, exact: boolean): EventFormat {
  const end = terminator === "" ? -1 : terminator.charCodeAt(0);
  const mixed = eventFormat((sink, frame, { structured }) => {
    sink.push(payloadText(encodingOf(frame.flags), frame.payload, structured));
  }, terminator);
  let output = new Uint8Array(0);
  return (frames, most, context) => {
    if (output.length < frames.length) output = new Uint8Array(frames.length);
    const view = new DataView(frames.buffer, frames.byteOffset, frames.length);
    let at = 0, to = 0, count = 0;
    while (at < frames.length && count < most) {
      const word = view.getUint32(at + OFFSET.type, true);
      if (!exact && encodingOf(word >>> 8) === ENCODINGS.STRUCTURED) return mixed(frames, most, context);
      const from = at + HEADER_BYTES + (word >>> 16);
      at += view.getUint32(at, true);
      if (at - from <= SHORT_BYTES) { for (let byte = from; byte < at; byte++) output[to++] = frames[byte]!; }
      else {
        output.set(frames.subarray(from, at), to);
        to += at - from;
      }
      if (end >= 0) output[to++] = end;
      count++;
    }
    return { bytes: output.subarray(0, to), count };
  };
}

/** One JSON object for each event. */
export function jsonFormat(terminator: Terminator): EventFormat {
  return eventFormat((sink, frame, context) => sink.push(eventJson(frame, context)), terminator);
}

/** One event as a JSON object on one line. */
export function eventJson(frame: Frame, context: EventContext): string {
  const { channel, nameOf, structured } = context;
  const known = JSON.stringify({
    type: "event",
    channel,
    seq: sequenceOf(frame),
    source: frame.source,
    name: nameOf(frame.source),
    time: new Date().toISOString(),
    ...((frame.flags & FLAGS.RETAIN) === 0 ? {} : { retained: true }),
  });
  const headers = frame.headers.length === 0 ? "" : `,"headers":${toJsonText(decodeBody(frame.headers))}`;
  return `${known.slice(0, -1)}${headers},"data":${payloadJson(encodingOf(frame.flags), frame.payload, structured)}}`;
}

/** A format that writes one event after the other. */
export function eventFormat(write: WriteEvent, terminator: Terminator): EventFormat {
  const sink = new ByteSink();
  return (frames, most, context) => {
    sink.clear();
    let count = 0;
    for (const frame of eachFrame(frames)) {
      if (count === most) break;
      write(sink, frame, context);
      sink.push(terminator);
      count++;
    }
    return { bytes: sink.bytes, count };
  };
}
