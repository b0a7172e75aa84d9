/**
 * A run is one piece of memory with whole EVENT frames in it, as they were read. It is passed to listeners as it is, and
 * taken apart by each when its turn comes.
 *
 * Its memory is the connection's read buffer, which the next read overwrites. Whoever keeps some of a run for later calls
 * `keep()` before that: if the run fills at least half of the buffer, the buffer is lent to it and the connection takes a
 * new one; else the run is copied once, into memory of its exact size. So what is held is at most twice what is used.
 *
 * @module
 */
import { type Body, decodeBody } from "../protocol/msgpack.ts";
import { encodingOf, FLAGS, OFFSET, sequenceAt } from "../protocol/frame.ts";
import { HEADER_BYTES } from "../protocol/limits.ts";
import { decodePayload } from "../protocol/payload.ts";
import type { Scanner } from "../protocol/scanner.ts";
import { structuredCodec } from "./codec.ts";
import { Message } from "./message.ts";

const NO_HEADERS: Body = new Map();

/** See the module's head. Positions in it count from its first byte. */
export class Run {
  /** Whole frames. */
  bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #scanner: Scanner | undefined;

  /**
   * @param scanner Whose buffer `bytes` is a view of.
   * @param epoch What its sequence numbers count in.
   */
  constructor(bytes: Uint8Array<ArrayBuffer>, scanner: Scanner, readonly epoch: string) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#scanner = scanner;
  }

  /** Makes sure that nobody will write to this memory. */
  keep(): void {
    if (this.#scanner === undefined) return;
    if (this.bytes.length * 2 >= this.bytes.buffer.byteLength) this.#scanner.lend();
    else {
      this.bytes = this.bytes.slice();
      this.#view = new DataView(this.bytes.buffer);
    }
    this.#scanner = undefined;
  }

  /** {@linkcode keep} for somebody who already has a view of `bytes`. */
  lend(): void {
    this.#scanner?.lend();
    this.#scanner = undefined;
  }

  /** Where the frame behind the one at `at` begins. */
  behind(at: number): number {
    return at + this.#view.getUint32(at, true);
  }

  /** Sequence number of the event at `at`, 0 for a direct one. */
  seq(at: number): number {
    return sequenceAt(this.#view, at);
  }

  /** @throws {IpcError} SERIALIZATION if the payload is not what its encoding says. */
  message(at: number, channel: string): Message {
    const view = this.#view, word = view.getUint32(at + OFFSET.type, true), flags = word >>> 8 & 0xff;
    const headers = word >>> 16, body = at + HEADER_BYTES + headers;
    const encoding = encodingOf(flags);
    return new Message(
      channel,
      decodePayload(encoding, this.bytes.subarray(body, at + view.getUint32(at, true)), structuredCodec()),
      this.seq(at),
      view.getUint32(at + OFFSET.source, true),
      headers === 0 ? NO_HEADERS : decodeBody(this.bytes.subarray(at + HEADER_BYTES, body)),
      encoding,
      (flags & FLAGS.RETAIN) !== 0,
    );
  }
}
