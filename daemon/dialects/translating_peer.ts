/**
 * The router's way to a client that does not speak frames: each is written in the client's own language as it is queued.
 * So overflow, gaps and order are the outbox's business as ever; what waits counts in the bytes that will be written.
 *
 * @module
 */
import type { IpcError } from "../../protocol/errors.ts";
import { decodeFrame, FLAGS, type Frame, FRAME_TYPES, OFFSET } from "../../protocol/frame.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";
import type { Router } from "../router/mod.ts";
import type { Connection } from "../transport/connection.ts";
import { ConnectionPeer } from "./connection_peer.ts";
import { frameWordsOf, wordsOf } from "./shared_words.ts";

/** How frames are written in another language. Nothing is written for an empty array. */
export interface Language {
  /** All that have the same here write a run in the same words now; `undefined` if nobody else does. */
  readonly words: unknown;
  /** Events for all listeners, one behind the other in `bytes`. */
  run(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): Uint8Array<ArrayBuffer>;
  /** Any frame, direct and retained events among them. */
  frame(frame: Frame): Uint8Array<ArrayBuffer>;
  /** Events that were dropped. */
  gap(first: number, last: number): Uint8Array<ArrayBuffer>;
  /** The last words of a connection. */
  farewell(error: IpcError): Uint8Array<ArrayBuffer>;
}

/** See the module's head. */
export class TranslatingPeer extends ConnectionPeer {
  readonly language: Language;
  /** Requests of this client that have not had their last REPLY. */
  readonly #open = new Set<number>();
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(connection: Connection, router: Router, language: Language) {
    super(connection, router);
    this.language = language;
    this.outbox.writeGap = language.gap;
    this.outbox.in_frames = false;
  }

  pushRun(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number): void {
    for (const words of wordsOf(this.language, this.client.channel, bytes, start, end, first)) {
      this.outbox.pushWords(words.bytes, words.first, words.events);
    }
  }

  pushFrames(bytes: Uint8Array<ArrayBuffer>): void {
    const { monitors } = this.router;
    if (monitors.active) monitors.frames(this.client, "out", bytes);
    for (const frame of framesIn(bytes, 0, bytes.length)) {
      const written = this.language.frame(frame);
      if (written.length > 0) this.outbox.pushFrames(written);
      if (frame.type === FRAME_TYPES.REPLY && (frame.flags & FLAGS.MORE) === 0) this.#answered(frame.id);
    }
  }

  pushShared(frame: Uint8Array<ArrayBuffer>): void {
    const { monitors } = this.router;
    if (monitors.active) monitors.frames(this.client, "out", frame);
    const written = frameWordsOf(this.language, frame);
    if (written.length > 0) this.outbox.pushShared(written);
  }

  close(error: IpcError, at_once: boolean): void {
    this.connection.dismiss(this.language.farewell(error), at_once);
    this.#settle();
  }

  override lost(error: unknown): void {
    super.lost(error);
    this.#settle();
  }

  /** Notes that a REQUEST is about to be given to the router. */
  asks(id: number): void {
    this.#open.add(id);
  }

  /** Resolves when all requests are answered, or nobody waits any more. `undefined` if none is open. */
  answered(): Promise<void> | undefined {
    if (this.#open.size === 0) return undefined;
    return (this.#waiting ??= Promise.withResolvers()).promise;
  }

  /** For a client that will say nothing more: it leaves when what it has asked is answered and everything is written. */
  async finish(): Promise<void> {
    const { client, connection, outbox, router } = this, answered = this.answered();
    if (answered !== undefined || outbox.queued_bytes > 0) {
      if (client.listen || client.handle || client.presence) {
        router.roles(client, { listen: false, handle: false, presence: false }, false);
      }
      router.requests.desert(client);
      await answered;
      await outbox.drained();
    }
    router.leave(client);
    connection.finish();
  }

  #answered(id: number): void {
    this.#open.delete(id);
    if (this.#open.size === 0) this.#settle();
  }

  #settle(): void {
    this.#open.clear();
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

/** Takes apart whole frames that stand one behind the other. */
export function* framesIn(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): Generator<Frame> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = start; at < end; at += Math.max(HEADER_BYTES, view.getUint32(at + OFFSET.length, true))) {
    yield decodeFrame(bytes, at);
  }
}
