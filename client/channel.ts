/**
 * A channel, as a program uses it.
 *
 * @module
 */
import type { Overflow, Presence } from "../protocol/bodies.ts";
import { checkChannelName } from "../protocol/channel_name.ts";
import { IpcError } from "../protocol/errors.ts";
import { FLAGS, FRAME_TYPES } from "../protocol/frame.ts";
import { brokerAddress, channelAddress, isUrl } from "./address.ts";
import { controlAt } from "./control.ts";
import type { Disposer } from "./disposer.ts";
import type { Handler } from "./handlers.ts";
import { Answer, ReplyStream, valueOf } from "./invocation.ts";
import type { Message } from "./message.ts";
import type { GapNotice } from "./notice.ts";
import type {
  Acknowledgement,
  BroadcastOptions,
  ConnectOptions,
  HandleOptions,
  InvokeOptions,
  ListenOptions,
  StreamOptions,
} from "./options.ts";
import type { Reply } from "./reply.ts";
import { Session } from "./session.ts";

/** What the broker says about one of its clients. What it counts is since the client connected. */
export interface ClientInfo {
  client: number;
  channel: string;
  name: string;
  /** The name of the token that it has shown. */
  token: string | null;
  /** As it said itself. */
  pid: number | null;
  /** What the kernel says of it, if the broker asks; see `peer_credentials` in docs/configuration.md. */
  credentials: { pid: number; uid: number; gid: number; groups: number[] } | null;
  listen: boolean;
  handle: boolean;
  presence: boolean;
  overflow: Overflow;
  connected_ms: number;
  events_in: number;
  events_out: number;
  bytes_in: number;
  bytes_out: number;
  queued_bytes: number;
  /** Requests of its own that are not answered yet. */
  requests_open: number;
  /** Requests of others that it works on. */
  serving: number;
  dialect: string;
}

/**
 * Connects to a channel. The broker opens it if it is not there yet.
 *
 * @param channel Its name: 1 to 64 letters, digits, `_`, `.` or `-`. Or where a broker listens for all of its channels,
 *   and the name: `tcp://127.0.0.1:7410/deploys`, `tls://host:7411/deploys`.
 * @param options Where the broker is, and how this client wants to be treated.
 * @throws {IpcError} CHANNEL_NOT_FOUND if no broker runs or it may not open the channel, FORBIDDEN if the socket belongs
 *   to somebody else or the certificate is not to be trusted, CHANNEL_NAME, TIMEOUT, CANCELLED, or what the broker
 *   answered: UNAUTHORIZED if it wants another token.
 *
 * @example
 * ```ts
 * import { startTestBroker } from "../daemon/testing.ts"; // for others: ipc daemon start
 * import { connect } from "./mod.ts";
 *
 * await using broker = await startTestBroker();
 * await using deploys = await connect("deploys", { socket_dir: broker.socket_dir, name: "example" });
 *
 * const events = deploys.events();
 * await deploys.broadcast({ rev: "a1b2" });
 * const { value: message } = await events.next();
 * if (message.data.rev !== "a1b2" || message.source !== deploys.client) throw new Error("not what was sent");
 * ```
 */
export async function connect(channel: string, options: ConnectOptions = {}): Promise<Channel> {
  const to = isUrl(channel)
    ? channelAddress(channel, options)
    : { channel: checkChannelName(channel), address: brokerAddress(options) };
  const session = new Session(to.channel, to.address, options);
  await session.open();
  return new Channel(session);
}

/** A connection to a channel, which mends itself. {@linkcode connect} makes one. */
export class Channel implements AsyncDisposable {
  readonly #session: Session;

  /** @internal */
  constructor(session: Session) {
    this.#session = session;
  }

  /** The channel's name. */
  get name(): string {
    return this.#session.name;
  }

  /** This client's id. Another one after each connection. */
  get client(): number {
    return this.#session.welcome.client;
  }

  /** Changes when the channel's sequence starts again, as it does with a new broker. */
  get epoch(): string {
    return this.#session.epoch;
  }

  /** Sequence number of the last event received; of one that does not listen, the channel's when it connected. */
  get seq(): number {
    return this.#session.position?.seq ?? this.#session.welcome.seq;
  }

