/**
 * Which channels fit some globs, now and later: the broker's own channel says what is opened and closed.
 *
 * @module
 */
import type { Channel, ConnectOptions } from "../../client/mod.ts";
import { channelGlob, CONTROL_CHANNEL } from "../../protocol/channel_name.ts";
import { openChannel, type OpenOptions } from "../connection.ts";
import type { Io } from "../io.ts";

/** Told what fits. */
export interface GlobEvents {
  /** @param late Whether it was opened after we came. */
  opened(channel: string, late: boolean): Promise<void>;
  closed(channel: string): Promise<void>;
  failed(error: unknown): void;
}

/** Globs, watched until it is disposed. */
export class ChannelGlobs implements AsyncDisposable {
  readonly #fits: (channel: string) => boolean;
  readonly #events: GlobEvents;
  #control: Channel | undefined;
  /** One at a time, in the order of the broker's events. */
  #work: Promise<void> = Promise.resolve();

  constructor(globs: readonly string[], events: GlobEvents) {
    const tests = globs.map(channelGlob);
    this.#fits = (channel) => channel !== CONTROL_CHANNEL && tests.some((test) => test(channel));
    this.#events = events;
  }

  /** Subscribes first and lists then, so that nothing falls between. */
  async open(io: Io, options: OpenOptions): Promise<void> {
    const connecting: ConnectOptions = {
      listen: true,
      onnotice: (about) => {
        // What opened and closed meanwhile was told to nobody.
        if (about.type === "reconnected") this.#queue(() => this.#list(true));
      },
    };
    const control = await openChannel(CONTROL_CHANNEL, io, { ...options, ...connecting });
    this.#control = control;
    control.listen(({ data }) => {
      const { event, channel } = data as { event: string; channel?: string };
      if (channel === undefined || !this.#fits(channel)) return;
      if (event === "channel_opened") this.#queue(() => this.#events.opened(channel, true));
      if (event === "channel_closed") this.#queue(() => this.#events.closed(channel));
    });
    control.closed.then((error) => error === undefined || this.#events.failed(error));
    // In its turn: a channel that is opened just now is in the list and is told of, and must not be joined twice at a time.
    const listed = this.#work.then(() => this.#list(false));
    this.#work = listed.catch(() => {});
    await listed;
  }

  /** Resolves when all is dealt with that the broker told of so far. */
  async settled(): Promise<void> {
    await this.#control?.flush();
    await this.#work;
  }

  async #list(late: boolean): Promise<void> {
    const channels = await this.#control!.invoke({ method: "channels", params: {} }) as { channel: string }[];
    for (const { channel } of channels) if (this.#fits(channel)) await this.#events.opened(channel, late);
  }

  #queue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error) => this.#events.failed(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#control?.close();
  }
}
