/**
 * The lines of a file, one after the other, however long they are.
 *
 * @module
 */
import { decodeUtf8 } from "../protocol/utf8.ts";
import { joined } from "../protocol/joined.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { openSource, readSome } from "./messages/options.ts";

const LINE_FEED = 10;
const INPUT_BYTES = 256 * 1024;

/** A line and where it stands. */
export interface TextLine {
  /** Without its line feed. */
  text: string;
  /** 1 for the first. */
  number: number;
}

/**
 * Reads lines as they come.
 *
 * @param path Of a file; `-` is standard input.
 * @param holds What they are: "the tape".
 * @throws {Failure} If it cannot be read, or is not UTF-8.
 */
export async function* textLines(path: string, holds: string, io: Io): AsyncGenerator<TextLine> {
  using source = await openSource(path, io, undefined, holds);
  const input = new Uint8Array(INPUT_BYTES);
  /** What there is of a line whose end is still to come. */
  let parts: Uint8Array<ArrayBuffer>[] = [], number = 0;
  for (;;) {
    const count = await readSome(source, input);
    if (count === null) break;
    let from = 0;
    for (;;) {
      const end = input.subarray(0, count).indexOf(LINE_FEED, from);
      if (end < 0) break;
      yield { text: decode([...parts, input.subarray(from, end)], source.name, ++number), number };
      parts = [];
      from = end + 1;
    }
    if (from < count) parts.push(input.slice(from, count));
  }
  if (parts.length > 0) yield { text: decode(parts, source.name, ++number), number };
}

function decode(parts: readonly Uint8Array<ArrayBuffer>[], name: string, number: number): string {
  try {
    return decodeUtf8(joined(parts));
  } catch (error) {
    throw lineFailure(name, number, error instanceof TypeError ? "it is not UTF-8" : "it is too long");
  }
}

/** What to call a file that an argument names. */
export function nameOf(path: string): string {
  return path === "-" ? "standard input" : path;
}

/** What to say of a line that cannot be used. */
export function lineFailure(name: string, number: number, why: string): Failure {
  return new Failure(EXIT.DATA, `line ${number} of ${nameOf(name)}: ${why}`);
}

/**
 * Reads a JSON object.
 *
 * @throws {RangeError} If it is none, saying why.
 */
export function objectIn(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new RangeError(`it is not JSON: ${(error as Error).message}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new RangeError("it is not a JSON object");
}

/** Reads the bytes that a member of an object holds. @throws {RangeError} */
export function bytesIn(name: string, value: unknown): Uint8Array<ArrayBuffer> {
  try {
    if (typeof value === "string") return Uint8Array.fromBase64(value);
  } catch { /* said below */ }
  throw new RangeError(`its "${name}" is not base64`);
}

/** A value for an error, not too much of it. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
