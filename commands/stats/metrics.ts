/**
 * What the broker tells about itself, as metrics for Prometheus.
 *
 * @module
 */
import type { ErrorName } from "../../protocol/errors.ts";
import type { ChannelLine } from "../channels.ts";
import { expositionText, type Metric, type Sample } from "./prometheus.ts";

/** The broker in numbers, as it tells them. */
export interface Stats {
  pid: number;
  version: string;
  uptime_ms: number;
  channels: number;
  clients: number;
  requests_open: number;
  queued_bytes: number;
  history_bytes: number;
  events: number;
  bytes: number;
  requests: number;
  connections: number;
  slow_consumers: number;
  gaps: number;
  refused: number;
  refused_for: Record<string, number>;
  overloaded: Record<string, number>;
  draining: boolean;
  memory: { held_bytes: number; rss_bytes: number; heap_bytes: number; external_bytes: number };
}

/** Counted from 0 on, so that the first one is seen as a rise and not as a new series. */
const REFUSED_FOR: readonly ErrorName[] = ["FORBIDDEN", "UNAUTHORIZED", "PROTOCOL", "TIMEOUT", "OVERLOADED"];
const OVERLOADED = ["connections", "queued", "requests", "channels", "memory", "queue"];

/** All of it in the text format. @param channels Those that are shown one by one. */
export function statsMetrics(stats: Stats, channels: readonly ChannelLine[]): string {
  const { memory } = stats;
  const metrics = [
    gauge("ipc_build_info", "Always 1; the label is the broker's version.", [[{ version: stats.version }, 1]]),
    gauge("ipc_uptime_seconds", "How long the broker has been running.", stats.uptime_ms / 1000),
    gauge("ipc_draining", "1 while the broker is going away.", Number(stats.draining)),
    gauge("ipc_channels", "Channels that are open, the broker's own included.", stats.channels),
    gauge("ipc_clients", "Clients that are connected.", stats.clients),
    gauge("ipc_requests_open", "Requests that are not answered yet.", stats.requests_open),
    gauge("ipc_queued_bytes", "What waits to be read by clients.", stats.queued_bytes),
    gauge("ipc_history_bytes", "Latest events that are kept for clients that come back.", stats.history_bytes),
    gauge("ipc_held_memory_bytes", "Memory that holds messages: queues, histories, reads.", memory.held_bytes),
    gauge("ipc_resident_memory_bytes", "Memory of the broker's process.", memory.rss_bytes),
    gauge("ipc_heap_bytes", "JavaScript objects of the broker.", memory.heap_bytes),
    gauge("ipc_external_memory_bytes", "Memory of the broker that JavaScript objects refer to.", memory.external_bytes),
    counter("ipc_events_total", "Events accepted on all channels.", stats.events),
    counter("ipc_event_bytes_total", "Bytes of these events, 24 of header each included.", stats.bytes),
    counter("ipc_requests_total", "Requests on all channels.", stats.requests),
    counter("ipc_connections_total", "Connections accepted, whatever became of them.", stats.connections),
    counter("ipc_slow_consumers_total", "Clients that were closed because they did not read.", stats.slow_consumers),
    counter("ipc_missed_events_total", "Events that listeners were told they missed.", stats.gaps),
    counter(
      "ipc_refused_total",
      "What was refused: connections that were turned away, and what a rule denies.",
      byName("reason", REFUSED_FOR, stats.refused_for),
    ),
    counter(
      "ipc_overloaded_total",
      "What was refused or closed because there was too much of something.",
      byName("what", OVERLOADED, stats.overloaded),
    ),
  ];
  return expositionText(channels.length === 0 ? metrics : [...metrics, ...channelMetrics(channels)]);
}

function channelMetrics(channels: readonly ChannelLine[]): Metric[] {
  const each = (value: (channel: ChannelLine) => number): Sample[] =>
    channels.map((channel) => [{ channel: channel.channel }, value(channel)]);
  const again = "Begins at 0 when the channel is opened again.";
  return [
    gauge("ipc_channel_clients", "Clients on the channel.", each(({ clients }) => clients)),
    gauge("ipc_channel_listeners", "Clients that listen on the channel.", each(({ listeners }) => listeners)),
    gauge("ipc_channel_handlers", "Clients that answer requests on the channel.", each(({ handlers }) => handlers)),
    gauge(
      "ipc_channel_requests_open",
      "Requests on the channel that are not answered yet.",
      each(({ requests_open }) => requests_open),
    ),
    counter("ipc_channel_events_total", `Events accepted on the channel. ${again}`, each(({ events }) => events)),
    counter("ipc_channel_event_bytes_total", `Bytes of these events. ${again}`, each(({ bytes }) => bytes)),
    counter("ipc_channel_requests_total", `Requests on the channel. ${again}`, each(({ requests }) => requests)),
  ];
}

function gauge(name: string, help: string, value: number | readonly Sample[]): Metric {
  return { name, type: "gauge", help, samples: samplesOf(value) };
}

function counter(name: string, help: string, value: number | readonly Sample[]): Metric {
  return { name, type: "counter", help, samples: samplesOf(value) };
}

function samplesOf(value: number | readonly Sample[]): readonly Sample[] {
  return typeof value === "number" ? [[{}, value]] : value;
}

function byName(label: string, known: readonly string[], counted: Readonly<Record<string, number>>): Sample[] {
  const names = new Set([...known, ...Object.keys(counted)]);
  return [...names].map((name) => [{ [label]: name }, counted[name] ?? 0]);
}
