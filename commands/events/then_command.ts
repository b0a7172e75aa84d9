/**
 * The command of `ipc listen --then`: started once nothing can be missed, with standard streams of ipc's own, and ended
 * with all that it started when the listener leaves.
 *
 * @module
 */
import type { EndingSignal } from "../exit_codes.ts";
import { KILL_AFTER_MS, runCommand } from "../run_command.ts";

/** See the module's head. */
export class ThenCommand {
  readonly #command: readonly string[];
  readonly #stop = new AbortController();
  #status: Promise<number> | undefined;

  constructor(command: readonly string[]) {
    this.#command = command;
  }

  /** Starts it. @returns Its exit status. */
  start(): Promise<number> {
    this.#status = runCommand({
      command: this.#command,
      env: {},
      stdin: "inherit",
      signal: this.#stop.signal,
      kill_after_ms: KILL_AFTER_MS,
      leaves_nothing: true,
    });
    return this.#status;
  }

  /** Passes a signal on, and KILL to what has not ended after a while. @returns Its status, if it was started. */
  async stop(signal: EndingSignal): Promise<number | undefined> {
    this.#stop.abort(signal);
    return await this.#status;
  }
}
