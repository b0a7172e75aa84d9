/**
 * Whole EVENT frames that stand one behind the other in one piece of memory.
 *
 * @module
 */
import { decodeFrame, type Frame } from "../../protocol/frame.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";

/** Takes them apart one by one, as long as that is asked for. */
export function* eachFrame(frames: Uint8Array<ArrayBuffer>): Generator<Frame> {
  for (let at = 0; at < frames.length;) {
    const frame = decodeFrame(frames, at);
    yield frame;
    at += HEADER_BYTES + frame.headers.length + frame.payload.length;
  }
}
