/**
 * Locks, semaphores and barriers: see `../coordination.ts` for what they are. Each is a channel's; whoever wants one asks
 * on the broker's own channel, and what is asked stays open for as long as it is held or waited for. So it ends with
 * whatever ends a request: being cancelled, the end of its client's connection, a rule that denies it, the broker's end.
 *
 * Who is let in gets a *fence*, a number that is higher than any given before, by this broker or, as long as the machine's
 * clock does not go back, one before it. What it is used on can tell by it who came later.
 *
 * Cost: nothing for channels and clients that have none of them.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { COORDINATED_MAX } from "../../protocol/limits.ts";
import { Barrier, Gate } from "../coordination.ts";
import type { Overload } from "../counters.ts";
import type { Channel, Client } from "../registry.ts";
import type { Peer } from "./peer.ts";
import { errorFrame } from "./requests.ts";

/** What is told to who has asked, in parts. */
export interface Told {
  /** One part of the answer. */
  part(state: unknown): void;
  /** The last. */
  end(state: unknown): void;
  fail(error: IpcError): void;
}

/** What somebody has asked for. It is open until {@linkcode Told.end} or {@linkcode Told.fail}. */
export interface Ticket {
  readonly client: Client<Peer>;
  /** The request's. */
  readonly id: number;
  readonly told: Told;
  /** Since when it waits, or holds. */
  since_ms: number;
  /** 0 for who is not in. */
  fence: number;
  /** Where it stands, once the channel is open. */
  at: Place | undefined;
}

/** What a ticket costs the broker. */
const TICKET_BYTES = 800;

/** What a channel has. */
interface Place {
  readonly channel: Channel<Peer>;
  readonly gate: Gate<Ticket>;
  readonly barrier: Barrier<Ticket>;
}

/** See the module's head. */
export class Coordination {
  readonly #places = new Map<Channel<Peer>, Place>();
  readonly #tickets = new Map<Client<Peer>, Map<number, Ticket>>();
  readonly #now: () => number;
  readonly #wall: () => number;
  readonly #overloaded: (what: Overload, error: IpcError) => void;
  #fence = 0;

  /**
   * @param now Milliseconds of a clock that never goes back.
   * @param wall Milliseconds since 1970.
   * @param overloaded Told what was refused because there is too much of something.
   */
  constructor(now: () => number, wall: () => number, overloaded: (what: Overload, error: IpcError) => void) {
    this.#now = now;
    this.#wall = wall;
    this.#overloaded = overloaded;
  }

