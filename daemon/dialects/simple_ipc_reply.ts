/**
 * The reply to a client of Simple IPC, which takes it in one piece: its parts are kept until the last one has come. They
 * stand in one piece of memory that the connection keeps, so that they count as what it holds, and go with it.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { type Encoding, ENCODINGS } from "../../protocol/frame.ts";
import { REPLY_PARTS_MAX } from "../../protocol/limits.ts";
import { joined } from "../../protocol/joined.ts";
import { buffers } from "../buffer_pool.ts";
import type { Connection } from "../transport/connection.ts";
import { jsonOfPayload } from "./payloads.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const JSON_FLAG = 0, BYTES_FLAG = 1;
/** In front of each part: its encoding, and its length. */
const HEAD_BYTES = 5;
const GATHERED_BYTES_MIN = 4 * 1024;
const encoder = new TextEncoder();

interface Part {
  encoding: Encoding;
  payload: Bytes;
}

/** See the module's head. */
export class GatheredReply {
  readonly #connection: Connection;
  /** The parts that are not empty, each behind its head. */
  #bytes: Bytes | undefined;
  #used = 0;
  /** Where the last part begins. */
  #last = 0;
  #parts = 0;
  /** How long all parts are. */
  #length = 0;
  /** What a reply is of which all parts are empty. */
  #first: Encoding | undefined;
  /** Whether all parts are text or bytes. */
  #plain = true;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Keeps a part. The connection must be open.
   *
   * @throws {IpcError} TOO_LARGE
   */
  add(encoding: Encoding, payload: Bytes): void {
    this.#first ??= encoding;
    if (payload.length === 0) return;
    const length = this.#length + payload.length, limit = this.#connection.scanner.message_bytes_max;
    if (length > limit) throw new IpcError("TOO_LARGE", `reply of ${length} bytes or more, limit is ${limit}`);
    this.#length = length;
    this.#plain &&= isPlain(encoding);
    if (this.#parts < REPLY_PARTS_MAX) return this.#begin(encoding, payload);
    // What will be one text or one piece of bytes is one already.
    if (!this.#plain) {
      throw new IpcError("TOO_LARGE", `reply in more than ${REPLY_PARTS_MAX} parts that are not all text`);
    }
    this.#goOn(encoding, payload);
  }

  /**
   * The reply: one text or one piece of bytes if all parts are that, else the array of the parts.
   *
   * @param last The part that ends it.
   * @throws {IpcError} TOO_LARGE; SERIALIZATION for what cannot be written as JSON.
   */
  end(last: Part): Bytes {
    if (this.#parts === 0) {
      return replyOf(last.payload.length > 0 ? last : { ...last, encoding: this.#first ?? last.encoding });
    }
    this.add(last.encoding, last.payload);
    const parts = [...this.#walk()];
    if (parts.length === 1) return replyOf(parts[0]!);
    if (!this.#plain) return flagged(JSON_FLAG, encoder.encode(`[${parts.map(jsonOf).join(",")}]`));
    const encoding = parts.every((part) => part.encoding === ENCODINGS.TEXT) ? ENCODINGS.TEXT : ENCODINGS.BYTES;
    return replyOf({ encoding, payload: joined(parts.map(({ payload }) => payload)) });
  }

  /** Forgets what is kept. */
  forget(): void {
    if (this.#bytes !== undefined) this.#connection.letGo(this.#bytes);
    this.#bytes = undefined;
    this.#used = this.#parts = this.#length = 0;
  }

  #begin(encoding: Encoding, payload: Bytes): void {
    const bytes = this.#room(HEAD_BYTES + payload.length), at = this.#last = this.#used;
    this.#parts++;
    bytes[at] = encoding;
    view(bytes).setUint32(at + 1, payload.length, true);
    bytes.set(payload, at + HEAD_BYTES);
    this.#used += HEAD_BYTES + payload.length;
  }

  #goOn(encoding: Encoding, payload: Bytes): void {
    const bytes = this.#room(payload.length), at = this.#last;
    if (encoding === ENCODINGS.BYTES) bytes[at] = encoding;
    bytes.set(payload, this.#used);
    this.#used += payload.length;
    view(bytes).setUint32(at + 1, this.#used - at - HEAD_BYTES, true);
  }

  /** Memory with room for so much more. */
  #room(more: number): Bytes {
    const before = this.#bytes, needed = this.#used + more;
    if (before !== undefined && needed <= before.length) return before;
    const bytes = buffers.take(Math.max(GATHERED_BYTES_MIN, needed, 2 * (before?.length ?? 0)));
    if (before !== undefined) {
      bytes.set(before.subarray(0, this.#used));
      this.#connection.letGo(before);
    }
    this.#connection.keep(bytes);
    buffers.release(bytes);
    return this.#bytes = bytes;
  }

  *#walk(): Generator<Part> {
    const bytes = this.#bytes!;
    for (let at = 0; at < this.#used;) {
      const start = at + HEAD_BYTES, end = start + view(bytes).getUint32(at + 1, true);
      yield { encoding: bytes[at] as Encoding, payload: bytes.subarray(start, end) };
      at = end;
    }
  }
}

function isPlain(encoding: Encoding): boolean {
  return encoding === ENCODINGS.TEXT || encoding === ENCODINGS.BYTES;
}

function view(bytes: Bytes): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function replyOf(part: Part): Bytes {
  if (part.encoding === ENCODINGS.BYTES) return flagged(BYTES_FLAG, part.payload);
  return flagged(JSON_FLAG, encoder.encode(jsonOf(part)));
}

function jsonOf({ encoding, payload }: Part): string {
  const value = jsonOfPayload(encoding, payload);
  if (value.encoding === undefined) return value.text;
  if (value.encoding === "base64") return `{"encoding":"base64","data":${value.text}}`;
  throw new IpcError("SERIALIZATION", `reply of ${payload.length} bytes cannot be written as JSON`);
}

function flagged(flag: number, body: Bytes): Bytes {
  return joined([new Uint8Array([flag]), body]);
}
