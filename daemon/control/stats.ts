import { buffers } from "../buffer_pool.ts";
import { sumOf } from "../counters.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { checkSight, type ControlContext, type Params } from "./context.ts";

/** `stats`: the broker in numbers. */
export function stats(context: ControlContext, _params: Params, asker: Client<Peer>) {
  checkSight(context, asker, asker.channel.name);
  const memory = Deno.memoryUsage();
  return {
    pid: Deno.pid,
    version: context.version,
    uptime_ms: Math.round(context.router.now() - context.started_ms),
    ...gauges(context),
    ...counters(context),
    listen: context.listeners(),
    draining: context.router.draining,
    memory: {
      held_bytes: buffers.held_bytes,
      rss_bytes: memory.rss,
      heap_bytes: memory.heapUsed,
      external_bytes: memory.external,
    },
  };
}

/** What has happened since the broker was started: none of it ever falls. */
function counters({ router }: ControlContext) {
  const { counters, registry } = router;
  return {
    ...counters.passed(registry.channels.values()),
    connections: counters.connections,
    slow_consumers: router.slow.closed,
    gaps: router.events.gaps,
    refused: sumOf(counters.refused),
    refused_for: Object.fromEntries(counters.refused),
    overloaded: Object.fromEntries(counters.overloaded),
  };
}

/** What is there at the moment. */
function gauges({ router: { registry } }: ControlContext) {
  let requests_open = 0, queued_bytes = 0, history_bytes = 0;
  for (const channel of registry.channels.values()) {
    requests_open += channel.requests_open;
    history_bytes += channel.history.held_bytes;
  }
  for (const client of registry.clients.values()) queued_bytes += client.peer.queued_bytes;
  return {
    channels: registry.channels.size,
    clients: registry.clients.size,
    requests_open,
    queued_bytes,
    history_bytes,
  };
}
