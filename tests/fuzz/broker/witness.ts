/**
 * Two honest clients on a channel where others do what they like: one sends numbers, the other must get every one, once
 * and in order. Whose an event is the broker itself says, so nobody else can have sent it.
 *
 * @module
 */
import { type Channel, connect } from "../../../client/mod.ts";
import { pause } from "../../e2e/wait.ts";

const REST_MS = 4;

/** See the module's head. */
export class Witness implements AsyncDisposable {
  /** What is wrong, as soon as something is. */
  wrong: string | undefined;
  sent = 0;
  #longest_ms = 0;
  #heard = 0;
  #stop = false;
  readonly #publisher: Channel;
  readonly #listener: Channel;
  readonly #publishing: Promise<void>;

  private constructor(publisher: Channel, listener: Channel) {
    this.#publisher = publisher;
    this.#listener = listener;
    const ongap = (notice: unknown) => this.wrong ??= `the witness has a gap: ${Deno.inspect(notice)}`;
    listener.listen(({ source, data }) => {
      if (source === publisher.client) this.#hear(data);
    }, { ongap });
    this.#publishing = this.#publish();
  }

  static async on(channel: string, socket_dir: string): Promise<Witness> {
    const options = { socket_dir, reconnect: false };
    return new Witness(
      await connect(channel, { ...options, name: "witness" }),
      await connect(channel, { ...options, name: "witness", listen: true }),
    );
  }

  /** The longest that an event has taken to be accepted since this was asked last. */
  takeLongest(): number {
    const longest_ms = this.#longest_ms;
    this.#longest_ms = 0;
    return longest_ms;
  }

  /** Waits until what was sent so far has been heard. */
  async catchUp(ms: number): Promise<void> {
    const sent = this.sent, until_ms = performance.now() + ms;
    while (this.#heard < sent && this.wrong === undefined) {
      if (performance.now() > until_ms) this.wrong = `the witness has heard ${this.#heard} of ${sent} events`;
      else await pause(REST_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop = true;
    await this.#publishing;
    await Promise.allSettled([this.#publisher.close(), this.#listener.close()]);
  }

  #hear(data: unknown): void {
    this.#heard++;
    if (data !== this.#heard) this.wrong ??= `the witness hears ${Deno.inspect(data)} in the place of ${this.#heard}`;
  }

  async #publish(): Promise<void> {
    while (!this.#stop) {
      const began_ms = performance.now();
      try {
        await this.#publisher.broadcast(this.sent + 1, { ack: true });
      } catch (error) {
        if (!this.#stop) this.wrong ??= `the witness cannot send: ${error}`;
        return;
      }
      this.sent++;
      this.#longest_ms = Math.max(this.#longest_ms, performance.now() - began_ms);
      await pause(REST_MS);
    }
  }
}
