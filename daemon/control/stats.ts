import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { checkSight, type ControlContext, type Params } from "./context.ts";

/** `stats`: the broker in numbers. */
export function stats(context: ControlContext, _params: Params, asker: Client<Peer>) {
  checkSight(context, asker, asker.channel.name);
  const { router } = context, { registry } = router;
  let events = 0, bytes = 0, requests = 0, requests_open = 0, queued_bytes = 0, history_bytes = 0;
  for (const channel of registry.channels.values()) {
    events += channel.events;
    bytes += channel.bytes;
    requests += channel.requests;
    requests_open += channel.requests_open;
    history_bytes += channel.history.held_bytes;
  }
  for (const client of registry.clients.values()) queued_bytes += client.peer.queued_bytes;
  const memory = Deno.memoryUsage();
  return {
    pid: Deno.pid,
    version: context.version,
    uptime_ms: Math.round(router.now() - context.started_ms),
    channels: registry.channels.size,
    clients: registry.clients.size,
    events,
    bytes,
    requests,
    requests_open,
    queued_bytes,
    history_bytes,
    slow_consumers: router.slow.closed,
    gaps: router.events.gaps,
    refused: context.refused(),
    listen: context.listeners(),
    draining: router.draining,
    memory: { rss_bytes: memory.rss, heap_bytes: memory.heapUsed, external_bytes: memory.external },
  };
}
