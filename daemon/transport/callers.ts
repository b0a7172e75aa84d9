/**
 * Those who connect to a Unix socket, and who they are.
 *
 * @module
 */
import type { PeerCredentials } from "../identity.ts";
import type { Accepting } from "./acceptor.ts";
import type { PeerFinder, PeerWatch } from "./peer_finder.ts";

/** A connection, and whose it is. */
export interface Caller {
  readonly conn: Deno.UnixConn;
  readonly credentials: PeerCredentials;
  close(): void;
}

/** Accepts those of whom it is known who they are. */
export class KnownCallers implements Accepting<Caller> {
  readonly #listener: Deno.UnixListener;
  readonly #peers: PeerFinder;
  readonly #watch: PeerWatch;
  readonly #refused: (error: Error) => void;
  #accepting = false;
  #closed = false;

  /** @param refused Told of those of whom it could not be found out who they are. */
  constructor(listener: Deno.UnixListener, peers: PeerFinder, refused: (error: Error) => void) {
    this.#listener = listener;
    this.#peers = peers;
    this.#watch = peers.watch(listener.addr.path);
    this.#refused = refused;
  }

  async accept(): Promise<Caller> {
    this.#accepting = true;
    try {
      for (;;) {
        const conn = await this.#listener.accept(), credentials = this.#watch.next();
        if (credentials !== undefined) return { conn, credentials, close: () => this.#close(conn, credentials) };
        conn.close();
        this.#refused(new Error("a connection was refused: it could not be found out whose it is"));
      }
    } finally {
      this.#accepting = false;
      if (this.#closed) this.#watch.end();
    }
  }

  close(): void {
    this.#closed = true;
    this.#listener.close();
    if (!this.#accepting) this.#watch.end();
  }

  #close(conn: Deno.UnixConn, credentials: PeerCredentials): void {
    conn.close();
    this.#peers.gone(credentials);
  }
}
