/**
 * How much one holder may use at a time, so that no one's bug becomes everybody's trouble.
 *
 * A holder is whoever can be told apart: all who show the same token; else, where the kernel is asked, all of one user;
 * else each client for itself. What a holder uses is counted in its account. Whoever takes something asks the account
 * first, and gives it back through the same one.
 *
 * Bytes that wait are added whether there is room or not, because they are admitted elsewhere (`outbox.ts`): if they are
 * too many, whoever keeps the accounts is told. What many clients of one holder wait for stands in memory once, and counts
 * here for each; so that one looks how much it really is, tolerates it, or closes the client that has the longest queue. A
 * client that is a holder by itself has the limit of its queue for that.
 *
 * Cost: two additions and one comparison per run and listener.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import type { Identity } from "./identity.ts";

/** What one holder may use at a time. `Infinity` is no limit. */
export interface Quota {
  /** Clients that are connected. */
  readonly connections: number;
  /** Bytes that wait for its clients, all together. */
  readonly queued_bytes: number;
  /** Requests that it has made and that are not answered. */
  readonly requests: number;
  /** Channels that it has opened on demand and that are still open. */
  readonly channels: number;
}

/** The quotas in force. */
export interface Quotas {
  /** For whoever has none of its own. */
  readonly defaults: Quota;
  /** By a token's name. */
  readonly tokens: ReadonlyMap<string, Quota>;
}

/** What is taken one by one. */
export type Countable = "connections" | "requests" | "channels";

/** Nobody is held to this. */
export const UNLIMITED: Quota = {
  connections: Infinity,
  queued_bytes: Infinity,
  requests: Infinity,
  channels: Infinity,
};

const nothing = (): void => {};

const HAS: Record<Countable, string> = {
  connections: "connections open",
  requests: "requests open",
  channels: "channels open that it has opened",
};

/** What one holder uses. */
export class Account {
  connections = 0;
  queued_bytes = 0;
  requests = 0;
  channels = 0;
  readonly #exceeded: (account: Account) => void;
  /** So much more may wait before somebody looks again. */
  #tolerated_bytes = 0;

  /**
   * @param name For messages: `token "backup"`.
   * @param exceeded Told whenever more bytes wait than may.
   */
  constructor(readonly name: string, public quota: Quota, exceeded: (account: Account) => void = nothing) {
    this.#exceeded = exceeded;
  }

  /** Takes one. @returns What is wrong if there are as many as there may be; then nothing is taken. */
  take(what: Countable): IpcError | undefined {
    if (this[what] < this.quota[what]) {
      this[what]++;
      return undefined;
    }
    const limit = this.quota[what];
    return new IpcError(
      "OVERLOADED",
      `${this.name} has ${this[what]} ${HAS[what]}, limit is ${limit} (quota.${what})`,
      {
        data: { quota: what, limit },
      },
    );
  }

  /** Gives one back. */
  give(what: Countable): void {
    this[what]--;
  }

  /** So many bytes more wait, or fewer. */
  queue(bytes: number): void {
    const queued_bytes = this.queued_bytes += bytes, limit = this.quota.queued_bytes;
    if (bytes > 0) {
      if (queued_bytes > limit + this.#tolerated_bytes) this.#exceeded(this);
    } else if (queued_bytes <= limit) this.#tolerated_bytes = 0;
  }

  /** What waits now is not too much, and an eighth more would not be. */
  tolerate(): void {
    const limit = this.quota.queued_bytes;
    this.#tolerated_bytes = Math.max(0, this.queued_bytes - limit) + limit / 8;
  }

  /** Whether nothing is in use. */
  get idle(): boolean {
    return this.connections === 0 && this.queued_bytes === 0 && this.requests === 0 && this.channels === 0;
  }
}

/** The account of connections that have not said who they are: what waits for them is not much, and theirs alone. */
export const NOBODY: Account = new Account("nobody", UNLIMITED);

/** All accounts. */
export class Accounts {
  /** Told of an account whose clients have more bytes waiting than they may. */
  exceeded: (account: Account) => void = nothing;
  #quotas: Quotas = { defaults: UNLIMITED, tokens: new Map() };
  /** Of a client that is a holder by itself. */
  #single: Quota = UNLIMITED;
  readonly #tokens = new Map<string, Account>();
  readonly #users = new Map<number, Account>();

  /** Changes the quotas, for accounts that are in use too. */
  change(quotas: Quotas): void {
    this.#quotas = quotas;
    this.#single = { ...quotas.defaults, queued_bytes: Infinity };
    for (const [token, account] of this.#tokens) account.quota = quotas.tokens.get(token) ?? quotas.defaults;
    for (const account of this.#users.values()) account.quota = quotas.defaults;
  }

  /**
   * The account of whoever this is.
   *
   * @param client Its id, for one that is a holder by itself. Such a one keeps the quotas that it began with.
   */
  of({ token, credentials }: Identity, client: number): Account {
    const { defaults, tokens } = this.#quotas;
    if (token !== undefined) {
      return this.#shared(this.#tokens, token, `token ${JSON.stringify(token)}`, tokens.get(token) ?? defaults);
    }
    if (credentials !== undefined) {
      return this.#shared(this.#users, credentials.uid, `user ${credentials.uid}`, defaults);
    }
    return new Account(`client ${client}`, this.#single);
  }

  /** Forgets the accounts of those who have gone. */
  sweep(): void {
    for (const accounts of [this.#tokens, this.#users] as const) {
      for (const [key, account] of accounts) if (account.idle) (accounts as Map<unknown, Account>).delete(key);
    }
  }

  /** How many holders there are that have more than one client, or may. */
  get size(): number {
    return this.#tokens.size + this.#users.size;
  }

  #shared<K>(accounts: Map<K, Account>, key: K, name: string, quota: Quota): Account {
    let account = accounts.get(key);
    if (account === undefined) {
      account = new Account(name, quota, (over) => this.exceeded(over));
      accounts.set(key, account);
    }
    return account;
  }
}
