/**
 * What `ipc listen` does while it runs: channels in, bytes out, and the ways in which it can end.
 *
 * Each channel hands its events over as whole frames, in the order of the channel; what is printed of one run goes out in
 * one write. A slow reader of standard output holds up this process, which then does not read from its sockets, which
 * makes the broker hold up the publishers.
 *
 * @module
 */
import { type Channel, type GapNotice, IpcError, type Notice, type Presence } from "../../client/mod.ts";
import { formatDuration } from "../../config/units.ts";
import { isGlob } from "../../protocol/channel_name.ts";
import { FLAGS, sequenceOf } from "../../protocol/frame.ts";
import type { StructuredCodec } from "../../protocol/payload.ts";
import { ClientNames } from "./client_names.ts";
import { askBroker, openChannel, type OpenOptions } from "../connection.ts";
import type { EventContext, Formatted } from "./format.ts";
import { eachFrame } from "./frames.ts";
import { EventCommands } from "./commands.ts";
import { fittingFrames } from "./filter.ts";
import { type EndingSignal, EXIT, Failure, SIGNAL_EXITS } from "../exit_codes.ts";
import { ChannelGlobs } from "./channel_globs.ts";
import type { Io, Output } from "../io.ts";
import type { ListenOptions, Since } from "../listen.ts";
import { describeGap, notice, noticesOf, printable } from "../notice.ts";
import { loadStructuredCodec, StructuredNeeded } from "../payload_text.ts";
import { type EndingSignals, endingSignals } from "../signals.ts";
import { ThenCommand } from "./then_command.ts";
import type { Condition } from "./where.ts";

/** Gives the events of one channel to somebody; resolves when there is room for more. */
type Take = (frames: Uint8Array<ArrayBuffer>, context: EventContext) => void | Promise<void>;

/** A position before the first event that the broker still has, in any epoch: no epoch is called so. */
const BEFORE_ANY = { epoch: "-", seq: 0 };

/** An epoch that was, whatever it was called. */
const ANOTHER_EPOCH = "?";

