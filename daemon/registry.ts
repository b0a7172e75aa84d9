/**
 * Who is there: channels, and the clients on each. Pure data, with no sockets and no clock.
 *
 * @module
 */
import type { Hello, Overflow, Roles } from "../protocol/bodies.ts";
import { IpcError } from "../protocol/errors.ts";
import type { Sequence } from "../protocol/scanner.ts";
import { ID_MAX } from "../protocol/limits.ts";
import { buffers } from "./buffer_pool.ts";
import { History } from "./history.ts";
import type { Permissions } from "./access.ts";
import type { Admission, Identity } from "./identity.ts";
import { type Account, NOBODY } from "./quota.ts";

/** What a channel is run by. */
export interface ChannelRules {
  /** Limit of one message's payload. */
  readonly max_message_bytes: number;
  /** Limit of what waits for one client. */
  readonly queue_bytes: number;
  /** How much of the latest events is kept. */
  readonly history_bytes: number;
  /** What happens to a listener whose queue is full. */
  readonly overflow: Overflow;
  /** A client with a full queue that takes nothing for this long is closed. */
  readonly stall_timeout_ms: number;
  /** Deadline of a request that names none. */
  readonly request_timeout_ms: number;
}

/**
 * What a request that is open costs the broker beside what is queued: itself, and each handler's part in it. It may stay
 * for as long as its requester likes, so it counts towards what is held.
 */
export const OPEN_REQUEST_BYTES = 400, SERVED_BYTES = 56;

/** A request that is not answered yet. */
export interface OpenRequest<P> {
  readonly requester: Client<P>;
  /** The requester's correlation id. */
  readonly id: number;
  /** Who has to answer: one, or with ALL every handler that was there. */
  readonly handlers: Set<Client<P>>;
  /** Whether it went to every handler. */
  readonly all: boolean;
  /** How many handlers have finished, for ALL. */
  answered: number;
  /** How long it may take. */
  readonly timeout_ms: number;
  /** When it times out, in milliseconds of the broker's clock. */
  readonly deadline_ms: number;
  /** What it counts as. */
  readonly held_bytes: number;
}

const NO_REQUESTS: ReadonlyMap<number, never> = new Map<number, never>();
const NOTHING_SERVED: ReadonlySet<never> = new Set<never>();
/** What each channel has until somebody comes: three sets of its own would be half a kilobyte. */
const NOBODY_THERE: ReadonlySet<never> = new Set<never>();

/** One connection that has said HELLO. `P` is how it is reached, which is the router's business. */
export class Client<P> {
  readonly pid: number | undefined;
  readonly echo: boolean;
  listen = false;
  handle = false;
  presence = false;
  /** What it asked for; see {@linkcode policy}. */
  overflow: Overflow | undefined;
  /** The token that let it in. */
  admission: Admission | undefined;
  events_in = 0;
  events_out = 0;
  bytes_in = 0;
  bytes_out = 0;
  /** What it uses is counted here. */
  account: Account = NOBODY;
  /** What all that it has asked and that is not answered counts as; see {@linkcode asks}. */
  asked_bytes = 0;
  // Made when they are needed: most clients only listen, or only send.
  #requests: Map<number, OpenRequest<P>> | undefined;
  #serving: Set<OpenRequest<P>> | undefined;

  constructor(
    readonly id: number,
    readonly channel: Channel<P>,
    readonly peer: P,
    readonly dialect: string,
    readonly connected_ms: number,
    hello: Hello,
    readonly identity: Identity,
    /** What it may do; another one when the rules change. */
    public may: Permissions,
  ) {
    this.pid = hello.pid;
    this.echo = hello.echo ?? true;
  }

  /** What it calls itself. */
  get name(): string {
    return this.identity.name;
  }

  /** Requests it has made, by its correlation id. */
  get requests(): ReadonlyMap<number, OpenRequest<P>> {
    return this.#requests ?? NO_REQUESTS;
  }

  /** So much more is held because of what it has asked, or less. */
  asks(bytes: number): void {
    this.asked_bytes += bytes;
    buffers.count(bytes);
  }

