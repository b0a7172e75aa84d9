/**
 * One connection: the memory it reads into, the queue it writes from, and how it ends.
 *
 * It ends in one of three ways. `close()`: at once. `finish()`: when everything queued is written. `dismiss()`: what is
 * queued is forgotten, a last frame says why, and a peer that does not even take that within ten seconds is cut off. In
 * each the rest of the broker has forgotten the client by then, so nobody waits for it.
 *
 * @module
 */
import type { IpcError } from "../../protocol/errors.ts";
import { FROM_CLIENT } from "../../protocol/frame.ts";
import { HANDSHAKE_BYTES_MAX, LINGER_MS_MAX } from "../../protocol/limits.ts";
import { Scanner } from "../../protocol/scanner.ts";
import { buffers } from "../buffer_pool.ts";
import type { PeerCredentials } from "../identity.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";

/** A timer that comes later than this by so much says that the process had no time. Then it looks so many times more. */
const LATE_MS = 5, LOOKS_WHEN_LATE = 5;

/** What is needed of `Deno.Conn`. */
export interface Stream {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** Whoever a connection belongs to, once somebody does. */
export interface ConnectionOwner {
  /** More can be queued. */
  room(): void;
  /** The peer can no longer be reached, or takes too little for what cannot be refused. Told once. */
  lost(error: unknown): void;
}

/** See the module's head. */
export class Connection implements OutboxOwner {
  readonly scanner: Scanner = new Scanner(FROM_CLIENT, HANDSHAKE_BYTES_MAX, buffers);
  readonly outbox: Outbox;
  /** Counts reads, so that whoever watches sees whether the peer is alive. */
  reads = 0;
  /** Whether it is not read from because others have no room: then its silence says nothing. */
  held_up = false;
  /** What the kernel says of the peer, if it was asked. */
  credentials: PeerCredentials | undefined;
  /** Set when it is known who the peer is. */
  owner: ConnectionOwner | undefined;
  /** How the peer is told why it is closed before it is known who it is, if it has begun to speak. */
  farewell: ((error: IpcError) => Uint8Array<ArrayBuffer>) | undefined;

  readonly #stream: Stream;
  readonly #onclose: (connection: Connection) => void;
  readonly #took = (got: number | null): boolean => {
    if (got === null || !this.open) return false;
    this.reads++;
    this.scanner.filled(got);
    return true;
  };
  #open = true;
  #ending = false;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #closed: PromiseWithResolvers<void> | undefined;
  /** See {@linkcode keep}. */
  #kept: Uint8Array<ArrayBuffer>[] | undefined;
  /** A read that somebody has stopped waiting for. */
  #reading: Promise<boolean> | undefined;

  /** @param onclose Called once, when it is closed. */
  constructor(stream: Stream, queue_bytes: number, onclose: (connection: Connection) => void = () => {}) {
    this.#stream = stream;
    this.#onclose = onclose;
    this.outbox = new Outbox(stream, queue_bytes, this);
  }

  /** Resolves when the connection is closed. */
  get closed(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      if (!this.#open) this.#closed.resolve();
    }
    return this.#closed.promise;
  }

  /** The outbox has written something. */
  room(): void {
    this.owner?.room();
  }

  /** The outbox has nobody to write to. */
  lost(error: unknown): void {
    if (this.#ending || this.owner === undefined) this.close();
    else this.owner.lost(error);
  }

  /** Whether it is to be read from. */
  get open(): boolean {
    return this.#open && !this.#ending;
  }

  /** Holds memory for this connection, beside what is read and what waits to be written, until it is closed at the latest. */
  keep(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.open) return;
    buffers.hold(bytes);
    (this.#kept ??= []).push(bytes);
  }

  /** It needs not be held any more. */
  letGo(bytes: Uint8Array<ArrayBuffer>): void {
    const at = this.#kept?.indexOf(bytes) ?? -1;
    if (at >= 0) buffers.release(this.#kept!.splice(at, 1)[0]!);
  }

  /** Everything that is held for messages that are not finished. */
  *memory(): Generator<Uint8Array<ArrayBuffer>> {
    yield this.scanner.bytes;
    if (this.#kept !== undefined) yield* this.#kept;
  }

  /** Reads once into the scanner. False when the peer has closed, or nothing is to be read any more. */
  read(): Promise<boolean> {
    if (this.#reading !== undefined) {
      const reading = this.#reading;
      this.#reading = undefined;
      return reading;
    }
    if (!this.open) return Promise.resolve(false);
    return this.#stream.read(this.scanner.space()).then(this.#took);
  }

  /**
   * Reads as {@linkcode read} does, but waits no longer than something else takes. The read goes on then, and the next one
   * is the same one: what is in the scanner may be taken meanwhile.
   *
   * @returns `undefined` if the other came first.
   */
  async readUnless(other: Promise<unknown>): Promise<boolean | undefined> {
    const reading = this.#reading = this.read();
    const got = await Promise.race([reading, other.then(() => undefined)]);
    // Somebody else may have taken the read over.
    if (got !== undefined && this.#reading === reading) this.#reading = undefined;
    return got;
  }

  /**
   * Reads, but waits no longer than so many milliseconds.
   *
   * @returns `undefined` if nothing came.
   */
  async readWithin(ms: number): Promise<boolean | undefined> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let due_ms = performance.now() + ms, looks = 0;
    // A process that had no time for this long runs its timers first. What has come since is found a turn of the event
    // loop later, and given out another one later, in front of which the timers stand again.
    const look = (): void => {
      const now_ms = performance.now();
      if (looks === 0 && now_ms - due_ms < LATE_MS || looks === LOOKS_WHEN_LATE) return resolve();
      looks++;
      due_ms = now_ms;
      timer = setTimeout(look, 0);
    };
    let timer = setTimeout(look, ms);
    try {
      return await this.readUnless(promise);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes at once. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#linger);
    this.outbox.close();
    this.#forget();
    try {
      this.#stream.close();
    } catch {
      // The runtime had closed it already.
    }
    this.#closed?.resolve();
    this.#onclose(this);
  }

  /** Closes when what is queued is written, or after ten seconds. */
  finish(): void {
    if (this.#ending || !this.#open) return;
    this.#ending = true;
    this.outbox.seal();
    this.#forget();
    this.#linger = setTimeout(() => this.close(), LINGER_MS_MAX);
    this.outbox.drained().then(() => this.close());
  }

  /**
   * Forgets what is queued, says one thing more, and closes.
   *
   * @param at_once Closes without a word if a write is in flight: the rest of what it holds would still leave.
   */
  dismiss(frame: Uint8Array<ArrayBuffer>, at_once = false): void {
    if (this.#ending || !this.#open) return;
    if (at_once && this.outbox.in_flight) return this.close();
    this.outbox.clear();
    this.outbox.pushFrames(frame);
    this.finish();
  }

  #forget(): void {
    this.scanner.close();
    for (const bytes of this.#kept?.splice(0) ?? []) buffers.release(bytes);
  }
}
