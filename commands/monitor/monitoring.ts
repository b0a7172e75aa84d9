/**
 * What `ipc monitor` does while it runs.
 *
 * @module
 */
import { type Channel, IpcError } from "../../client/mod.ts";
import { formatDuration } from "../../config/units.ts";
import { CONTROL_CHANNEL } from "../../protocol/channel_name.ts";
import type { StructuredCodec } from "../../protocol/payload.ts";
import { Capture } from "./capture.ts";
import { wantsColor } from "../color.ts";
import { openChannel } from "../connection.ts";
import { EXIT, Failure } from "../exit_codes.ts";
import type { Io, Output } from "../io.ts";
import type { MonitorOptions } from "../monitor.ts";
import { type MonitorRecord, needsCodec, recordJson, recordLine } from "./format.ts";
import { notice } from "../notice.ts";
import { loadStructuredCodec } from "../payload_text.ts";

/** See the module's head. */
export class Monitoring implements AsyncDisposable {
  readonly #options: MonitorOptions;
  readonly #io: Io;
  readonly #end = Promise.withResolvers<number>();
  #output: Output;
  readonly #color: boolean;
  #capture: Capture | undefined;
  #channel: Channel | undefined;
  #structured: StructuredCodec | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #count = 0;

  constructor(options: MonitorOptions, io: Io) {
    this.#options = options;
    this.#io = io;
    this.#output = io.stdout;
    this.#color = wantsColor(io.stdout, io);
  }

  /** Shows until something ends it. @returns The exit code. */
  async run(): Promise<number> {
    const { timeout_ms } = this.#options;
    this.#end.promise.catch(() => {});
    if (timeout_ms !== Infinity) {
      const late = new Failure(EXIT.TIMEOUT, `the time is up: ${formatDuration(timeout_ms)}`);
      this.#timer = setTimeout(() => this.#end.reject(late), timeout_ms);
    }
    this.#output = await this.#io.bulkOutput();
    if (!this.#output.is_terminal) this.#io.stdoutClosed().then(() => this.#end.resolve(EXIT.BROKEN_PIPE));
    return await Promise.race([this.#watch(), this.#end.promise]);
  }

  async #watch(): Promise<number> {
    const { glob, payload_bytes, capture, ready_fd } = this.#options;
    const channel = await openChannel(CONTROL_CHANNEL, this.#io, {
      name: "ipc monitor",
      reconnect: false,
      onnotice: () => {},
    });
    this.#channel = channel;
    let begun = false;
    try {
      for await (const { data } of channel.invokeStream({ method: "monitor", params: { glob, payload_bytes } })) {
        if (!begun) {
          // Not before the broker shows something: a file that is there already may be worth more than none.
          if (capture !== undefined) this.#capture = await Capture.create(capture, glob, payload_bytes);
          if (ready_fd !== undefined) await (await import("../events/listening.ts")).writeReady(ready_fd);
          begun = true;
        }
        if (await this.#show(data as MonitorRecord[])) return EXIT.OK;
      }
    } catch (error) {
      throw error instanceof IpcError && error.reason === "CHANNEL_RECV" ? await channel.closed ?? error : error;
    }
    throw new IpcError("CHANNEL_RECV", "the broker has stopped showing");
  }

  /** @returns Whether that was all. */
  async #show(all: readonly MonitorRecord[]): Promise<boolean> {
    let text = "", captured = "", done = false;
    for (const record of all) {
      const gap = record.type === "gap" && record.missed !== undefined;
      const json = this.#options.json || this.#capture !== undefined ? `${recordJson(record)}\n` : "";
      if (this.#capture !== undefined) captured += json;
      if (this.#options.json) text += json;
      else if (!gap) {
        if (this.#structured === undefined && needsCodec(record)) this.#structured = await loadStructuredCodec();
        text += `${recordLine(record, this.#structured, this.#color)}\n`;
      }
      if (gap) {
        notice(this.#io.stderr, `${record.missed} frames are not shown: they came faster than they can be`);
      } else if (++this.#count >= this.#options.count) {
        done = true;
        break;
      }
    }
    this.#capture?.write(captured);
    if (text !== "") this.#output.write(text);
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#capture?.close();
    await this.#channel?.close();
  }
}
