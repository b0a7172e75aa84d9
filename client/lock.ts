/**
 * Locks, semaphores and barriers of a channel, kept by the broker.
 *
 * What is held is tied to a connection of its own to the broker: it ends with the program, however that ends.
 *
 * @module
 */
import { checkChannelName, CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { IpcError } from "../protocol/errors.ts";
import { type Address, brokerAddress, channelAddress, isUrl } from "./address.ts";
import { Channel } from "./channel.ts";
import type { BrokerOptions } from "./options.ts";
import { after } from "./pause.ts";
import type { Reply } from "./reply.ts";
import { Session } from "./session.ts";

/** Options of {@linkcode barrier}. */
export interface BarrierOptions extends BrokerOptions {
  /** How long to wait, connecting included. Default: as long as it takes. */
  timeout_ms?: number | undefined;
  /** Gives up waiting, with CANCELLED. */
  signal?: AbortSignal | undefined;
  /** Told once the broker has us in its queue. */
  onwaiting?: (() => void) | undefined;
}

/** Options of {@linkcode lock}. */
export interface LockOptions extends BarrierOptions {
  /** How many may hold it at a time; the others have to say the same. Default 1. */
  places?: number | undefined;
  /** Whether to wait for it if it is taken. Default true. */
  wait?: boolean | undefined;
}

/** What {@linkcode lock} gives: the lock is held until this is disposed of, or {@linkcode lost}. */
export class Lock implements AsyncDisposable {
  readonly #control: Channel;
  readonly #parts: Parts;
  readonly #lost = new AbortController();
  #released = false;

  /** @internal */
  constructor(control: Channel, parts: Parts, readonly fence: number) {
    this.#control = control;
    this.#parts = parts;
    void this.#watch();
  }

  /**
   * Aborted when the broker does not keep the lock any more, with the {@linkcode IpcError} as its reason: the broker has
   * gone, the connection broke, a rule denies it now. Somebody else may have it from then on.
   */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Gives it back. Resolves when the next one can have it. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    await leave(this.#control, this.#parts);
  }

  /** {@linkcode release}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #watch(): Promise<void> {
    let error: unknown;
    try {
      // There is nothing more to come but the end.
      await this.#parts.next();
      error = new IpcError("CHANNEL_RECV", "the broker has ended it");
    } catch (reason) {
      error = reason;
    }
    if (this.#released) return;
    this.#lost.abort(error);
    await this.#control.close().catch(() => {});
  }
}

/**
 * Locks a channel: of all who ask, one has it at a time, or as many as there are `places`, in the order in which they
 * asked. What is sent on the channel goes its way, locked or not.
 *
 * The broker frees it when this program ends, however it does. A lock is no more than the broker's word, and the broker
 * may end: see {@linkcode Lock.lost}, and give the fence to what must not listen to one who held it before.
 *
 * @param channel Its name, or where a broker listens and the name, as for `connect`.
 * @returns The lock; `undefined` if `wait` is false and it is taken.
 * @throws {IpcError} TIMEOUT, CANCELLED, FORBIDDEN for who may not ask on that channel, SCHEMA if others say another
 *   number of places, OVERLOADED; CHANNEL_NOT_FOUND if no broker runs; SHUTDOWN or CHANNEL_RECV if it went away meanwhile.
 *
 * @example
 * ```ts
 * import { startTestBroker } from "../daemon/testing.ts"; // for others: ipc daemon start
 * import { lock } from "./mod.ts";
 *
 * await using broker = await startTestBroker();
 * const { socket_dir } = broker;
 * {
 *   await using held = await lock("deploys", { socket_dir, timeout_ms: 5000 });
 *   const other = await lock("deploys", { socket_dir, wait: false });
 *   if (other !== undefined || held.lost.aborted) throw new Error("two have it");
 * }
 * await using free = await lock("deploys", { socket_dir, wait: false });
 * if (free === undefined) throw new Error("it was not given back");
 * ```
 */
export function lock(channel: string, options: LockOptions & { wait: false }): Promise<Lock | undefined>;
export function lock(channel: string, options?: LockOptions & { wait?: true | undefined }): Promise<Lock>;
export function lock(channel: string, options?: LockOptions): Promise<Lock | undefined>;
export async function lock(channel: string, options: LockOptions = {}): Promise<Lock | undefined> {
  const { places = 1, wait = true } = options;
  return await coordinate("lock", channel, { places, wait }, options, (control, parts, state) => {
    return state["state"] === "held" ? new Lock(control, parts, state["fence"] as number) : undefined;
  });
}

/**
 * Waits until so many are there, then all go on together.
 *
 * @param channel As for {@linkcode lock}.
 * @param parties How many it takes, this one included; the others have to say the same.
 * @throws {IpcError} As {@linkcode lock}. If the broker goes away, it is not known whether the others went on.
 */
export async function barrier(channel: string, parties: number, options: BarrierOptions = {}): Promise<void> {
  await coordinate("barrier", channel, { parties }, options, () => undefined);
}

type Parts = AsyncIterableIterator<Reply> & AsyncDisposable;

/** Asks, and waits for anything but "waiting". Unless that comes to something that is held, nothing is left open. */
async function coordinate<Held>(
  method: string,
  name: string,
  params: Record<string, unknown>,
  options: BarrierOptions,
  take: (control: Channel, parts: Parts, state: Record<string, unknown>) => Held | undefined,
): Promise<Held | undefined> {
  const { timeout_ms = Infinity, signal, onwaiting, ...broker } = options;
  const giving_up = new AbortController();
  const cancel = (): void =>
    giving_up.abort(new IpcError("CANCELLED", `Cannot wait for the ${method} of "${name}": cancelled`));
  const disarm = after(timeout_ms, () => {
    giving_up.abort(new IpcError("TIMEOUT", `the ${method} of channel "${name}" did not come within ${timeout_ms} ms`));
  });
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel);
  let control: Channel | undefined, parts: Parts | undefined, held: Held | undefined;
  try {
    const { channel, address } = addressed(name, broker);
    control = await connectControl(address, { ...broker, signal: giving_up.signal });
    parts = control.invokeStream({ method, params: { channel, ...params } }, {
      timeout_ms: Infinity,
      signal: giving_up.signal,
    });
    for (;;) {
      const { value, done } = await parts.next();
      if (done) throw new IpcError("CHANNEL_RECV", `the broker has ended the wait for the ${method} of "${name}"`);
      const state = value.data as Record<string, unknown>;
      if (state["state"] === "waiting") {
        onwaiting?.();
        continue;
      }
      held = take(control, parts, state);
      return held;
    }
  } catch (error) {
    if (giving_up.signal.aborted) throw giving_up.signal.reason;
    throw error;
  } finally {
    disarm();
    signal?.removeEventListener("abort", cancel);
    if (held === undefined && control !== undefined) await leave(control, parts);
  }
}

function addressed(name: string, options: BrokerOptions): { channel: string; address: Address } {
  if (isUrl(name)) return channelAddress(name, options);
  return { channel: checkChannelName(name), address: brokerAddress(options) };
}

/** A connection that is not made again when it breaks, because what is held on it is gone then. */
async function connectControl(address: Address, options: BrokerOptions): Promise<Channel> {
  const session = new Session(CONTROL_CHANNEL, address, { ...options, reconnect: false, onnotice: () => {} });
  await session.open();
  return new Channel(session);
}

/** Cancels what is open and closes, which asks the broker first whether it has taken note. */
async function leave(control: Channel, parts: Parts | undefined): Promise<void> {
  await parts?.return?.();
  // If the connection is gone, so is what was held.
  await control.close().catch(() => {});
}
