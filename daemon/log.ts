/**
 * What the broker logs through. The router and the transport know only this; LogTape is behind it in `log_tape.ts`, and
 * is loaded when a broker is started, not when its types are.
 *
 * @module
 */

/** Structured log: a fixed message, and what varies beside it. */
export interface Log {
  debug(message: string, properties?: Record<string, unknown>): void;
  info(message: string, properties?: Record<string, unknown>): void;
  warning(message: string, properties?: Record<string, unknown>): void;
  error(message: string, properties?: Record<string, unknown>): void;
}
