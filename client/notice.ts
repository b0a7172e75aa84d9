/**
 * What a channel has to tell beside messages.
 *
 * @module
 */
import type { IpcError } from "../protocol/errors.ts";

/** Events that a listener will not get. */
export interface GapNotice {
  type: "gap";
  /** Sequence number of the first that is missing, in `epoch`. 0 if only direct events are, which have no number. */
  from: number;
  /** The last that is missing, included. `null` if it is not known, because the broker that knew is gone. */
  to: number | null;
  /**
   * "history": the broker no longer kept them; "overflow": a queue was full, the broker's or this client's;
   * "restart": the broker was restarted, and what the old one had accepted after `from` is lost.
   */
  reason: string;
  /** What `from` and `to` count in. After a restart that is the old epoch; `channel.epoch` is the new one. */
  epoch: string;
  /** How many direct events are missing, if any. */
  direct?: number;
}

/** The connection broke; the channel is connecting again. */
export interface DisconnectedNotice {
  type: "disconnected";
  error: IpcError;
}

/** The connection is there again. */
export interface ReconnectedNotice {
  type: "reconnected";
  /** The channel's epoch. */
  epoch: string;
  /** Whether that is another epoch than before: the broker was restarted. */
  restarted: boolean;
}

/** Something failed that nobody waits for: a direct event to a client that left, a message that cannot be decoded. */
export interface ErrorNotice {
  type: "error";
  error: IpcError;
}

/** This system has no unix sockets, and nobody said where the broker is: this is where it was found. */
export interface FallbackNotice {
  type: "fallback";
  url: string;
}

/** See `ConnectOptions.onnotice`. */
export type Notice = GapNotice | DisconnectedNotice | ReconnectedNotice | ErrorNotice | FallbackNotice;
