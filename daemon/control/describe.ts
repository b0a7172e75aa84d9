/**
 * How a client and a channel look to those who ask.
 *
 * @module
 */
import type { Channel, Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import type { ControlContext } from "./context.ts";

/** A client, as `clients` and `channel` tell it. */
export function describeClient(context: ControlContext, client: Client<Peer>): Record<string, unknown> {
  return {
    client: client.id,
    channel: client.channel.name,
    name: client.name,
    token: client.identity.token ?? null,
    pid: client.pid ?? null,
    credentials: client.identity.credentials ?? null,
    dialect: client.dialect,
    listen: client.listen,
    handle: client.handle,
    presence: client.presence,
    overflow: client.policy,
    connected_ms: Math.round(context.router.now() - client.connected_ms),
    events_in: client.events_in,
    events_out: client.events_out,
    bytes_in: client.bytes_in,
    bytes_out: client.bytes_out,
    queued_bytes: client.peer.queued_bytes,
    requests_open: client.requests.size,
    serving: client.serving.size,
  };
}

/** A channel in a line, as `channels` tells it. */
export function describeChannel(context: ControlContext, channel: Channel<Peer>): Record<string, unknown> {
  return {
    channel: channel.name,
    path: context.path(channel.name),
    dynamic: channel.dynamic,
    clients: channel.clients.size,
    listeners: channel.listeners.size,
    handlers: channel.handlers.length,
    seq: channel.seq,
    events: channel.events,
    bytes: channel.bytes,
    requests: channel.requests,
    requests_open: channel.requests_open,
    rate_per_s: Math.round(channel.rate_per_s * 10) / 10,
  };
}
