/**
 * `ipc request`: asks a channel's handler and prints what it replies.
 *
 * A reply that is text gets the line feed at its end that it lacks, so that prompts and logs stay whole; bytes, and
 * everything with `--raw`, are printed as they came.
 *
 * @module
 */
import type { Channel, Reply } from "../client/mod.ts";
import { encodingOf, ENCODINGS } from "../protocol/frame.ts";
import { WrittenPayload } from "../protocol/payload.ts";
import { openAwaited } from "./connection.ts";
import { eachFrame } from "./events/frames.ts";
import { describeError, EXIT, exitCodeOf } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { messageFrames } from "./messages/frames.ts";
import { type MessageOptions, plainMessage } from "./messages/options.ts";
import { notice, writeNotice } from "./notice.ts";
import { decodedText } from "./payload_text.ts";
import type { Verb } from "./verb.ts";

/** Options of `ipc request`. */
export interface RequestOptions extends MessageOptions {
  /** Deadline of one request; `undefined` is the channel's own. */
  timeout_ms: number | undefined;
  /** Ask every handler. */
  all: boolean;
  /** Enough replies; `undefined` is all that come. */
  replies: number | undefined;
  /** Leave with the handler's status. */
  remote_status: boolean;
  raw: boolean;
}

export const verb: Verb<RequestOptions> = {
  async parse(argv) {
    const message = plainMessage("request", argv);
    if (message !== undefined) return { ...message, ...PLAIN };
    return (await import("./messages/request_arguments.ts")).parseRequest(argv);
  },
  run: runRequest,
};

/** How is asked if nothing is said about it. */
const PLAIN: Omit<RequestOptions, keyof MessageOptions> = {
  timeout_ms: undefined,
  all: false,
  replies: undefined,
  remote_status: true,
  raw: false,
};

export async function runRequest(options: RequestOptions, io: Io): Promise<number> {
  await using channel = await openAwaited(options.channel, { role: "handler" }, options.wait_ms, io, {
    name: options.name,
    reconnect: false,
    onnotice: () => {},
  });
  const { message_bytes_max } = channel;
  let status: number = EXIT.OK;
  await messageFrames(options, { ...NO_ENVELOPE, message_bytes_max }, io, async (frames) => {
    for (const { flags, payload } of eachFrame(frames)) {
      const data = new WrittenPayload(encodingOf(flags), payload);
      status = Math.max(status, await ask(data, options, channel, io));
    }
  });
  return status;
}

/** A request's headers travel with each call, and it goes to whichever handler the broker chooses. */
const NO_ENVELOPE = { headers: new Uint8Array(0), target: 0, retain: false };

/** @returns The largest exit code of the replies. */
async function ask(data: unknown, options: RequestOptions, channel: Channel, io: Io): Promise<number> {
  const { headers, all, timeout_ms, remote_status } = options;
  let code: number = EXIT.OK, replies = 0;
  for await (const reply of channel.invokeStream(data, { headers, all, timeout_ms })) {
    if (reply.error !== undefined) {
      // One of many handlers: what the others say still counts.
      notice(io.stderr, `client ${reply.source}: ${describeError(reply.error)}`);
      code = Math.max(code, exitCodeOf(reply.error));
      continue;
    }
    if (remote_status) code = Math.max(code, reply.status);
    if (reply.headers.get("stream") === "stderr") writeNotice(io.stderr, decodedText(reply));
    else {
      io.stdout.write(printed(reply, options.raw));
      if (++replies === options.replies) break;
    }
  }
  return code;
}

function printed(reply: Reply, raw: boolean): Uint8Array {
  const bytes = decodedText(reply);
  if (raw || reply.encoding === ENCODINGS.BYTES || bytes.length === 0 || bytes.at(-1) === 10) return bytes;
  const line = new Uint8Array(bytes.length + 1);
  line.set(bytes);
  line[bytes.length] = 10;
  return line;
}
