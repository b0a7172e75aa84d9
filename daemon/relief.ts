/**
 * Who has to go when too much waits: the client that holds most of it. Others do not notice.
 *
 * That there is too much is found in the middle of something, where nobody can be closed. So it is only noted then, and
 * dealt with as soon as that is over, before anything else is read.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import type { Account } from "./quota.ts";
import type { Client } from "./registry.ts";
import type { Peer, Router } from "./router/mod.ts";

/** See the module's head. */
export class Relief {
  readonly #router: Router;
  readonly #exceeded = new Set<Account>();

  constructor(router: Router) {
    this.#router = router;
  }

  /** More waits for the clients of one holder than may. */
  queued(account: Account): void {
    if (this.#exceeded.size === 0) queueMicrotask(() => this.#relieveAccounts());
    this.#exceeded.add(account);
  }

  #relieveAccounts(): void {
    const accounts = [...this.#exceeded];
    this.#exceeded.clear();
    for (const account of accounts) {
      while (account.queued_bytes > account.quota.queued_bytes) {
        const most = longest(this.#router.registry.clients.values(), account);
        if (most === undefined) break;
        const limit = account.quota.queued_bytes;
        const why = `${account.name} has ${account.queued_bytes} bytes queued, limit is ${limit} (quota.queued)`;
        this.#router.overloaded("queued", new IpcError("OVERLOADED", why));
        this.#router.slow.giveUp(most, why);
      }
    }
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
