/**
 * Channels and their sockets: opened from the configuration or by whoever asks, closed when nobody was there for a while.
 *
 * @module
 */
import { CHANNELS_MAX } from "../protocol/limits.ts";
import type { ChannelSettings, Settings } from "../config/settings.ts";
import { CONTROL_CHANNEL, IpcError, socketPath } from "../protocol/mod.ts";
import type { Door } from "./dialects/mod.ts";
import type { Log } from "./log.ts";
import type { Account } from "./quota.ts";
import type { Channel } from "./registry.ts";
import type { Peer, Router } from "./router/mod.ts";
import type { PeerCredentials } from "./identity.ts";
import { mayBeOpened } from "./settings_view.ts";
import type { Stream } from "./transport/connection.ts";
import { InheritedListener, type InheritedListenerOwner } from "./transport/inherited_listener.ts";
import { Listener, type ListenerOwner, type SocketAccess } from "./transport/listener.ts";
import type { TokenGate } from "./tokens.ts";
import type { PeerFinder } from "./transport/peer_finder.ts";

/** What those who connect after the end has begun are told. */
export const GOING_AWAY = new IpcError("SHUTDOWN", "the broker is going away");

/** What the channels are given. */
export interface ChannelSocketsOwner {
  readonly router: Router;
  readonly log: Log;
  settings(): Settings;
  /** Judges tokens. */
  readonly gate: TokenGate;
  /** Finds out who connects, if that is wanted. */
  readonly peers: PeerFinder | undefined;
  accepted(conn: Stream, door: Door, credentials: PeerCredentials | undefined): void;
  ready(): Promise<void> | undefined;
  /** Logs what could happen with every connection. */
  warn(message: string, properties: Record<string, unknown>): void;
  announce(event: Record<string, unknown>): void;
  /** The socket of `ipcd` as an open descriptor, if somebody else has bound it. */
  readonly control_fd: number | undefined;
  /** That socket is of no use any more. */
  dead(error: IpcError): void;
}

/** See the module's head. */
export class ChannelSockets {
  readonly #owner: ChannelSocketsOwner;
  readonly #listeners = new Map<string, Listener | InheritedListener>();
  readonly #opening = new Map<string, Promise<Channel<Peer>>>();
  /** Whether rules are about to change. */
  #restricted = false;
  /** Channels in whose socket's place something else stands. */
  readonly #replaced = new Set<string>();
  /** Channels whose socket is about to be removed. */
  readonly #closing = new Map<string, Promise<void>>();

  constructor(owner: ChannelSocketsOwner) {
    this.#owner = owner;
  }

  /** What a channel is run by. */
  rules(name: string): ChannelSettings {
    const settings = this.#owner.settings();
    return settings.channels.get(name) ?? settings.defaults;
  }

  /** Opens the broker's own channel. */
  openControl(): Promise<Channel<Peer>> {
    return this.#bind(CONTROL_CHANNEL, false);
  }

