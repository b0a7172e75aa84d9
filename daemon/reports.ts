/**
 * What the broker says of what happens to its clients: in its log, to those who listen on its own channel, and in its
 * counters.
 *
 * @module
 */
import { LOG_REPEAT_MS } from "../protocol/limits.ts";
import type { IpcError } from "../protocol/mod.ts";
import { describe } from "./access.ts";
import { countUnder } from "./counters.ts";
import type { Identity } from "./identity.ts";
import type { Log } from "./log.ts";
import type { Client } from "./registry.ts";
import type { Peer, Router } from "./router/mod.ts";

/** Channels have names that clients choose: so many kinds of warnings are remembered. */
const KINDS_MAX = 1_000;

/** See the module's head. */
export class Reports {
  readonly #log: Log;
  readonly #router: () => Router;
  readonly #warned = new Map<string, number>();
  /** Refusals that a dialect may report once more, as the end of a connection. */
  readonly #counted = new WeakSet<IpcError>();

  /** @param router Asked for only when something is said: the router is made with these reports. */
  constructor(log: Log, router: () => Router) {
    this.#log = log;
    this.#router = router;
  }

  /** Somebody tried what a rule denies. */
  forbidden(identity: Identity, channel: string, error: IpcError, count: number): void {
    const { refused } = this.#router().counters, why = error.message;
    this.#counted.add(error);
    countUnder(refused, "FORBIDDEN", count);
    const about = { who: describe(identity), channel, why, refused: refused.get("FORBIDDEN") };
    // One who tries again and again hides nobody else, and there are no more kinds than tokens and users.
    const kind = `refused ${identity.token ?? identity.credentials?.uid ?? ""}`;
    if (this.warn("refused what a rule denies", about, kind)) {
      this.announce({ event: "refused", reason: why });
    }
  }

  /** Somebody is turned away. */
  refused(error: IpcError, client?: Client<Peer>): void {
    if (this.#counted.has(error)) return;
    countUnder(this.#router().counters.refused, error.reason);
    const about = client === undefined ? {} : { channel: client.channel.name, client: client.id };
    this.warn("refused a connection", { ...about, why: error.message });
    this.announce({ event: "refused", reason: error.message });
  }

  /** Somebody is there. */
  joined(client: Client<Peer>): void {
    this.announce({ event: "client_joined", channel: client.channel.name, client: client.id, name: client.name });
    this.#log.debug("client joined", { channel: client.channel.name, client: client.id, name: client.name });
  }

  /** Somebody is gone. */
  left(client: Client<Peer>, error: IpcError | undefined): void {
    const about = { channel: client.channel.name, client: client.id, name: client.name };
    const reason = error === undefined ? {} : { reason: error.reason };
    if (error?.reason === "SLOW_CONSUMER") {
      // One that comes back and does not read again would fill the log.
      const what = "closed a client that does not read";
      this.warn(what, { ...about, why: error.message, closed: this.#router().slow.closed }, `${what} ${about.channel}`);
      this.announce({ event: "slow_consumer", ...about });
    }
    this.announce({ event: "client_left", ...about, ...reason });
    this.#log.debug("client left", { ...about, ...reason });
  }

  /** An event on the broker's own channel. */
  announce(event: Record<string, unknown>): void {
    const router = this.#router(), channel = router.control;
    if (channel === undefined || router.draining) return;
    router.events.announce(channel, new TextEncoder().encode(JSON.stringify(event)));
  }

  /**
   * For what could happen with every connection.
   *
   * @param kind What comes at most so often, if not the message.
   * @returns Whether it was logged.
   */
  warn(message: string, properties: Record<string, unknown>, kind = message): boolean {
    const now_ms = performance.now(), last_ms = this.#warned.get(kind);
    if (last_ms !== undefined && now_ms - last_ms < LOG_REPEAT_MS) return false;
    if (this.#warned.size >= KINDS_MAX) this.#warned.clear();
    this.#warned.set(kind, now_ms);
    this.#log.warning(message, properties);
    return true;
  }
}