/** See the module's head. */
export class Listening implements AsyncDisposable {
  readonly #options: ListenOptions;
  readonly #io: Io;
  #output: Output;
  readonly #channels = new Map<string, Channel>();
  readonly #end = Promise.withResolvers<number>();
  readonly #commands: EventCommands | undefined;
  readonly #then: ThenCommand | undefined;
  /** Whether the command of `--then` was started and has not ended. */
  #then_runs = false;
  readonly #signals: EndingSignals | undefined;
  #globs: ChannelGlobs | undefined;
  #structured: StructuredCodec | undefined;
  #count = 0;
  #ended = false;
  #last_event_ms = performance.now();
  /** Runs of events that somebody still works on. */
  #pending = 0;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(options: ListenOptions, io: Io) {
    this.#options = options;
    this.#io = io;
    this.#output = io.stdout;
    if (options.command.length > 0) {
      this.#commands = new EventCommands(options, io, () => this.#claim(1), (error) => this.#fail(error));
    }
    if (options.then.length > 0) this.#then = new ThenCommand(options.then);
    if (this.#commands !== undefined || this.#then !== undefined) this.#signals = endingSignals(io);
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
      this.#startThen();
    };
    await Promise.race([setUp(), this.#end.promise]);
    const code = await this.#end.promise;
    const signal = (Object.keys(SIGNAL_EXITS) as EndingSignal[]).find((name) => SIGNAL_EXITS[name] === code);
    if (this.#then_runs && signal !== undefined) return await this.#then!.stop(signal) ?? code;
    if (code !== EXIT.OK) return code;
    if (this.#commands === undefined) return code;
    const finished = this.#commands.finish(this.#count < this.#options.count);
    const last = await Promise.race([finished, this.#signals!.ended]);
    return last === "done" ? code : last === "failed" ? EXIT.NEGATIVE : last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([this.#commands?.stop(), this.#then?.stop("SIGTERM")]);
    this.#signals?.[Symbol.dispose]();
    await this.#globs?.[Symbol.asyncDispose]();
    await Promise.all([...this.#channels.values()].map((channel) => channel.close()));
  }

  async #open(name: string, more: OpenOptions): Promise<void> {
    const { overflow, autostart, presence, names, last, since } = this.#options;
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
      ...(since !== undefined ? await behind(name, since, this.#io) : {}),
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
      : (frames, context) => {
        this.#last_event_ms = performance.now();
        return this.#commands!.push(frames, context);
      };
    const { where } = this.#options;
    let begun = more.resume === undefined;
    channel.listenRuns((frames, gap) => {
      if (gap !== undefined) return this.#gap(name, gap);
      begun ||= this.#begin(channel, frames);
      return this.#guard(
        where === undefined ? take : (frames, context) => this.#fitting(frames, context, where, take),
        frames,
        context,
      );
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

  /** Has events taken. What is thrown meanwhile ends the command. */
  #guard(take: Take, frames: Uint8Array<ArrayBuffer>, context: EventContext): void | Promise<void> {
    if (this.#ended) return;
    try {
      const pending = take(frames, context);
      if (pending === undefined) return;
      this.#pending++;
      return pending.catch((error) => this.#fail(error)).finally(() => this.#pending--);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Has those taken that fit. */
  #fitting(
    frames: Uint8Array<ArrayBuffer>,
    context: EventContext,
    where: Condition,
    take: Take,
  ): void | Promise<void> {
    let fitting: Uint8Array<ArrayBuffer>;
    try {
      fitting = fittingFrames(frames, where, context.structured);
    } catch (error) {
      return this.#withCodec(error, context, () => this.#fitting(frames, context, where, take));
    }
    return fitting.length === 0 ? undefined : take(fitting, context);
  }

  #print(frames: Uint8Array<ArrayBuffer>, context: EventContext): void | Promise<void> {
    this.#last_event_ms = performance.now();
    let printed: Formatted;
    try {
      printed = this.#options.format(frames, this.#options.count - this.#count, context);
    } catch (error) {
      return this.#withCodec(error, context, () => this.#print(frames, context));
    }
    this.#output.write(printed.bytes);
    this.#claim(printed.count);
  }

  /** Loads what reads structured payloads, if it was that that was missing, and tries again. */
  async #withCodec(error: unknown, context: EventContext, again: () => void | Promise<void>): Promise<void> {
    if (!(error instanceof StructuredNeeded)) throw error;
    this.#structured = context.structured = await loadStructuredCodec();
    if (!this.#ended) await again();
  }

  /** Writes a line that is no event. */
  #tell(object: Record<string, unknown>): void {
    try {
      this.#output.write(`${JSON.stringify(object)}\n`);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Counts events, and ends with the last one that was asked for. @returns Whether this many were still wanted. */
  #claim(count: number): boolean {
    if (this.#ended || this.#count + count > this.#options.count) return false;
    this.#count += count;
    // The command of --then has the last word.
    if (this.#count === this.#options.count && !this.#then_runs) this.#finish(EXIT.OK);
    return true;
  }

  #gap(channel: string, gap: GapNotice): void {
    // A channel that was opened late is asked for from its start, as if in another epoch: there was nothing before.
    if (this.#ended || gap.epoch === BEFORE_ANY.epoch) return;
    notice(this.#io.stderr, `${channel}: ${describeGap(gap)}`);
    if (this.#options.json) this.#tell({ channel, ...gap, time: new Date().toISOString() });
    if (this.#options.strict) this.#finish(EXIT.NEGATIVE);
  }

  #presence(channel: string, { event, client, name, listen, handle, reason }: Presence): void {
    if (this.#ended) return;
    if (this.#options.json) {
      const object = { type: "presence", channel, event, client, name, listen, handle, reason };
      return this.#tell(object);
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

  #startThen(): void {
    if (this.#then === undefined || this.#ended) return;
    this.#then_runs = true;
    this.#then.start().then((status) => this.#thenEnded(status)).catch((error) => this.#fail(error));
  }

  /** All that the command brought about is printed first. If events are still to come, they are waited for. */
  async #thenEnded(status: number): Promise<void> {
    this.#then_runs = false;
    if (this.#ended) return;
    this.#last_event_ms = performance.now();
    const { count, idle_ms } = this.#options;
    if (status === 0 && this.#count < count && (count < Infinity || idle_ms < Infinity)) return;
    await this.#drain();
    this.#finish(status);
  }

  /** Resolves when everything is printed that the broker has accepted by now. */
  async #drain(): Promise<void> {
    await this.#globs?.settled();
    const flushed = [...this.#channels.values()].map(async (channel) => {
      let done = false;
      // A broker that does not come back has nothing more to say.
      channel.flush().catch(() => {}).finally(() => done = true);
      while (!done && channel.connected) await pause();
    });
    await Promise.all(flushed);
    while (this.#pending > 0 && !this.#ended) await pause();
  }

  #watchIdle(idle_ms: number): void {
    if (idle_ms === Infinity || this.#ended) return;
    const left = this.#then_runs ? idle_ms : this.#last_event_ms + idle_ms - performance.now();
    if (left > 0) this.#after(left, () => this.#watchIdle(idle_ms));
    else if (this.#options.count === Infinity) this.#finish(EXIT.OK);
    else this.#timeOut(`and then none for ${formatDuration(idle_ms)}`);
  }

  #timeOut(when: string): void {
    const { count } = this.#options, came = this.#count;
    const events = count === Infinity ? `${came} event` : `${came} of ${count} event`;
    const end = (count === Infinity ? came : count) === 1 ? "" : "s";
    this.#fail(new Failure(EXIT.TIMEOUT, `${events}${end} came ${when}`));
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

/** How often to look whether there is still something to come. */
const DRAIN_POLL_MS = 5;

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
}

/** Where a channel stands; `undefined` if it is not open. */
async function standing(
  channel: string,
  io: Io,
): Promise<{ epoch: string; seq: number; history: { from_seq: number } } | undefined> {
  try {
    return await askBroker("channel", { channel }, io) as { epoch: string; seq: number; history: { from_seq: number } };
  } catch (error) {
    if (error instanceof IpcError && error.reason === "CHANNEL_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Where to begin so that the latest events come first. */
async function latest(channel: string, last: number, io: Io): Promise<OpenOptions> {
  const now = await standing(channel, io);
  if (now === undefined) return {};
  const { epoch, seq, history } = now;
  return { resume: { epoch, seq: Math.max(history.from_seq - 1, seq - last, 0) } };
}

/** Where to begin behind an event. One that is still to come is of another epoch: the numbers have begun again. */
async function behind(channel: string, { epoch, seq }: Since, io: Io): Promise<OpenOptions> {
  if (epoch !== undefined) return { resume: { epoch, seq } };
  const now = await standing(channel, io);
  if (now === undefined && seq === 0) return {};
  return { resume: { epoch: now !== undefined && seq <= now.seq ? now.epoch : ANOTHER_EPOCH, seq } };
}

/** Tells whoever waits for it. @throws {Failure} If nothing can be written there. */
/** Says on a file descriptor that nothing is missed from here on. */
export async function writeReady(descriptor: number): Promise<void> {
  const { writeDescriptor } = await import("../libc.ts");
  if (writeDescriptor(descriptor, "subscribed\n")) return;
  throw new Failure(EXIT.USAGE, `cannot write to file descriptor ${descriptor} that --ready-fd names`);
}
