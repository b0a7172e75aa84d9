/**
 * Events that tell who sent them and which of the sender's they are, so that a listener can see whether one is missing,
 * doubled or out of order.
 *
 * @module
 */

const MAGIC = 0x1bc0_ffee;
/** The shortest payload that a numbered event can have. */
export const NUMBERED_BYTES_MIN = 12;

/** The payload of a publisher's event. */
export function numbered(publisher: number, number: number, bytes: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(Math.max(bytes, NUMBERED_BYTES_MIN)), view = new DataView(payload.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, publisher);
  view.setUint32(8, number);
  return payload;
}

/** What a listener has of one publisher. */
export interface Received {
  count: number;
  /** Its last number. */
  last: number;
  /** The numbers that did not come, first and last of each stretch. */
  skipped: [number, number][];
}

/** A {@linkcode Tally} as a listener reports it. */
export type PlainTally =
  & Pick<Tally, "received" | "others" | "disordered" | "jumps" | "missed" | "restarts" | "digest" | "seq">
  & { publishers: Record<string, Received> };

/** What a listener has. */
export class Tally {
  received = 0;
  /** Events that are not numbered ones. */
  others = 0;
  /** Events that came twice, or after a later one of the same publisher. */
  disordered = 0;
  /** Places where the sequence numbers jump and no gap notice said so. */
  jumps = 0;
  /** Events that gap notices spoke of. */
  missed = 0;
  /** How often the broker was restarted. */
  restarts = 0;
  /** Depends on every event, its sequence number and its place. */
  digest = 0;
  /** Sequence number of the last event, or of the last that is known to be missing. */
  seq = 0;
  readonly publishers = new Map<number, Received>();

  /** Takes an event. */
  event(seq: number, payload: unknown): void {
    if (seq !== this.seq + 1) this.jumps++;
    this.seq = seq;
    if (!(payload instanceof Uint8Array) || payload.length < NUMBERED_BYTES_MIN) return void this.others++;
    const view = new DataView(payload.buffer, payload.byteOffset);
    if (view.getUint32(0) !== MAGIC) return void this.others++;
    const publisher = view.getUint32(4), number = view.getUint32(8);
    this.received++;
    this.digest = Math.imul(this.digest ^ Math.imul(seq, 0x9e37_79b1) ^ publisher << 28 ^ number, 0x85eb_ca6b) >>> 0;
    let from = this.publishers.get(publisher);
    if (from === undefined) this.publishers.set(publisher, from = { count: 0, last: 0, skipped: [] });
    if (number <= from.last) this.disordered++;
    else if (number > from.last + 1) from.skipped.push([from.last + 1, number - 1]);
    from.last = number;
    from.count++;
  }

  /** Takes a notice that events are missing. */
  gap(from: number, to: number | null): void {
    if (from !== this.seq + 1) this.jumps++;
    if (to === null) {
      // Another broker's: its numbers begin again.
      this.restarts++;
      this.seq = 0;
    } else {
      this.missed += to - from + 1;
      this.seq = to;
    }
  }

  /** As JSON holds it. */
  plain(): PlainTally {
    const { received, others, disordered, jumps, missed, restarts, digest, seq, publishers } = this;
    return {
      received,
      others,
      disordered,
      jumps,
      missed,
      restarts,
      digest,
      seq,
      publishers: Object.fromEntries(publishers),
    };
  }
}
