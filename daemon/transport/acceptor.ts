/**
 * Accepts connections whatever happens, until it is closed.
 *
 * `accept()` throws when the system has no descriptors left, and for single connections that broke meanwhile; neither is
 * the end. What listens lets go of its address only when an `accept()` in flight has ended, so `close()` says when that is.
 *
 * @module
 */
import { ACCEPT_PAUSE_MS_MAX } from "../../protocol/limits.ts";

/** The pause is short at first, because who leaves makes room for one that waits, and doubles while there is none. */
const PAUSE_MS_MIN = 5;

/** The part of `Deno.Listener` that is needed. */
export interface Accepting<Conn> {
  accept(): Promise<Conn>;
  close(): void;
}

/** What a listener tells whoever owns it. */
export interface AcceptorOwner<Conn> {
  /** Somebody connected. */
  accepted(conn: Conn): void;
  /** Resolves when another connection may be taken; `undefined` if it may at once. */
  ready(): Promise<void> | undefined;
  /** Accepting failed, and goes on after a pause. */
  failed(error: unknown): void;
}

/** See the module's head. */
export class Acceptor<Conn extends { close(): void }> {
  readonly #listener: Accepting<Conn>;
  readonly #owner: AcceptorOwner<Conn>;
  #closed = false;
  #accepting: Promise<unknown> | undefined;
  #pause_ms = PAUSE_MS_MIN;
  #pause: { timer: ReturnType<typeof setTimeout>; resume: () => void } | undefined;

  constructor(listener: Accepting<Conn>, owner: AcceptorOwner<Conn>) {
    this.#listener = listener;
    this.#owner = owner;
    void this.#run();
  }

  /** Stops, and closes the listener. Resolves when its address is nobody's. */
  async close(): Promise<void> {
    this.stop();
    this.#listener.close();
    await this.#accepting?.catch(() => {});
  }

  /** Takes nobody in any more, but leaves the listener open. */
  stop(): void {
    this.#closed = true;
    clearTimeout(this.#pause?.timer);
    this.#pause?.resume();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        const accepting = this.#listener.accept();
        this.#accepting = accepting;
        const conn = await accepting;
        // Asked now and not before: accept() may have taken hours, and other channels share the places.
        for (let full; !this.#closed && (full = this.#owner.ready()) !== undefined;) await full;
        if (this.#closed) conn.close();
        else {
          this.#pause_ms = PAUSE_MS_MIN;
          this.#owner.accepted(conn);
        }
      } catch (error) {
        if (this.#closed) return;
        this.#owner.failed(error);
        const pause_ms = this.#pause_ms;
        this.#pause_ms = Math.min(pause_ms * 2, ACCEPT_PAUSE_MS_MAX);
        await new Promise<void>((resume) => this.#pause = { timer: setTimeout(resume, pause_ms), resume });
      }
    }
  }
}
