/**
 * What tests of queues share: a sink that takes as many bytes as it is told to, and what it took, as frames.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decodeFrame, type Frame, FROM_BROKER } from "../../protocol/frame.ts";
import { Scanner } from "../../protocol/scanner.ts";
import type { Sink } from "./outbox.ts";

/** Takes bytes when it is told to, and only as many. */
export class SlowSink implements Sink {
  /** What it took. */
  readonly taken: number[] = [];
  /** Sizes of what was offered, one for each call. */
  readonly offered: number[] = [];
  #allowed = 0;
  /** The runtime keeps what it writes though everybody else has given it up (`kept`); until then it must not change. */
  #waiting:
    | { bytes: Uint8Array; kept: Uint8Array; resolve: (took: number) => void; reject: (error: Error) => void }
    | undefined;

  /** As `Deno.Conn` does. */
  write(bytes: Uint8Array): Promise<number> {
    assert(this.#waiting === undefined, "two writes at a time");
    this.offered.push(bytes.length);
    return new Promise((resolve, reject) => {
      this.#waiting = { bytes, kept: bytes.slice(), resolve, reject };
      this.#serve();
    });
  }

  /** Lets so many bytes more through, and everything that follows from that happen. */
  async allow(bytes: number): Promise<void> {
    this.#allowed += bytes;
    this.#serve();
    await settled();
  }

  /** Makes the write in flight fail. */
  async fail(error: Error): Promise<void> {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    await settled();
  }

  /** Everything taken, which must be whole frames. */
  get frames(): Frame[] {
    return splitFrames(this.taken);
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#allowed === 0) return;
    const bytes = waiting.bytes.length === 0 ? waiting.kept : waiting.bytes;
    const took = Math.min(this.#allowed, bytes.length);
    this.#allowed -= took;
    for (const byte of bytes.subarray(0, took)) this.taken.push(byte);
    this.#waiting = undefined;
    waiting.resolve(took);
  }
}

/** Lets everything happen that is ready to. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Takes apart what a client was sent. */
function splitFrames(bytes: readonly number[]): Frame[] {
  const scanner = new Scanner(FROM_BROKER, 1 << 30), frames: Frame[] = [];
  for (let at = 0; at < bytes.length;) {
    const space = scanner.space(), piece = bytes.slice(at, at + space.length);
    space.set(piece);
    scanner.filled(piece.length);
    at += piece.length;
    for (; scanner.next() !== 0; scanner.advance()) {
      const whole = scanner.bytes.slice(scanner.start, scanner.start + scanner.frame_bytes);
      frames.push(decodeFrame(whole));
    }
  }
  assert.equal(scanner.start, scanner.end, "a frame was cut");
  return frames;
}
