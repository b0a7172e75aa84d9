/**
 * The broker: puts router, sockets, control channel and clock together, and takes them apart again.
 *
 * @module
 */
import { GOODBYE_MS_MAX } from "../protocol/limits.ts";
import type { Settings, TokenHash } from "../config/settings.ts";
import { checkChannelName, IpcError, socketPath } from "../protocol/mod.ts";
import { encodeFrame, FRAME_TYPES } from "../protocol/frame.ts";
import { NO_RULES, Policy } from "./access.ts";
import type { Broker, BrokerOptions } from "./broker.ts";
import { buffers } from "./buffer_pool.ts";
import { ChannelSockets, GOING_AWAY } from "./channel_sockets.ts";
import { Clock } from "./clock.ts";
import { control } from "./control/mod.ts";
import type { ControlContext } from "./control/context.ts";
import { byeFrame, type Door, serve, type Service } from "./dialects/mod.ts";
import { delay, deliver } from "./delivery.ts";
import { Lock } from "./lock.ts";
import type { Log } from "./log.ts";
import type { Client } from "./registry.ts";
import { BUCKET_MS } from "./deadlines.ts";
import { type Peer, Router } from "./router/mod.ts";
import { Relief } from "./relief.ts";
import { checkReload } from "./reload_check.ts";
import { Reports } from "./reports.ts";
import { plainSettings } from "./settings_view.ts";
import { SharedListeners } from "./shared_listeners.ts";
import { TokenGate } from "./tokens.ts";
import { Connection, type Stream } from "./transport/connection.ts";
import type { PeerCredentials } from "./identity.ts";
import { Keepalive } from "./transport/keepalive.ts";
import { PeerFinder } from "./transport/peer_finder.ts";
import { Strangers } from "./transport/strangers.ts";

export type { Broker, BrokerOptions } from "./broker.ts";
export type { Log } from "./log.ts";

/** The control channel's socket is looked at each tick, all of them less often: a thousand take 6 ms. */
const TICK_MS = 500, REBIND_TICKS = 4;

/**
 * After so many connections that have ended, what they leave is collected. V8 would let tens of megabytes of it pile up
 * first, and the process would keep them: 10,000 connections of garbage cost it 80 MiB, with this 27.
 */
const CONNECTIONS_PER_COLLECTION = 1_000;

