/**
 * Who has to go when too much waits: whoever holds most of it. Others do not notice.
 *
 * Two things have such a limit. The clients of one holder may have so many bytes queued (`quota.ts`), what several of them
 * wait for counted once: over it the one of them with the longest queue is closed. And all together may hold so much memory (`buffer_pool.ts`). Of that the channels'
 * histories may keep half, and what they retain a quarter: what is more goes first, of the largest, so that clients always
 * have a quarter to themselves. A client that comes back is told of the gap; that a retained event is gone is logged. If
 * that does not do, the connection that holds most is closed, for its queue, for what it has begun and not finished or for
 * all the requests that it has open, and the next, until a sixteenth is free again. Memory that many hold counts for each with its share, because
 * letting go of it alone would free nothing.
 *
 * That there is too much is found in the middle of something, where nobody can be closed. So it is only noted then, and
 * dealt with as soon as that is over, before anything else is read.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import { MEMORY_HISTORIES_PERCENT, MEMORY_RETAINED_PERCENT } from "../protocol/limits.ts";
import { buffers } from "./buffer_pool.ts";
import type { Log } from "./log.ts";
import type { Account } from "./quota.ts";
import type { Channel, Client } from "./registry.ts";
import type { Peer, Router } from "./router/mod.ts";
import type { Connection } from "./transport/connection.ts";

/** What is freed beyond what must be, so that it need not be done again at once. */
const SPARE_SHARE = 16;
/** How often a history is halved until nothing is left of it. */
const HALVES_MAX = 32;

/** What is relieved. */
export interface ReliefOwner {
  readonly router: Router;
  readonly log: Log;
  /** All connections, those that are about to end included. */
  readonly connections: ReadonlySet<Connection>;
  /** Who speaks on them, once it is known. */
  readonly clients: ReadonlyMap<Connection, Client<Peer>>;
}

/** What one connection holds. */
interface Holding {
  connection: Connection;
  /** Of its queue. */
  queue: number;
  /** Of messages that it has not finished, or that wait for their turn, and of a reply that is gathered for it. */
  messages: number;
  /** Of requests that it has open. */
  requests: number;
  sum: number;
}

/** See the module's head. */
export class Relief {
  readonly #owner: ReliefOwner;
  readonly #exceeded = new Set<Account>();

  constructor(owner: ReliefOwner) {
    this.#owner = owner;
    owner.router.accounts.exceeded = (account) => this.#queued(account);
    buffers.exceeded = () => this.#relieve();
  }

  /** Memory is the process's: a broker that has ended must not be told of it. */
  end(): void {
    buffers.limit_bytes = Infinity;
    buffers.exceeded = () => {};
  }

  /** More waits for the clients of one holder than may. */
  #queued(account: Account): void {
    if (this.#exceeded.size === 0) queueMicrotask(() => this.#relieveAccounts());
    this.#exceeded.add(account);
  }

  #relieveAccounts(): void {
    const accounts = [...this.#exceeded];
    this.#exceeded.clear();
    for (const account of accounts) this.#relieveAccount(account);
  }

  #relieveAccount(account: Account): void {
    // To look at all that waits takes time, so that is not done again for each of thousands.
    for (let batch = 1; this.#waitingFor(account) > account.quota.queued_bytes; batch *= 2) {
      for (let n = 0; n < batch; n++) if (!this.#closeLongest(account)) return;
    }
    account.tolerate();
  }

