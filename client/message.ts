/**
 * A message as a program sees it.
 *
 * @module
 */
import type { Encoding } from "../protocol/frame.ts";
import type { Body, Plain } from "../protocol/msgpack.ts";

/** The headers of a message, by name. */
export type Headers = Body;

/** Headers to send: text, numbers, booleans, bytes, arrays and maps of those, 65535 bytes at most. */
export type HeadersInit = { readonly [name: string]: Plain } | ReadonlyMap<string, Plain>;

/** What came on a channel, payload decoded. */
export class Message {
  /**
   * @param channel Name of the channel it came on.
   * @param data The payload. Bytes are a view of memory that nobody writes to any more.
   * @param seq Its number in the channel's sequence; 0 for a direct event, which has none, and for a request.
   * @param source Client id of the sender, 0 for the broker itself.
   * @param headers What the sender put beside the payload.
   * @param encoding How the payload was written, one of `ENCODINGS`.
   * @param retained Whether it is the channel's retained event, sent before this listener came.
   */
  constructor(
    readonly channel: string,
    readonly data: unknown,
    readonly seq: number,
    readonly source: number,
    readonly headers: ReadonlyMap<string, unknown>,
    readonly encoding: Encoding,
    readonly retained: boolean,
  ) {}
}
