/**
 * What a dialect is given besides a connection and its channel.
 *
 * @module
 */
import type { Client } from "../registry.ts";
import type { Peer, Router } from "../router/mod.ts";
import type { Connection } from "../transport/connection.ts";

/** See the module's head. */
export interface Service {
  readonly router: Router;
  /** The broker's version, for those who ask. */
  readonly version: string;
  /** The connection has said who it is: it no longer counts as a stranger. */
  welcomed(connection: Connection, client: Client<Peer>): void;
  /** Something happened with one connection that nobody expected. */
  failed(error: unknown): void;
}
