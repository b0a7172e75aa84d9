/**
 * `ipc send`: broadcasts a message, or each line of a stream.
 *
 * Everything goes out as frames made here, and closing the channel then asks the broker whether it has them: that is
 * what exit code 0 says. Only `--expect` asks for an answer to each message. The connection is not renewed when it
 * breaks, because then nobody could say what was accepted.
 *
 * @module
 */
import type { Acknowledgement, Channel, IpcError, Notice } from "../client/mod.ts";
import { type Encoding, FLAGS } from "../protocol/frame.ts";
import { decodePayload } from "../protocol/payload.ts";
import { clientNamed, openAwaited } from "./connection.ts";
import { eachFrame } from "./event_frames.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { type Envelope, messageFrames } from "./message_frames.ts";
import { headersBlock, type MessageOptions, messageOptions, withMessageOptions } from "./message_options.ts";
import { notice } from "./notice.ts";
import {
  argumentParser,
  countArgument,
  nameArgument,
  parseArguments,
  type Verb,
  waitOption,
  withBareWait,
} from "./verb.ts";

/** Options of `ipc send`. */
export interface SendOptions extends MessageOptions {
  /** Client id or name, instead of all listeners. */
  to: string | undefined;
  /** Keep it for listeners to come. */
  retain: boolean;
  /** How many listeners must get each message. */
  expect: number | undefined;
  /** How long to wait for a listener; `undefined` is not at all. */
  wait_ms: number | undefined;
  name: string;
}

export const verb: Verb<SendOptions> = { parse: parseSend, run: runSend };

export function parseSend(argv: readonly string[]): SendOptions {
  const parser = withMessageOptions(argumentParser("send", "Broadcast a message to a channel's listeners.", [
    'ipc send deploys "v1.4 is live"',
    "tail -F app.log | ipc send -l logs",
    'ipc send --json deploys \'{"rev": "a1b2"}\'',
    "ipc send --expect 1 alarms fire || echo nobody listens",
  ]))
    .option("--to <client>", "only to this client, by id or name")
    .option("--retain", "keep the message for listeners to come; an empty one clears it")
    .option("--expect <n>", "exit 1 unless at least this many listeners got it", countArgument)
    .addOption(waitOption("for a listener"))
    .option("--name <name>", "what others see as the sender's name", nameArgument, "ipc send");
  const { args, options } = parseArguments(parser, withBareWait(argv));
  return {
    ...messageOptions(parser, args, options),
    to: options.to,
    retain: options.retain ?? false,
    expect: options.expect,
    wait_ms: options.wait,
    name: options.name,
  };
}

export async function runSend(options: SendOptions, io: Io): Promise<number> {
  const headers = headersBlock(options.headers);
  let refused: IpcError | undefined;
  await using channel = await openAwaited(options.channel, "listener", options.wait_ms, io, {
    name: options.name,
    echo: false,
    reconnect: false,
    onnotice: (notice: Notice) => {
      if (notice.type === "error") refused ??= notice.error;
    },
  });
  const target = options.to === undefined ? 0 : await clientNamed(options.to, channel);
  const { message_bytes_max } = channel;
  const few = await sendAll(options, { headers, target, retain: options.retain, message_bytes_max }, channel, io);
  // Closing asks the broker whether it has everything, and fails if not.
  await channel.close();
  if (refused !== undefined) throw refused;
  if (few === 0) return EXIT.OK;
  const what = options.records === "whole" ? "the message" : `${few} messages`;
  notice(io.stderr, `${what} reached fewer than ${options.expect} listeners of channel ${channel.name}`);
  return EXIT.NEGATIVE;
}

/** @returns How many messages got fewer listeners than expected. */
async function sendAll(options: SendOptions, envelope: Envelope, channel: Channel, io: Io): Promise<number> {
  let few = 0;
  await messageFrames(options, envelope, io, async (frames, count) => {
    if (options.expect === undefined) await channel.broadcastFrames(frames, count);
    else few += await countBelow(options.expect, frames, options, channel);
  });
  return few;
}

/** Sends frames one by one, all at once, and counts those that too few listeners got. */
async function countBelow(
  least: number,
  frames: Uint8Array<ArrayBuffer>,
  { headers, retain }: SendOptions,
  channel: Channel,
): Promise<number> {
  const answers: Promise<Acknowledgement>[] = [];
  for (const { flags, target, payload } of eachFrame(frames)) {
    const data = decodePayload((flags & FLAGS.ENCODING) as Encoding, payload);
    answers.push(channel.broadcast(data, { ack: true, to: target || undefined, headers, retain }));
  }
  return (await Promise.all(answers)).filter(({ listeners }) => listeners < least).length;
}
