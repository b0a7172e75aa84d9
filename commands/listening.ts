/**
 * What `ipc listen` does while it runs: channels in, bytes out, and the ways in which it can end.
 *
 * Each channel hands its events over as whole frames, in the order of the channel; what is printed of one run goes out in
 * one write. A slow reader of standard output holds up this process, which then does not read from its sockets, which
 * makes the broker hold up the publishers.
 *
 * @module
 */
import { type Channel, type GapNotice, IpcError, type Notice, type Presence } from "../client/mod.ts";
import { formatDuration } from "../config/units.ts";
import { isGlob } from "../protocol/channel_name.ts";
import { FLAGS } from "../protocol/frame.ts";
import type { StructuredCodec } from "../protocol/payload.ts";
import { ClientNames } from "./client_names.ts";
import { askBroker, openChannel, type OpenOptions } from "./connection.ts";
import { type EventContext, sequenceOf } from "./event_format.ts";
import { eachFrame } from "./event_frames.ts";
import { EventCommands } from "./event_commands.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import { ChannelGlobs } from "./channel_globs.ts";
import type { Io, Output } from "./io.ts";
import type { ListenOptions } from "./listen.ts";
import { describeGap, notice, noticesOf, printable } from "./notice.ts";
import { loadStructuredCodec, StructuredNeeded } from "./payload_text.ts";
import { type EndingSignals, endingSignals } from "./signals.ts";

/** Gives the events of one channel to somebody; resolves when there is room for more. */
type Take = (frames: Uint8Array<ArrayBuffer>, context: EventContext) => void | Promise<void>;

/** A position before the first event that the broker still has, in any epoch: no epoch is called so. */
const BEFORE_ANY = { epoch: "-", seq: 0 };

