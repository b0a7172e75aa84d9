/**
 * What each exit code means, in a line: for `ipc help exit-codes` and the manual pages.
 *
 * @module
 */
import { EXIT } from "../exit_codes.ts";

/** By the code's name; the compiler finds one that is missing. */
const MEANINGS: Record<keyof typeof EXIT, string> = {
  OK: "done",
  NEGATIVE: "a negative answer: --expect not met, a gap with --strict, --no-wait and it is not so or taken",
  USAGE: "wrong usage",
  DATA: "the payload is not what its encoding says, or is too large; others lock for another number",
  UNAVAILABLE: "no broker is running, nobody handles the channel, or a lock is lost",
  BUG: "a bug in ipc",
  OUTPUT: "output cannot be written: a disk that is full, for one",
  OVERLOADED: "overloaded, try again",
  PROTOCOL: "broker and client do not speak the same protocol",
  DENIED: "denied, or the socket belongs to someone else",
  CONFIGURATION: "the configuration is wrong",
  TIMEOUT: "timeout",
  CANNOT_RUN: "a command to run cannot be run",
  NOT_FOUND: "a command to run is not found",
  HANGUP: "ended by SIGHUP",
  INTERRUPTED: "ended by SIGINT: Ctrl-C",
  BROKEN_PIPE: "nobody reads the output any more",
  TERMINATED: "ended by SIGTERM",
};

/** Codes and what they mean, from the lowest. */
export const EXIT_MEANINGS: readonly (readonly [code: number, meaning: string])[] = Object.entries(EXIT)
  .map(([name, code]) => [code, MEANINGS[name as keyof typeof EXIT]] as const)
  .sort(([a], [b]) => a - b);

/** What else a verb may leave with. */
export const OTHER_CODES = "ipc request leaves with any other code from 1 to 125 if the handler did, unless " +
  "--no-remote-status is given; ipc lock, ipc semaphore and ipc listen --then with the status of their command.";
