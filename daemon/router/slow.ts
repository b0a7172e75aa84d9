/**
 * Whoever fails to read pays, never the others. A client whose queue holds somebody up is watched for as long as it
 * does, however little is queued: a large message needs the queue empty. If the client takes nothing at all for the
 * channel's `stall_timeout` meanwhile, it is closed with SLOW_CONSUMER, and the others go on.
 *
 * A stalled client is told apart from a slow one by the count of writes that its side took, looked at twice a second, so
 * the hot path needs no clock.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "./peer.ts";

interface Seen {
  /** What somebody waits to have queued. */
  bytes: number;
  writes: number;
  since_ms: number;
}

/** See the module's head. */
export class Slow {
  /** How many were closed. */
  closed = 0;
  readonly #watched = new Map<Client<Peer>, Seen>();
  readonly #leave: (client: Client<Peer>, error: IpcError, at_once: boolean) => void;

  /** @param leave Takes the client out of everything and closes it. */
  constructor(leave: (client: Client<Peer>, error: IpcError, at_once: boolean) => void) {
    this.#leave = leave;
  }

  /** Somebody has so many bytes for this client, and they do not fit. */
  watch(client: Client<Peer>, bytes: number): void {
    const seen = this.#watched.get(client);
    if (seen === undefined) this.#watched.set(client, { bytes, writes: -1, since_ms: 0 });
    else seen.bytes = bytes;
  }

  /** It left, or nobody waits for it any more. */
  forget(client: Client<Peer>): void {
    this.#watched.delete(client);
  }

  /**
   * Closes a client that does not read.
   *
   * @param at_once See {@linkcode Peer.close}.
   */
  giveUp(client: Client<Peer>, why: string, at_once = false): void {
    this.closed++;
    this.#leave(client, new IpcError("SLOW_CONSUMER", `client ${client.id} does not read: ${why}`), at_once);
  }

  /** Looks at everybody who is watched. */
  tick(now_ms: number): void {
    for (const [client, seen] of this.#watched) {
      if (client.peer.fits(seen.bytes)) this.#watched.delete(client);
      else if (client.peer.writes !== seen.writes) {
        seen.writes = client.peer.writes;
        seen.since_ms = now_ms;
      } else if (now_ms - seen.since_ms >= client.channel.rules.stall_timeout_ms) {
        this.giveUp(
          client,
          `it took nothing for ${client.channel.rules.stall_timeout_ms} ms while others waited for it`,
        );
      }
    }
  }
}
