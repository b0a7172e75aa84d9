/**
 * Those who watch what passes: each is a request on the control channel whose reply goes on, an array of frames at a time,
 * until it is cancelled.
 *
 * Nobody pays for it. Where nothing is monitored, whoever passes frames on looks at {@linkcode Monitors.active} and that is
 * all, once for each run of events. Where something is, only so many frames are looked at in a second, all monitors
 * together, and what does not fit into a monitor's queue is not queued. The others are counted, and the monitor is told how
 * many it has not seen: a monitor never holds anybody up, and is never closed for being slow.
 *
 * Cost: 4 us of CPU for each frame that is shown, nothing that can be measured for the others.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { decodeFrame, encodeFrame, ENCODINGS, FLAGS, FRAME_TYPES, OFFSET } from "../../protocol/frame.ts";
import { MONITORED_PER_S_MAX, MONITORS_MAX } from "../../protocol/limits.ts";
import type { Channel, Client } from "../registry.ts";
import { viewFrame } from "./frame_view.ts";
import type { Peer } from "./peer.ts";
import { replyFrame } from "./requests.ts";

/** How many frames are shown at once, all monitors together. */
export const MONITORED_AT_ONCE_MAX = 5_000;
/** A part of a reply is about this long. */
const PART_CHARACTERS = 64 * 1024;
/** Channels whose answer is kept. */
const KNOWN_MAX = 4096;

/** Which way a frame went, seen from the broker. */
export type Direction = "in" | "out";

/** What is watched. */
export interface Watch {
  /** Which channels. */
  fits(channel: string): boolean;
  /** How much of a payload is wanted. */
  payload_bytes: number;
}

interface Monitor extends Watch {
  readonly client: Client<Peer>;
  /** The request's correlation id. */
  readonly id: number;
  /** What is shown of which channel: what it wants, and may have. */
  readonly known: Map<string, boolean>;
  records: string[];
  missed: number;
}

const encoder = new TextEncoder();

/** See the module's head. */
export class Monitors {
  /** Whether there are any: look at this before anything else here is called. */
  active = false;
  #monitors: Monitor[] = [];
  readonly #may: (client: Client<Peer>, channel: string) => boolean;
  readonly #now: () => number;
  #left = MONITORED_AT_ONCE_MAX;
  #filled_ms = 0;
  #due = false;
  /** While the monitors are told: that itself is not shown. */
  #telling = false;

  /** @param may Whether a client may see all that passes on a channel. */
  constructor(may: (client: Client<Peer>, channel: string) => boolean, now: () => number) {
    this.#may = may;
    this.#now = now;
  }

  /**
   * Begins to show. An empty array says that nothing is missed from here on.
   *
   * @throws {IpcError} OVERLOADED if there are too many, PROTOCOL if the id is in use.
   */
  start(client: Client<Peer>, id: number, watch: Watch): void {
    if (this.#monitors.some((other) => other.client === client && other.id === id)) {
      throw new IpcError("PROTOCOL", `request id ${id} is in use`);
    }
    if (this.#monitors.length >= MONITORS_MAX) {
      throw new IpcError("OVERLOADED", `there are ${MONITORS_MAX} monitors already, which is the limit`);
    }
    const monitor: Monitor = { ...watch, client, id, known: new Map(), records: [], missed: 0 };
    this.#monitors.push(monitor);
    this.active = true;
    this.#tell(monitor, "[]");
  }

  /** Its requester does not want it any more. @returns Whether there was such a monitor. */
  cancel(client: Client<Peer>, id: number): boolean {
    const monitor = this.#monitors.find((one) => one.client === client && one.id === id);
    if (monitor === undefined) return false;
    this.#remove((one) => one === monitor);
    client.peer.pushFrames(replyFrame(id, new IpcError("CANCELLED", "cancelled by its requester")));
    return true;
  }

  /** A client is gone. */
  leave(client: Client<Peer>): void {
    this.#remove((monitor) => monitor.client === client);
  }

