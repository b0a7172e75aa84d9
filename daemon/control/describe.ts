/**
 * How a client and a channel look to those who ask.
 *
 * @module
 */
import type { Channel, Client } from "../registry.ts";
import type { Ticket } from "../router/coordination.ts";
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

/** Who holds a channel's lock and who waits for it, whose turn is next first; `null` if nobody does. */
export function describeLock(context: ControlContext, channel: Channel<Peer>): Record<string, unknown> | null {
  const gate = context.router.coordination.gateOf(channel);
  if (gate === undefined) return null;
  return {
    places: gate.places,
    holders: [...gate.holders].map((ticket) => ({ ...describeTicket(context, ticket), fence: ticket.fence })),
    waiting: [...gate.waiting].map((ticket) => describeTicket(context, ticket)),
  };
}

/** Who waits at a channel's barrier; `null` if nobody does. */
export function describeBarrier(context: ControlContext, channel: Channel<Peer>): Record<string, unknown> | null {
  const barrier = context.router.coordination.barrierOf(channel);
  if (barrier === undefined) return null;
  return {
    parties: barrier.parties,
    waiting: [...barrier.present].map((ticket) => describeTicket(context, ticket)),
  };
}

function describeTicket({ router }: ControlContext, { client, since_ms }: Ticket): Record<string, unknown> {
  return { client: client.id, name: client.name, pid: client.pid ?? null, for_ms: Math.round(router.now() - since_ms) };
}
