/**
 * One part of what comes back for a request.
 *
 * @module
 */
import type { IpcError } from "../protocol/errors.ts";
import type { Encoding } from "../protocol/frame.ts";

/** A reply, or one part of a streamed one. */
export interface Reply {
  /** The payload. */
  data: unknown;
  /** Client id of the handler, 0 for the broker. */
  source: number;
  /** 0 for done well, 1 to 255 the exit status of a command. Of a streamed reply, the last part has it. */
  status: number;
  /** `stream` is "stderr" for what a command wrote there. */
  headers: ReadonlyMap<string, unknown>;
  /** How the payload was written, one of `ENCODINGS`. */
  encoding: Encoding;
  /** What the payload was written as, every digit of it, if that was JSON. */
  json?: Uint8Array<ArrayBuffer>;
  /** Whether further parts follow. */
  more: boolean;
  /** With `all`: what this handler answered instead. */
  error?: IpcError;
}
