/**
 * The numbered errors that cross the wire. Numbers and names are stable: programs in other languages compare them.
 * 7000 to 7003 are those of Forge's `ext_ipc`.
 *
 * @module
 */

/** Every error that a broker or a client can name, by its number on the wire. */
export const ERROR_CODES = {
  CHANNEL_SEND: 7000,
  CHANNEL_RECV: 7001,
  CLIENT_NOT_FOUND: 7002,
  SERIALIZATION: 7003,
  NO_HANDLER: 7004,
  HANDLER_GONE: 7005,
  TIMEOUT: 7006,
  CANCELLED: 7007,
  HANDLER_ERROR: 7008,
  CHANNEL_NAME: 7009,
  UNAUTHORIZED: 7010,
  FORBIDDEN: 7011,
  TOO_LARGE: 7012,
  OVERLOADED: 7013,
  SLOW_CONSUMER: 7014,
  SCHEMA: 7015,
  PROTOCOL: 7016,
  SHUTDOWN: 7017,
  CHANNEL_NOT_FOUND: 7018,
  GAP: 7019,
} as const;

/** The name of an error, as in `error.name_of_code` and in what people read. */
export type ErrorName = keyof typeof ERROR_CODES;

const NAMES = new Map<number, ErrorName>();
for (const name in ERROR_CODES) NAMES.set(ERROR_CODES[name as ErrorName], name as ErrorName);

/**
 * The name of a code from the wire.
 *
 * @param code A number as it stood in a frame.
 * @returns Its name, or `undefined` for a number that this version does not know.
 */
export function errorName(code: number): ErrorName | undefined {
  return NAMES.get(code);
}

/**
 * An error with a numbered code, the same on both sides of the wire.
 *
 * @example
 * ```ts
 * import { IpcError } from "./errors.ts";
 *
 * const error = new IpcError("TIMEOUT", "no reply within 5000 ms");
 * if (error.code !== 7006 || error.reason !== "TIMEOUT") throw new Error("not the documented code");
 * ```
 */
export class IpcError extends Error {
  override readonly name = "IpcError";
  /** The number on the wire, 7000 and up. */
  readonly code: number;
  /** The code's name, `"UNKNOWN"` for one that this version does not know. */
  readonly reason: ErrorName | "UNKNOWN";
  /** What the sender attached, if anything. */
  readonly data: unknown;

  /**
   * @param reason Name or number of the error.
   * @param message What could not be done, with which value, and what to do about it.
   * @param options `data` travels with the error; `cause` stays in this process.
   */
  constructor(reason: ErrorName | number, message: string, options: { data?: unknown; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = typeof reason === "number" ? reason : ERROR_CODES[reason];
    this.reason = NAMES.get(this.code) ?? "UNKNOWN";
    this.data = options.data;
  }
}
