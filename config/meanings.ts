/**
 * What each key is for, in one line, and how its value is written. `ipc config` shows it and writes it into new files, and
 * docs/limits.md has it; docs/configuration.md says more.
 *
 * @module
 */
import type { Key, Values } from "./keys.ts";
import { formatBytes, formatDuration } from "./units.ts";

/** How a value is written. */
type Kind = "size" | "duration" | "count" | "plain";

/** See the module's head. */
export interface Meaning {
  readonly kind: Kind;
  readonly text: string;
}

const meaning = (kind: Kind, text: string): Meaning => ({ kind, text });

/** By key. */
export const MEANINGS: { readonly [K in Key]: Meaning } = {
  socket_dir: meaning("plain", "where the sockets stand; broker and clients must agree on it"),
  max_message: meaning("size", "one message's payload"),
  queue: meaning("size", "what waits for one client"),
  history: meaning("size", "a channel's latest events, kept for clients that come back; 0 keeps none"),
  overflow: meaning("plain", "what happens if a listener's queue is full: block, disconnect or drop"),
  stall_timeout: meaning("duration", "until a listener that holds others up and takes nothing is closed"),
  request_timeout: meaning("duration", "the deadline of a request that names none"),
  mode: meaning("plain", "who may connect to a channel's socket: 0600, 0660 with its group, 0666 everybody"),
  group: meaning("plain", "the group that a channel's socket is given to; empty leaves it to the broker's own"),
  dynamic_channels: meaning("plain", "channels that clients may open: true, false, or a list of names and globs"),
  channel_idle: meaning("duration", "until a channel that was opened so and has no clients is closed"),
  idle_exit: meaning("duration", "until a broker without clients ends itself"),
  drain_timeout: meaning("duration", "in which clients may take what is queued for them when the broker ends"),
  broker_user: meaning("plain", "whose sockets commands trust besides root's and yours; empty: nobody else's"),
  peer_credentials: meaning("plain", "whether the broker asks the kernel who connects"),
  "access.required": meaning("plain", "whether a configuration without access rules is refused"),
  memory: meaning("size", "what all queues, histories and unfinished messages together may hold"),
  "quota.connections": meaning("count", "clients of one holder; 0 for no limit"),
  "quota.queued": meaning("size", "what waits for all clients of one holder together"),
  "quota.requests": meaning("count", "requests of one holder that are not answered; 0 for no limit"),
  "quota.channels": meaning("count", "channels that one holder has opened and that are still open; 0 for no limit"),
  "log.level": meaning("plain", "the least important message that is logged: debug, info, warning or error"),
  "log.format": meaning("plain", "whether the log is text or lines of json"),
};

/** A value as a configuration file would have it. */
export function writtenValue<K extends Key>(key: K, value: Values[K]): string {
  if (typeof value !== "number") return Array.isArray(value) ? `[${value.map(quoted).join(", ")}]` : quoted(value);
  const { kind } = MEANINGS[key];
  if (kind === "count") return value === Infinity ? "0" : String(value);
  return quoted(kind === "size" ? exactBytes(value) : formatDuration(value));
}

/** Exact, other than what is only shown. */
function exactBytes(bytes: number): string {
  const short = formatBytes(bytes);
  return short.includes(".") ? `${bytes}B` : short;
}

function quoted(value: unknown): string {
  return JSON.stringify(value);
}
