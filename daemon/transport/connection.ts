/**
 * One connection: the memory it reads into, the queue it writes from, and how it ends.
 *
 * It ends in one of three ways. `close()`: at once. `finish()`: when everything queued is written. `dismiss()`: what is
 * queued is forgotten, a last frame says why, and a peer that does not even take that within ten seconds is cut off. In
 * each the rest of the broker has forgotten the client by then, so nobody waits for it.
 *
 * @module
 */
import { FROM_CLIENT } from "../../protocol/frame.ts";
import { HANDSHAKE_BYTES_MAX } from "../../protocol/limits.ts";
import { Scanner } from "../../protocol/scanner.ts";
import { Outbox } from "./outbox.ts";

/** How long a peer may take to read why it was closed. */
export const LINGER_MS = 10_000;

/** What is needed of `Deno.Conn`. */
export interface Stream {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** See the module's head. */
export class Connection {
  readonly scanner: Scanner = new Scanner(FROM_CLIENT, HANDSHAKE_BYTES_MAX);
  readonly outbox: Outbox;
  /** Counts reads, so that whoever watches sees whether the peer is alive. */
  reads = 0;
  /** Whether it is not read from because others have no room: then its silence says nothing. */
  held_up = false;
  /** Called when more can be queued. */
  onroom: () => void = () => {};
  /** Called once, when the peer can no longer be reached. */
  onlost: (error: unknown) => void = () => {};
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;

  readonly #stream: Stream;
  #open = true;
  #ending = false;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #settle!: () => void;

  constructor(stream: Stream, queue_bytes: number) {
    this.#stream = stream;
    this.closed = new Promise((resolve) => this.#settle = resolve);
    this.outbox = new Outbox(stream, queue_bytes, {
      room: () => this.onroom(),
      lost: (error) => {
        if (this.#ending) this.close();
        else this.onlost(error);
      },
    });
  }

  /** Whether it is to be read from. */
  get open(): boolean {
    return this.#open && !this.#ending;
  }

  /** Reads once into the scanner. False when the peer has closed, or nothing is to be read any more. */
  async read(): Promise<boolean> {
    if (!this.open) return false;
    const got = await this.#stream.read(this.scanner.space());
    if (got === null || !this.open) return false;
    this.reads++;
    this.scanner.filled(got);
    return true;
  }

  /** Closes at once. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#linger);
    this.outbox.close();
    try {
      this.#stream.close();
    } catch {
      // The runtime had closed it already.
    }
    this.#settle();
  }

  /** Closes when what is queued is written, or after ten seconds. */
  finish(): void {
    if (this.#ending || !this.#open) return;
    this.#ending = true;
    this.outbox.seal();
    this.#linger = setTimeout(() => this.close(), LINGER_MS);
    this.outbox.drained().then(() => this.close());
  }

  /** Forgets what is queued, says one thing more, and closes. */
  dismiss(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#ending || !this.#open) return;
    this.outbox.clear();
    this.outbox.pushFrames(frame);
    this.finish();
  }
}