  /**
   * Opens a channel, or finds it open.
   *
   * @param opener Whom it counts for if it has to be opened.
   * @throws {IpcError} CHANNEL_NOT_FOUND if clients may not open it, OVERLOADED if there are too many, and whatever
   *   {@linkcode Listener.bind} throws.
   */
  open(name: string, opener?: Account): Promise<Channel<Peer>> {
    const { router } = this.#owner, settings = this.#owner.settings();
    const opened = this.#opening.get(name) ?? router.registry.channels.get(name);
    if (opened !== undefined) return this.#reachable(name, opened);
    const configured = settings.channels.has(name);
    if (!configured && !mayBeOpened(settings, name)) {
      throw new IpcError(
        "CHANNEL_NOT_FOUND",
        `channel "${name}" is not in the configuration, and dynamic_channels does not allow clients to open it`,
      );
    }
    if (router.draining) throw GOING_AWAY;
    if (router.registry.channels.size >= CHANNELS_MAX && !this.#makeRoom()) {
      throw this.#overloaded(
        new IpcError("OVERLOADED", `Cannot open channel "${name}": ${CHANNELS_MAX} are open`, {
          data: { quota: "channels", limit: CHANNELS_MAX },
        }),
      );
    }
    const counts = configured ? undefined : opener, refusal = counts?.take("channels");
    if (refusal !== undefined) throw this.#overloaded(refusal);
    const opening = this.#bind(name, !configured, counts).finally(() => this.#opening.delete(name));
    this.#opening.set(name, opening);
    return opening;
  }

  /** Closes a channel that was opened on demand and is used by nobody. */
  closeIfIdle(channel: Channel<Peer>, now_ms: number): void {
    // What is retained was kept for listeners to come: it would be lost with the channel.
    if (channel.retained === undefined && this.#isIdle(channel, now_ms)) this.#close(channel);
  }

  /**
   * Frees a descriptor if that is what was missing: a channel that is open only for what it retains shall keep nobody out
   * who is there.
   *
   * @param error What a socket could not be accepted or bound for.
   */
  relieve(error: unknown): void {
    const code = (error as { code?: unknown } | undefined)?.code;
    if (code === "EMFILE" || code === "ENFILE") this.#makeRoom();
  }

  /** A socket that had been removed is there again. */
  rebound(name: string): void {
    this.#replaced.delete(name);
    const path = socketPath(this.#owner.settings().socket_dir, name);
    this.#owner.log.warning("a socket was removed and is bound again", { channel: name, path });
  }

  /** Closes the channel that was idle for longest of those that are open only for what they retain, if there is one. */
  #makeRoom(): boolean {
    const { router } = this.#owner, now_ms = router.now();
    let oldest: Channel<Peer> | undefined;
    for (const channel of router.registry.channels.values()) {
      if (!this.#isIdle(channel, now_ms) || this.#opening.has(channel.name)) continue;
      if (oldest === undefined || channel.idle_since_ms < oldest.idle_since_ms) oldest = channel;
    }
    if (oldest === undefined) return false;
    this.#owner.warn("closed an idle channel with what it retained to make room", { channel: oldest.name });
    this.#close(oldest);
    return true;
  }

  #isIdle(channel: Channel<Peer>, now_ms: number): boolean {
    const { router } = this.#owner;
    if (!channel.dynamic || channel.clients.size > 0 || router.draining) return false;
    // Whoever holds or waits for its lock is on ipcd.
    if (router.coordination.uses(channel)) return false;
    return now_ms - channel.idle_since_ms >= this.#owner.settings().channel_idle_ms;
  }

  #close(channel: Channel<Peer>): void {
    const { router } = this.#owner, listener = this.#listeners.get(channel.name);
    this.#listeners.delete(channel.name);
    this.#replaced.delete(channel.name);
    if (listener !== undefined) {
      this.#closing.set(channel.name, listener.close().finally(() => this.#closing.delete(channel.name)));
    }
    router.close(channel, new IpcError("CHANNEL_NOT_FOUND", `channel "${channel.name}" was closed`));
    this.#owner.announce({ event: "channel_closed", channel: channel.name });
    this.#owner.log.debug("channel closed", { channel: channel.name });
  }

  /**
   * Binds again what somebody has removed under us, as cleaners of /tmp do.
   *
   * @param all Whether to look at all sockets, or at that of the broker's own channel only: without it nobody can ask for
   *   another.
   */
  guardPaths(all: boolean): void {
    for (const name of all ? this.#listeners.keys() : [CONTROL_CHANNEL]) {
      this.#rebind(name)?.catch((error: Error) => {
        if (this.#replaced.has(name)) return; // said already
        this.#replaced.add(name);
        this.#owner.log.warning("a socket was removed and cannot be bound again", {
          channel: name,
          why: error.message,
        });
      });
    }
  }

  /**
   * Before new rules are in force: leaves only those in who may connect before and after, and what is opened from now on
   * is for the broker's user alone.
   */
  restrict(): void {
    this.#restricted = true;
    for (const [name, listener] of this.#listeners) listener.restrict(accessOf(this.rules(name)));
  }

  /** Gives the sockets the modes and groups that the settings say. */
  permit(): void {
    this.#restricted = false;
    for (const [name, listener] of this.#listeners) listener.permit(accessOf(this.rules(name)));
  }

  /** Whoever asks for a channel that is open has not found its socket. */
  async #reachable(name: string, opened: Channel<Peer> | Promise<Channel<Peer>>): Promise<Channel<Peer>> {
    const channel = await opened;
    await this.#rebind(name);
    return channel;
  }

  /** Binds a socket again if it is gone; `undefined` if it is not. */
  #rebind(name: string): Promise<void> | undefined {
    const listener = this.#listeners.get(name);
    return listener === undefined || this.#owner.router.draining || listener.intact() ? undefined : listener.rebind();
  }

  /** Resolves when nothing is being opened any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#opening.values());
  }

  /** Stops accepting and removes all sockets. Resolves when their paths are nobody's. */
  async close(): Promise<void> {
    await Promise.all([
      ...[...this.#listeners.values()].map((listener) => listener.close()),
      ...this.#closing.values(),
    ]);
  }

  #overloaded(error: IpcError): IpcError {
    this.#owner.router.overloaded("channels", error);
    return error;
  }

  async #bind(name: string, dynamic: boolean, opener?: Account): Promise<Channel<Peer>> {
    const { router, log } = this.#owner;
    await this.#closing.get(name);
    const path = socketPath(this.#owner.settings().socket_dir, name);
    const channel = router.open(name, dynamic, this.rules(name), opener);
    const owner = new ChannelSocket(channel, this.#owner, this);
    const fd = name === CONTROL_CHANNEL ? this.#owner.control_fd : undefined;
    let listener: Listener | InheritedListener;
    try {
      listener = fd === undefined
        ? await Listener.bind(path, this.#restricted ? OWNER_ALONE : accessOf(this.rules(name)), owner)
        : await InheritedListener.adopt(fd, path, owner);
    } catch (error) {
      router.close(channel, GOING_AWAY);
      this.relieve((error as Error).cause);
      throw error;
    }
    this.#listeners.set(name, listener);
    if (name !== CONTROL_CHANNEL) this.#owner.announce({ event: "channel_opened", channel: name });
    log.debug("channel opened", { channel: name, path, dynamic });
    return channel;
  }
}

/** What stands between a channel and its socket, in both directions. One object each: there may be thousands. */
class ChannelSocket implements Door, ListenerOwner, InheritedListenerOwner {
  readonly channel: Channel<Peer>;
  readonly #owner: ChannelSocketsOwner;
  readonly #sockets: ChannelSockets;

  constructor(channel: Channel<Peer>, owner: ChannelSocketsOwner, sockets: ChannelSockets) {
    this.channel = channel;
    this.#owner = owner;
    this.#sockets = sockets;
  }

  get public(): boolean {
    return false;
  }

  get guarded(): boolean {
    return false;
  }

  get peers(): PeerFinder | undefined {
    return this.#owner.peers;
  }

  admit(token: string | undefined): ReturnType<Door["admit"]> {
    return this.#owner.gate.admit(token);
  }

  accepted(conn: Stream, credentials?: PeerCredentials): void {
    this.#owner.accepted(conn, this, credentials);
  }

  ready(): Promise<void> | undefined {
    return this.#owner.ready();
  }

  rebound(): void {
    this.#sockets.rebound(this.channel.name);
  }

  failed(error: unknown): void {
    this.#sockets.relieve(error);
    this.#owner.warn("cannot accept connections", { channel: this.channel.name, error: String(error) });
  }

  dead(error: IpcError): void {
    this.#owner.dead(error);
  }
}

/** For a socket that is opened to others later. */
const OWNER_ALONE: SocketAccess = { mode: 0o600, gid: undefined };

function accessOf({ socket_mode, socket_gid }: ChannelSettings): SocketAccess {
  return { mode: socket_mode, gid: socket_gid };
}
