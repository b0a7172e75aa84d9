/**
 * A request as a handler sees it.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import { type Encoding, FLAGS, FRAME_TYPES } from "../protocol/frame.ts";
import type { HeadersInit } from "./message.ts";
import type { Outgoing } from "./outgoing.ts";

const STDERR = { stream: "stderr" };

/** What a handler is given, and what it can do beside returning a value. */
export class IncomingRequest {
  /**
   * Status of the reply: 0 for done well, 1 to 255 for the exit status of a command that was not. Set it before the
   * handler returns.
   */
  status = 0;
  readonly #outgoing: Outgoing;
  readonly #id: number;
  #abort: AbortController | undefined;
  #reason: IpcError | undefined;
  #leave: (() => void) | undefined;

  /**
   * @param channel Name of the channel it came on.
   * @param data The payload.
   * @param source Client id of the requester.
   * @param headers What the requester put beside the payload.
   * @param encoding How the payload was written, one of `ENCODINGS`.
   * @param json What the payload was written as, every digit of it, if that was JSON.
   * @param id The requester's number for it.
   */
  constructor(
    outgoing: Outgoing,
    readonly channel: string,
    readonly data: unknown,
    readonly source: number,
    readonly headers: ReadonlyMap<string, unknown>,
    readonly encoding: Encoding,
    readonly json: Uint8Array<ArrayBuffer> | undefined,
    id: number,
  ) {
    this.#outgoing = outgoing;
    this.#id = id;
  }

  /** Aborted when nobody waits for the reply any more: cancelled, timed out, requester or connection gone. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    }
    return this.#abort.signal;
  }

  /**
   * Sends a part of the reply ahead of what the handler returns.
   *
   * @returns Resolves when there is room for more.
   * @throws {IpcError} CANCELLED if nobody waits for it any more.
   */
  write(data: unknown, headers?: HeadersInit): Promise<void> {
    return this.#send(FLAGS.MORE, 0, headers, data);
  }

  /** Sends what a command wrote to standard error. */
  writeError(data: string | Uint8Array): Promise<void> {
    return this.#send(FLAGS.MORE, 0, STDERR, data);
  }

  /** The reply's end. Not for handlers: they return. @internal */
  finish(data: unknown): Promise<void> {
    if (!Number.isInteger(this.status) || this.status < 0 || this.status > 255) {
      return Promise.reject(new IpcError("HANDLER_ERROR", `status ${this.status} is not an integer from 0 to 255`));
    }
    return this.#send(0, this.status, undefined, data);
  }

  /** The reply's end, if it failed. @internal */
  refuse(code: number, body: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#send(FLAGS.ERROR, code, undefined, body);
  }

  /** Nobody waits any more. @internal */
  cancel(reason: IpcError): void {
    this.#reason = reason;
    this.#abort?.abort(reason);
    this.#leave?.();
  }

  /** What to do when nobody waits any more. @internal */
  set onleave(leave: () => void) {
    this.#leave = leave;
  }

  /** Whether nobody waits any more. @internal */
  get cancelled(): boolean {
    return this.#reason !== undefined;
  }

  #send(flags: number, status: number, headers: HeadersInit | undefined, data: unknown): Promise<void> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    return this.#outgoing.send(FRAME_TYPES.REPLY, flags, this.source, this.#id, status, headers, data);
  }
}
