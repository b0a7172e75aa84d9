/**
 * What the router's way to a client has in common in all dialects: one connection and its outbox. A dialect adds how
 * events and frames are written.
 *
 * @module
 */
import type { IpcError } from "../../protocol/errors.ts";
import type { Client } from "../registry.ts";
import type { Peer, Router } from "../router/mod.ts";
import type { Connection, ConnectionOwner } from "../transport/connection.ts";

/** See the module's head. */
export abstract class ConnectionPeer implements Peer, ConnectionOwner {
  /** Set as soon as it has joined. */
  client!: Client<Peer>;
  /** Whether something was thrown away that the client was not told about. */
  discarded = false;
  /** The last read that held an event of which the client was told that it is forbidden. */
  refused_in = -1;
  protected readonly outbox: Connection["outbox"];

  constructor(readonly connection: Connection, readonly router: Router) {
    this.outbox = connection.outbox;
  }

  abstract pushRun(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number, count: number): void;
  abstract pushFrames(bytes: Uint8Array<ArrayBuffer>): void;
  abstract pushShared(frame: Uint8Array<ArrayBuffer>): void;
  abstract close(error: IpcError, at_once: boolean): void;

  get queued_bytes(): number {
    return this.outbox.queued_bytes;
  }

  get writes(): number {
    return this.outbox.writes;
  }

  fits(bytes: number): boolean {
    return this.outbox.fits(bytes);
  }

  catchUp(): void {
    this.outbox.catchUp();
  }

  catchesUp(bytes: number): boolean {
    return this.outbox.catchesUp(bytes);
  }

  dropOldest(bytes: number): number {
    return this.outbox.dropOldest(bytes);
  }

  room(): void {
    this.router.drained(this.client);
  }

  lost(error: unknown): void {
    if (!isDisconnect(error)) return this.router.slow.giveUp(this.client, "its queue is full");
    this.router.leave(this.client);
    this.connection.close();
  }
}

/** Whether an error says no more than that the peer has gone, or never spoke TLS where it had to. */
export function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.TimedOut || error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.InvalidData;
}
