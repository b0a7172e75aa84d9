/**
 * What the broker has been asked to confirm: events with ACK, and everything up to a PING.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import { FLAGS, FRAME_TYPES } from "../protocol/frame.ts";
import type { Correlation } from "./correlation.ts";
import type { Acknowledgement, BroadcastOptions } from "./options.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Sender } from "./sender.ts";

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: IpcError): void;
}

/** A PING goes out whenever this much was sent since the last, so that few events are in doubt after a break. */
const MARK_EVENTS = 16_384;

/** See the module's head. */
export class Confirmations {
  readonly #sender: Sender;
  readonly #outgoing: Outgoing;
  readonly #ids: Correlation;
  readonly #acks: Map<number, Waiting<Acknowledgement>> = new Map();
  readonly #flushes: Map<number, Waiting<void>> = new Map();
  #mark = 0;
  #marked = 0;

  constructor(sender: Sender, outgoing: Outgoing, ids: Correlation) {
    this.#sender = sender;
    this.#outgoing = outgoing;
    this.#ids = ids;
  }

  /** Whether somebody waits. */
  get waiting(): boolean {
    return this.#acks.size > 0 || this.#flushes.size > 0;
  }

  has(id: number): boolean {
    return this.#acks.has(id) || this.#flushes.has(id) || id === this.#mark;
  }

  /** Sends an event with ACK. */
  broadcast(data: unknown, flags: number, options: BroadcastOptions): Promise<Acknowledgement> {
    return new Promise((resolve, reject) => {
      const id = this.#ids.next();
      this.#acks.set(id, { resolve, reject });
      this.#outgoing.send(FRAME_TYPES.EVENT, flags | FLAGS.ACK, options.to ?? 0, id, 0, options.headers, data)
        .catch((error) => this.refuse(id, error));
    });
  }

  /** See `Channel.flush`. */
  flush(): Promise<void> {
    const lost = this.#sender.lost;
    if (lost > 0) {
      this.#sender.lost = 0;
      return Promise.reject(lostError(lost));
    }
    return new Promise((resolve, reject) => this.#ping({ resolve, reject }));
  }

  /** Puts a PING behind what was sent, now and then. It is not waited for. */
  mark(): void {
    if (this.#mark !== 0 || this.#sender.events - this.#marked < MARK_EVENTS) return;
    this.#marked = this.#sender.events;
    this.#mark = this.#ids.next();
    this.#sender.sendNow(FRAME_TYPES.PING, this.#mark, 0, new Uint8Array(0));
  }

  /** ACK of an event. */
  acknowledged(id: number, listeners: number): void {
    this.#sender.confirm(id);
    const waiting = this.#acks.get(id);
    this.#acks.delete(id);
    waiting?.resolve({ listeners });
  }

  /** PONG. */
  ponged(id: number): void {
    this.#sender.confirm(id);
    if (id === this.#mark) this.#mark = 0;
    const waiting = this.#flushes.get(id);
    this.#flushes.delete(id);
    waiting?.resolve();
  }

  /**
   * An event was not taken.
   *
   * @returns Whether somebody waited for it.
   */
  refuse(id: number, error: IpcError): boolean {
    this.#sender.confirm(id);
    const waiting = this.#acks.get(id);
    this.#acks.delete(id);
    waiting?.reject(error);
    return waiting !== undefined;
  }

  /** The connection broke with so many events in flight; what is in `kept_ids` goes out on the next one. */
  broke(lost: number, kept_ids: ReadonlySet<number>): void {
    this.#mark = 0;
    for (const id of [...this.#acks.keys()]) {
      if (!kept_ids.has(id)) {
        this.refuse(id, new IpcError("CHANNEL_SEND", "the connection broke before the broker acknowledged the event"));
      }
    }
    if (lost === 0 || this.#flushes.size === 0) return;
    this.#sender.lost -= lost;
    this.#reject(lostError(lost));
  }

  /** Asks again, on a new connection, what was asked on the old one and not answered. */
  resume(kept_ids: ReadonlySet<number>): void {
    for (const [id, waiting] of [...this.#flushes]) {
      if (kept_ids.has(id)) continue;
      this.#flushes.delete(id);
      this.#ping(waiting);
    }
  }

  /** The channel is closed. */
  close(error: IpcError): void {
    for (const id of [...this.#acks.keys()]) this.refuse(id, error);
    this.#reject(error);
  }

  #ping(waiting: Waiting<void>): void {
    const id = this.#ids.next();
    this.#flushes.set(id, waiting);
    this.#outgoing.send(FRAME_TYPES.PING, 0, 0, id, 0, undefined, new Uint8Array(0)).catch((error) => {
      this.#flushes.delete(id);
      waiting.reject(error);
    });
  }

  #reject(error: IpcError): void {
    const flushes = [...this.#flushes.values()];
    this.#flushes.clear();
    for (const { reject } of flushes) reject(error);
  }
}

/** What to say of events whose fate is not known. */
export function lostError(events: number): IpcError {
  return new IpcError(
    "CHANNEL_SEND",
    `${events} ${events === 1 ? "event" : "events"} may not have arrived: the connection broke before the broker ` +
      "confirmed them. Later ones are not among them; flush again for those",
    { data: { events } },
  );
}
