/**
 * The publishers of the canaries, in one process: each sends numbered events at a steady rate, from "go" on, and asks for
 * the broker's word on every single one. What a slow moment held up is sent later, so the rate holds on the whole.
 * Obeys "report"; told "stop" each ends with an event that the broker has accepted, and "done" is told.
 *
 * @module
 */
import { type Channel, connect, IpcError } from "../../../client/mod.ts";
import { numbered } from "../../e2e/programs/numbered.ts";
import { given, obey, tell } from "../../e2e/programs/program.ts";
import { CLOCK_AT, type Publisher } from "../canary_account.ts";
import { Stretches } from "../stretches.ts";
import { pause } from "../../e2e/wait.ts";

const TICK_MS = 5;
/** Events on the way; a publisher that has so many waits, or a broker that stands still would cost it all its memory. */
const WAITING_MAX = 7_000;
/** Pause after an event that was not accepted, if it has to be. */
const AGAIN_MS = 50;

const options = given<{ channels: string[]; rate_per_s: number; bytes: number }>();

class Canary {
  sent = 0;
  waiting = 0;
  closed: string | undefined;
  readonly unconfirmed = new Stretches();
  readonly #epochs: [string, number][] = [];
  readonly #channel: Channel;
  readonly #number: number;

  constructor(channel: Channel, number: number) {
    this.#channel = channel;
    this.#number = number;
    void channel.closed.then((error) => this.closed = error?.message);
  }

  /** Sends an event. @returns Whether the broker is known to have it, later. */
  async send(): Promise<boolean> {
    const number = ++this.sent, payload = numbered(this.#number, number, options.bytes);
    new DataView(payload.buffer).setFloat64(CLOCK_AT, performance.timeOrigin + performance.now());
    this.waiting++;
    try {
      await this.#channel.broadcast(payload, { ack: true });
      const { epoch } = this.#channel;
      if (this.#epochs.at(-1)?.[0] !== epoch) this.#epochs.push([epoch, number]);
      return true;
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.unconfirmed.add(number, number);
      return false;
    } finally {
      this.waiting--;
    }
  }

  /** Sends until something is accepted, which is the last event then. */
  async finish(): Promise<void> {
    while (!await this.send() && this.closed === undefined) await pause(AGAIN_MS);
  }

  plain(): Publisher {
    const { sent, closed, unconfirmed } = this;
    return { sent, unconfirmed: unconfirmed.all, epochs: this.#epochs, ...closed === undefined ? {} : { closed } };
  }
}

const canaries = await Promise.all(options.channels.map(async (name, index) => {
  return new Canary(await connect(name, { name: `canary-publisher-${index}`, onnotice: () => {} }), index);
}));
tell("ready");

let timer: ReturnType<typeof setInterval>;
await obey({
  go: () => {
    const start_ms = performance.now();
    timer = setInterval(() => {
      const due = Math.floor((performance.now() - start_ms) * options.rate_per_s / 1_000);
      for (const canary of canaries) {
        while (canary.sent < due && canary.waiting < WAITING_MAX && canary.closed === undefined) void canary.send();
      }
    }, TICK_MS);
  },
  report: () => tell("report", { canaries: canaries.map((canary) => canary.plain()) }),
  stop: async () => {
    clearInterval(timer);
    await Promise.all(canaries.map((canary) => canary.finish()));
    // The last was answered after all others.
    while (canaries.some(({ waiting, closed }) => waiting > 0 && closed === undefined)) await pause(TICK_MS);
    tell("done", { canaries: canaries.map((canary) => canary.plain()) });
  },
});
