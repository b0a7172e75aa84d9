/**
 * Every exit code that `ipc` can leave with, and which error leads to which. The numbers are stable and documented:
 * scripts compare them. Most are those of sysexits.h, the last ones those of a shell and of timeout(1).
 *
 * @module
 */
import { ERROR_CODES, type ErrorName, IpcError } from "../protocol/errors.ts";

/** Exit codes by meaning. */
export const EXIT = {
  /** Done, including "as many as asked for". */
  OK: 0,
  /** A negative answer, such as `--expect` not met, or a handler that failed without saying how. */
  NEGATIVE: 1,
  /** The command line is wrong. */
  USAGE: 64,
  /** A payload is not what it should be, or cannot be read; or others lock for another number. */
  DATA: 65,
  /** No broker, nobody handles the channel, or a lock is lost. */
  UNAVAILABLE: 69,
  /** A bug in ipc. */
  BUG: 70,
  /** What was to be printed cannot be: the disk is full, say. */
  OUTPUT: 74,
  /** Overloaded; the same may work later. */
  OVERLOADED: 75,
  /** The other side speaks another protocol or version. */
  PROTOCOL: 76,
  /** Denied, or the socket belongs to someone else. */
  DENIED: 77,
  /** The configuration is wrong. */
  CONFIGURATION: 78,
  /** Took longer than allowed. */
  TIMEOUT: 124,
  /** A command to run was found and cannot be run. */
  CANNOT_RUN: 126,
  /** A command to run was not found. */
  NOT_FOUND: 127,
  /** 128 + SIGHUP. */
  HANGUP: 129,
  /** 128 + SIGINT: Ctrl-C. */
  INTERRUPTED: 130,
  /** 128 + SIGPIPE: whoever read standard output has gone. */
  BROKEN_PIPE: 141,
  /** 128 + SIGTERM. */
  TERMINATED: 143,
} as const;

/** Signals that end a command, with the exit code of each. */
export const SIGNAL_EXITS = { SIGHUP: EXIT.HANGUP, SIGINT: EXIT.INTERRUPTED, SIGTERM: EXIT.TERMINATED } as const;

/** A signal of {@linkcode SIGNAL_EXITS}. */
export type EndingSignal = keyof typeof SIGNAL_EXITS;

const BY_ERROR: Record<ErrorName, number> = {
  CHANNEL_NAME: EXIT.USAGE,
  SERIALIZATION: EXIT.DATA,
  SCHEMA: EXIT.DATA,
  TOO_LARGE: EXIT.DATA,
  CHANNEL_SEND: EXIT.UNAVAILABLE,
  CHANNEL_RECV: EXIT.UNAVAILABLE,
  CHANNEL_NOT_FOUND: EXIT.UNAVAILABLE,
  CLIENT_NOT_FOUND: EXIT.UNAVAILABLE,
  NO_HANDLER: EXIT.UNAVAILABLE,
  HANDLER_GONE: EXIT.UNAVAILABLE,
  CANCELLED: EXIT.UNAVAILABLE,
  SHUTDOWN: EXIT.UNAVAILABLE,
  OVERLOADED: EXIT.OVERLOADED,
  SLOW_CONSUMER: EXIT.OVERLOADED,
  PROTOCOL: EXIT.PROTOCOL,
  UNAUTHORIZED: EXIT.DENIED,
  FORBIDDEN: EXIT.DENIED,
  TIMEOUT: EXIT.TIMEOUT,
  HANDLER_ERROR: EXIT.NEGATIVE,
  GAP: EXIT.NEGATIVE,
};

/** A command that cannot go on, with the exit code to leave with. Its message goes to standard error. */
export class Failure extends Error {
  override readonly name = "Failure";
  /** @param code One of {@linkcode EXIT}. */
  constructor(readonly code: number, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * The exit code of an error.
 *
 * @example
 * ```ts
 * import { exitCodeOf } from "./exit_codes.ts";
 * import { IpcError } from "../protocol/errors.ts";
 *
 * if (exitCodeOf(new IpcError("TIMEOUT", "no reply")) !== 124) throw new Error("not the documented code");
 * ```
 */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Failure) return error.code;
  if (error instanceof IpcError) return exitCodeOfReason(error.code);
  if (error instanceof Error && error.name === "ConfigError") return EXIT.CONFIGURATION;
  return EXIT.BUG;
}

/** The exit code of an error's number on the wire; a number that this version does not know is a newer protocol's. */
function exitCodeOfReason(code: number): number {
  for (const [name, number] of Object.entries(ERROR_CODES)) if (number === code) return BY_ERROR[name as ErrorName];
  return EXIT.PROTOCOL;
}

/**
 * What an error says to people: one or more lines, to be printed behind `ipc: `. A bug comes with its stack, so that it
 * can be reported.
 */
export function describeError(error: unknown): string {
  if (exitCodeOf(error) !== EXIT.BUG) return (error as Error).message;
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  return `this is a bug in ipc, please report it with the lines below\n${text}`;
}
