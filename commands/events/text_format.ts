/**
 * Formats that people write for `ipc listen --format`. docs/listen.md has them in a table, which a test compares with the
 * ones here.
 *
 * @module
 */
import { encodingOf, type Frame, sequenceOf } from "../../protocol/frame.ts";
import { toJsonText } from "../../protocol/json_view.ts";
import { decodeBody } from "../../protocol/msgpack.ts";
import type { ByteSink } from "../byte_sink.ts";
import { beginningOf } from "../display_width.ts";
import {
  type EventContext,
  type EventFormat,
  eventFormat,
  eventJson,
  type Terminator,
  type WriteEvent,
} from "./format.ts";
import { printable } from "../notice.ts";
import { payloadText } from "../payload_text.ts";
import { strftime } from "./strftime.ts";

/** What a `%` and a letter stand for. */
interface Directive {
  /** In words. */
  shows: string;
  /** Whether the names of clients have to be known. */
  names?: true;
  text(frame: Frame, context: EventContext): string | Uint8Array;
}

/** The directives by their letters. */
export const DIRECTIVES: ReadonlyMap<string, Directive> = new Map<string, Directive>([
  ["c", { shows: "channel", text: (_frame, { channel }) => channel }],
  ["s", { shows: "sequence number", text: (frame) => String(sequenceOf(frame)) }],
  ["i", { shows: "sender's id", text: (frame) => String(frame.source) }],
  ["n", { shows: "sender's name", names: true, text: (frame, { nameOf }) => printable(nameOf(frame.source)) }],
  ["t", { shows: "time", text: () => new Date().toISOString() }],
  ["h", {
    shows: "headers",
    text: ({ headers }) => headers.length === 0 ? "{}" : toJsonText(decodeBody(headers)),
  }],
  ["b", { shows: "payload's length in bytes", text: ({ payload }) => String(payload.length) }],
  ["p", {
    shows: "payload",
    text: (frame, { structured }) => payloadText(encodingOf(frame.flags), frame.payload, structured),
  }],
  ["j", { shows: "all as JSON", names: true, text: eventJson }],
]);

/** What stands behind a backslash. */
export const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["t", "\t"],
  ["r", "\r"],
  ["0", "\0"],
  ["e", "\x1b"],
  ["\\", "\\"],
]);

/** What a format's text may hold, for the help. */
export const DIRECTIVES_HELP = [...DIRECTIVES].map(([letter, { shows }]) => `%${letter} ${shows}`).join(", ") +
  ", %t{%H:%M:%S} time as of strftime, %%; %20c, %-20c at least 20 columns, %.20p at most; \\n, \\t, \\0, \\\\";

/** The largest width. A terminal has no more columns, and a mistyped one takes no memory. */
const WIDTH_MAX = 9999;

/** How wide a directive is made. */
interface Field {
  /** Filled up with spaces to this many columns. */
  columns_min: number;
  /** Cut off behind this many. */
  columns_max: number;
  /** Whether the spaces come behind it. */
  left: boolean;
}

/** A format that somebody wrote. */
export interface TextFormat {
  format: EventFormat;
  /** Whether it shows names of clients. */
  names: boolean;
}

/**
 * Prepares a format.
 *
 * @throws {RangeError} If it holds a directive that is not known.
 */
export function textFormat(text: string, terminator: Terminator): TextFormat {
  const parts: WriteEvent[] = [];
  let names = false;
  for (
    const found of text.matchAll(
      /%(?<field>-?\d*(?:\.\d+)?)(?<letter>.?)(?:(?<=t)\{(?<time>[^}]*)(?<end>\}?))?|\\(?<escape>.?)|[^%\\]+/gsu,
    )
  ) {
    const [part] = found, { field = "", letter, time, end, escape } = found.groups!;
    if (letter === undefined || (letter === "%" && field === "")) {
      const literal = letter ?? (escape === undefined ? part : ESCAPES.get(escape) ?? part);
      parts.push((sink) => sink.push(literal));
      continue;
    }
    const directive = DIRECTIVES.get(letter);
    if (directive === undefined) throw new RangeError(`${JSON.stringify(part)} is not one of ${DIRECTIVES_HELP}`);
    if (end === "") throw new RangeError(`${JSON.stringify(part)} lacks its "}"`);
    names ||= directive.names ?? false;
    const date = time === undefined ? undefined : strftime(time);
    parts.push(writeField(fieldOf(field), date === undefined ? directive.text : () => date(new Date())));
  }
  const format = eventFormat((sink, frame, context) => {
    for (const write of parts) write(sink, frame, context);
  }, terminator);
  return { format, names };
}

function fieldOf(text: string): Field | undefined {
  if (text === "") return undefined;
  const [, minus, min, max] = /^(-?)(\d*)(?:\.(\d+))?$/.exec(text)!;
  const field = {
    columns_min: Number(min),
    columns_max: max === undefined ? Infinity : Number(max),
    left: minus === "-",
  };
  if (field.columns_min > WIDTH_MAX || (max !== undefined && field.columns_max > WIDTH_MAX)) {
    throw new RangeError(`"%${text}" is wider than ${WIDTH_MAX} columns`);
  }
  return field;
}

function writeField(field: Field | undefined, text: Directive["text"]): WriteEvent {
  if (field === undefined) return (sink, frame, context) => sink.push(text(frame, context));
  return (sink, frame, context) => pushField(sink, text(frame, context), field);
}

const encoder = new TextEncoder();

function pushField(sink: ByteSink, text: string | Uint8Array, { columns_min, columns_max, left }: Field): void {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  // Text that fills the field is not measured to its end: that may be megabytes away.
  const { bytes: length, columns } = beginningOf(bytes, Math.min(columns_max, columns_min));
  const cut = columns_max === Infinity
    ? bytes
    : bytes.subarray(0, columns_max <= columns_min ? length : beginningOf(bytes, columns_max).bytes);
  const spaces = cut.length > length ? "" : " ".repeat(Math.max(0, columns_min - columns));
  if (!left) sink.push(spaces);
  sink.push(cut);
  if (left) sink.push(spaces);
}
