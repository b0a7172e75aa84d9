/**
 * The router's way to a binary client: its outbox as it is, and BYE for the end.
 *
 * @module
 */
import type { IpcError } from "../../protocol/errors.ts";
import type { Client } from "../registry.ts";
import type { Peer, Router } from "../router/mod.ts";
import type { Connection, ConnectionOwner } from "../transport/connection.ts";
import { byeFrame } from "./binary_frames.ts";

/** See the module's head. */
export class BinaryPeer implements Peer, ConnectionOwner {
  /** Set as soon as it has joined. */
  client!: Client<Peer>;
  /** Whether something was thrown away that the client was not told about. */
  discarded = false;
  readonly #outbox: Connection["outbox"];

  constructor(readonly connection: Connection, readonly router: Router) {
    this.#outbox = connection.outbox;
  }

  get queued_bytes(): number {
    return this.#outbox.queued_bytes;
  }

  get writes(): number {
    return this.#outbox.writes;
  }

  fits(bytes: number): boolean {
    return this.#outbox.fits(bytes);
  }

  pushRun(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number, count: number): void {
    this.#outbox.pushRun(bytes, start, end, first, count);
  }

  pushFrames(bytes: Uint8Array<ArrayBuffer>, start?: number, end?: number): void {
    this.#outbox.pushFrames(bytes, start, end);
  }

  dropOldest(bytes: number): number {
    return this.#outbox.dropOldest(bytes);
  }

  close(error: IpcError): void {
    this.connection.dismiss(byeFrame(error));
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

/** Whether an error says no more than that the peer has gone. */
export function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
}
