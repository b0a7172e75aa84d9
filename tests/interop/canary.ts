/**
 * Two honest programs on a channel where others do what they like: one sends numbers, the other must get every one of
 * them, in order.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Channel, connect } from "../../client/mod.ts";
import { pause, within } from "../e2e/wait.ts";

const REST_MS = 2;

/** See the module's head. Disposing of it fails if a number is missing. */
export class Canary implements AsyncDisposable {
  readonly #publisher: Channel;
  readonly #listener: Channel;
  readonly #heard: number[] = [];
  readonly #publishing: Promise<number>;
  #lost: unknown;
  #stop = false;

  private constructor(publisher: Channel, listener: Channel) {
    this.#publisher = publisher;
    this.#listener = listener;
    listener.listen(({ data }) => {
      if (typeof data === "number") this.#heard.push(data);
    }, { ongap: (gap) => this.#lost = gap });
    this.#publishing = this.#publish();
  }

  /** Starts both on a channel. */
  static async on(channel: string, socket_dir: string): Promise<Canary> {
    const options = { socket_dir, name: "canary", reconnect: false };
    const canary = new Canary(await connect(channel, options), await connect(channel, options));
    await canary.#listener.flush();
    return canary;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop = true;
    const sent = await within(this.#publishing, "the canary cannot send");
    await within(this.#listener.flush(), "the canary's listener hears nothing");
    await Promise.all([this.#publisher.close(), this.#listener.close()]);
    assert.equal(this.#lost, undefined, "the canary has lost something");
    assert.deepEqual(this.#heard, Array.from({ length: sent }, (_, at) => at), "the canary has not heard everything");
  }

  async #publish(): Promise<number> {
    await this.#listener.flush();
    let count = 0;
    while (!this.#stop) {
      await this.#publisher.broadcast(count++, { ack: true });
      await pause(REST_MS);
    }
    return count;
  }
}
