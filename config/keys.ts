/**
 * Every key that a configuration may have, its default, and the variable that sets it. Nothing else in this project
 * lists them, except docs/configuration.md, which a test compares with this.
 *
 * @module
 */
import type { Overflow } from "../protocol/bodies.ts";
import { MESSAGE_BYTES_DEFAULT } from "../protocol/limits.ts";
import { defaultSocketDirectory } from "../protocol/socket_path.ts";
import type { AccessDocument, LogSettings } from "./settings.ts";

/** Who may connect to a socket: its owner; its group too; everybody. What else a mode can say means nothing for a socket. */
export const SOCKET_MODES = ["0600", "0660", "0666"] as const;

/** One of {@linkcode SOCKET_MODES}. */
export type SocketMode = (typeof SOCKET_MODES)[number];

/** The keys that a channel may have for itself, with their values in bytes and milliseconds. */
export interface ChannelValues {
  max_message: number;
  queue: number;
  history: number;
  overflow: Overflow;
  stall_timeout: number;
  request_timeout: number;
  mode: SocketMode;
  group: string;
}

/** The keys that a token may have for itself. */
export interface QuotaValues {
  "quota.connections": number;
  "quota.queued": number;
  "quota.requests": number;
  "quota.channels": number;
}

/** All keys, with a dot for what stands in a table. */
export interface Values extends ChannelValues, QuotaValues {
  socket_dir: string;
  dynamic_channels: boolean | readonly string[];
  channel_idle: number;
  idle_exit: number;
  drain_timeout: number;
  broker_user: string;
  peer_credentials: boolean;
  "access.required": boolean;
  memory: number;
  "log.level": LogSettings["level"];
  "log.format": LogSettings["format"];
}

/** The name of a key, `log.level` for `level` in the table `[log]`. */
export type Key = keyof Values;

/** The name of a key that may stand in `[channels.<name>]` too. */
export type ChannelKey = keyof ChannelValues;

/** The name of a key that may stand in `[quota.tokens.<name>]` too. */
export type QuotaKey = keyof QuotaValues;

/**
 * What holds where nobody says anything.
 *
 * @param os `Deno.build.os`, or what it would be.
 */
export function defaultValues(os: string): Values {
  return {
    socket_dir: defaultSocketDirectory(os),
    max_message: MESSAGE_BYTES_DEFAULT,
    queue: 8 * 1024 * 1024,
    history: 1024 * 1024,
    overflow: "block",
    stall_timeout: 5_000,
    request_timeout: 30_000,
    mode: "0600",
    group: "",
    dynamic_channels: true,
    channel_idle: 60_000,
    idle_exit: Infinity,
    drain_timeout: 8_000,
    broker_user: "",
    peer_credentials: false,
    memory: 1024 * 1024 * 1024,
    "access.required": false,
    "quota.connections": 4_096,
    "quota.queued": 256 * 1024 * 1024,
    "quota.requests": 16_384,
    "quota.channels": 1_024,
    "log.level": "info",
    "log.format": "text",
  };
}

/** No rules and no tokens. */
export const NO_ACCESS: AccessDocument = { token_file: undefined, all: {}, globs: [], channels: new Map() };

/** All keys, in the order of the documentation. */
export const KEYS = Object.keys(defaultValues("")) as readonly Key[];

/** Those that a channel may have for itself. */
export const CHANNEL_KEYS: readonly ChannelKey[] = [
  "max_message",
  "queue",
  "history",
  "overflow",
  "stall_timeout",
  "request_timeout",
  "mode",
  "group",
];

/** Those that a token may have for itself. */
export const QUOTA_KEYS: readonly QuotaKey[] = [
  "quota.connections",
  "quota.queued",
  "quota.requests",
  "quota.channels",
];

/** The environment variable that sets a key: `IPC_LOG_LEVEL` for `log.level`. */
export function variableOf(key: Key): string {
  return `IPC_${key.replace(".", "_").toUpperCase()}`;
}

/** One value as somebody wrote it, not checked yet. */
export interface Entry {
  key: Key;
  /** The channel it is for, if it stands in `[channels.<name>]`. */
  channel?: string;
  /** The token it is for, if it stands in `[quota.tokens.<name>]`. */
  token?: string;
  raw: unknown;
  /** The file or variable it comes from. */
  where: string;
}

/** The name of an entry with its tables, as in messages and as key of `sources`. */
export function pathOf(entry: Pick<Entry, "key" | "channel" | "token">): string {
  if (entry.token !== undefined) return `quota.tokens.${entry.token}.${entry.key.slice("quota.".length)}`;
  return entry.channel === undefined ? entry.key : `channels.${entry.channel}.${entry.key}`;
}
