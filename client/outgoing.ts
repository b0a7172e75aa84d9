/**
 * Turns what a program sends into frames. All of it passes here, in order: while the structured codec is being loaded
 * for one message, those behind it wait, even if they do not need it.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import { ENCODINGS } from "../protocol/frame.ts";
import { HEADERS_BYTES_MAX, MESSAGE_BYTES_DEFAULT } from "../protocol/limits.ts";
import { encodeBody } from "../protocol/msgpack.ts";
import { encodePayload, WrittenPayload } from "../protocol/payload.ts";
import { loadStructuredCodec, structuredCodec } from "./codec.ts";
import type { HeadersInit } from "./message.ts";
import type { Sender } from "./sender.ts";

/** See the module's head. */
export class Outgoing {
  /** Limit of a payload, as the broker announced it. */
  message_bytes_max: number = MESSAGE_BYTES_DEFAULT;
  readonly #sender: Sender;
  /** Messages that wait for the codec. */
  #held = 0;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /**
   * Sends one message.
   *
   * @param flags Without the encoding, which `data` decides.
   * @returns Resolves when there was room for it; then its memory may be changed.
   * @throws {IpcError} SERIALIZATION or TOO_LARGE. Never at once: the promise is rejected.
   */
  send(
    type: number,
    flags: number,
    target: number,
    id: number,
    aux: number,
    headers: HeadersInit | undefined,
    data: unknown,
  ): Promise<void> {
    if (this.#held > 0) return this.#hold(type, flags, target, id, aux, headers, data);
    try {
      const encoded = encodePayload(data, structuredCodec());
      if (encoded === undefined) return this.#hold(type, flags, target, id, aux, headers, data);
      const { encoding, bytes } = encoded;
      if (bytes.length > this.message_bytes_max) return Promise.reject(this.#tooLarge(bytes.length));
      const block = headers === undefined ? undefined : encodeHeaders(headers);
      return this.#sender.send(type, flags | encoding, target, id, aux, block, bytes, encoding === ENCODINGS.BYTES);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #hold(
    type: number,
    flags: number,
    target: number,
    id: number,
    aux: number,
    headers: HeadersInit | undefined,
    data: unknown,
  ): Promise<void> {
    // The caller may change it before the codec is there.
    const copy = snapshot(data);
    this.#held++;
    try {
      await loadStructuredCodec();
    } finally {
      this.#held--;
    }
    // Not through send(): those behind this one still wait, and it goes before them.
    const { encoding, bytes } = encodePayload(copy, structuredCodec())!;
    if (bytes.length > this.message_bytes_max) throw this.#tooLarge(bytes.length);
    const block = headers === undefined ? undefined : encodeHeaders(headers);
    return this.#sender.send(type, flags | encoding, target, id, aux, block, bytes, false);
  }

  #tooLarge(bytes: number): IpcError {
    return new IpcError("TOO_LARGE", `message of ${bytes} bytes, limit is ${this.message_bytes_max}`);
  }
}

function snapshot(data: unknown): unknown {
  if (data instanceof WrittenPayload) return data;
  try {
    return structuredClone(data);
  } catch (error) {
    throw new IpcError("SERIALIZATION", `value cannot be sent: ${(error as Error).message}`, { cause: error });
  }
}

function encodeHeaders(headers: HeadersInit): Uint8Array<ArrayBuffer> | undefined {
  const block = encodeBody(headers);
  if (block.length > HEADERS_BYTES_MAX) {
    throw new IpcError("TOO_LARGE", `headers of ${block.length} bytes, limit is ${HEADERS_BYTES_MAX}`);
  }
  return block;
}
