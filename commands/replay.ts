/**
 * `ipc replay`: sends the events of a tape again, each when its time has come.
 *
 * When an event is due is reckoned from when the first one was sent, so that being late with one makes no other late. As with
 * `ipc send`, connections are not renewed, and exit code 0 says that the broker has everything.
 *
 * @module
 */
import type { Channel, Notice } from "../client/mod.ts";
import { pause } from "../client/pause.ts";
import { DURATION_MS_MAX } from "../config/units.ts";
import { channelGlob, checkChannelName } from "../protocol/channel_name.ts";
import { encodeFrame, FLAGS, FRAME_TYPES } from "../protocol/frame.ts";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { openChannel } from "./connection.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { tooLong } from "./messages/options.ts";
import { notice } from "./notice.ts";
import { inputPath } from "./special_files.ts";
import { readTapeLine, type TapedEvent } from "./tape.ts";
import { lineFailure, nameOf, textLines } from "./text_lines.ts";
import { argumentParser, nameArgument, parseArguments, usageError, type Verb } from "./verb.ts";

/** Sends what was on some channels to another one. */
export interface Detour {
  fits(channel: string): boolean;
  to: string;
}

/** Options of `ipc replay`. */
export interface ReplayOptions {
  /** A file's path, `-` for standard input. */
  file: string;
  /** How many times as fast; Infinity for without pauses. */
  speed: number;
  /** The first that fits counts. */
  detours: readonly Detour[];
  /** Begin again at the end. */
  loop: boolean;
  name: string;
}

export const verb: Verb<ReplayOptions> = { parse: parseReplay, run: runReplay };

export function parseReplay(argv: readonly string[]): ReplayOptions {
  const parser = argumentParser("replay", "Send the events that ipc record has written, each when its time has come.", [
    "ipc replay sensors.tape",
    "ipc replay --speed 10 --channel sensor.attic=test sensors.tape",
    "ipc replay --speed max --channel '*=test' - <sensors.tape",
  ])
    .argument("<file>", "what ipc record has written; - is standard input")
    .option("--speed <factor>", "so many times as fast as it was, or max: without pauses", speedArgument, 1)
    .option(
      "--channel <from=to>",
      "send what was on a channel (or fits a glob) to another; may be repeated",
      addDetour,
      [],
    )
    .option("--loop", "begin again at the end, until a signal comes")
    .option("--name <name>", "what others see as the sender's name", nameArgument, "ipc replay");
  const { args: [path], options } = parseArguments(parser, argv), file = inputPath(path);
  if (options.loop && file === "-") throw usageError(parser, "--loop needs a file: standard input comes only once");
  return { file, speed: options.speed, detours: options.channel, loop: options.loop ?? false, name: options.name };
}

function speedArgument(text: string): number {
  if (text === "max") return Infinity;
  const speed = /^\d*\.?\d+$/.test(text) ? Number(text) : 0;
  if (speed <= 0) throw new InvalidArgumentError("It must be a number above 0, or max.");
  return speed;
}

function addDetour(text: string, before: readonly Detour[]): readonly Detour[] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be FROM=TO.");
  try {
    return [...before, { fits: channelGlob(text.slice(0, at)), to: checkChannelName(text.slice(at + 1)) }];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

export async function runReplay(options: ReplayOptions, io: Io): Promise<number> {
  await using replay = new Replay(options, io);
  return await replay.run();
}

/** One run of the command. */
class Replay implements AsyncDisposable {
  readonly #options: ReplayOptions;
  readonly #io: Io;
  readonly #channels = new Map<string, Channel>();
  /** A refusal or a lost connection, told of when it happens. */
  readonly #failed = Promise.withResolvers<never>();
  readonly #over = new AbortController();
  /** When the first event of this pass is due, on the clock of `performance.now()`. */
  #begin_ms = 0;
  #events = 0;
  /** Events that the tape says it lacks. */
  #missed = 0;

  constructor(options: ReplayOptions, io: Io) {
    this.#options = options;
    this.#io = io;
    this.#failed.promise.catch(() => {});
  }

  async run(): Promise<number> {
    const { loop } = this.#options;
    const play = async (): Promise<number> => {
      this.#begin_ms = performance.now();
      do await this.#pass(); while (loop && !this.#over.signal.aborted);
      // Closing asks the broker whether it has everything, and fails if not.
      for (const channel of this.#channels.values()) await channel.close();
      return EXIT.OK;
    };
    return await Promise.race([play(), this.#failed.promise]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    for (const channel of this.#channels.values()) await channel.close();
  }

  /** Sends the tape once. */
  async #pass(): Promise<void> {
    const { file, loop } = this.#options, before = this.#events;
    let first_ms: number | undefined, due_ms = this.#begin_ms;
    this.#missed = 0;
    for await (const { text, number } of textLines(file, "the tape", this.#io)) {
      const fail = (error: unknown): Failure => lineFailure(file, number, (error as Error).message);
      let event: ReturnType<typeof readTapeLine>;
      try {
        event = readTapeLine(text);
      } catch (error) {
        throw fail(error);
      }
      if (event === undefined) continue;
      if ("missed" in event) {
        this.#missed += event.missed;
        continue;
      }
      if (event.time_ms !== undefined) {
        first_ms ??= event.time_ms;
        // One that is earlier than the one before comes right behind it.
        due_ms = Math.max(due_ms, this.#begin_ms + (event.time_ms - first_ms) / this.#options.speed);
      }
      await this.#until(due_ms);
      if (this.#over.signal.aborted) return;
      await this.#send(event, number);
    }
    if (this.#missed > 0) {
      notice(this.#io.stderr, `${nameOf(file)} lacks ${this.#missed} events that were missed in recording`);
    }
    if (loop && this.#events === before) throw new Failure(EXIT.DATA, `${file} has no events to send again and again`);
    this.#begin_ms = due_ms;
  }

  /** Waits. One timer cannot wait for longer than 24 days. */
  async #until(due_ms: number): Promise<void> {
    const { signal } = this.#over;
    for (let left_ms; (left_ms = due_ms - performance.now()) > 0 && !signal.aborted;) {
      await pause(Math.min(left_ms, DURATION_MS_MAX), signal);
    }
  }

  async #send({ channel: name, payload, encoding, headers, retained }: TapedEvent, number: number): Promise<void> {
    const channel = await this.#channel(this.#options.detours.find(({ fits }) => fits(name))?.to ?? name, number);
    const { message_bytes_max } = channel;
    if (payload.length > message_bytes_max) {
      throw tooLong(`payload in line ${number}`, payload.length, message_bytes_max);
    }
    const flags = retained ? encoding | FLAGS.RETAIN : encoding;
    await channel.broadcastFrames(encodeFrame({ type: FRAME_TYPES.EVENT, flags, headers, payload }), 1);
    this.#events++;
  }

  async #channel(name: string, number: number): Promise<Channel> {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    try {
      checkChannelName(name);
    } catch (error) {
      throw lineFailure(this.#options.file, number, (error as Error).message);
    }
    const channel = await openChannel(name, this.#io, {
      name: this.#options.name,
      echo: false,
      reconnect: false,
      onnotice: (about: Notice) => {
        if (about.type === "error") this.#failed.reject(about.error);
      },
    });
    this.#channels.set(name, channel);
    channel.closed.then((error) => error === undefined || this.#failed.reject(error));
    return channel;
  }
}
