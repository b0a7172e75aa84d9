/**
 * The router decides who gets what. It sees channels, clients and bytes; it knows nothing of sockets, and it never
 * awaits: whoever has to wait is given a promise and waits outside.
 *
 * @module
 */
import type { Hello, Roles } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import type { Identity } from "../identity.ts";
import { Channel, type ChannelRules, Client, Registry } from "../registry.ts";
import { Events } from "./events.ts";
import type { Peer } from "./peer.ts";
import { introduce, tellWatchers } from "./presence.ts";
import { Requests } from "./requests.ts";
import { Slow } from "./slow.ts";

export type { Peer } from "./peer.ts";

/** What happens that the outside may want to know. */
export interface Observer {
  joined(client: Client<Peer>): void;
  left(client: Client<Peer>, reason: IpcError | undefined): void;
  /** There is a deadline to be kept: call `requests.tick` until there is none. */
  deadlines(): void;
}

/** See the module's head. */
export class Router {
  readonly registry: Registry<Peer> = new Registry();
  readonly slow: Slow;
  readonly events: Events;
  readonly requests: Requests;
  /** Set once the broker is going away: nothing new is accepted. */
  draining = false;
  /** Answers the requests on the control channel. */
  answer: ((client: Client<Peer>, frame: Uint8Array<ArrayBuffer>) => void) | undefined;
  /** The channel where the broker itself is the handler. */
  control: Channel<Peer> | undefined;

  readonly #observer: Observer;

  /**
   * @param observer Is told who comes and goes.
   * @param now Milliseconds of a clock that never goes back.
   */
  constructor(observer: Observer, readonly now: () => number) {
    this.#observer = observer;
    this.slow = new Slow((client, error) => this.leave(client, error));
    this.events = new Events(this.registry, this.slow);
    this.requests = new Requests(this.registry, this.slow, now, () => observer.deadlines());
  }

  /**
   * Takes a new client into a channel. It gets no events before {@linkcode roles} says that it listens.
   *
   * @throws {IpcError} SHUTDOWN if the broker is going away, CHANNEL_NOT_FOUND if the channel was closed while the client
   *   was on its way, FORBIDDEN for a role that it cannot have.
   */
  join(channel: Channel<Peer>, peer: Peer, dialect: string, hello: Hello, identity: Identity): Client<Peer> {
    if (this.draining) throw new IpcError("SHUTDOWN", "the broker is going away");
    if (this.registry.channels.get(channel.name) !== channel) {
      throw new IpcError("CHANNEL_NOT_FOUND", `channel "${channel.name}" was closed`);
    }
    this.#checkRoles(channel, hello);
    const client = new Client(this.registry.nextId(), channel, peer, dialect, this.now(), hello, identity);
    this.registry.add(client);
    return client;
  }

  /**
   * Gives a client roles: the first ones behind its HELLO, or changed ones.
   *
   * @param resume Sequence number of the last event that it saw, if it comes back.
   * @throws {IpcError} FORBIDDEN for the role of a handler on the control channel.
   */
  roles(client: Client<Peer>, roles: Roles, first: boolean, resume?: number): void {
    const channel = client.channel;
    this.#checkRoles(channel, roles);
    const listens = roles.listen === true && !client.listen, watches = roles.presence === true && !client.presence;
    this.registry.setRoles(client, roles);
    tellWatchers(client, first ? "join" : "roles");
    if (first) this.#observer.joined(client);
    if (watches) introduce(client);
    if (listens) this.events.welcome(client, resume);
    this.events.next(channel);
  }

  /**
   * Takes a client out of everything, at once.
   *
   * @param error Why, if it is not by its own wish; it is told and closed.
   */
  leave(client: Client<Peer>, error?: IpcError): void {
    if (this.registry.clients.get(client.id) !== client) return;
    this.registry.remove(client);
    this.slow.forget(client);
    this.requests.leave(client);
    this.events.abandon(client);
    client.channel.idle_since_ms = this.now();
    tellWatchers(client, "leave", error?.reason);
    if (error !== undefined) client.peer.close(error);
    this.#observer.left(client, error);
  }

  /** A client's queue has more room than before. */
  drained(client: Client<Peer>): void {
    if (client.channel.turns.length > 0) this.events.next(client.channel);
    this.requests.drained(client);
  }

  /** Takes a REQUEST; see `requests.ts`. */
  request(client: Client<Peer>, frame: Uint8Array<ArrayBuffer>): void {
    if (client.channel === this.control && this.answer !== undefined) this.answer(client, frame);
    else this.requests.request(client, frame);
  }

  /** Opens a channel. Its socket is somebody else's business. */
  open(name: string, dynamic: boolean, rules: ChannelRules): Channel<Peer> {
    const epoch = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
    const channel = new Channel<Peer>(name, epoch, dynamic, rules);
    channel.idle_since_ms = this.now();
    this.registry.channels.set(name, channel);
    return channel;
  }

  #checkRoles(channel: Channel<Peer>, roles: Roles): void {
    if (roles.handle && channel === this.control) {
      throw new IpcError("FORBIDDEN", `on channel "${channel.name}" the broker itself is the handler`);
    }
  }

  /** Closes a channel and everybody on it. */
  close(channel: Channel<Peer>, error: IpcError): void {
    for (const client of [...channel.clients]) this.leave(client, error);
    this.registry.channels.delete(channel.name);
  }
}
