/**
 * Messages that `ipc send` makes itself: from a template, or one many times. Few need it, so the build keeps it out of
 * what every `ipc send` loads.
 *
 * @module
 */
import { pause } from "../../client/pause.ts";
import { encodeFrame, FLAGS, FRAME_TYPES } from "../../protocol/frame.ts";
import { eachFrame } from "../events/frames.ts";
import { EXIT, Failure } from "../exit_codes.ts";
import type { Io } from "../io.ts";
import { type Envelope, messageFrames } from "./frames.ts";
import { encodingOf, type MessageOptions, type ReadProgress, tooLong } from "./options.ts";
import type { TakeFrames } from "./records.ts";

/** What is made of the messages that are read. */
export interface MadeOptions extends MessageOptions {
  /** Whether they have places to fill in. */
  template: boolean;
  /** How often to send a whole message. */
  count: number;
  /** From the start of one to that of the next; `undefined` is one right after the other. */
  every_ms: number | undefined;
}

/** What can be filled in. */
const PLACES: ReadonlyMap<string, (n: number) => string> = new Map([
  ["n", String],
  ["time", () => new Date().toISOString()],
  ["uuid", () => crypto.randomUUID()],
]);

/**
 * Fills in `{{n}}`, `{{time}}` and `{{uuid}}`, each anew wherever it stands.
 *
 * @param n Number of the message, 1 for the first.
 * @throws {Failure} With the code of a wrong command line if there is anything else in such braces.
 */
export function fillTemplate(text: string, n: number): string {
  return text.replaceAll(/\{\{([^{}]*)\}\}/g, (place, name: string) => {
    const make = PLACES.get(name.trim());
    if (make !== undefined) return make(n);
    const known = [...PLACES.keys()].map((name) => `{{${name}}}`).join(", ");
    throw new Failure(EXIT.USAGE, `the template has ${place}, and what can be filled in is ${known}`);
  });
}

/**
 * Reads messages, makes others of them, and hands those on as frames.
 *
 * @param sent Waits until the broker has what was handed on; asked for after each message of a series with pauses.
 * @throws {Failure} If they cannot be read, are too long, or are not what the options say.
 */
export async function madeMessages(
  options: MadeOptions,
  envelope: Envelope,
  io: Io,
  take: TakeFrames,
  progress: ReadProgress,
  sent: () => Promise<void>,
): Promise<void> {
  const { count, every_ms, records } = options;
  let n = 0;
  const make = async (raw: Uint8Array<ArrayBuffer>): Promise<void> =>
    await take(frameOf(raw, ++n, options, envelope), 1);
  // What a record is shows only when it is filled in.
  await messageFrames({ ...options, encoding: "bytes" }, envelope, io, async (frames) => {
    for (const { payload } of eachFrame(frames)) {
      if (records !== "whole") {
        await make(payload);
        continue;
      }
      for (let next_ms = performance.now(); n < count;) {
        await make(payload);
        if (every_ms === undefined) continue;
        await sent();
        // One that could not be sent in time is not made up for.
        next_ms = Math.max(next_ms + every_ms, performance.now());
        if (n < count) await pause(next_ms - performance.now(), NEVER);
      }
    }
  }, progress);
}

const NEVER = new AbortController().signal;

function frameOf(
  raw: Uint8Array<ArrayBuffer>,
  n: number,
  { template, encoding, records }: MadeOptions,
  { headers, target, retain, message_bytes_max }: Envelope,
): Uint8Array<ArrayBuffer> {
  const what = records === "whole" ? "message" : `record ${n}`;
  let payload = raw;
  if (template) {
    encodingOf(raw, "text", what);
    payload = new TextEncoder().encode(fillTemplate(new TextDecoder("utf-8", { ignoreBOM: true }).decode(raw), n));
    if (payload.length > message_bytes_max) throw tooLong(what, payload.length, message_bytes_max);
  }
  const flags = encodingOf(payload, encoding, what) | (retain ? FLAGS.RETAIN : 0);
  return encodeFrame({ type: FRAME_TYPES.EVENT, flags, headers, target, payload });
}
