/**
 * What can be chosen when connecting, sending and asking.
 *
 * @module
 */
import type { Overflow, Position } from "../protocol/bodies.ts";
import type { HeadersInit } from "./message.ts";
import type { GapNotice, Notice } from "./notice.ts";

/** Options of `connect` and `control` that say where the broker is. */
export interface BrokerOptions {
  /** Where the sockets stand. Default: `$IPC_SOCKET_DIR` if it may be read, else `/tmp`. */
  socket_dir?: string | undefined;
  /**
   * Where a broker listens for all of its channels, `tcp://127.0.0.1:7410` or `tls://host:7411`, instead of sockets.
   * Default: `$IPC_CONNECT` if it may be read and there is no `socket_dir`.
   */
  url?: string | undefined;
  /** The same for systems without unix sockets, as Windows, if `url` is not given. Default: `tcp://127.0.0.1:7410`. */
  fallback_url?: string | undefined;
  /** Certificates of authorities that may have signed the broker's, in PEM, beside those that the system trusts. */
  ca?: string | readonly string[] | undefined;
  /** A name for people and for the broker's rules, at most 64 bytes. */
  name?: string | undefined;
  /** Secret that says who this is. */
  token?: string | undefined;
  /** User id of the broker, if it is neither root nor this user. A socket of anybody else is refused. */
  broker_uid?: number | undefined;
  /** How long connecting may take, handshake included. Default 5000. */
  connect_timeout_ms?: number | undefined;
  /** Gives up connecting. Has no effect once connected. */
  signal?: AbortSignal | undefined;
}

/** Options of `connect`. */
export interface ConnectOptions extends BrokerOptions {
  /** Whether this client, listening, gets its own events. Default true. */
  echo?: boolean | undefined;
  /** Limit of what waits to be sent, and of what waits for a listener, in bytes. Default 8 MiB. */
  queue_bytes?: number | undefined;
  /** Whether to ask the broker to open a channel that has no socket. Default true. */
  open?: boolean | undefined;
  /** Whether to connect again when the connection breaks. Default true. */
  reconnect?: boolean | undefined;
  /** Ask for events at once; they wait for the first `listen`, `events` or `listenRuns`. Saves a round trip. */
  listen?: boolean | undefined;
  /** Ask for requests at once; they wait for `handle`. */
  handle?: boolean | undefined;
  /** Ask at once for who comes and goes. */
  presence?: boolean | undefined;
  /** What the broker does when this listener's queue is full: "drop" or "disconnect" instead of the channel's rule. */
  overflow?: Overflow | undefined;
  /** Events from behind this position on, as far as the broker still has them. Implies `listen`. */
  resume?: Position | undefined;
  /** Told of gaps, lost connections and errors that nobody waits for. Without it, gaps and errors go to the console. */
  onnotice?: ((notice: Notice) => void) | undefined;
}

/** Options of `Channel.broadcast`. */
export interface BroadcastOptions {
  /** Client id: the event goes to that client alone, and has no sequence number. */
  to?: number | undefined;
  /** To travel beside the payload. */
  headers?: HeadersInit | undefined;
  /** Whether to wait for the broker's word. The promise then gives the number of listeners. */
  ack?: boolean | undefined;
  /** Whether the broker keeps it for listeners to come. An empty one clears what was kept. */
  retain?: boolean | undefined;
}

/** What the broker says to an event sent with `ack`. */
export interface Acknowledgement {
  /** How many listeners it was queued for. */
  listeners: number;
}

/** Options of `Channel.listen` and `Channel.events`. */
export interface ListenOptions {
  /** Told which events are missing, in order with the others. Without it, `ConnectOptions.onnotice` is. */
  ongap?: ((notice: GapNotice) => void) | undefined;
}

/** Options of `Channel.invokeStream`. */
export interface StreamOptions {
  /** Deadline. Default: the channel's own, 30 s unless configured. `Infinity` for none. */
  timeout_ms?: number | undefined;
  /** Cancels the request; it ends with CANCELLED. */
  signal?: AbortSignal | undefined;
  /** To travel beside the payload. */
  headers?: HeadersInit | undefined;
  /** Ask every handler instead of the one with least to do. */
  all?: boolean | undefined;
}

/** Options of `Channel.invoke`. */
export type InvokeOptions = StreamOptions;

/** Options of `Channel.handle`. */
export interface HandleOptions {
  /** How many requests run at a time. Default: all of them. Further ones wait, `queue_bytes` at most. */
  concurrency?: number | undefined;
}
