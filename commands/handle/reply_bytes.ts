/**
 * What a command writes as a reply, piece by piece.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { joined } from "../../protocol/joined.ts";
import { isUtf8 } from "../messages/options.ts";

/** What a command has written, up to the limit of a message. */
export class ReplyBytes {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  readonly #limit_bytes: number;
  #length = 0;

  /** @param limit_bytes What all of it may come to. */
  constructor(limit_bytes: number) {
    this.#limit_bytes = limit_bytes;
  }

  /** @throws {IpcError} TOO_LARGE */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    this.#length += bytes.length;
    if (this.#length > this.#limit_bytes) {
      throw new IpcError("TOO_LARGE", `the reply is too long, limit is ${this.#limit_bytes} bytes (max_message)`);
    }
    this.#parts.push(bytes);
  }

  /** All of it. */
  bytes(): Uint8Array<ArrayBuffer> {
    return joined(this.#parts);
  }
}

/** A command's output as a message: text if it is UTF-8. */
export function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  return isUtf8(bytes) ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) : bytes;
}
