/**
 * What the control methods work on, and how their parameters are read.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import type { Channel, Client } from "../registry.ts";
import type { Peer, Router } from "../router/mod.ts";

/** Given to every method. What touches sockets, files or the process comes as a function. */
export interface ControlContext {
  readonly router: Router;
  readonly version: string;
  readonly started_ms: number;
  /** Where clients may connect besides the channels' sockets. */
  listeners(): unknown;
  /** The settings in force, as plain data. */
  config(): unknown;
  path(channel: string): string;
  /** Opens a channel's socket, or finds it open; it counts for the client who asks. */
  open(channel: string, asker: Client<Peer>): Promise<Channel<Peer>>;
  reload(): Promise<void>;
  drain(reason: string): void;
}

/** The parameters of one request: what stood under "params", not yet checked. */
export type Params = Readonly<Record<string, unknown>>;

/** Says that a method answers by itself, as long as it is asked to. */
export const STREAMS: unique symbol = Symbol("streams");

/** One control method. What it returns is the reply, as JSON; `id` is the request's. */
export type Method = (context: ControlContext, params: Params, asker: Client<Peer>, id: number) => unknown;

/** @throws {IpcError} FORBIDDEN if a client may not know who is on a channel. */
export function checkSight({ router }: ControlContext, asker: Client<Peer>, channel: string): void {
  if (!router.maySee(asker.identity, channel)) throw router.refusal(asker, "see", channel);
}

/** @throws {IpcError} FORBIDDEN if a client may not administer the broker. */
export function checkAdmin({ router }: ControlContext, asker: Client<Peer>): void {
  if (!asker.may.admin) throw router.refusal(asker, "admin");
}

/** What stands under "channel". @throws {IpcError} PROTOCOL if it is missing or no text. */
export function channelParam(params: Params): string {
  const name = optionalTextParam(params, "channel");
  if (name === undefined) throw new IpcError("PROTOCOL", 'parameter "channel" is missing');
  return name;
}

/** @throws {IpcError} PROTOCOL if it is there and no text. */
export function optionalTextParam(params: Params, key: string): string | undefined {
  const value = Object.hasOwn(params, key) ? params[key] : undefined;
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw new IpcError("PROTOCOL", `parameter "${key}" must be text`);
  return value;
}

/** A client by the number under "client". @throws {IpcError} CLIENT_NOT_FOUND */
export function clientParam(context: ControlContext, params: Params): Client<Peer> {
  const id = Object.hasOwn(params, "client") ? params["client"] : undefined;
  if (typeof id !== "number") throw new IpcError("PROTOCOL", 'parameter "client" must be a number');
  const client = context.router.registry.clients.get(id);
  if (client === undefined) throw new IpcError("CLIENT_NOT_FOUND", `no client ${id}`);
  return client;
}
