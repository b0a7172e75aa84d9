/**
 * What a broker runs with, after defaults, files and environment are put together. Sizes are bytes, times are
 * milliseconds, and every field's name says which. `Infinity` is "no limit" for times.
 *
 * @module
 */
import type { Overflow } from "../protocol/bodies.ts";

/** What may differ from channel to channel. */
export interface ChannelSettings {
  /** Limit of one message's payload. */
  max_message_bytes: number;
  /** Limit of what waits for one client. */
  queue_bytes: number;
  /** How much of the latest events is kept for clients that come back; 0 keeps none. */
  history_bytes: number;
  /** What happens to a listener whose queue is full. */
  overflow: Overflow;
  /** A listener with a full queue that takes nothing for this long is closed. */
  stall_timeout_ms: number;
  /** Deadline of a request that names none. */
  request_timeout_ms: number;
  /** Who may connect to the socket: its permission bits. */
  socket_mode: number;
  /** The group that the socket is given to; `undefined` leaves it to the broker's own. */
  socket_gid: number | undefined;
}

/** What one holder of a token may use at a time; without a token one user, or one client. `Infinity` is no limit. */
export interface QuotaSettings {
  readonly connections: number;
  readonly queued_bytes: number;
  readonly requests: number;
  readonly channels: number;
}

/** How the broker logs, to standard error. */
export interface LogSettings {
  level: "debug" | "info" | "warning" | "error";
  format: "text" | "json";
}

/** An address on the network where clients may connect. */
export interface ListenSettings {
  /** For people; the address unless somebody says otherwise. */
  readonly name: string;
  readonly hostname: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** The one channel that it leads to; without it clients name one. */
  readonly channel: string | undefined;
  /** Files of the certificate chain and of its private key. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** File of the tokens of which one has to be shown; without it, none. */
  readonly token_file: string | undefined;
}

/** What stands in the files that a listener names. Only a broker reads them. */
export interface ListenSecrets {
  /** In PEM. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly tokens: readonly TokenHash[] | undefined;
}

/** A token that is accepted. The token itself is known only to whoever shows it. */
export interface TokenHash {
  /** Whose it is. */
  readonly name: string;
  /** SHA-256 of the token in UTF-8, in hex. */
  readonly sha256: string;
}

/** What a rule can be about. */
export type AccessAction = "send" | "listen" | "request" | "handle" | "see" | "admin";

/** Whom a rule allows or denies something: `*`, `token:GLOB`, `name:GLOB`, `uid:N`, `gid:N`. */
export interface AccessLists {
  /** Them and nobody else. */
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/** Lists by action. */
export type AccessTable = { readonly [action in AccessAction]?: AccessLists };

/** Rules for channels whose names fit. */
export interface AccessGlobs {
  readonly channels: readonly string[];
  readonly table: AccessTable;
}

/** Who may do what. */
export interface AccessSettings {
  /** Whether a configuration without rules is to be refused. */
  readonly required: boolean;
  /** File of the tokens that clients may show. */
  readonly token_file: string | undefined;
  /** Rules for all channels. */
  readonly all: AccessTable;
  /** In the order in which they stand in the file. */
  readonly globs: readonly AccessGlobs[];
  /** Rules of single channels. */
  readonly channels: ReadonlyMap<string, AccessTable>;
}

/** What a file says about access; whether rules are required is a key of its own. */
export type AccessDocument = Omit<AccessSettings, "required">;

/** Everything, validated. */
export interface Settings {
  /** Where the sockets stand. */
  socket_dir: string;
  /** What a channel has unless `channels` says otherwise. */
  defaults: ChannelSettings;
  /** Whether clients may open channels that the configuration does not name; globs restrict which. */
  dynamic_channels: boolean | readonly string[];
  /** A channel opened on demand is closed after this long without clients. */
  channel_idle_ms: number;
  /** The broker ends itself after this long without clients; Infinity: never. */
  idle_exit_ms: number;
  /** How long a broker that was told to stop waits for its clients to take what is queued. */
  drain_timeout_ms: number;
  /** Whose sockets clients trust besides root's and their own. */
  broker_uid: number | undefined;
  /** Whether the broker asks the kernel who connects to its sockets. */
  peer_credentials: boolean;
  /** What all queues, histories and unfinished messages together may hold. */
  memory_bytes: number;
  quota: {
    /** For whoever has none of its own. */
    readonly defaults: QuotaSettings;
    /** By a token's name. */
    readonly tokens: ReadonlyMap<string, QuotaSettings>;
  };
  log: LogSettings;
  /** Channels that are open from the start, by name. */
  channels: ReadonlyMap<string, ChannelSettings>;
  access: AccessSettings;
  /** Where clients may connect besides the channels' sockets. */
  listen: readonly ListenSettings[];
}
