/**
 * What the router needs of a connection, whatever it speaks. A dialect implements it.
 *
 * @module
 */
import type { IpcError } from "../../protocol/errors.ts";

/** How the router reaches one client. None of these waits. */
export interface Peer {
  /** Bytes that wait to be written. */
  readonly queued_bytes: number;
  /** Grows with every write that the client's side took: standing still means that nothing is read there. */
  readonly writes: number;
  /** Whether so many bytes more may be queued; anything may if nothing waits. */
  fits(bytes: number): boolean;
  /** Says that what waits now is what it missed while it was away: it is not slow for that. */
  catchUp(): void;
  /** Whether so many bytes more may be queued beside what is left of that. */
  catchesUp(bytes: number): boolean;
  /** Queues `count` events, the first with sequence number `first`, in memory that others share. */
  pushRun(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number, count: number): void;
  /** Queues frames for this client alone; copies them. */
  pushFrames(bytes: Uint8Array<ArrayBuffer>): void;
  /** Queues a frame that others get as well, in memory that nobody writes to any more. */
  pushShared(frame: Uint8Array<ArrayBuffer>): void;
  /** Makes room by dropping the oldest events, and tells the client which. Returns how many. */
  dropOldest(bytes: number): number;
  /**
   * Says why, then closes. What waits is forgotten.
   *
   * @param at_once Not even what is being written may still leave, though nothing can be said then.
   */
  close(error: IpcError, at_once: boolean): void;
}
