/**
 * What a dialect is given besides a connection and the door that it came in by.
 *
 * @module
 */
import type { IpcError } from "../../protocol/errors.ts";
import type { Identity } from "../identity.ts";
import type { Channel, Client } from "../registry.ts";
import type { Peer, Router } from "../router/mod.ts";
import type { Connection } from "../transport/connection.ts";

/** See the module's head. */
export interface Service {
  readonly router: Router;
  /** The broker's version, for those who ask. */
  readonly version: string;
  /** Opens a channel for whoever came in by a door that leads to many, or finds it open. */
  open(channel: string, identity: Identity): Promise<Channel<Peer>>;
  /** The connection has said who it is: it no longer counts as a stranger. */
  welcomed(connection: Connection, client: Client<Peer>): void;
  /** The connection turns out to speak otherwise than was thought: it is a stranger again. */
  estranged(connection: Connection): void;
  /** A connection was closed before it had said who it is, or in a dialect that has no way to say why. */
  refused(connection: Connection, error: IpcError): void;
  /** Something happened with one connection that nobody expected. */
  failed(error: unknown): void;
}
