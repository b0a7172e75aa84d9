/**
 * How the project's tasks end that read their arguments with commander.
 *
 * @module
 */
import { CommanderError } from "@commander-js/extra-typings";

/**
 * The exit code after arguments that could not be read, or asked for help. What there is to say has been printed.
 *
 * @throws What is no error of commander's.
 */
export function usageExit(error: unknown): number {
  if (!(error instanceof CommanderError)) throw error;
  return error.exitCode === 0 ? 0 : 64;
}