  addRequest(open: OpenRequest<P>): void {
    this.asks(open.held_bytes);
    (this.#requests ??= new Map()).set(open.id, open);
  }

  /** Whether it was open. */
  removeRequest(open: OpenRequest<P>): boolean {
    if (this.#requests?.delete(open.id) !== true) return false;
    this.asks(-open.held_bytes);
    return true;
  }

  /** Requests it has to answer. */
  get serving(): ReadonlySet<OpenRequest<P>> {
    return this.#serving ?? NOTHING_SERVED;
  }

  addServing(open: OpenRequest<P>): void {
    (this.#serving ??= new Set()).add(open);
  }

  removeServing(open: OpenRequest<P>): void {
    this.#serving?.delete(open);
  }

  /** What happens when its queue is full. It can choose where the channel says "block", but not make others wait. */
  get policy(): Overflow {
    const { overflow } = this.channel.rules;
    return overflow === "block" ? this.overflow ?? "block" : overflow;
  }
}

/** A publisher that waits until the channel's listeners have room. */
export interface Turn<P> {
  readonly client: Client<P>;
  readonly bytes: number;
  readonly admit: () => void;
}

/** One channel. */
export class Channel<P> {
  clients: ReadonlySet<Client<P>> = NOBODY_THERE;
  listeners: ReadonlySet<Client<P>> = NOBODY_THERE;
  /** In an array, because ties go in turn. */
  readonly handlers: Client<P>[] = [];
  /** Where the next search for a handler begins. */
  next_handler = 0;
  watchers: ReadonlySet<Client<P>> = NOBODY_THERE;
  /** The number that the next event gets. */
  readonly sequence: Sequence = { low: 1, high: 0 };
  readonly history: History;
  #retained: Uint8Array<ArrayBuffer> | undefined;
  /** Publishers in the order in which they may go on. */
  readonly turns: Turn<P>[] = [];
  /** The publisher that was admitted and has not published yet. */
  admitted: Client<P> | undefined;
  events = 0;
  bytes = 0;
  requests = 0;
  requests_open = 0;
  /** Events per second, smoothed. */
  rate_per_s = 0;
  /** Who has opened it, if it counts among what that holder has opened. */
  opener: Account | undefined;
  /** When its last client left, in milliseconds of the broker's clock. */
  idle_since_ms = 0;

  constructor(
    readonly name: string,
    readonly epoch: string,
    /** Whether it was opened by a client rather than by the configuration. */
    public dynamic: boolean,
    public rules: ChannelRules,
  ) {
    this.history = new History(rules.history_bytes);
  }

  /** The last event with RETAIN, with that flag. */
  get retained(): Uint8Array<ArrayBuffer> | undefined {
    return this.#retained;
  }

  /** Keeps another event in the place of the one before, or none. */
  retain(frame: Uint8Array<ArrayBuffer> | undefined): void {
    if (this.#retained !== undefined) buffers.release(this.#retained);
    if (frame !== undefined) buffers.hold(frame);
    this.#retained = frame;
  }

  #events_before = 0;
  #quiet_ms: number | undefined;

  /** For how long there has been no event, at least. */
  get quiet_ms(): number {
    return this.events === this.#events_before ? this.#quiet_ms ?? 0 : 0;
  }

  /** Brings `rate_per_s` up to date; half of it is what came since the last call. */
  measureRate(interval_ms: number): void {
    // Of the interval in which the channel was opened, or the last event came, it is not known how much was quiet.
    const quiet = this.#quiet_ms !== undefined && this.events === this.#events_before;
    this.#quiet_ms = quiet ? this.#quiet_ms! + interval_ms : 0;
    const now_per_s = (this.events - this.#events_before) * 1000 / interval_ms;
    this.#events_before = this.events;
    this.rate_per_s = Math.abs(this.rate_per_s + now_per_s) < 0.01 ? 0 : (this.rate_per_s + now_per_s) / 2;
  }

  /** Sequence number of its latest event, 0 for none. */
  get seq(): number {
    return this.sequence.high * 0x1_0000_0000 + this.sequence.low - 1;
  }
}

/** Channels by name, clients by id. */
export class Registry<P> {
  readonly channels = new Map<string, Channel<P>>();
  readonly clients = new Map<number, Client<P>>();
  #last_id = 0;

  /** @throws {IpcError} CHANNEL_NOT_FOUND */
  channel(name: string): Channel<P> {
    const channel = this.channels.get(name);
    if (channel === undefined) {
      throw new IpcError("CHANNEL_NOT_FOUND", `channel ${JSON.stringify(name)} is not open`);
    }
    return channel;
  }

  /**
   * An id for a new client; never one that was given before.
   *
   * @throws {IpcError} OVERLOADED after 2^32 - 1 clients.
   */
  nextId(): number {
    if (this.#last_id === ID_MAX) throw new IpcError("OVERLOADED", "all client ids are used up: restart the broker");
    return ++this.#last_id;
  }

  /** Gives a client the roles that are said, and leaves the others as they are. */
  setRoles(client: Client<P>, roles: Roles): void {
    const channel = client.channel;
    if (roles.overflow !== undefined) client.overflow = roles.overflow;
    if (roles.listen !== undefined) {
      client.listen = roles.listen;
      if (roles.listen) channel.listeners = including(channel.listeners, client);
      else exclude(channel.listeners, client);
    }
    if (roles.presence !== undefined) {
      client.presence = roles.presence;
      if (roles.presence) channel.watchers = including(channel.watchers, client);
      else exclude(channel.watchers, client);
    }
    if (roles.handle !== undefined && roles.handle !== client.handle) {
      client.handle = roles.handle;
      if (roles.handle) channel.handlers.push(client);
      else channel.handlers.splice(channel.handlers.indexOf(client), 1);
    }
  }

  add(client: Client<P>): void {
    this.clients.set(client.id, client);
    client.channel.clients = including(client.channel.clients, client);
  }

  remove(client: Client<P>): void {
    this.setRoles(client, { listen: false, handle: false, presence: false });
    this.clients.delete(client.id);
    exclude(client.channel.clients, client);
  }
}

function including<T>(some: ReadonlySet<T>, one: T): ReadonlySet<T> {
  return some === NOBODY_THERE ? new Set([one]) : (some as Set<T>).add(one);
}

function exclude<T>(some: ReadonlySet<T>, one: T): void {
  if (some !== NOBODY_THERE) (some as Set<T>).delete(one);
}
