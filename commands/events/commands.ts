/**
 * Runs a command for each event, some of them at once; or one at a time with the newest.
 *
 * @module
 */
import { type Encoding, encodingOf, ENCODINGS, type Frame, sequenceOf } from "../../protocol/frame.ts";
import type { EventContext } from "./format.ts";
import { eachFrame } from "./frames.ts";
import type { Io } from "../io.ts";
import { NewestOnly } from "./newest_only.ts";
import { notice } from "../notice.ts";
import { loadStructuredCodec, payloadText } from "../payload_text.ts";
import { KILL_AFTER_MS, runCommand } from "../run_command.ts";

/** How commands are run. */
export interface EventCommandsOptions {
  /** The program and its arguments; empty if events are printed. */
  command: readonly string[];
  /** How many run at once. */
  jobs: number;
  /** Run one at a time, with the newest event. */
  coalesce: boolean;
  /** The same, once no event has come for this long; 0 for at once. */
  debounce_ms: number;
}

/** What a command is run for. */
interface Occasion {
  channel: string;
  seq: number;
  source: number;
  source_name: string;
  encoding: Encoding;
  payload: Uint8Array<ArrayBuffer>;
}

/** See the module's head. */
export class EventCommands {
  readonly #options: EventCommandsOptions;
  readonly #io: Io;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #claim: () => boolean;
  readonly #cannotRun: (error: unknown) => void;
  readonly #newest: NewestOnly<Occasion> | undefined;
  #failed = false;

  /**
   * @param claim Whether one more is wanted.
   * @param cannotRun Told once a command cannot even be started.
   */
  constructor(options: EventCommandsOptions, io: Io, claim: () => boolean, cannotRun: (error: unknown) => void) {
    this.#options = options;
    this.#io = io;
    this.#claim = claim;
    this.#cannotRun = cannotRun;
    if (!options.coalesce && options.debounce_ms === 0) return;
    this.#newest = new NewestOnly(options.debounce_ms, (occasion, skipped) => this.#start(occasion, skipped));
  }

  /** Starts a command for each event, and returns when the last is started; at once if only the newest count. */
  async push(frames: Uint8Array<ArrayBuffer>, context: EventContext): Promise<void> {
    if (this.#newest !== undefined) return this.#offer(this.#newest, frames, context);
    for (const frame of eachFrame(frames)) {
      while (this.#running.size >= this.#options.jobs) await Promise.race(this.#running);
      if (this.#stop.signal.aborted || !this.#claim()) return;
      this.#keep(this.#run(occasionOf(frame, context), 0));
    }
  }

  /**
   * Waits for those that run.
   *
   * @param wanted Whether an event that waits for its turn is still to have it, at once.
   * @returns Whether any has failed.
   */
  async finish(wanted: boolean): Promise<"done" | "failed"> {
    const last = this.#newest?.end();
    await Promise.all(this.#running);
    if (wanted && last !== undefined) await this.#run(last.item, last.skipped);
    return this.#failed ? "failed" : "done";
  }

  /** Ends those that run. */
  async stop(): Promise<void> {
    this.#newest?.end();
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  #offer(newest: NewestOnly<Occasion>, frames: Uint8Array<ArrayBuffer>, context: EventContext): void {
    let last: Frame | undefined, count = 0;
    for (const frame of eachFrame(frames)) {
      last = frame;
      count++;
    }
    if (last !== undefined) newest.offer(occasionOf(last, context), count);
  }

  /** @returns When it has ended; nothing if it is not wanted. */
  #start(occasion: Occasion, skipped: number): Promise<void> | undefined {
    if (this.#stop.signal.aborted || !this.#claim()) return undefined;
    return this.#keep(this.#run(occasion, skipped));
  }

  #keep(run: Promise<void>): Promise<void> {
    const kept = run.finally(() => this.#running.delete(kept));
    this.#running.add(kept);
    return kept;
  }

  async #run({ channel, seq, source, source_name, encoding, payload }: Occasion, skipped: number): Promise<void> {
    const { command } = this.#options;
    try {
      const structured = encoding === ENCODINGS.STRUCTURED ? await loadStructuredCodec() : undefined;
      const status = await runCommand({
        command,
        env: {
          IPC_CHANNEL: channel,
          IPC_SEQ: String(seq),
          IPC_SOURCE: String(source),
          IPC_SOURCE_NAME: source_name,
          IPC_SKIPPED: String(skipped),
        },
        stdin: payloadText(encoding, payload, structured),
        signal: this.#stop.signal,
        kill_after_ms: KILL_AFTER_MS,
      });
      if (status === 0 || this.#stop.signal.aborted) return;
      this.#failed = true;
      notice(this.#io.stderr, `${channel}: ${command[0]} left with ${status} for event ${seq}`);
    } catch (error) {
      this.#cannotRun(error);
    }
  }
}

/** With a copy of the payload: the frame's memory is ours only until the last of its run is started. */
function occasionOf(frame: Frame, { channel, nameOf }: EventContext): Occasion {
  return {
    channel,
    seq: sequenceOf(frame),
    source: frame.source,
    source_name: nameOf(frame.source),
    encoding: encodingOf(frame.flags),
    payload: frame.payload.slice(),
  };
}
