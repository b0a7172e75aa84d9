/**
 * A channel's events as an async iterator.
 *
 * @module
 */
import type { IpcError } from "../protocol/errors.ts";
import type { Message } from "./message.ts";
import type { GapNotice } from "./notice.ts";
import type { Listener, Subscription } from "./subscription.ts";

const END: IteratorReturnResult<undefined> = { value: undefined, done: true };

/** What `Channel.events()` returns. Events gather from the moment it is made, until it is left or disposed of. */
export class Events implements AsyncIterableIterator<Message>, AsyncDisposable {
  #subscription: Subscription | undefined;
  #leave: (() => void) | undefined;
  #error: IpcError | undefined;
  readonly #waiting: { resolve(result: IteratorResult<Message>): void; reject(error: IpcError): void }[] = [];

  /**
   * @param subscribe Makes the subscription.
   * @param gap Told what is missing.
   */
  constructor(
    subscribe: (listener: Listener) => { subscription: Subscription; leave: () => void },
    gap: ((notice: GapNotice) => void) | undefined,
  ) {
    const { subscription, leave } = subscribe({ gap, arrived: () => this.#arrived() });
    this.#subscription = subscription;
    this.#leave = leave;
  }

  /** The next event; done when the channel is closed. */
  next(): Promise<IteratorResult<Message>> {
    if (this.#waiting.length === 0) {
      const value = this.#subscription?.take();
      if (value !== undefined) return Promise.resolve({ value, done: false });
    }
    if (this.#leave === undefined) {
      const error = this.#error;
      this.#error = undefined;
      return error === undefined ? Promise.resolve(END) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Leaves: events that still wait are let go. */
  return(): Promise<IteratorResult<Message>> {
    this.#leave?.();
    this.#subscription?.end();
    this.#subscription = undefined;
    this.finish(undefined);
    return Promise.resolve(END);
  }

  /** No more will come. What is here may still be taken; then comes the error, if there is one. */
  finish(error: IpcError | undefined): void {
    this.#leave = undefined;
    this.#error = error;
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.#error === undefined) resolve(END);
      else {
        reject(this.#error);
        this.#error = undefined;
      }
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #arrived(): void {
    while (this.#waiting.length > 0) {
      const value = this.#subscription?.take();
      if (value === undefined) return;
      this.#waiting.shift()!.resolve({ value, done: false });
    }
  }
}
