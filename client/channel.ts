/** Skeleton, being replaced: the shape of the channel. */
import type { IpcError } from "../protocol/errors.ts";
import type { Presence } from "../protocol/bodies.ts";
import type { Disposer } from "./disposer.ts";
import type { Message } from "./message.ts";
import type { GapNotice } from "./notice.ts";
import type { Reply } from "./reply.ts";
import type * as o from "./options.ts";

export interface IncomingRequest {
  readonly channel: string;
  readonly data: unknown;
  readonly source: number;
  readonly headers: ReadonlyMap<string, unknown>;
  readonly encoding: number;
  /** Aborted when the requester cancels, the deadline passes or the connection breaks. */
  readonly signal: AbortSignal;
  /** Exit status that the final reply carries, 0..255. */
  status: number;
  /** Sends a part before the final reply; resolves when there is room for more. */
  write(data: unknown, headers?: o.BroadcastOptions["headers"]): Promise<void>;
  /** Sends a part marked {stream: "stderr"}. */
  writeError(data: unknown): Promise<void>;
}
export type Handler = (request: IncomingRequest) => unknown;

export interface ClientInfo {
  client: number;
  channel: string;
  name: string;
  pid?: number;
  listen: boolean;
  handle: boolean;
  presence: boolean;
  overflow: string;
  connected_ms: number;
  events_in: number;
  events_out: number;
  bytes_in: number;
  bytes_out: number;
  queued_bytes: number;
  requests_open: number;
  dialect: string;
}

export interface Channel extends AsyncDisposable {
  readonly name: string;
  readonly client: number;
  readonly epoch: string;
  readonly seq: number;
  readonly connected: boolean;
  readonly message_bytes_max: number;
  /** Resolves when the channel is closed for good: with the error that ended it, or undefined after close(). */
  readonly closed: Promise<IpcError | undefined>;
  broadcast(data: unknown, options: o.BroadcastOptions & { ack: true }): Promise<o.Acknowledgement>;
  broadcast(data: unknown, options?: o.BroadcastOptions): Promise<void>;
  /** Whole EVENT frames, whose memory belongs to the channel from now on. Resolves when there is room for more. */
  broadcastFrames(frames: Uint8Array<ArrayBuffer>, count: number): Promise<void>;
  listen(callback: (message: Message) => unknown, options?: o.ListenOptions): Disposer;
  /** bytes: whole EVENT frames, valid until the callback returns (or its promise resolves). With a notice: empty. */
  listenRuns(callback: (bytes: Uint8Array<ArrayBuffer>, notice?: GapNotice) => unknown): Disposer;
  events(options?: o.ListenOptions): AsyncIterableIterator<Message>;
  handle(handler: Handler, options?: o.HandleOptions): Disposer;
  invoke(data: unknown, options: o.InvokeOptions & { all: true }): Promise<Reply[]>;
  invoke(data: unknown, options?: o.InvokeOptions): Promise<unknown>;
  invokeStream(data: unknown, options?: o.StreamOptions): AsyncIterableIterator<Reply>;
  presence(callback: (presence: Presence) => void): Disposer;
  clients(): Promise<ClientInfo[]>;
  flush(): Promise<void>;
  close(): Promise<void>;
}
export function connect(_channel: string, _options: o.ConnectOptions = {}): Promise<Channel> {
  return Promise.reject(new Error("Cannot connect: the client library is being written"));
}
/** One request to the broker itself. */
export function control(
  _method: string,
  _params: Record<string, unknown> = {},
  _options: o.BrokerOptions & { timeout_ms?: number } = {},
): Promise<unknown> {
  return Promise.reject(new Error("Cannot connect: the client library is being written"));
}
