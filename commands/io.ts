/**
 * What a command sees of its process. A command is given an {@linkcode Io} and touches nothing else of the terminal, the
 * environment or the signals, so that tests can run it with streams in memory.
 *
 * Standard output is written synchronously and whole. That makes a slow reader slow the command down, and through the
 * socket the broker and then the publishers, as in any pipe; and it is the only way of writing that reports a closed
 * pipe (`console.log` keeps silent about it).
 *
 * @module
 */
import type { EndingSignal } from "./exit_codes.ts";

/** Somewhere to write to. */
export interface Output {
  /** Whether people look at it. */
  readonly is_terminal: boolean;
  /** How wide the terminal is, if it is one. */
  readonly columns?: number | undefined;
  /**
   * Writes all of it before it returns.
   *
   * @throws {BrokenPipe} If whoever read it has gone.
   */
  write(data: Uint8Array | string): void;
}

/** Somewhere to read from. */
export interface Input {
  /** Whether people type it. */
  readonly is_terminal: boolean;
  /** Reads what is there, at least a byte. @returns How many bytes, `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/** A command's surroundings. */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** The working directory. */
  cwd(): string;
  /** A variable of the environment; `undefined` if it is not set. */
  env(name: string): string | undefined;
  /** Calls back for each such signal instead of ending the process. @returns What takes the listener away again. */
  onSignal(signal: EndingSignal, callback: () => void): () => void;
  /** Standard output, for whoever writes a lot. */
  bulkOutput(): Promise<Output>;
  /** Resolves when the reader of standard output has gone, as far as the system can tell. Ask for it once. */
  stdoutClosed(): Promise<void>;
}

/** The reader of standard output has gone. */
export class BrokenPipe extends Error {
  override readonly name = "BrokenPipe";
}

/** Standard output cannot be written to: the disk is full, for one. */
export class WriteError extends Error {
  override readonly name = "WriteError";
}

const encoder = new TextEncoder();

/** The surroundings of this process. */
export interface ProcessIo extends Io {
  /** The last signal that a command was told of. */
  last_signal: EndingSignal | undefined;
}

/** The process's own streams, environment and signals. */
export function processIo(): ProcessIo {
  const io: ProcessIo = {
    last_signal: undefined,
    stdin: processInput(),
    stdout: new ProcessOutput(Deno.stdout),
    stderr: new ProcessOutput(Deno.stderr),
    cwd: () => Deno.cwd(),
    env: (name) => Deno.env.get(name),
    onSignal(signal, callback) {
      const listener = () => {
        io.last_signal = signal;
        callback();
      };
      Deno.addSignalListener(signal, listener);
      return () => Deno.removeSignalListener(signal, listener);
    },
    bulkOutput: async () => (await import("./libc.ts")).bulkOutput(io.stdout),
    stdoutClosed: async () => (await import("./libc.ts")).stdoutClosed(),
  };
  return io;
}

/** Writes whole blocks to a file descriptor that may take less, or nothing for now. */
class ProcessOutput implements Output {
  readonly #file: typeof Deno.stdout;

  constructor(file: typeof Deno.stdout) {
    this.#file = file;
  }

  get is_terminal(): boolean {
    return this.#file.isTerminal();
  }

  get columns(): number | undefined {
    if (!this.is_terminal) return undefined;
    try {
      return Deno.consoleSize().columns || undefined;
    } catch {
      return undefined; // a terminal that does not say
    }
  }

  write(data: Uint8Array | string): void {
    let bytes = typeof data === "string" ? encoder.encode(data) : data;
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(this.#file.writeSync(bytes));
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) throw new BrokenPipe("the reader of the output has gone");
        // A shell or a parent may have made the descriptor non-blocking; it is theirs too, so it stays as it is.
        if (error instanceof Deno.errors.WouldBlock) pause(1);
        else if (error instanceof Deno.errors.Interrupted) continue;
        else throw new WriteError(`cannot write the output: ${(error as Error).message}`);
      }
    }
  }
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

function pause(duration_ms: number): void {
  Atomics.wait(nobody, 0, 0, duration_ms);
}

function processInput(): Input {
  return {
    get is_terminal() {
      return Deno.stdin.isTerminal();
    },
    async read(into) {
      for (;;) {
        try {
          return await Deno.stdin.read(into);
        } catch (error) {
          if (!(error instanceof Deno.errors.WouldBlock)) throw error;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
    },
  };
}
