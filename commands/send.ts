/**
 * `ipc send`: broadcasts a message, or each line of a stream.
 *
 * Everything goes out as frames made here, and closing the channel then asks the broker whether it has them: that is
 * what exit code 0 says. Only `--expect` asks for an answer to each message. The connection is not renewed when it
 * breaks, because then nobody could say what was accepted.
 *
 * @module
 */
import type { Acknowledgement, Channel, Notice } from "../client/mod.ts";
import { after } from "../client/pause.ts";
import { encodingOf } from "../protocol/frame.ts";
import { WrittenPayload } from "../protocol/payload.ts";
import { clientNamed, openAwaited } from "./connection.ts";
import { eachFrame } from "./events/frames.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { type Envelope, messageFrames } from "./messages/frames.ts";
import type { MadeOptions } from "./messages/made.ts";
import { headersBlock, type MessageOptions, plainMessage } from "./messages/options.ts";
import { notice } from "./notice.ts";
import type { Progress } from "./messages/progress_bar.ts";
import type { TakeFrames } from "./messages/records.ts";
import type { Verb } from "./verb.ts";

/** Options of `ipc send`. */
export interface SendOptions extends MadeOptions {
  /** Client id or name, instead of all listeners. */
  to: string | undefined;
  /** Keep it for listeners to come. */
  retain: boolean;
  /** How many listeners must get each message. */
  expect: number | undefined;
  /** Whether people may be shown how far it has come. */
  progress: boolean;
}

export const verb: Verb<SendOptions> = {
  async parse(argv) {
    const message = plainMessage("send", argv);
    if (message !== undefined) return { ...message, ...PLAIN };
    return (await import("./messages/send_arguments.ts")).parseSend(argv);
  },
  run: runSend,
};

/** How a message goes out if nothing is said about it. */
const PLAIN: Omit<SendOptions, keyof MessageOptions> = {
  to: undefined,
  retain: false,
  expect: undefined,
  count: 1,
  every_ms: undefined,
  template: false,
  progress: true,
};

export async function runSend(options: SendOptions, io: Io): Promise<number> {
  const headers = headersBlock(options.headers), { to } = options;
  const refusal = Promise.withResolvers<never>();
  refusal.promise.catch(() => {});
  await using open = new AsyncDisposableStack();
  const channel = open.use(
    await openAwaited(options.channel, { role: "listener", client: to }, options.wait_ms, io, {
      name: options.name,
      echo: false,
      reconnect: false,
      onnotice: (notice: Notice) => {
        if (notice.type === "error") refusal.reject(notice.error);
      },
    }),
  );
  const target = to === undefined ? 0 : await clientNamed(to, channel);
  const envelope = { headers, target, retain: options.retain, message_bytes_max: channel.message_bytes_max };
  const progress: Progress = { bytes: 0, messages: 0 };
  using watched = wantsProgress(options, io) ? watchProgress(options, progress, io) : undefined;
  const send = async (): Promise<number> => {
    const reach = await sendAll(options, envelope, channel, io, progress);
    // Closing asks the broker whether it has everything, and fails if not.
    await channel.close();
    watched?.[Symbol.dispose]();
    return verdict(reach, options, io);
  };
  // Whoever sends what comes now and then is told of a refusal and of a lost connection when they happen.
  const endings = [send(), refusal.promise, lost(channel)];
  if (watched !== undefined) {
    // What the broker has not taken yet is not waited for: that may be why somebody presses Ctrl-C.
    endings.push(watched.interrupted.then((code) => (open.move(), code)));
  }
  return await Promise.race(endings);
}

/** Fails when the connection breaks, if possible with what that means for the messages. */
async function lost(channel: Channel): Promise<never> {
  const error = await channel.closed;
  if (error === undefined) return await new Promise<never>(() => {});
  await channel.close();
  throw error;
}

/** How many listeners got the messages. */
interface Reach {
  /** Messages that fewer got than expected. */
  few: number;
  /** Messages altogether. */
  all: number;
  /** How many got the message that the fewest got. */
  fewest: number;
}

function verdict({ few, all, fewest }: Reach, { channel, expect }: SendOptions, io: Io): number {
  if (few === 0) return EXIT.OK;
  const listeners = `${fewest} listener${fewest === 1 ? "" : "s"}`;
  const what = all === 1
    ? `the message reached ${listeners} of channel ${channel}, fewer than ${expect}`
    : `${few} of ${all} messages reached fewer than ${expect} listeners of channel ${channel}, at worst ${listeners}`;
  notice(io.stderr, `${what} (--expect)`);
  return EXIT.NEGATIVE;
}

/** Whether people look at standard error, and wait for a file or for a program rather than for themselves. */
function wantsProgress({ progress, message, file, records }: SendOptions, io: Io): boolean {
  if (!progress || message !== undefined || (records === "whole" && file === "-")) return false;
  return io.stderr.is_terminal && io.env("TERM") !== "dumb" && !(file === "-" && io.stdin.is_terminal);
}

/** How long sending may take before people are shown how far it has come. */
const PROGRESS_AFTER_MS = 1_000;

/** Something that may end the command while it is watched. */
interface Watched extends Disposable {
  /** Resolves with the exit code when a signal has. */
  interrupted: Promise<number>;
}

/** Shows how far it has come, once that takes long. */
function watchProgress({ file, records }: SendOptions, progress: Progress, io: Io): Watched {
  const interrupted = Promise.withResolvers<number>(), begin_ms = performance.now();
  let bar: Disposable | undefined, over = false;
  const cancel = after(PROGRESS_AFTER_MS, async () => {
    const { ProgressBar, sizeOf } = await import("./messages/progress_bar.ts");
    const label = file === "-" ? "stdin" : file, size_bytes = await sizeOf(file);
    if (over) return;
    const shown = bar = new ProgressBar({ label, size_bytes, begin_ms, single: records === "whole" }, progress, io);
    shown.interrupted.then(interrupted.resolve);
  });
  return {
    interrupted: interrupted.promise,
    [Symbol.dispose]() {
      over = true;
      cancel();
      bar?.[Symbol.dispose]();
      bar = undefined;
    },
  };
}

async function sendAll(
  options: SendOptions,
  envelope: Envelope,
  channel: Channel,
  io: Io,
  progress: Progress,
): Promise<Reach> {
  const reach: Reach = { few: 0, all: 0, fewest: Infinity };
  const take: TakeFrames = async (frames, count) => {
    if (options.expect === undefined) await channel.broadcastFrames(frames, count);
    else await countReach(options.expect, frames, options, channel, reach);
    progress.messages += count;
  };
  if (options.template || options.count !== 1) {
    const { madeMessages } = await import("./messages/made.ts");
    await madeMessages(options, envelope, io, take, progress, () => channel.flush());
  } else await messageFrames(options, envelope, io, take, progress);
  return reach;
}

/** Sends frames one by one, all at once, and counts who got them. */
async function countReach(
  least: number,
  frames: Uint8Array<ArrayBuffer>,
  { headers, retain }: SendOptions,
  channel: Channel,
  reach: Reach,
): Promise<void> {
  const answers: Promise<Acknowledgement>[] = [];
  for (const { flags, target, payload } of eachFrame(frames)) {
    const data = new WrittenPayload(encodingOf(flags), payload);
    answers.push(channel.broadcast(data, { ack: true, to: target || undefined, headers, retain }));
  }
  for (const { listeners } of await Promise.all(answers)) {
    reach.all++;
    if (listeners < least) reach.few++;
    if (listeners < reach.fewest) reach.fewest = listeners;
  }
}
