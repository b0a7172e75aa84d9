/**
 * How long to wait before connecting again.
 *
 * @module
 */
import type { ErrorName, IpcError } from "../protocol/errors.ts";

const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 5_000;

/**
 * Doubles with each attempt, and is anything from half of that to all of it, so that a thousand clients of a broker that
 * was restarted do not come at once.
 *
 * @param attempt 0 for the first.
 * @param random From 0 to 1.
 */
export function backoffMs(attempt: number, random: number = Math.random()): number {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt, 16)) * (0.5 + random / 2);
}

/** What trying again does not help against. */
const FINAL: ReadonlySet<ErrorName | "UNKNOWN"> = new Set<ErrorName>([
  "CHANNEL_NAME",
  "FORBIDDEN",
  "PROTOCOL",
  "SCHEMA",
  "SERIALIZATION",
  "TOO_LARGE",
  "UNAUTHORIZED",
]);

/** Whether a channel ends with this error instead of connecting again. */
export function isFinal(error: IpcError): boolean {
  return FINAL.has(error.reason);
}
