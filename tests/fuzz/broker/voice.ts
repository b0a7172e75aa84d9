/**
 * What the broker says on one connection, held against the documentation: whatever it was told, it speaks its dialect.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  decodeBody,
  decodeError,
  decodeGap,
  decodePresence,
  decodeWelcome,
  FLAGS,
  FRAME_TYPES,
  FROM_BROKER,
  Scanner,
} from "../../../protocol/mod.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Takes what is read. Throws if it is nothing that the broker may say. */
export interface Voice {
  take(bytes: Bytes): void;
  /** The ids of the PINGs that it answered. */
  readonly pongs: Set<number>;
  /** Whom it has last heard of: itself at first. */
  readonly heard_of: number;
  /** Its last words. */
  readonly farewell: string | undefined;
}

/** In frames. */
export class FrameVoice implements Voice {
  readonly pongs = new Set<number>();
  heard_of = 0;
  farewell: string | undefined;
  readonly #onrequest: (requester: number, id: number) => void;
  readonly #scanner = new Scanner(FROM_BROKER, 1 << 30);
  #welcomed = false;
  #over = false;
  #last = 0;

  constructor(onrequest: (requester: number, id: number) => void) {
    this.#onrequest = onrequest;
  }

  take(bytes: Bytes): void {
    for (let at = 0; at < bytes.length;) {
      const space = this.#scanner.space(), piece = bytes.subarray(at, at + space.length);
      space.set(piece);
      this.#scanner.filled(piece.length);
      at += piece.length;
      for (let type; (type = this.#scanner.next()) !== 0; this.#scanner.advance()) this.#frame(type);
    }
  }

  #frame(type: number): void {
    const { payload, id, aux, source, target, flags } = this.#scanner.frame();
    assert(!this.#over, "something comes behind BYE");
    if (!this.#welcomed && type !== FRAME_TYPES.BYE) {
      assert.equal(type, FRAME_TYPES.WELCOME, "something comes before WELCOME");
      this.heard_of = decodeWelcome(payload).client;
      this.#welcomed = true;
      return;
    }
    if (source !== 0) this.heard_of = source;
    switch (type) {
      case FRAME_TYPES.WELCOME:
        throw new Error("a second WELCOME comes");
      case FRAME_TYPES.EVENT: {
        if (target !== 0 || (flags & FLAGS.RETAIN) !== 0) break;
        const seq = aux * 2 ** 32 + id;
        assert(seq > this.#last, `event ${seq} comes behind event ${this.#last}`);
        this.#last = seq;
        break;
      }
      case FRAME_TYPES.GAP: {
        const { from, to } = decodeGap(payload);
        assert(from <= to);
        break;
      }
      case FRAME_TYPES.PRESENCE:
        decodePresence(payload);
        break;
      case FRAME_TYPES.ERROR:
      case FRAME_TYPES.BYE:
        assert(decodeBody(payload).has("code"));
        assert(decodeError(payload).code >= 7000);
        if (type !== FRAME_TYPES.BYE) break;
        this.#over = true;
        this.farewell = String(decodeError(payload));
        break;
      case FRAME_TYPES.PONG:
        this.pongs.add(id);
        break;
      case FRAME_TYPES.REQUEST:
        this.#onrequest(source, id);
    }
  }
}

const TYPES: ReadonlySet<string> = new Set(
  ["welcome", "event", "request", "reply", "cancel", "ack", "gap", "presence", "error", "ping", "pong", "bye"],
);

/** In lines of JSON. */
export class LineVoice implements Voice {
  readonly pongs = new Set<number>();
  readonly heard_of = 0;
  farewell: string | undefined;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #rest = "";
  #last = 0;

  take(bytes: Bytes): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const object = JSON.parse(line);
      assert(TYPES.has(object.type), `a line of type ${object.type} comes`);
      if (object.type === "pong") this.pongs.add(object.id);
      if (object.type === "bye") this.farewell = line;
      if (object.type !== "event" || object.seq === undefined || object.retain === true) continue;
      assert(object.seq > this.#last, `event ${object.seq} comes behind event ${this.#last}`);
      this.#last = object.seq;
    }
  }
}

/** In a language in which nothing can be wrong. */
export class AnyVoice implements Voice {
  readonly pongs = new Set<number>();
  readonly heard_of = 0;
  readonly farewell = undefined;

  take(): void {}
}
