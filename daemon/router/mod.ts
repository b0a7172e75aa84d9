/**
 * The router decides who gets what. It sees channels, clients and bytes; it knows nothing of sockets, and it never
 * awaits: whoever has to wait is given a promise and waits outside.
 *
 * @module
 */
import type { Hello, Roles } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import { idOf } from "../../protocol/frame.ts";
import { type AccessAction, forbidden, NO_RULES, type Permissions, permissionsOf, type Policy } from "../access.ts";
import { Counters, countUnder, type Overload } from "../counters.ts";
import type { Identity } from "../identity.ts";
import { type Account, Accounts } from "../quota.ts";
import { Channel, type ChannelRules, Client, Registry } from "../registry.ts";
import { Coordination } from "./coordination.ts";
import { Events } from "./events.ts";
import { Monitors } from "./monitors.ts";
import type { Peer } from "./peer.ts";
import { introduce, tellWatchers } from "./presence.ts";
import { replyFrame, Requests } from "./requests.ts";
import { Slow } from "./slow.ts";

export type { Peer } from "./peer.ts";

/** What happens that the outside may want to know. */
export interface Observer {
  joined(client: Client<Peer>): void;
  left(client: Client<Peer>, reason: IpcError | undefined): void;
  /** Somebody wanted what a rule denies. */
  refused(identity: Identity, channel: string, error: IpcError, count: number): void;
  /** There is a deadline to be kept: call `requests.tick` until there is none. */
  deadlines(): void;
  /** Somebody was refused something because there is too much of it; it is counted already. */
  overloaded(what: Overload, error: IpcError): void;
}

const EPOCH_BYTES = 8;

/** See the module's head. */
export class Router {
  readonly registry: Registry<Peer> = new Registry();
  readonly accounts: Accounts = new Accounts();
  readonly counters: Counters = new Counters();
  readonly slow: Slow;
  /** Those who watch what passes. */
  readonly monitors: Monitors;
  readonly events: Events;
  readonly requests: Requests;
  readonly coordination: Coordination;
  /** Set once the broker is going away: nothing new is accepted. */
  draining = false;
  /** Answers the requests on the control channel. */
  answer: ((client: Client<Peer>, frame: Uint8Array<ArrayBuffer>) => void) | undefined;
  /** The channel where the broker itself is the handler. */
  control: Channel<Peer> | undefined;

  /** What has to be allowed by each: the rules in force, and those that are about to be. */
  #policies: readonly Policy[] = [NO_RULES];
  readonly #observer: Observer;