/** See the module's head. */
export class Listening implements AsyncDisposable {
  readonly #options: ListenOptions;
  readonly #io: Io;
  #output: Output;
  readonly #channels = new Map<string, Channel>();
  readonly #end = Promise.withResolvers<number>();
  readonly #commands: EventCommands | undefined;
  readonly #signals: EndingSignals | undefined;
  #globs: ChannelGlobs | undefined;
  #structured: StructuredCodec | undefined;
  #count = 0;
  #ended = false;
  #last_event_ms = performance.now();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(options: ListenOptions, io: Io) {
    this.#options = options;
    this.#io = io;
    this.#output = io.stdout;
    if (options.command.length === 0) return;
    this.#signals = endingSignals(io);
    this.#commands = new EventCommands(options.command, options.jobs, io, (error) => this.#fail(error));
  }

  /** Listens until something ends it. @returns The exit code. */
  async run(): Promise<number> {
    const { channels, timeout_ms, idle_ms, ready_fd } = this.#options;
    this.#end.promise.catch(() => {});
    this.#after(timeout_ms, () => this.#timeOut(`after ${formatDuration(timeout_ms)}`));
    this.#signals?.ended.then((code) => this.#finish(code));
    this.#output = await this.#io.bulkOutput();
    if (this.#commands === undefined && !this.#output.is_terminal) {
      this.#io.stdoutClosed().then(() => this.#finish(EXIT.BROKEN_PIPE));
    }
    const setUp = async (): Promise<void> => {
      for (const name of new Set(channels.filter((name) => !isGlob(name)))) await this.#open(name, {});
      const globs = channels.filter(isGlob);
      if (globs.length > 0) await this.#openGlobs(globs);
      this.#last_event_ms = performance.now();
      this.#watchIdle(idle_ms);
      if (ready_fd !== undefined) await writeReady(ready_fd);
    };
    await Promise.race([setUp(), this.#end.promise]);
    const code = await this.#end.promise;
    return code === EXIT.OK && await this.#commands?.finish() === "failed" ? EXIT.NEGATIVE : code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#commands?.stop();
    this.#signals?.[Symbol.dispose]();
    await this.#globs?.[Symbol.asyncDispose]();
    await Promise.all([...this.#channels.values()].map((channel) => channel.close()));
  }

  async #open(name: string, more: OpenOptions): Promise<void> {
    const { overflow, autostart, presence, names, last } = this.#options;
    const known = new ClientNames();
    const told = noticesOf(name, this.#io.stderr);
    const channel = await openChannel(name, this.#io, {
      name: this.#options.name,
      listen: true,
      presence: presence || names,
      overflow,
      autostart,
      onnotice: (about: Notice) => about.type === "gap" ? this.#gap(name, about) : told(about),
      ...(last > 0 ? await latest(name, last, this.#io) : {}),
      ...more,
    });
    if (this.#ended) return await channel.close();
    this.#channels.set(name, channel);
    const context: EventContext = {
      channel: name,
      nameOf: (client) => known.nameOf(client),
      structured: this.#structured,
    };
    if (presence || names) {
      channel.presence((who) => {
        known.note(who);
        if (presence) this.#presence(name, who);
      });
    }
    const take: Take = this.#commands === undefined
      ? (frames, context) => this.#print(frames, context)
      : (frames, context) => this.#commands!.push(frames, () => this.#claim(1), context);
    let begun = more.resume === undefined;
    channel.listenRuns((frames, gap) => {
      if (gap !== undefined) return this.#gap(name, gap);
      begun ||= this.#begin(channel, frames);
      return this.#guard(() => take(frames, context));
    });
    channel.closed.then((error) => this.#closed(name, error));
  }

  /** Tells of what a channel that was opened late had already forgotten. @returns Whether its beginning was seen. */
  #begin(channel: Channel, frames: Uint8Array<ArrayBuffer>): boolean {
    for (const frame of eachFrame(frames)) {
      const seq = sequenceOf(frame);
      if (seq === 0 || (frame.flags & FLAGS.RETAIN) !== 0) continue;
      const missed: GapNotice = { type: "gap", from: 1, to: seq - 1, reason: "history", epoch: channel.epoch };
      if (seq > 1) this.#gap(channel.name, missed);
      return true;
    }
    return false;
  }

  async #openGlobs(globs: readonly string[]): Promise<void> {
    this.#globs = new ChannelGlobs(globs, {
      opened: async (name, late) => {
        if (this.#channels.has(name) || this.#ended) return;
        // One that was opened after we came is asked for from its start, so that its first event is not missed.
        await this.#open(name, late ? { resume: BEFORE_ANY } : {});
      },
      closed: async (name) => {
        const channel = this.#channels.get(name);
        if (channel === undefined || this.#options.channels.includes(name)) return;
        this.#channels.delete(name);
        await channel.close();
      },
      failed: (error) => this.#fail(error),
    });
    await this.#globs.open(this.#io, { name: this.#options.name, autostart: this.#options.autostart });
  }

  /** What a callback throws ends the command; so does the last event that was asked for. */
  #guard(work: () => void | Promise<void>): void | Promise<void> {
    if (this.#ended) return;
    this.#last_event_ms = performance.now();
    try {
      const pending = work();
      return pending?.catch((error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #print(frames: Uint8Array<ArrayBuffer>, context: EventContext): void | Promise<void> {
    try {
      const { bytes, count } = this.#options.format(frames, this.#options.count - this.#count, context);
      this.#output.write(bytes);
      this.#claim(count);
    } catch (error) {
      if (!(error instanceof StructuredNeeded)) throw error;
      return loadStructuredCodec().then((codec) => {
        this.#structured = context.structured = codec;
        return this.#ended ? undefined : this.#print(frames, context);
      });
    }
  }

  /** Counts events, and ends with the last one that was asked for. @returns Whether this many were still wanted. */
  #claim(count: number): boolean {
    if (this.#ended || this.#count + count > this.#options.count) return false;
    this.#count += count;
    if (this.#count === this.#options.count) this.#finish(EXIT.OK);
    return true;
  }

  #gap(channel: string, gap: GapNotice): void {
    // A channel that was opened late is asked for from its start, as if in another epoch: there was nothing before.
    if (this.#ended || gap.epoch === BEFORE_ANY.epoch) return;
    notice(this.#io.stderr, `${channel}: ${describeGap(gap)}`);
    if (this.#options.json) {
      this.#guard(() => this.#output.write(`${JSON.stringify({ channel, ...gap })}\n`));
    }
    if (this.#options.strict) this.#finish(EXIT.NEGATIVE);
  }

  #presence(channel: string, { event, client, name, listen, handle, reason }: Presence): void {
    if (this.#ended) return;
    if (this.#options.json) {
      const object = { type: "presence", channel, event, client, name, listen, handle, reason };
      this.#guard(() => this.#output.write(`${JSON.stringify(object)}\n`));
      return;
    }
    const roles = [listen ? "listens" : "", handle ? "handles" : ""].filter((role) => role !== "").join(" and ");
    const what = event === "leave" ? `left${reason ? `: ${reason}` : ""}` : roles || "sends";
    notice(this.#io.stderr, `${channel}: client ${client} ${JSON.stringify(printable(name))} ${what}`);
  }

  #closed(name: string, error: IpcError | undefined): void {
    // A channel that a glob found may go; one that was named may not.
    if (this.#ended || this.#channels.get(name) === undefined) return;
    this.#channels.delete(name);
    if (this.#globs !== undefined && !this.#options.channels.includes(name)) return;
    this.#fail(error ?? new IpcError("SHUTDOWN", `channel ${name} was closed`));
  }

  #watchIdle(idle_ms: number): void {
    if (idle_ms === Infinity || this.#ended) return;
    const left = this.#last_event_ms + idle_ms - performance.now();
    if (left > 0) this.#after(left, () => this.#watchIdle(idle_ms));
    else if (this.#options.count === Infinity) this.#finish(EXIT.OK);
    else this.#timeOut(`and then none for ${formatDuration(idle_ms)}`);
  }

  #timeOut(when: string): void {
    const { count } = this.#options;
    this.#fail(
      new Failure(EXIT.TIMEOUT, `${this.#count}${count === Infinity ? "" : ` of ${count}`} events came ${when}`),
    );
  }

  #after(duration_ms: number, then: () => void): void {
    if (duration_ms === Infinity) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, duration_ms);
    this.#timers.add(timer);
  }

  #finish(code: number): void {
    this.#ended = true;
    this.#end.resolve(code);
  }

  #fail(error: unknown): void {
    this.#ended = true;
    this.#end.reject(error);
  }
}

/** Where to begin so that the latest events come first. */
async function latest(channel: string, last: number, io: Io): Promise<OpenOptions> {
  try {
    const { epoch, seq, history } = await askBroker("channel", { channel }, io) as {
      epoch: string;
      seq: number;
      history: { from_seq: number };
    };
    return { resume: { epoch, seq: Math.max(history.from_seq - 1, seq - last, 0) } };
  } catch (error) {
    if (error instanceof IpcError && error.reason === "CHANNEL_NOT_FOUND") return {};
    throw error;
  }
}

/** Tells whoever waits for it. @throws {Failure} If nothing can be written there. */
async function writeReady(descriptor: number): Promise<void> {
  const { writeDescriptor } = await import("./libc.ts");
  if (writeDescriptor(descriptor, "subscribed\n")) return;
  throw new Failure(EXIT.USAGE, `cannot write to file descriptor ${descriptor} that --ready-fd names`);
}