  /** Whether there is a connection at this moment. */
  get connected(): boolean {
    return this.#session.connected;
  }

  /** Limit of a payload, as the broker announced it. */
  get message_bytes_max(): number {
    return this.#session.welcome.max_message;
  }

  /** Resolves when the channel has ended: with the error that ended it, or `undefined` after {@linkcode close}. */
  get closed(): Promise<IpcError | undefined> {
    return this.#session.closed;
  }

  /**
   * Sends an event to all listeners of the channel.
   *
   * @param data A `Uint8Array` goes as bytes, a string as text, what JSON can say as JSON, and anything else that
   *   structured clone can hold (Map, Date, BigInt, cycles, ...) as that.
   * @param options Whom it is for, and whether to wait for the broker's word.
   * @returns Resolves when it has been taken in: at once unless `queue_bytes` wait to be sent. From then on the data may
   *   be changed. With `ack`, when the broker has queued it for so many listeners.
   * @throws {IpcError} TOO_LARGE, SERIALIZATION, CHANNEL_SEND if the channel is closed; with `ack` also CHANNEL_SEND if
   *   the connection broke before the answer, CLIENT_NOT_FOUND or FORBIDDEN. Without it {@linkcode flush} tells of the
   *   former, a notice of the latter two.
   */
  broadcast(data: unknown, options: BroadcastOptions & { ack: true }): Promise<Acknowledgement>;
  broadcast(data: unknown, options?: BroadcastOptions): Promise<void>;
  broadcast(data: unknown, options?: BroadcastOptions): Promise<Acknowledgement | void> {
    const session = this.#session;
    if (session.refusal !== undefined) return Promise.reject(this.#refusal());
    if (options === undefined) {
      session.confirmations.mark();
      return session.outgoing.send(FRAME_TYPES.EVENT, 0, 0, 0, 0, undefined, data);
    }
    const flags = options.retain === true ? FLAGS.RETAIN : 0;
    if (options.ack === true) {
      session.room();
      return session.confirmations.broadcast(data, flags, options);
    }
    return session.outgoing.send(FRAME_TYPES.EVENT, flags, options.to ?? 0, 0, 0, options.headers, data);
  }

  /**
   * Sends events that are frames already, for programs that make many of them at once.
   *
   * @param frames Whole EVENT frames as `encodeFrame` writes them, without a target or an id, none over
   *   {@linkcode message_bytes_max}. The memory is the channel's from now on.
   * @param count How many they are.
   * @returns Resolves when there is room for more.
   */
  broadcastFrames(frames: Uint8Array<ArrayBuffer>, count: number): Promise<void> {
    const session = this.#session;
    if (session.refusal !== undefined) return Promise.reject(this.#refusal());
    session.confirmations.mark();
    return session.sender.sendEvents(frames, count);
  }

  /**
   * Gives every event to a callback, in order, one at a time: if it returns a promise, the next one waits for that.
   *
   * The broker knows about it when {@linkcode flush} resolves.
   *
   * @param callback What it throws is reported as an uncaught error, like that of an event listener.
   * @returns Ends it.
   */
  listen(callback: (message: Message) => unknown, options: ListenOptions = {}): Disposer {
    return this.#session.listeners.add({ message: callback, gap: options.ongap });
  }

  /**
   * Gives events to a callback as they came, many frames in one piece of memory. The memory is the callback's until it
   * returns, or until the promise that it returns is settled.
   *
   * @param callback With a notice, the bytes are empty.
   * @returns Ends it.
   */
  listenRuns(callback: (frames: Uint8Array<ArrayBuffer>, notice?: GapNotice) => unknown): Disposer {
    return this.#session.listeners.add({ run: callback });
  }

  /**
   * The events as an async iterator. They gather from now on; it ends with the channel, and with its error if it had one.
   */
  events(options: ListenOptions = {}): AsyncIterableIterator<Message> & AsyncDisposable {
    return this.#session.listeners.events(options.ongap);
  }

  /**
   * Answers the requests that come to this client. They run concurrently.
   *
   * @param handler What it returns is the reply. If that is an async iterable, each item is a part of the reply, sent as
   *   it comes; what a generator returns is the last. What it throws becomes an error: an {@linkcode IpcError} keeps its
   *   code, anything else is HANDLER_ERROR.
   * @returns Ends it. Requests that run already are still answered.
   * @throws {Error} If this channel has a handler already.
   */
  handle(handler: Handler, options: HandleOptions = {}): Disposer {
    return this.#session.handlers.set(handler, options);
  }

  /**
   * Asks whoever handles the channel, and waits for the reply.
   *
   * @param data As for {@linkcode broadcast}.
   * @returns The reply's data; if it was streamed, the array of its parts. With `all`, one {@linkcode Reply} per handler,
   *   which has an `error` if that one failed.
   * @throws {IpcError} NO_HANDLER, HANDLER_GONE, HANDLER_ERROR or what the handler threw, TIMEOUT, CANCELLED, OVERLOADED;
   *   CHANNEL_RECV if the connection broke before the reply: whether it was handled is not known then.
   */
  invoke(data: unknown, options: InvokeOptions & { all: true }): Promise<Reply[]>;
  invoke(data: unknown, options?: InvokeOptions): Promise<unknown>;
  async invoke(data: unknown, options: InvokeOptions = {}): Promise<unknown> {
    const session = this.#session;
    if (session.refusal !== undefined) throw this.#refusal();
    const replies = await new Promise<Reply[]>((resolve, reject) => {
      const answer = new Answer(session.queue_bytes, resolve, reject);
      const id = session.requests.ask(data, options, answer);
      answer.cancel = (error) => session.requests.cancel(id, error);
      session.room();
    });
    return options.all === true ? replies : valueOf(replies);
  }

  /**
   * Asks, and gives the parts of the reply as they come. Leaving the loop cancels the request.
   *
   * @returns Parts; the last one has `more: false` and the status. One that is empty and says only that it is the last
   *   is left out.
   * @throws {IpcError} From the loop, as {@linkcode invoke}. A status that is not 0 is not an error here.
   */
  invokeStream(data: unknown, options: StreamOptions = {}): AsyncIterableIterator<Reply> & AsyncDisposable {
    const session = this.#session;
    const stream = new ReplyStream(session.queue_bytes, () => session.room(), () => session.reading_on);
    if (session.refusal !== undefined) stream.fail(this.#refusal());
    else {
      const id = session.requests.ask(data, options, stream);
      stream.cancel = (error) => session.requests.cancel(id, error);
      session.room();
    }
    return stream;
  }

  /**
   * Tells who is on the channel, and from then on who comes, goes or changes roles. When the connection breaks everybody
   * leaves, and comes again with the next one.
   *
   * @returns Ends it.
   */
  presence(callback: (presence: Presence) => void): Disposer {
    return this.#session.members.add(callback);
  }

  /** Asks the broker who is on the channel. */
  async clients(): Promise<ClientInfo[]> {
    const { name: channel, address, options } = this.#session;
    return await controlAt(address, "clients", { channel }, { ...options, signal: undefined }) as ClientInfo[];
  }

  /**
   * Resolves when the broker has everything that was sent before.
   *
   * @throws {IpcError} CHANNEL_SEND if a connection broke since the last flush with events on the way, saying how many
   *   may not have arrived. Each is reported once: the next flush is about what was sent since.
   */
  flush(): Promise<void> {
    const session = this.#session;
    if (session.refusal !== undefined) return Promise.reject(this.#refusal());
    session.room();
    return session.confirmations.flush();
  }

  /**
   * Sends what waits, says goodbye and closes. Everything that is still open ends: iterators are done, requests fail with
   * CANCELLED, handlers' signals are aborted.
   *
   * @throws {IpcError} CHANNEL_SEND if events may not have arrived. The channel is closed nevertheless.
   */
  close(): Promise<void> {
    return this.#session.close();
  }

  /** {@linkcode close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #refusal(): IpcError {
    const cause = this.#session.refusal!;
    return new IpcError("CHANNEL_SEND", `Cannot send on channel "${this.name}": ${cause.message}`, { cause });
  }
}
