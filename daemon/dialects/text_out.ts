/**
 * Frames as text. An event is its payload on a line of its own. A reply is one, too; the parts of a streamed reply are
 * written as they come, and its end sees to it that the line ends. What a text client cannot be told in its own terms (a
 * failure, a gap) is a line that begins with `error: `.
 *
 * @module
 */
import { decodeError, decodeGap } from "../../protocol/bodies.ts";
import type { IpcError } from "../../protocol/errors.ts";
import { type Encoding, encodingOf, ENCODINGS, FLAGS, type Frame, FRAME_TYPES } from "../../protocol/frame.ts";
import { joined } from "../../protocol/joined.ts";
import { isStderr, jsonOfPayload } from "./payloads.ts";
import { framesIn, type Language } from "./translating_peer.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const LF = 0x0a;
const NEWLINE = new Uint8Array([LF]);
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

/** How one text client is written to. */
export class TextLanguage implements Language {
  /** Whether what was written last has no line end yet. */
  #open_line = false;
  /** Whether something of the reply at hand was written. */
  #begun = false;

  /** What stands behind a line that is not whole begins with the end of that line. */
  get words(): unknown {
    return this.#open_line ? undefined : "text";
  }

  run(bytes: Bytes, start: number, end: number): Bytes {
    const lines: Bytes[] = this.#open_line ? [NEWLINE] : [];
    this.#open_line = false;
    for (const frame of framesIn(bytes, start, end)) addLine(lines, frame);
    return joined(lines);
  }

  frame(frame: Frame): Bytes {
    switch (frame.type) {
      case FRAME_TYPES.EVENT:
        return this.#line(frame);
      case FRAME_TYPES.REPLY:
        return this.#reply(frame);
      case FRAME_TYPES.GAP: {
        const { from, to, reason } = decodeGap(frame.payload);
        return this.#closed(gapLine(from, to, reason));
      }
      case FRAME_TYPES.ERROR:
        return this.#closed(errorLine(decodeError(frame.payload)));
      default:
        return NOTHING;
    }
  }

  /** Where the events stood that were dropped, every line is whole. */
  readonly gap = (first: number, last: number): Bytes => encoder.encode(gapLine(first, last, "overflow"));

  readonly farewell = (error: IpcError): Bytes => this.#closed(errorLine(error));

  #reply(frame: Frame): Bytes {
    const last = (frame.flags & FLAGS.MORE) === 0, begun = this.#begun;
    if (last) this.#begun = false;
    if ((frame.flags & FLAGS.ERROR) !== 0) return this.#closed(errorLine(decodeError(frame.payload)));
    if (!last) {
      // A text client has one stream, and its reader expects the reply there.
      if (isStderr(frame)) return NOTHING;
      this.#begun = true;
      return this.#part(frame);
    }
    const failed = frame.aux !== 0, empty = frame.payload.length === 0;
    const status = failed ? encoder.encode(`error: HANDLER_ERROR exit status ${frame.aux}\n`) : NOTHING;
    // An empty reply is an empty line, unless something stands there already.
    const text = empty && (begun || failed) ? this.#closed("") : this.#line(frame);
    return joined([text, status]);
  }

  /** A part of a reply: text as it is. */
  #part(frame: Frame): Bytes {
    if (encodingOf(frame.flags) !== ENCODINGS.TEXT) return this.#line(frame);
    if (frame.payload.length > 0) this.#open_line = frame.payload.at(-1) !== LF;
    return frame.payload;
  }

  #line(frame: Frame): Bytes {
    // The last part of a streamed text goes on where the others ended.
    const goes_on = frame.type === FRAME_TYPES.REPLY && encodingOf(frame.flags) === ENCODINGS.TEXT;
    const lines: Bytes[] = this.#open_line && !goes_on ? [NEWLINE] : [];
    this.#open_line = false;
    addLine(lines, frame);
    return joined(lines);
  }

  /** A text behind whatever stands there, which ends its line first. */
  #closed(text: string): Bytes {
    const before = this.#open_line ? "\n" : "";
    this.#open_line = false;
    return encoder.encode(before + text);
  }
}

function addLine(lines: Bytes[], { flags, payload }: Frame): void {
  const encoding = encodingOf(flags);
  if (encoding === ENCODINGS.TEXT) {
    lines.push(payload);
    if (payload.at(-1) === LF) return;
  } else lines.push(encoder.encode(jsonLineOf(encoding, payload)));
  lines.push(NEWLINE);
}

function jsonLineOf(encoding: Encoding, payload: Bytes): string {
  const value = jsonOfPayload(encoding, payload);
  if (value.encoding === undefined) return value.text;
  if (value.encoding === "too_large") return `error: TOO_LARGE message of ${payload.length} bytes cannot be shown`;
  return `{"encoding":"${value.encoding}","data":${value.text}}`;
}

function errorLine({ reason, code, message }: IpcError): string {
  return `error: ${reason === "UNKNOWN" ? code : reason} ${message.replaceAll(/[\r\n]+/g, " ")}\n`;
}

function gapLine(from: number, to: number, reason: string): string {
  return `error: GAP events ${from} to ${to} were missed (${reason})\n`;
}
