/**
 * What many get, as those of another dialect write it: runs of events, and requests to all handlers. All who write in the same words share what was written: a hundred
 * listeners of JSON lines cost one conversion, and hold one piece of memory, as a hundred listeners of frames do.
 *
 * It is kept for as long as it is handed from one to the next, which is done without a pause.
 *
 * @module
 */
import { decodeFrame, OFFSET } from "../../protocol/frame.ts";
import type { Channel } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import type { Language } from "./translating_peer.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A run is written in pieces of about this size: where the oldest events are dropped, a piece goes as a whole. */
const PIECE_BYTES = 4 * 1024;

/** A piece of a run. */
export interface Words {
  readonly bytes: Bytes;
  /** Sequence number of its first event. */
  readonly first: number;
  readonly events: number;
}

/** What was written last. An event's number on its channel says which run it was. */
interface Written {
  readonly channel: Channel<Peer>;
  readonly first: number;
  readonly length: number;
  readonly words: readonly Words[];
}

/** By {@linkcode Language.words}. */
const written = new Map<unknown, Written>();

/**
 * A run in the words of a language.
 *
 * @param first Sequence number of its first event.
 */
export function wordsOf(
  language: Language,
  channel: Channel<Peer>,
  bytes: Bytes,
  start: number,
  end: number,
  first: number,
): readonly Words[] {
  const { words: key } = language, length = end - start;
  if (key === undefined || channel.listeners.size < 2) return [...pieces(language, bytes, start, end, first)];
  const last = written.get(key);
  if (last?.channel === channel && last.first === first && last.length === length) return last.words;
  const words = [...pieces(language, bytes, start, end, first)];
  if (written.size === 0) queueMicrotask(() => written.clear());
  written.set(key, { channel, first, length, words });
  return words;
}

/** By frame, and by {@linkcode Language.words}. */
const frames = new WeakMap<Bytes, Map<unknown, Bytes>>();

/**
 * A frame in the words of a language.
 *
 * @param frame The same memory for all who get it, which nobody writes to any more.
 */
export function frameWordsOf(language: Language, frame: Bytes): Bytes {
  const { words: key } = language, known = frames.get(frame) ?? new Map<unknown, Bytes>();
  const words = known.get(key) ?? language.frame(decodeFrame(frame));
  if (key !== undefined) frames.set(frame, known.set(key, words));
  return words;
}

function* pieces(language: Language, bytes: Bytes, start: number, end: number, first: number): Generator<Words> {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let from = start, at = start, events = 0; at < end;) {
    at += view.getUint32(at + OFFSET.length, true);
    events++;
    if (at < end && at - from < PIECE_BYTES) continue;
    const written = language.run(bytes, from, at);
    if (written.length > 0) yield { bytes: written, first, events };
    from = at;
    first += events;
    events = 0;
  }
}