  /** @returns Whether there was anybody for whom something waits. */
  #closeLongest(account: Account): boolean {
    const { router } = this.#owner, most = longest(router.registry.clients.values(), account);
    if (most === undefined) return false;
    const limit = account.quota.queued_bytes;
    const why = `${account.name} has ${account.queued_bytes} bytes queued, limit is ${limit} (quota.queued)`;
    router.overloaded("queued", new IpcError("OVERLOADED", why));
    router.slow.giveUp(most, why, true);
    return true;
  }

  /** How much waits for an account's clients, each piece of memory once. */
  #waitingFor(account: Account): number {
    let bytes = 0;
    for (const [{ outbox }, client] of this.#owner.clients) {
      if (client.account === account) bytes += Math.min(outbox.queued_bytes, outbox.held_bytes);
    }
    return bytes;
  }

  #relieve(): void {
    const limit = buffers.limit_bytes;
    this.#dropRetained(limit * MEMORY_RETAINED_PERCENT / 100);
    this.#shortenHistories(limit * MEMORY_HISTORIES_PERCENT / 100);
    if (buffers.held_bytes <= limit) return;
    const target = limit - limit / SPARE_SHARE;
    // Of what is shared each has more to answer for when the others have let go, so it may take several rounds.
    for (let before = Infinity; buffers.held_bytes > target && buffers.held_bytes < before;) {
      before = buffers.held_bytes;
      for (const holding of this.#holdings()) {
        if (buffers.held_bytes <= target) break;
        this.#close(holding);
      }
    }
  }

  /** Connections by what they hold, the most first. */
  #holdings(): Holding[] {
    const holdings: Holding[] = [];
    for (const connection of this.#owner.connections) {
      const queue = connection.outbox.held_bytes;
      const requests = this.#owner.clients.get(connection)?.asked_bytes ?? 0;
      let messages = 0;
      for (const part of connection.memory()) messages += buffers.share(part);
      const sum = queue + messages + requests;
      if (sum > 0) holdings.push({ connection, queue, messages, requests, sum });
    }
    return holdings.sort((a, b) => b.sum - a.sum);
  }

  #close({ connection, queue, messages, requests }: Holding): void {
    const { router, clients } = this.#owner, client = clients.get(connection);
    const queues = queue >= Math.max(messages, requests);
    const held = queues
      ? `${Math.round(queue)} of them wait for it`
      : messages >= requests
      ? `${Math.round(messages)} of them are messages that are not finished`
      : `${requests} of them are requests that it has open`;
    const why = `${buffers.held_bytes} bytes are held in all, limit is ${buffers.limit_bytes} (memory), and ${held}`;
    router.overloaded("memory", new IpcError("OVERLOADED", why));
    // Whoever was told already, or is nobody yet, has nothing to be told.
    if (client === undefined) connection.close();
    else if (queues) router.slow.giveUp(client, why, true);
    else router.leave(client, new IpcError("OVERLOADED", why), true);
  }

  #shortenHistories(limit_bytes: number): void {
    const histories = [...this.#channels()].map(({ history }) => history);
    for (let halves = 0; halves < HALVES_MAX; halves++) {
      let sum = histories.reduce((sum, { share_bytes }) => sum + share_bytes, 0);
      if (sum <= limit_bytes) return;
      for (const history of histories.toSorted((a, b) => b.held_bytes - a.held_bytes)) {
        if (sum <= limit_bytes) return;
        const before = history.share_bytes;
        history.shorten(history.held_bytes / 2);
        sum -= before - history.share_bytes;
      }
    }
  }

  #dropRetained(limit_bytes: number): void {
    const sizeOf = ({ retained }: Channel<Peer>) => retained === undefined ? 0 : buffers.share(retained);
    const channels = [...this.#channels()].filter(sizeOf).sort((a, b) => sizeOf(b) - sizeOf(a));
    let sum = channels.reduce((sum, channel) => sum + sizeOf(channel), 0);
    for (const channel of channels) {
      if (sum <= limit_bytes) return;
      const bytes = sizeOf(channel);
      sum -= bytes;
      channel.retain(undefined);
      this.#owner.log.warning("dropped a retained event to free memory", { channel: channel.name, bytes });
    }
  }

  #channels(): Iterable<Channel<Peer>> {
    return this.#owner.router.registry.channels.values();
  }
}

/** The client of an account for which most waits, if anything does. */
function longest(clients: Iterable<Client<Peer>>, account: Account): Client<Peer> | undefined {
  let most: Client<Peer> | undefined;
  for (const client of clients) {
    if (client.account === account && client.peer.queued_bytes > (most?.peer.queued_bytes ?? 0)) most = client;
  }
  return most;
}