  /**
   * Notes that somebody is about to come: from now on it can be cancelled.
   *
   * @returns `undefined` if the id is in use; the client was told.
   * @throws {IpcError} OVERLOADED if the client has as many requests open as it may.
   */
  announce(client: Client<Peer>, id: number, told: Told): Ticket | undefined {
    const own = this.#tickets.get(client) ?? new Map<number, Ticket>();
    if (own.has(id)) {
      // Not an error REPLY: that would end the request that is open under this id.
      client.peer.pushFrames(errorFrame(id, new IpcError("PROTOCOL", `request id ${id} is in use`)));
      return undefined;
    }
    const refusal = client.account.take("requests");
    if (refusal !== undefined) throw this.#refuse("requests", refusal);
    const ticket: Ticket = { client, id, told, since_ms: this.#now(), fence: 0, at: undefined };
    this.#tickets.set(client, own.set(id, ticket));
    client.asks(TICKET_BYTES);
    return ticket;
  }

  /** Whether a ticket was neither cancelled nor ended in any other way. */
  isOpen(ticket: Ticket): boolean {
    return this.#tickets.get(ticket.client)?.get(ticket.id) === ticket;
  }

  /**
   * Lets somebody into a channel's gate, or has them wait.
   *
   * @param places How many may be in at a time.
   * @param waits Whether to wait if there is no place.
   * @throws {IpcError} SCHEMA if others say that there are more places, or fewer; OVERLOADED if too many wait.
   */
  lock(ticket: Ticket, channel: Channel<Peer>, places: number, waits: boolean): void {
    const place = this.#place(channel), { gate } = place;
    if (!gate.agrees(places)) {
      throw new IpcError(
        "SCHEMA",
        `channel "${channel.name}" is locked for ${gate.places} at a time by who is there, not for ${places}`,
      );
    }
    if (gate.waiting.size >= COORDINATED_MAX) throw this.#tooMany(channel);
    ticket.at = place;
    const ahead = gate.waiting.size;
    if (gate.enter(ticket, places, waits)) return this.#letIn(ticket);
    if (waits) return ticket.told.part({ state: "waiting", ahead });
    this.#close(ticket);
    ticket.told.end({ state: "taken" });
  }

  /**
   * Has somebody wait at a channel's barrier, and lets all go on if it was the last.
   *
   * @param parties How many it takes.
   * @throws {IpcError} SCHEMA if others say that it takes more, or fewer.
   */
  barrier(ticket: Ticket, channel: Channel<Peer>, parties: number): void {
    const place = this.#place(channel), { barrier } = place;
    if (!barrier.agrees(parties)) {
      throw new IpcError(
        "SCHEMA",
        `the barrier of channel "${channel.name}" waits for ${barrier.parties} by who is there, not for ${parties}`,
      );
    }
    ticket.at = place;
    const all = barrier.arrive(ticket, parties);
    if (all === undefined) return ticket.told.part({ state: "waiting", present: barrier.present.size });
    for (const each of all) this.#close(each);
    for (const each of all) each.told.end({ state: "open", parties });
  }

  /** Somebody does not want it any more. */
  cancel(client: Client<Peer>, id: number): void {
    const ticket = this.#tickets.get(client)?.get(id);
    if (ticket !== undefined) this.fail(ticket, new IpcError("CANCELLED", "cancelled by its requester"));
  }

  /** Somebody is gone. */
  leave(client: Client<Peer>): void {
    const own = [...this.#tickets.get(client)?.values() ?? []];
    for (const ticket of own.sort(waitingFirst)) this.#close(ticket);
  }

  /** Takes away whatever somebody has of this, and says why. Nothing happens if it has ended already. */
  fail(ticket: Ticket, error: IpcError): void {
    if (!this.isOpen(ticket)) return;
    // Whoever loses it hears of it before the next one is told to have it.
    ticket.told.fail(error);
    this.#close(ticket);
  }

  /** A channel is closed. */
  close(channel: Channel<Peer>, error: IpcError): void {
    this.#failWhere(({ at }) => at?.channel === channel ? error : undefined);
  }

  /** The broker is going away: nobody holds anything any more. */
  end(error: IpcError): void {
    this.#failWhere(() => error);
  }

  /** Takes away what is not allowed any more. @param refusal Says why not, if it is not. */
  enforce(refusal: (client: Client<Peer>, channel: Channel<Peer>) => IpcError | undefined): void {
    this.#failWhere(({ client, at }) => at === undefined ? undefined : refusal(client, at.channel));
  }

  /** Whether anybody holds or waits for something of a channel. */
  uses(channel: Channel<Peer>): boolean {
    return this.#places.has(channel);
  }

  /** A channel's gate, if somebody is there. */
  gateOf(channel: Channel<Peer>): Gate<Ticket> | undefined {
    const gate = this.#places.get(channel)?.gate;
    return gate?.empty === false ? gate : undefined;
  }

  /** A channel's barrier, if somebody is there. */
  barrierOf(channel: Channel<Peer>): Barrier<Ticket> | undefined {
    const barrier = this.#places.get(channel)?.barrier;
    return barrier?.empty === false ? barrier : undefined;
  }

  #place(channel: Channel<Peer>): Place {
    let place = this.#places.get(channel);
    if (place === undefined) {
      place = { channel, gate: new Gate(), barrier: new Barrier() };
      this.#places.set(channel, place);
    }
    return place;
  }

  #letIn(ticket: Ticket): void {
    ticket.since_ms = this.#now();
    ticket.fence = this.#fence = Math.max(this.#fence + 1, this.#wall() * 1000);
    ticket.told.part({ state: "held", fence: ticket.fence });
  }

  #failWhere(wrong: (ticket: Ticket) => IpcError | undefined): void {
    const failing: [Ticket, IpcError][] = [];
    for (const own of this.#tickets.values()) {
      for (const ticket of own.values()) {
        const error = wrong(ticket);
        if (error !== undefined) failing.push([ticket, error]);
      }
    }
    failing.sort(([one], [other]) => waitingFirst(one, other));
    for (const [ticket, error] of failing) this.fail(ticket, error);
  }

  #close(ticket: Ticket): void {
    const { client, id, at } = ticket, own = this.#tickets.get(client);
    if (own?.get(id) !== ticket) return;
    own.delete(id);
    if (own.size === 0) this.#tickets.delete(client);
    client.account.give("requests");
    client.asks(-TICKET_BYTES);
    if (at === undefined) return;
    at.barrier.leave(ticket);
    const next = at.gate.leave(ticket);
    if (next !== undefined) this.#letIn(next);
    if (!at.gate.empty || !at.barrier.empty) return;
    this.#places.delete(at.channel);
    at.channel.idle_since_ms = this.#now();
  }

  #tooMany({ name }: Channel<Peer>): IpcError {
    const why = `${COORDINATED_MAX} wait for the lock of channel "${name}" already`;
    return this.#refuse("queue", new IpcError("OVERLOADED", why));
  }

  #refuse(what: Overload, error: IpcError): IpcError {
    this.#overloaded(what, error);
    return error;
  }
}

/** Of those who all have to go nobody is to be let in by the end of another one. */
function waitingFirst(one: Ticket, other: Ticket): number {
  return Number(one.fence > 0) - Number(other.fence > 0);
}
