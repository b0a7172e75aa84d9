/**
 * A connection of `node:net` as the broker reads and writes all others: a read is asked for and fills the reader's own
 * memory, a write takes what it can.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Stream } from "./connection.ts";

/** A write is done when all of it is; so that a slow reader is seen to read, it is given no more than this at a time. */
const WRITE_BYTES_MAX = 64 * 1024;

/** See the module's head. */
export class SocketStream implements Stream {
  readonly #socket: Socket;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** @param socket Nobody else reads from it. */
  constructor(socket: Socket) {
    this.#socket = socket;
    const woken = () => {
      const wake = this.#wake;
      this.#wake = undefined;
      wake?.();
    };
    socket.on("readable", woken);
    socket.on("end", () => {
      this.#ended = true;
      woken();
    });
    socket.on("error", (error) => {
      this.#error = translated(error);
      woken();
    });
    socket.on("close", woken);
  }

  /** Whether there is something to read. */
  get spoke(): boolean {
    return this.#socket.readableLength > 0;
  }

  /** Whether the peer has gone, or it was closed. */
  get gone(): boolean {
    return this.#socket.destroyed || this.#ended;
  }

  /** The number of its descriptor, if it can be told. */
  get descriptor(): number | undefined {
    return (this.#socket as Socket & { _handle?: { fd?: number } })._handle?.fd;
  }

  /** As `Deno.Conn` does. */
  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const there = this.#socket.readableLength;
      // Without a size where nothing is there: that asks for more, and finds the end.
      const chunk: Uint8Array | null = there === 0
        ? this.#socket.read()
        : this.#socket.read(Math.min(there, into.length));
      if (chunk !== null) {
        into.set(chunk);
        return chunk.length;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.gone) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** As `Deno.Conn` does. */
  write(bytes: Uint8Array): Promise<number> {
    // A copy: when the connection is closed its memory is given up, and node:net may still look at it.
    const piece = bytes.slice(0, WRITE_BYTES_MAX);
    return new Promise((resolve, reject) => {
      this.#socket.write(piece, (error) => error ? reject(translated(error)) : resolve(piece.length));
    });
  }

  /** As `Deno.Conn` does. */
  close(): void {
    this.#socket.destroy();
  }
}

/** What the rest of the broker knows such an error by. */
function translated(error: Error): Error {
  const code = (error as Error & { code?: string }).code;
  if (code === "EPIPE") return new Deno.errors.BrokenPipe(error.message, { cause: error });
  if (code === "ECONNRESET") return new Deno.errors.ConnectionReset(error.message, { cause: error });
  if (code === "ERR_STREAM_DESTROYED" || code === "ECANCELED") return new Deno.errors.BadResource(error.message);
  return error;
}
