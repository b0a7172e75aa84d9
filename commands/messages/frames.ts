/**
 * The messages that a command line names, as EVENT frames: the one message, or each record of a stream.
 *
 * @module
 */
import { encodeFrame, FLAGS, FRAME_TYPES } from "../../protocol/frame.ts";
import type { Io } from "../io.ts";
import { encodingOf, type MessageOptions, openSource, readMessage, type ReadProgress, readSome } from "./options.ts";
import type { RecordOptions, TakeFrames } from "./records.ts";

/** What all messages of one command have in common, and the limit of each. */
export type Envelope = Pick<RecordOptions, "headers" | "target" | "retain" | "message_bytes_max">;

/**
 * Reads the messages and hands them on as they come.
 *
 * @throws {Failure} If they cannot be read, are too long, or are not what the options say.
 */
export async function messageFrames(
  options: MessageOptions,
  envelope: Envelope,
  io: Io,
  take: TakeFrames,
  progress?: ReadProgress,
): Promise<void> {
  const { headers, target, retain, message_bytes_max } = envelope;
  if (options.records === "whole") {
    const payload = await readMessage(options, message_bytes_max, io, progress);
    const flags = encodingOf(payload, options.encoding) | (retain ? FLAGS.RETAIN : 0);
    return await take(encodeFrame({ type: FRAME_TYPES.EVENT, flags, headers, target, payload }), 1);
  }
  using source = await openSource(options.file, io, progress);
  const separator = options.records === "lines" ? 10 : 0;
  const { RecordFrames } = await import("./records.ts");
  const records = new RecordFrames({ ...envelope, separator, encoding: options.encoding }, take);
  for (;;) {
    const count = await readSome(source, records.space());
    if (count === null) return await records.finish();
    await records.filled(count);
  }
}