  /** The rules have changed. @returns Who is shown what it may not see any more, and on which channel. */
  revoked(): [client: Client<Peer>, channel: string][] {
    const lost: [Client<Peer>, string][] = [];
    for (const { client, known } of this.#monitors) {
      const channel = [...known].find(([name, shown]) => shown && !this.#may(client, name))?.[0];
      known.clear();
      if (channel !== undefined) lost.push([client, channel]);
    }
    return lost;
  }

  /** A run of events came in, numbered by now. @param listeners How many it goes to. */
  run(
    client: Client<Peer> | undefined,
    channel: Channel<Peer>,
    bytes: Uint8Array<ArrayBuffer>,
    start: number,
    first: number,
    count: number,
    listeners: number,
  ): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (const monitor of this.#watching(channel.name)) {
      const shown = this.#take(count);
      for (let n = 0, at = start; n < shown; n++, at += view.getUint32(at + OFFSET.length, true)) {
        const frame = decodeFrame(bytes, at), size = view.getUint32(at + OFFSET.length, true);
        // The broker's own events leave it and did not come.
        const direction = client === undefined ? "out" : "in";
        this.#record(monitor, channel.name, client, direction, size, {
          ...viewFrame(frame, monitor.payload_bytes),
          source: undefined, // the client itself
          seq: first + n,
          listeners,
        });
      }
      this.#miss(monitor, count - shown);
    }
  }

  /** Frames that come from a client, or go to one, by themselves. */
  frames(client: Client<Peer>, direction: Direction, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#telling) return;
    const header = new DataView(bytes.buffer, bytes.byteOffset), { name } = client.channel;
    for (const monitor of this.#watching(name)) {
      for (let at = 0, size; at < bytes.length; at += size) {
        size = header.getUint32(at + OFFSET.length, true);
        if (this.#take(1) === 0) this.#miss(monitor, 1);
        else {
          const view = viewFrame(decodeFrame(bytes, at), monitor.payload_bytes);
          this.#record(monitor, name, client, direction, size, view);
        }
      }
    }
  }

  /** Something happened to a client that is no frame of its own. */
  note(client: Client<Peer>, direction: Direction, type: string, size: number, about: Record<string, unknown>): void {
    const { name } = client.channel;
    for (const monitor of this.#watching(name)) {
      if (this.#take(1) === 0) this.#miss(monitor, 1);
      else this.#record(monitor, name, client, direction, size, { type, ...about });
    }
  }

  /** Tells those who have missed something, if they have room for that. */
  tick(): void {
    for (const monitor of this.#monitors) if (monitor.missed > 0) this.#flushLater();
  }

  #watching(channel: string): Monitor[] {
    return this.#monitors.filter((monitor) => {
      let shown = monitor.known.get(channel);
      if (shown === undefined) {
        shown = monitor.fits(channel) && this.#may(monitor.client, channel);
        if (monitor.known.size >= KNOWN_MAX) monitor.known.clear();
        monitor.known.set(channel, shown);
      }
      return shown;
    });
  }

  /** How many of so many frames may be shown now. */
  #take(count: number): number {
    const now_ms = this.#now();
    this.#left = Math.min(MONITORED_AT_ONCE_MAX, this.#left + (now_ms - this.#filled_ms) * MONITORED_PER_S_MAX / 1000);
    this.#filled_ms = now_ms;
    const taken = Math.min(count, Math.floor(this.#left));
    this.#left -= taken;
    return taken;
  }

  #miss(monitor: Monitor, count: number): void {
    if (count === 0) return;
    monitor.missed += count;
    this.#flushLater();
  }

  #record(
    monitor: Monitor,
    channel: string,
    client: Client<Peer> | undefined,
    direction: Direction,
    size: number,
    about: Record<string, unknown>,
  ): void {
    // What was missed stands where it is missing.
    if (monitor.missed > 0) addGap(monitor);
    const who = { client: client?.id ?? 0, name: client?.name ?? "" };
    monitor.records.push(JSON.stringify({ time_ms: Date.now(), channel, direction, ...who, size, ...about }));
    this.#flushLater();
  }

  /** Once for all that this turn of the event loop brings. */
  #flushLater(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      for (const monitor of this.#monitors) this.#flush(monitor);
    });
  }

  #flush(monitor: Monitor): void {
    if (monitor.missed > 0) addGap(monitor);
    const { client, records } = monitor;
    monitor.records = [];
    for (let at = 0, from = 0, characters = 0; at < records.length;) {
      characters += records[at++]!.length;
      if (at < records.length && characters < PART_CHARACTERS) continue;
      const part = records.slice(from, at);
      // A character is three bytes at most.
      if (client.peer.fits(characters * 3)) this.#tell(monitor, `[${part.join(",")}]`);
      else for (const record of part) monitor.missed += missedIn(record);
      from = at;
      characters = 0;
    }
  }

  #tell({ client, id }: Monitor, text: string): void {
    const frame = encodeFrame({
      type: FRAME_TYPES.REPLY,
      flags: ENCODINGS.JSON | FLAGS.MORE,
      target: client.id,
      id,
      payload: encoder.encode(text),
    });
    this.#telling = true;
    try {
      client.peer.pushFrames(frame);
    } finally {
      this.#telling = false;
    }
    client.bytes_out += frame.length;
  }

  #remove(gone: (monitor: Monitor) => boolean): void {
    this.#monitors = this.#monitors.filter((monitor) => !gone(monitor));
    this.active = this.#monitors.length > 0;
  }
}

const GAP = '{"type":"gap","missed":';

function addGap(monitor: Monitor): void {
  monitor.records.push(`${GAP}${monitor.missed},"time_ms":${Date.now()}}`);
  monitor.missed = 0;
}

/** How many frames go with a record that is thrown away. */
function missedIn(record: string): number {
  return record.startsWith(GAP) ? parseInt(record.slice(GAP.length)) : 1;
}