/**
 * Starts a broker.
 *
 * @throws {IpcError} FORBIDDEN if another one holds the lock, or something that is not ours stands at a channel's path;
 *   CHANNEL_RECV if a socket cannot be bound. FORBIDDEN too if the settings want peer credentials and cannot have them.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  // Before anything else: whoever connects between bind and chmod would be let in.
  Deno.umask(0o177);
  const peers = options.settings.peer_credentials ? new PeerFinder() : undefined;
  const lock = await Lock.take(options.state_dir, options.settings.socket_dir, options.version).catch((error) => {
    peers?.close();
    throw error;
  });
  const broker = new RunningBroker(options, lock, peers);
  try {
    await broker.start();
  } catch (error) {
    await broker.abort();
    throw error;
  }
  return broker;
}

class RunningBroker implements Broker {
  readonly finished: Promise<void>;
  #settings: Settings;
  readonly #options: BrokerOptions;
  readonly #log: Log;
  readonly #reports: Reports;
  readonly #lock: Lock;
  readonly #peers: PeerFinder | undefined;
  readonly #router: Router;
  readonly #service: Service;
  readonly #strangers: Strangers;
  readonly #keepalive = new Keepalive();
  #policy: Policy = NO_RULES;
  // Whoever is refused is counted and logged as any connection that ends before it has joined.
  readonly #gate = new TokenGate(false, () => {});
  readonly #channels: ChannelSockets;
  readonly #shared: SharedListeners;
  readonly #connections = new Set<Connection>();
  readonly #clients = new Map<Connection, Client<Peer>>();
  readonly #relief: Relief;
  readonly #clock = new Clock(() => performance.now());
  readonly #started_ms = this.#clock.now();
  readonly #forget = (connection: Connection): void => {
    this.#connections.delete(connection);
    if (++this.#gone % CONNECTIONS_PER_COLLECTION === 0) (globalThis as { gc?: () => void }).gc?.();
    this.#strangers.remove(connection);
    this.#keepalive.remove(connection);
    this.#clients.delete(connection);
    if (connection.credentials !== undefined) this.#peers?.gone(connection.credentials);
  };
  #reloading: Promise<void> = Promise.resolve();
  #ticks = 0;
  /** How many connections have ended. */
  #gone = 0;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #deadline_ticker: ReturnType<typeof setInterval> | undefined;
  #idle_since_ms = this.#clock.now();
  #settle!: { resolve: () => void; reject: (error: IpcError) => void };
  #failure: IpcError | undefined;

  constructor(options: BrokerOptions, lock: Lock, peers: PeerFinder | undefined) {
    this.#peers = peers;
    this.#options = options;
    this.#settings = options.settings;
    this.#log = options.log;
    this.#lock = lock;
    this.finished = new Promise((resolve, reject) => this.#settle = { resolve, reject });
    // Whoever ends it by drain() need not wait for this.
    this.finished.catch(() => {});
    const { now } = this.#clock;
    const reports = this.#reports = new Reports(options.log, () => this.#router);
    this.#router = new Router({
      joined: (client) => reports.joined(client),
      left: (client, reason) => {
        if (this.#router.registry.clients.size === 0) this.#idle_since_ms = now();
        reports.left(client, reason);
      },
      deadlines: () => this.#watchDeadlines(),
      refused: (identity, channel, error, count) => reports.forbidden(identity, channel, error, count),
      overloaded: (what, error) =>
        reports.warn("too much is asked", { what, why: error.message }, `overloaded ${what}`),
    }, now);
    this.#relief = new Relief({
      router: this.#router,
      log: options.log,
      connections: this.#connections,
      clients: this.#clients,
    });
    this.#strangers = new Strangers(now, (connection, error) => {
      reports.refused(error);
      connection.dismiss((connection.farewell ?? byeFrame)(error));
    });
    this.#channels = new ChannelSockets({
      router: this.#router,
      log: options.log,
      settings: () => this.#settings,
      gate: this.#gate,
      peers: this.#peers,
      accepted: (conn, door, credentials) => this.#accepted(conn, door, credentials),
      ready: () => this.#strangers.ready(),
      warn: (message, properties) => reports.warn(message, properties),
      announce: (event) => reports.announce(event),
      control_fd: options.control_fd,
      dead: (error) => {
        this.#failure = error;
        this.#log.error(error.message);
        void this.drain("its control socket is dead");
      },
    });
    this.#shared = new SharedListeners({
      registry: this.#router.registry,
      gate: this.#gate,
      secrets: options.secrets ?? (() => ({ tls: undefined, tokens: undefined })),
      accepted: (conn, door) => this.#accepted(conn, door, undefined),
      ready: () => this.#strangers.ready(),
      failed: (listener, error) => {
        this.#channels.relieve(error);
        reports.warn("cannot accept connections", { listener, error: String(error) });
      },
      unauthorized: (listener, why) => void reports.warn("refused a connection", { listener, why }),
    });
    this.#service = {
      router: this.#router,
      version: options.version,
      open: async (channel, identity) => {
        const name = checkChannelName(channel), { token, credentials } = identity;
        // Who is a holder by itself has no account before it has joined, and joins only once.
        const opener = token === undefined && credentials === undefined
          ? undefined
          : this.#router.accounts.of(identity, 0);
        return await this.#channels.open(name, opener);
      },
      estranged: (connection) => {
        this.#clients.delete(connection);
        this.#keepalive.remove(connection);
        this.#strangers.addAgain(connection);
      },
      refused: (connection, error) => reports.refused(error, this.#clients.get(connection)),
      welcomed: (connection, client) => {
        this.#strangers.remove(connection);
        this.#clients.set(connection, client);
        this.#keepalive.add(connection, now());
      },
      failed: (error) => this.#log.error("a connection failed", { error: String(error) }),
    };
  }

  async start(): Promise<void> {
    this.#router.accounts.change(this.#settings.quota);
    buffers.limit_bytes = this.#settings.memory_bytes;
    const context: ControlContext = {
      router: this.#router,
      version: this.#options.version,
      started_ms: this.#started_ms,
      listeners: () => this.#shared.describe(),
      config: () => plainSettings(this.#settings),
      path: (channel) => socketPath(this.#settings.socket_dir, channel),
      open: (channel, asker) => this.#channels.open(channel, asker.account),
      reload: () => this.reload(),
      drain: (reason) => void this.drain(reason),
    };
    this.#router.answer = control(context);
    this.#gate.change(this.#tokens(this.#settings));
    this.#enforce(new Policy(this.#settings.access));
    this.#router.control = await this.#channels.openControl();
    for (const name of this.#settings.channels.keys()) await this.#channels.open(name);
    await this.#shared.replace(this.#settings.listen);
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#log.info("broker is ready", {
      pid: Deno.pid,
      version: this.#options.version,
      socket_dir: this.#settings.socket_dir,
      channels: this.#router.registry.channels.size,
    });
    for (const listener of this.#shared.describe()) this.#log.info("listening", listener);
  }

  /** Takes apart what a failed start left. */
  async abort(): Promise<void> {
    this.#relief.end();
    await Promise.all([this.#shared.close(), this.#channels.close()]);
    for (const connection of this.#connections) connection.close();
    this.#peers?.close();
    this.#lock.release();
  }

  /** One at a time: what was read last is to be what holds. */
  reload(): Promise<void> {
    const reloading = this.#reloading.then(() => this.#reload());
    this.#reloading = reloading.catch(() => {});
    return reloading;
  }

  async #reload(): Promise<void> {
    if (this.#options.reload === undefined) {
      throw new IpcError("PROTOCOL", "this broker has no configuration to read again");
    }
    const settings = await this.#options.reload();
    const policy = new Policy(settings.access), tokens = this.#tokens(settings);
    checkReload(this.#settings, settings, this.#policy, policy);
    const before = this.#settings;
    this.#settings = settings;
    this.#router.expect(policy);
    try {
      this.#channels.restrict();
      for (const name of settings.channels.keys()) await this.#channels.open(name);
      await this.#shared.replace(settings.listen);
    } catch (error) {
      // What was opened until here counts as opened on demand from now on, and closes when nobody uses it.
      this.#apply(before);
      this.#channels.permit();
      this.#enforce(this.#policy);
      throw error;
    }
    this.#apply(settings);
    this.#gate.change(tokens);
    this.#enforce(policy);
    this.#channels.permit();
    this.#options.reloaded?.(settings);
    this.#log.info("configuration was read again");
    this.#reports.announce({ event: "reloaded" });
  }

  #apply(settings: Settings): void {
    this.#settings = settings;
    this.#router.accounts.change(settings.quota);
    buffers.limit_bytes = settings.memory_bytes;
    for (const [connection, client] of this.#clients) {
      // The limit of a message stays what its client was told.
      connection.outbox.limit_bytes = this.#channels.rules(client.channel.name).queue_bytes;
    }
    for (const channel of this.#router.registry.channels.values()) {
      channel.rules = this.#channels.rules(channel.name);
      channel.dynamic = channel !== this.#router.control && !settings.channels.has(channel.name);
      if (!channel.dynamic) {
        channel.opener?.give("channels");
        channel.opener = undefined;
      }
      channel.history.resize(channel.rules.history_bytes);
      this.#router.events.next(channel);
    }
  }

  async drain(reason: string): Promise<void> {
    const router = this.#router;
    if (router.draining) return await this.finished;
    this.#log.info("broker is going away", { reason, clients: router.registry.clients.size });
    this.#options.draining?.(reason);
    this.#reports.announce({ event: "draining", reason });
    router.draining = true;
    // Before a successor can lock anything.
    router.coordination.end(GOING_AWAY);
    this.#lock.draining();
    await this.#channels.settled();
    const closing = [this.#shared.close(), this.#channels.close()];
    for (const connection of this.#strangers.close()) {
      connection.dismiss((connection.farewell ?? byeFrame)(GOING_AWAY));
    }
    await Promise.all(closing);
    // From here on a successor may bind the same paths; this broker never touches them again.
    this.#lock.release();
    const undelivered_bytes = await deliver(router, this.#settings.drain_timeout_ms, GOING_AWAY);
    if (undelivered_bytes > 0) {
      this.#log.warning("some clients did not take what was queued for them in time", { undelivered_bytes });
    }
    const bye_ms = performance.now() + GOODBYE_MS_MAX;
    while (this.#connections.size > 0 && performance.now() < bye_ms) await delay(5);
    for (const connection of this.#connections) connection.close();
    clearInterval(this.#ticker);
    clearInterval(this.#deadline_ticker);
    this.#peers?.close();
    this.#relief.end();
    this.#log.info("broker has ended");
    if (this.#failure === undefined) this.#settle.resolve();
    else this.#settle.reject(this.#failure);
  }

  #accepted(conn: Stream, door: Door, credentials: PeerCredentials | undefined): void {
    const { channel } = door, { queue_bytes } = channel?.rules ?? this.#settings.defaults;
    const connection = new Connection(conn, queue_bytes, this.#forget);
    connection.credentials = credentials;
    this.#connections.add(connection);
    this.#router.counters.connections++;
    // Whoever is about to say HELLO must not find the channel closed.
    if (channel !== undefined) channel.idle_since_ms = this.#clock.now();
    this.#strangers.add(connection);
    void serve(connection, door, this.#service);
  }

  #enforce(policy: Policy): void {
    this.#policy = policy;
    const closed = this.#router.enforce(policy);
    if (closed > 0) this.#log.warning("closed clients that the rules do not allow any more", { clients: closed });
  }

  /** @throws {ConfigError} */
  #tokens({ access: { token_file } }: Settings): readonly TokenHash[] | undefined {
    return token_file === undefined ? undefined : this.#options.tokens!(token_file);
  }

  #watchDeadlines(): void {
    this.#deadline_ticker ??= setInterval(() => {
      this.#router.requests.tick(this.#clock.now());
      if (this.#router.requests.deadlines.size > 0) return;
      clearInterval(this.#deadline_ticker);
      this.#deadline_ticker = undefined;
    }, BUCKET_MS);
  }

  #tick(): void {
    const now_ms = this.#clock.tick();
    this.#strangers.tick();
    this.#router.slow.tick(now_ms);
    this.#router.monitors.tick();
    this.#keepalive.tick(
      now_ms,
      (connection) => this.#clients.get(connection)?.peer.pushFrames(PING),
      (connection) => this.#unanswered(connection),
    );
    for (const channel of this.#router.registry.channels.values()) {
      channel.measureRate(TICK_MS);
      this.#channels.closeIfIdle(channel, now_ms);
    }
    const all = ++this.#ticks % REBIND_TICKS === 0;
    this.#channels.guardPaths(all);
    if (all) {
      buffers.trim();
      this.#router.accounts.sweep();
    }
    const idle_ms = this.#connections.size > 0 ? 0 : now_ms - this.#idle_since_ms;
    if (idle_ms >= this.#settings.idle_exit_ms) void this.drain(`no clients for ${this.#settings.idle_exit_ms} ms`);
  }

  /** Two PINGs were not answered. Only frames are sure to be: a script that reads lines need not know what a PING is. */
  #unanswered(connection: Connection): void {
    const client = this.#clients.get(connection);
    if (client?.dialect !== "binary") return;
    this.#router.leave(client, new IpcError("TIMEOUT", "two PINGs were not answered"));
  }
}

const PING = encodeFrame({ type: FRAME_TYPES.PING });