  /**
   * @param observer Is told who comes and goes.
   * @param now Milliseconds of a clock that never goes back.
   */
  constructor(observer: Observer, readonly now: () => number) {
    this.#observer = observer;
    this.slow = new Slow((client, error, at_once) => this.leave(client, error, at_once));
    const overloaded = (what: Overload, error: IpcError): void => this.overloaded(what, error);
    this.monitors = new Monitors((client, channel) => this.#mayMonitor(client, channel), now);
    this.events = new Events(this.registry, this.slow, this.monitors, overloaded);
    this.requests = new Requests(this.registry, this.slow, now, () => observer.deadlines(), overloaded);
    this.coordination = new Coordination(now, Date.now, overloaded);
  }

  /**
   * Takes a new client into a channel. It gets no events before {@linkcode roles} says that it listens.
   *
   * @throws {IpcError} SHUTDOWN if the broker is going away, CHANNEL_NOT_FOUND if the channel was closed while the client
   *   was on its way, FORBIDDEN for a role that it cannot have, or if it may do nothing at all there, OVERLOADED if whoever
   *   it is has as many connections as it may.
   */
  join(channel: Channel<Peer>, peer: Peer, dialect: string, hello: Hello, identity: Identity): Client<Peer> {
    if (this.draining) throw new IpcError("SHUTDOWN", "the broker is going away");
    if (this.registry.channels.get(channel.name) !== channel) {
      throw new IpcError("CHANNEL_NOT_FOUND", `channel "${channel.name}" was closed`);
    }
    const may = permissionsOf(this.#policies, identity, channel.name);
    this.#checkRoles(channel.name, identity, may, hello);
    if (!may.see) this.checkOpening(identity, channel.name);
    const id = this.registry.nextId(), account = this.accounts.of(identity, id), refusal = account.take("connections");
    if (refusal !== undefined) {
      this.overloaded("connections", refusal);
      throw refusal;
    }
    const client = new Client(id, channel, peer, dialect, this.now(), hello, identity, may);
    client.account = account;
    this.registry.add(client);
    if (this.monitors.active) {
      const { listen = false, handle = false, presence = false, pid } = hello;
      const data = { dialect, pid, listen, handle, presence };
      this.monitors.note(client, "in", "join", 0, { data });
    }
    return client;
  }

  /**
   * Gives a client roles: the first ones behind its HELLO, or changed ones.
   *
   * @param resume Sequence number of the last event that it saw, if it comes back.
   * @throws {IpcError} FORBIDDEN for a role that it cannot have.
   */
  roles(client: Client<Peer>, roles: Roles, first: boolean, resume?: number): void {
    const channel = client.channel;
    this.#checkRoles(channel.name, client.identity, client.may, roles);
    const listens = roles.listen === true && !client.listen, watches = roles.presence === true && !client.presence;
    this.registry.setRoles(client, roles);
    tellWatchers(client, first ? "join" : "roles");
    if (watches) introduce(client);
    if (listens) this.events.welcome(client, resume);
    // On the control channel this is an event, which comes behind those that the client has missed.
    if (first) this.#observer.joined(client);
    this.events.next(channel);
  }

  /**
   * Takes a client out of everything, at once.
   *
   * @param error Why, if it is not by its own wish; it is told and closed.
   * @param at_once See {@linkcode Peer.close}.
   */
  leave(client: Client<Peer>, error?: IpcError, at_once = false): void {
    if (this.registry.clients.get(client.id) !== client) return;
    this.registry.remove(client);
    client.account.give("connections");
    this.slow.forget(client);
    this.requests.leave(client);
    this.coordination.leave(client);
    this.events.abandon(client);
    this.monitors.leave(client);
    if (this.monitors.active) {
      const about = error === undefined ? {} : { data: { reason: error.reason, message: error.message } };
      this.monitors.note(client, error === undefined ? "in" : "out", "leave", 0, about);
    }
    client.channel.idle_since_ms = this.now();
    tellWatchers(client, "leave", error?.reason);
    if (error !== undefined) client.peer.close(error, at_once);
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
    else if (!client.may.request) client.peer.pushFrames(replyFrame(idOf(frame), this.refusal(client, "request")));
    else this.requests.request(client, frame);
  }

  /** Takes a CANCEL. */
  cancel(client: Client<Peer>, id: number): void {
    if (client.channel !== this.control) this.requests.cancel(client, id);
    else if (!this.monitors.cancel(client, id)) this.coordination.cancel(client, id);
  }

  /** Counts what was refused because there is too much of something, and says so to whoever watches. */
  overloaded(what: Overload, error: IpcError): void {
    countUnder(this.counters.overloaded, what);
    this.#observer.overloaded(what, error);
  }

  /**
   * Opens a channel. Its socket is somebody else's business.
   *
   * @param opener Whom it counts for until it is closed; {@linkcode Account.take} has been asked.
   */
  open(name: string, dynamic: boolean, rules: ChannelRules, opener?: Account): Channel<Peer> {
    const epoch = crypto.getRandomValues(new Uint8Array(EPOCH_BYTES)).toHex();
    const channel = new Channel<Peer>(name, epoch, dynamic, rules);
    channel.idle_since_ms = this.now();
    channel.opener = opener;
    this.registry.channels.set(name, channel);
    return channel;
  }

  /**
   * What to tell a client that may not do something. It is counted.
   *
   * @param on The channel, if it is not the client's own.
   * @param count How often the client has tried.
   */
  refusal({ identity, channel }: Client<Peer>, action: AccessAction, on = channel.name, count = 1): IpcError {
    return this.#refusal(action, on, identity, count);
  }

  /** @throws {IpcError} FORBIDDEN if somebody may do nothing on a channel for which it would have to be open. */
  checkOpening(identity: Identity, channel: string): void {
    const { send, listen, request, handle } = permissionsOf(this.#policies, identity, channel);
    if (!(send || listen || request || handle)) throw this.#refusal("open", channel, identity);
  }

  /** Whether somebody may know who is on a channel. */
  maySee(identity: Identity, channel: string): boolean {
    return permissionsOf(this.#policies, identity, channel).see;
  }

  /** @throws {IpcError} FORBIDDEN if a client may not lock a channel, which is for who may ask there; SHUTDOWN */
  checkCoordination(client: Client<Peer>, channel: string): void {
    if (this.draining) throw new IpcError("SHUTDOWN", "the broker is going away");
    if (permissionsOf(this.#policies, client.identity, channel).request) return;
    throw this.refusal(client, "request", channel);
  }

  /**
   * While other rules are prepared, whoever comes is let in only where those in force and the coming ones allow it: their
   * channels may be open already. Ends with {@linkcode enforce}.
   */
  expect(policy: Policy): void {
    this.#policies = [this.#policies[0]!, policy];
  }

  /**
   * Puts other rules in force. Whoever is what it may not be any more is closed at once, with all that waits for it.
   *
   * @returns How many were closed.
   */
  enforce(policy: Policy): number {
    this.#policies = [policy];
    const leaving: [Client<Peer>, IpcError][] = [];
    for (const client of this.registry.clients.values()) {
      const { identity, channel: { name } } = client, may = policy.permissions(identity, name);
      const lost = lostBy(client, may);
      client.may = may;
      if (client.admission?.revoked()) {
        leaving.push([
          client,
          new IpcError("UNAUTHORIZED", `token "${client.admission.token}" is not accepted any more`),
        ]);
      } else if (lost !== undefined) leaving.push([client, forbidden(lost, name, identity)]);
    }
    for (const [client, channel] of this.monitors.revoked()) {
      const { identity, may: { admin } } = client, { see } = policy.permissions(identity, channel);
      const error = admin
        ? forbidden(see ? "listen" : "see", channel, identity)
        : forbidden("admin", client.channel.name, identity);
      leaving.push([client, error]);
    }
    // All of them first: that one leaves must not be told to another one.
    for (const [client] of leaving) this.registry.setRoles(client, { listen: false, handle: false, presence: false });
    for (const [client, error] of leaving) this.leave(client, error, true);
    for (const client of this.registry.clients.values()) if (!client.may.send) this.events.abandon(client);
    this.coordination.enforce(({ identity }, { name }) =>
      policy.permissions(identity, name).request ? undefined : forbidden("request", name, identity)
    );
    return leaving.length;
  }

  #refusal(action: AccessAction | "open", channel: string, identity: Identity, count = 1): IpcError {
    const error = forbidden(action, channel, identity);
    // What is the broker's own is no matter of rules.
    if (channel === this.control?.name && (action === "send" || action === "handle")) return error;
    this.#observer.refused(identity, channel, error, count);
    return error;
  }

  /** What is shown is what listeners get, and more: requests, and what is for others alone. */
  #mayMonitor({ identity, may }: Client<Peer>, channel: string): boolean {
    const { see, listen } = permissionsOf(this.#policies, identity, channel);
    return may.admin && see && listen;
  }

  #checkRoles(channel: string, identity: Identity, may: Permissions, roles: Roles): void {
    const action = roles.listen && !may.listen
      ? "listen"
      : roles.handle && !may.handle
      ? "handle"
      : roles.presence && !may.see
      ? "see"
      : undefined;
    if (action !== undefined) throw this.#refusal(action, channel, identity);
  }

  /** Closes a channel and everybody on it. */
  close(channel: Channel<Peer>, error: IpcError): void {
    for (const client of [...channel.clients]) this.leave(client, error);
    this.coordination.close(channel, error);
    this.registry.channels.delete(channel.name);
    channel.opener?.give("channels");
    channel.opener = undefined;
    this.counters.keep(channel);
    channel.history.close();
    channel.retain(undefined);
  }
}

/** What a client does, or what waits for it, that it may not any more. */
function lostBy(client: Client<Peer>, may: Permissions): AccessAction | "open" | undefined {
  const { may: before, peer, requests, serving } = client;
  // Events that were for it alone come without the role.
  if (!may.listen && before.listen && (client.listen || peer.queued_bytes > 0)) return "listen";
  if (!may.handle && before.handle && (client.handle || serving.size > 0)) return "handle";
  if (!may.see && before.see && client.presence) return "see";
  if (!may.request && before.request && requests.size > 0) return "request";
  return may.send || may.listen || may.request || may.handle || may.see ? undefined : "open";
}
