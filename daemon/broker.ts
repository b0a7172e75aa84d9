/**
 * A broker as it is seen from outside: what it is started with, and what can be done with it.
 *
 * @module
 */
import type { ListenSecrets, ListenSettings, Settings, TokenHash } from "../config/settings.ts";
import type { Log } from "./log.ts";

/** What a broker is started with. */
export interface BrokerOptions {
  /** Validated settings. */
  settings: Settings;
  /** A directory of this user's own, for the lock. */
  state_dir: string;
  /** What WELCOME and `ping` say. */
  version: string;
  log: Log;
  /** Reads the configuration again; without it `reload` is refused. */
  reload?: () => Promise<Settings>;
  /** Told what holds since a reload, for what is not the broker's own: the log. */
  reloaded?: (settings: Settings) => void;
  /** Told, once, that the broker is going away and why. */
  draining?: (reason: string) => void;
  /** The socket of the broker's own channel as an open descriptor, where somebody else has bound it and keeps it. */
  control_fd?: number;
  /** Reads the files that a listener of `settings.listen` names. Needed if one names any. */
  secrets?: (listen: ListenSettings) => ListenSecrets;
  /** Reads a file of tokens. Needed if `settings.access` names one. */
  tokens?: (path: string) => readonly TokenHash[];
}

/** A broker that runs. */
export interface Broker {
  /**
   * Resolves when it has ended.
   *
   * @throws {IpcError} CHANNEL_RECV if it had to end because the socket that was passed to it is of no use any more.
   */
  readonly finished: Promise<void>;
  /**
   * Ends it: delivers what was accepted, tells its clients, removes its sockets.
   *
   * @param reason For the log.
   */
  drain(reason: string): Promise<void>;
  /** Reads the configuration again. If it is wrong, throws, and nothing has changed. */
  reload(): Promise<void>;
}
