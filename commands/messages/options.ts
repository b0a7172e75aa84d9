/**
 * What a message is and where it comes from, the same for `send` and `request`; and reading it. How that is said in
 * arguments is in `arguments.ts`.
 *
 * @module
 */
import { type Encoding, ENCODINGS } from "../../protocol/frame.ts";
import { HEADERS_BYTES_MAX } from "../../protocol/limits.ts";
import { encodeBody } from "../../protocol/msgpack.ts";
import { decodeUtf8 } from "../../protocol/utf8.ts";
import { EXIT, Failure } from "../exit_codes.ts";
import type { Input, Io } from "../io.ts";
import { whyNotOpened } from "../special_files.ts";

/** How a message is written; `auto` is text where it is valid UTF-8, else bytes. */
export type MessageEncoding = "auto" | "text" | "json" | "bytes";

/** What a message is and where it comes from. */
export interface MessageOptions {
  channel: string;
  /** The message itself; if `undefined`, `file` is read. */
  message: string | undefined;
  /** A file's path, `-` for standard input. */
  file: string;
  /** One message is all there is, or a line, or what stands before a NUL. */
  records: "whole" | "lines" | "null";
  encoding: MessageEncoding;
  headers: ReadonlyMap<string, string>;
  /** How long to wait for somebody who takes it; `undefined` is not at all. */
  wait_ms: number | undefined;
  /** What others see as this client's name. */
  name: string;
}

/**
 * What arguments without any option say, which are most: no parser need be loaded for them, which makes a start a tenth
 * shorter.
 *
 * @param verb What stands before the arguments, `send`.
 * @returns `undefined` if they are for a parser.
 */
export function plainMessage(verb: string, argv: readonly string[]): MessageOptions | undefined {
  if (argv.length === 0 || argv.length > 2 || argv.some((text) => text.startsWith("-"))) return undefined;
  const [channel, message] = argv;
  return {
    channel: channel!,
    message,
    file: "-",
    records: "whole",
    encoding: "auto",
    headers: new Map(),
    wait_ms: undefined,
    name: `ipc ${verb}`,
  };
}

/** The headers block of a frame. @throws {Failure} If it is too long. */
export function headersBlock(headers: ReadonlyMap<string, string>): Uint8Array<ArrayBuffer> {
  if (headers.size === 0) return new Uint8Array(0);
  const block = encodeBody(headers);
  if (block.length <= HEADERS_BYTES_MAX) return block;
  throw new Failure(EXIT.DATA, `headers of ${block.length} bytes are too long, limit is ${HEADERS_BYTES_MAX}`);
}

/** Counts what is read. */
export interface ReadProgress {
  bytes: number;
}

/** Where the message comes from, open. */
export interface MessageSource extends Disposable {
  input: Pick<Input, "read">;
  /** For messages to people. */
  name: string;
  /** What it holds, for the same. */
  holds: string;
  progress: ReadProgress | undefined;
}

/** @throws {Failure} If the file cannot be read. */
export async function openSource(
  path: string,
  io: Io,
  progress?: ReadProgress,
  holds = "the message",
): Promise<MessageSource> {
  if (path === "-") return { input: io.stdin, name: "standard input", holds, progress, [Symbol.dispose]() {} };
  try {
    const file = await Deno.open(path);
    return { input: file, name: path, holds, progress, [Symbol.dispose]: () => file.close() };
  } catch (error) {
    throw cannotRead(holds, path, error);
  }
}

/** The one message that the options name. @throws {Failure} If it cannot be read or is too long. */
export async function readMessage(
  options: MessageOptions,
  limit_bytes: number,
  io: Io,
  progress?: ReadProgress,
): Promise<Uint8Array<ArrayBuffer>> {
  if (options.message !== undefined) return checkLength(new TextEncoder().encode(options.message), limit_bytes);
  using source = await openSource(options.file, io, progress);
  return await readAll(source, limit_bytes);
}

/** Memory follows what has arrived, and stops just behind the limit. */
async function readAll(source: MessageSource, limit_bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(64 * 1024), end = 0;
  for (;;) {
    if (end === bytes.length) {
      if (end > limit_bytes) throw tooLong(`message from ${source.name}`, undefined, limit_bytes);
      const larger = new Uint8Array(Math.min(bytes.length * 4, limit_bytes + 1));
      larger.set(bytes);
      bytes = larger;
    }
    const count = await readSome(source, end === 0 ? bytes : bytes.subarray(end));
    if (count === null) return checkLength(bytes.subarray(0, end), limit_bytes);
    end += count;
  }
}

/** Reads what is there. @throws {Failure} If it cannot be read, a directory for instance. */
export async function readSome(
  { input, name, holds, progress }: MessageSource,
  into: Uint8Array,
): Promise<number | null> {
  try {
    const count = await input.read(into);
    if (progress !== undefined) progress.bytes += count ?? 0;
    return count;
  } catch (error) {
    throw cannotRead(holds, name, error);
  }
}

function checkLength(bytes: Uint8Array<ArrayBuffer>, limit_bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes.length > limit_bytes) throw tooLong("message", bytes.length, limit_bytes);
  return bytes;
}

/** What to say of a message over the limit. */
export function tooLong(what: string, length: number | undefined, limit_bytes: number): Failure {
  const is = length === undefined ? "" : ` of ${length} bytes`;
  return new Failure(EXIT.DATA, `${what}${is} is too long, limit is ${limit_bytes} bytes (max_message)`);
}

function cannotRead(what: string, name: string, error: unknown): Failure {
  return new Failure(EXIT.DATA, `cannot read ${what} from ${name}: ${whyNotOpened(error, name, "<")}`);
}

/**
 * The wire's encoding of a message.
 *
 * @param what What to call it in an error.
 * @throws {Failure} If the message is not what the options say it is.
 */
export function encodingOf(bytes: Uint8Array, encoding: MessageEncoding, what = "message"): Encoding {
  if (encoding === "bytes") return ENCODINGS.BYTES;
  const text = decode(bytes);
  if (encoding === "auto") return text === undefined ? ENCODINGS.BYTES : ENCODINGS.TEXT;
  if (text === undefined) throw new Failure(EXIT.DATA, `${what} is not valid UTF-8; send it with --bytes`);
  if (encoding === "text") return ENCODINGS.TEXT;
  try {
    JSON.parse(text);
    return ENCODINGS.JSON;
  } catch (error) {
    throw new Failure(EXIT.DATA, `${what} is not JSON: ${(error as Error).message}`);
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decodeUtf8(bytes);
  } catch {
    return undefined;
  }
}

/** Whether bytes are UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  return decode(bytes) !== undefined;
}
