/**
 * Variables of the environment that are no settings, and what they are for: for `ipc help environment` and the manual
 * pages. A test compares them with docs/configuration.md.
 *
 * @module
 */

/** By name. */
export const OTHER_VARIABLES: readonly (readonly [name: string, meaning: string])[] = [
  ["IPC_PROFILE", "the profile that says which broker is meant, as --profile"],
  ["IPC_CONFIG", "the one configuration file to read, as --config"],
  ["IPC_AUTOSTART", "0: listen, handle, lock and the like start no broker, as --no-autostart"],
  ["IPC_CONNECT", "the broker to connect to, if it is not this machine's, as --connect"],
  ["IPC_CA", "the certificate of who signed that broker's, as --ca"],
  ["IPC_TOKEN_FILE", "the file that holds the token to show, as --token-file"],
  ["NO_COLOR", "set to anything: monitor, top and progress bars have no colour"],
  ["TERM", "dumb: no colour, no progress bars, no top"],
  ["IPC_CHANNEL", "set for commands that listen, handle, lock and semaphore run: the channel"],
  ["IPC_LOCK_FENCE", "set for commands that lock and semaphore run: higher for who got the lock later"],
  ["IPC_SEQ", "set for commands that listen runs: the event's sequence number"],
  ["IPC_SOURCE", "set for commands that listen and handle run: the sender's id"],
  ["IPC_SKIPPED", "set for commands that listen runs: with --coalesce, how many events were skipped"],
  ["IPC_SOURCE_NAME", "set for commands that listen runs: the sender's name"],
];
