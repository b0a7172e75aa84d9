/**
 * What tests of commands share: surroundings in memory, and events as they are read.
 *
 * @module
 */
import { encodeFrame, ENCODINGS, type Frame, FRAME_TYPES } from "../protocol/frame.ts";
import { structuredCodec } from "../protocol/structured_clone.ts";
import { joined } from "../protocol/joined.ts";
import type { EventContext } from "./events/format.ts";
import type { EndingSignal } from "./exit_codes.ts";
import { BrokenPipe, type Io, type Output } from "./io.ts";

/** What a test gives a command and can look at afterwards. */
export interface MemoryIo extends Io {
  stdout: MemoryOutput;
  stderr: MemoryOutput;
  /** Sends a signal to whoever listens. */
  raise(signal: EndingSignal): void;
}

/** Keeps what is written. */
export class MemoryOutput implements Output {
  /** How often something was written. */
  writes = 0;
  readonly #parts: Uint8Array[] = [];

  /** @param closed Whether its reader has gone. */
  constructor(readonly is_terminal = false, public closed = false, public columns?: number) {}

  write(data: Uint8Array | string): void {
    if (this.closed) throw new BrokenPipe("closed");
    this.writes++;
    this.#parts.push(typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
  }

  /** All of it as text. */
  get text(): string {
    return new TextDecoder().decode(new Uint8Array(this.#parts.flatMap((part) => [...part])));
  }
}

/** Options of {@linkcode memoryIo}. */
export interface MemoryOptions {
  /** What standard input gives, a read each. */
  stdin?: readonly (string | Uint8Array)[];
  /** The width of the terminal that standard output is then. */
  columns?: number;
  env?: Record<string, string>;
  cwd?: string;
}

/** Makes surroundings. */
export function memoryIo(options: MemoryOptions = {}): MemoryIo {
  const listeners = new Map<EndingSignal, Set<() => void>>();
  const stdout = new MemoryOutput(options.columns !== undefined, false, options.columns);
  const input = (options.stdin ?? []).map((part) => typeof part === "string" ? new TextEncoder().encode(part) : part);
  return {
    stdin: {
      is_terminal: false,
      read(into) {
        const part = input.shift();
        if (part === undefined) return Promise.resolve(null);
        const count = Math.min(part.length, into.length);
        into.set(part.subarray(0, count));
        if (count < part.length) input.unshift(part.subarray(count));
        return Promise.resolve(count);
      },
    },
    stdout,
    stderr: new MemoryOutput(),
    cwd: () => options.cwd ?? "/",
    env: (name) => options.env?.[name],
    onSignal(signal, callback) {
      const all = listeners.get(signal) ?? new Set();
      listeners.set(signal, all.add(callback));
      return () => all.delete(callback);
    },
    bulkOutput: () => Promise.resolve(stdout),
    stdoutClosed: () => new Promise(() => {}),
    raise(signal) {
      for (const callback of listeners.get(signal) ?? []) callback();
    },
  };
}

/** What a format is told beside the event. */
export const CONTEXT: EventContext = {
  channel: "deploys",
  nameOf: (client) => client === 7 ? "bo\u001bb" : "",
  structured: structuredCodec,
};

/** One event of client 7. */
export function event(payload: string | Uint8Array<ArrayBuffer>, more: Partial<Frame> = {}): Uint8Array<ArrayBuffer> {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  return encodeFrame({
    type: FRAME_TYPES.EVENT,
    flags: ENCODINGS.TEXT,
    source: 7,
    id: 3,
    aux: 1,
    payload: bytes,
    ...more,
  });
}

/** Events as they stand behind each other in a read. */
export function run(...frames: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  // Frames stand somewhere inside of a read buffer.
  return joined([new Uint8Array(5), ...frames]).subarray(5);
}
