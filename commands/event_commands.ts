/**
 * Runs a command for each event, some of them at once.
 *
 * @module
 */
import type { EventContext } from "./event_format.ts";
import { encodingIn, sequenceOf } from "./event_format.ts";
import { eachFrame } from "./event_frames.ts";
import { ENCODINGS, type Frame } from "../protocol/frame.ts";
import type { Io } from "./io.ts";
import { notice } from "./notice.ts";
import { loadStructuredCodec, payloadText } from "./payload_text.ts";
import { KILL_AFTER_MS, runCommand } from "./run_command.ts";

/** See the module's head. */
export class EventCommands {
  readonly #command: readonly string[];
  readonly #jobs: number;
  readonly #io: Io;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #cannotRun: (error: unknown) => void;
  #failed = false;

  /** @param cannotRun Told once a command cannot even be started. */
  constructor(command: readonly string[], jobs: number, io: Io, cannotRun: (error: unknown) => void) {
    this.#command = command;
    this.#jobs = jobs;
    this.#io = io;
    this.#cannotRun = cannotRun;
  }

  /**
   * Starts a command for each event, and returns when the last is started.
   *
   * @param claim Whether one more is wanted.
   */
  async push(frames: Uint8Array<ArrayBuffer>, claim: () => boolean, context: EventContext): Promise<void> {
    for (const frame of eachFrame(frames)) {
      while (this.#running.size >= this.#jobs) await Promise.race(this.#running);
      if (this.#stop.signal.aborted || !claim()) return;
      const run = this.#run(frame, context).finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
  }

  /** Waits for those that run. @returns Whether any has failed. */
  async finish(): Promise<"done" | "failed"> {
    await Promise.all(this.#running);
    return this.#failed ? "failed" : "done";
  }

  /** Ends those that run. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #run(frame: Frame, context: EventContext): Promise<void> {
    const { channel, nameOf } = context, seq = sequenceOf(frame);
    // A copy: the frame's memory is ours only until the last of its run is started.
    const payload = frame.payload.slice(), encoding = encodingIn(frame);
    try {
      const structured = encoding === ENCODINGS.STRUCTURED ? await loadStructuredCodec() : undefined;
      const status = await runCommand({
        command: this.#command,
        env: {
          IPC_CHANNEL: channel,
          IPC_SEQ: String(seq),
          IPC_SOURCE: String(frame.source),
          IPC_SOURCE_NAME: nameOf(frame.source),
        },
        stdin: payloadText(encoding, payload, structured),
        signal: this.#stop.signal,
        kill_after_ms: KILL_AFTER_MS,
      });
      if (status === 0 || this.#stop.signal.aborted) return;
      this.#failed = true;
      notice(this.#io.stderr, `${channel}: ${this.#command[0]} left with ${status} for event ${seq}`);
    } catch (error) {
      this.#cannotRun(error);
    }
  }
}
