/**
 * Events: from one publisher to all listeners of a channel, in one order, without losing any in silence.
 *
 * The unit is the run: what one read brought, already stamped. It is placed in the channel's history once and queued by
 * reference for each listener, so what is done per listener is a few comparisons, whatever the number of events.
 *
 * Flow control is the semantics of a pipe. Before a reader takes a run out of its buffer it asks for a *turn*: if every
 * blocking listener has room it goes on at once, otherwise it waits in the channel's queue of turns and its socket is
 * not read, so that the kernel holds the publisher up. Turns are given in order, one at a time: the next is considered
 * when the one before has published. So a large message that needs an empty queue is not starved by small ones. A
 * publisher never waits for itself: what its own queue as a listener cannot take is dropped there, and it is told which.
 *
 * Cost: 2.7 us of CPU for an event that comes alone, its read and its write included, and 9 ns for one in a full run; per run
 * 1 to 2 % of that is spent here (`deno task bench --case publishers-256`, `--case events-16`).
 *
 * Invariant: a blocking listener's queue is over its limit only by a single run that was admitted when it was empty.
 *
 * @module
 */
import { encodeGap } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import { decodeFrame, encodeFrame, ENCODINGS, FLAGS, FRAME_TYPES, OFFSET, sequenceOf } from "../../protocol/frame.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";
import type { Overload } from "../counters.ts";
import type { Channel, Client, Registry } from "../registry.ts";
import type { Monitors } from "./monitors.ts";
import type { Peer } from "./peer.ts";
import type { Slow } from "./slow.ts";

/** See the module's head. */
export class Events {
  /** Events that listeners were told they missed. */
  gaps = 0;
  readonly #registry: Registry<Peer>;
  readonly #slow: Slow;
  readonly #monitors: Monitors;
  readonly #overloaded: (what: Overload, error: IpcError) => void;

  /** @param overloaded Told what was refused because there is too much of something. */
  constructor(
    registry: Registry<Peer>,
    slow: Slow,
    monitors: Monitors,
    overloaded: (what: Overload, error: IpcError) => void,
  ) {
    this.#monitors = monitors;
    this.#overloaded = overloaded;
    this.#registry = registry;
    this.#slow = slow;
  }

  /**
   * Asks whether a client may publish up to so many bytes now.
   *
   * @returns `undefined` if it may; otherwise a promise that resolves when it may, or when it has left.
   */
  turn(client: Client<Peer>, bytes: number): Promise<void> | undefined {
    const channel = client.channel;
    if (channel.admitted === client) return undefined;
    if (channel.turns.length === 0 && channel.admitted === undefined && this.#fits(client, bytes)) return undefined;
    return new Promise((admit) => {
      channel.turns.push({ client, bytes, admit });
      this.next(channel);
    });
  }

  /** Gives the next turn, if there is room for it. Called whenever room may have come. */
  next(channel: Channel<Peer>): void {
    const turn = channel.turns[0];
    if (turn === undefined || channel.admitted !== undefined || !this.#fits(turn.client, turn.bytes)) return;
    channel.turns.shift();
    this.#release(channel);
    channel.admitted = turn.client;
    turn.admit();
  }

  /** Gives up whatever turn a client that leaves has or waits for. */
  abandon(client: Client<Peer>): void {
    const channel = client.channel;
    if (channel.admitted === client) channel.admitted = undefined;
    for (let at = channel.turns.length - 1; at >= 0; at--) {
      if (channel.turns[at]!.client !== client) continue;
      channel.turns.splice(at, 1)[0]!.admit();
      this.#release(channel);
    }
    this.next(channel);
  }

  /**
   * Hands a stamped run to every listener.
   *
   * @param client Who sent it, or `undefined` for the broker itself.
   * @param first Sequence number of its first event.
   * @returns Whether the memory is kept: it must not be written to any more.
   */
  publish(
    channel: Channel<Peer>,
    client: Client<Peer> | undefined,
    bytes: Uint8Array<ArrayBuffer>,
    start: number,
    end: number,
    first: number,
    count: number,
  ): boolean {
    const history = channel.history, length = end - start;
    const lent = history.place(bytes, start, end, first, count);
    const placed = history.placed_bytes, placed_start = history.placed_start, placed_end = history.placed_end;
    channel.events += count;
    channel.bytes += length;
    if (client !== undefined) {
      client.events_in += count;
      client.bytes_in += length;
    }
    if (this.#monitors.active) {
      const listeners = client === undefined ? channel.listeners.size : this.reach(client);
      this.#monitors.run(client, channel, placed, placed_start, first, count, listeners);
    }
    let full: Client<Peer>[] | undefined;
    for (const listener of channel.listeners) {
      if (listener === client && !listener.echo) continue;
      const peer = listener.peer;
      if (!peer.fits(length)) {
        const overflow = listener.policy;
        // Only for what was not admitted: listeners that drop, the publisher's own queue, events of the broker.
        const dispensable = overflow !== "block" || listener === client || client === undefined;
        if (dispensable && !peer.catchesUp(length)) {
          if (overflow === "disconnect" && listener !== client) {
            (full ??= []).push(listener);
            continue;
          }
          const dropped = peer.dropOldest(length);
          this.gaps += dropped;
          if (this.#monitors.active) this.#monitors.note(listener, "out", "gap", 0, { data: { events: dropped } });
        }
      }
      peer.pushRun(placed, placed_start, placed_end, first, count);
      listener.events_out += count;
      listener.bytes_out += length;
    }
    if (channel.admitted === client) channel.admitted = undefined;
    if (full !== undefined) {
      // Not before every listener has this run: that somebody leaves may be an event of this channel itself.
      for (const listener of full) {
        this.#slow.giveUp(listener, `its queue of ${channel.rules.queue_bytes} bytes is full`);
      }
    }
    if (channel.turns.length > 0) this.next(channel);
    return lent;
  }

  /** How many listeners an event of this client goes to. */
  reach(client: Client<Peer>): number {
    return client.channel.listeners.size - (client.listen && !client.echo ? 1 : 0);
  }

  /**
   * Publishes one event that is to be kept for listeners to come, or takes away the one that is kept if its payload is
   * empty. Live listeners see an ordinary event.
   *
   * @param frame The EVENT with RETAIN, in memory that may be written to.
   */
  retain(client: Client<Peer>, frame: Uint8Array<ArrayBuffer>): boolean {
    const channel = client.channel, first = channel.seq + 1;
    stamp(frame, client.id, channel);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const empty = frame.length === HEADER_BYTES + view.getUint16(OFFSET.headers, true);
    channel.retain(empty ? undefined : frame.slice());
    frame[OFFSET.flags]! &= ~FLAGS.RETAIN;
    const offset = frame.byteOffset;
    return this.publish(channel, client, new Uint8Array(frame.buffer), offset, offset + frame.length, first, 1);
  }

  /**
   * Publishes one event that came by itself.
   *
   * @param frame The EVENT, in memory of its own that nobody else writes to.
   */
  single(client: Client<Peer>, frame: Uint8Array<ArrayBuffer>): void {
    const channel = client.channel, first = channel.seq + 1;
    stamp(frame, client.id, channel);
    this.publish(channel, client, frame, 0, frame.length, first, 1);
  }

  /** Publishes an event of the broker's own on a channel. @param payload Its JSON. */
  announce(channel: Channel<Peer>, payload: Uint8Array<ArrayBuffer>): void {
    const first = channel.seq + 1;
    const frame = encodeFrame({ type: FRAME_TYPES.EVENT, flags: ENCODINGS.JSON, payload });
    stamp(frame, 0, channel);
    this.publish(channel, undefined, frame, 0, frame.length, first, 1);
  }

  /**
   * Sends an event to one client of the same channel, outside the sequence.
   *
   * @param frame The EVENT with a target, in memory that may be written to.
   * @throws {IpcError} CLIENT_NOT_FOUND, FORBIDDEN if that client may not listen, or OVERLOADED if that client's queue is full.
   */
  direct(client: Client<Peer>, frame: Uint8Array<ArrayBuffer>): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const id = view.getUint32(OFFSET.target, true), target = this.#registry.clients.get(id);
    if (target === undefined || target.channel !== client.channel) {
      throw new IpcError("CLIENT_NOT_FOUND", `no client ${id} on channel "${client.channel.name}"`);
    }
    if (!target.may.listen) {
      throw new IpcError("FORBIDDEN", `client ${id} may not listen on channel "${client.channel.name}"`);
    }
    if (!target.peer.fits(frame.length)) {
      this.#slow.watch(target, frame.length);
      const error = new IpcError("OVERLOADED", `the queue of client ${id} is full`);
      this.#overloaded("queue", error);
      throw error;
    }
    frame[OFFSET.flags]! &= ~(FLAGS.ACK | FLAGS.RETAIN);
    view.setUint32(OFFSET.source, client.id, true);
    view.setUint32(OFFSET.id, 0, true);
    view.setUint32(OFFSET.aux, 0, true);
    target.peer.pushFrames(frame);
    client.events_in++;
    client.bytes_in += frame.length;
    target.events_out++;
    target.bytes_out += frame.length;
  }

  /** Gives a new listener what is kept for it: the retained event, or what followed the event that it saw last. */
  welcome(client: Client<Peer>, resume: number | undefined): void {
    const channel = client.channel;
    if (resume === undefined) {
      if (channel.retained !== undefined) client.peer.pushFrames(channel.retained);
      return;
    }
    if (resume >= channel.seq) return;
    const { history } = channel, { account } = client;
    // Half of what its holder may still have queued: more would have it closed, and it would come back for the same.
    const segments = history.since(resume, (account.quota.queued_bytes - account.queued_bytes) / 2);
    const next = segments[0]?.first ?? channel.seq + 1;
    if (next > resume + 1) {
      const reason = history.first > 0 && next > Math.max(resume + 1, history.first) ? "overflow" : "history";
      client.peer.pushFrames(encodeFrame({
        type: FRAME_TYPES.GAP,
        flags: ENCODINGS.STRUCTURED,
        payload: encodeGap({ from: resume + 1, to: next - 1, reason }),
      }));
      this.gaps += next - 1 - resume;
      const { retained } = channel, seq = retained === undefined ? 0 : sequenceOf(decodeFrame(retained));
      // Among what is gone: without it the client would never know how things stand.
      if (seq > resume && seq < next) client.peer.pushFrames(retained!);
    }
    for (const segment of segments) {
      client.peer.pushRun(segment.bytes, segment.start, segment.end, segment.first, segment.count);
      if (this.#monitors.active) {
        const { first, count, start, end } = segment;
        this.#monitors.note(client, "out", "replay", end - start, { seq: first, data: { events: count } });
      }
      client.events_out += segment.count;
      client.bytes_out += segment.end - segment.start;
    }
    client.peer.catchUp();
  }

  /** Nobody waits for these listeners now; whoever is next in turn will say if it does. */
  #release(channel: Channel<Peer>): void {
    for (const listener of channel.listeners) this.#slow.forget(listener);
  }

  /** Whether every listener that publishers wait for has room. */
  #fits(client: Client<Peer>, bytes: number): boolean {
    let fits = true;
    for (const listener of client.channel.listeners) {
      if (listener === client || listener.peer.fits(bytes) || listener.policy !== "block") continue;
      this.#slow.watch(listener, bytes);
      fits = false;
    }
    return fits;
  }
}

/** Writes the sender and the channel's next sequence number into one event. */
function stamp(frame: Uint8Array<ArrayBuffer>, source: number, channel: Channel<Peer>): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length), sequence = channel.sequence;
  frame[OFFSET.flags]! &= ~FLAGS.ACK;
  view.setUint32(OFFSET.source, source, true);
  view.setUint32(OFFSET.id, sequence.low, true);
  view.setUint32(OFFSET.aux, sequence.high, true);
  sequence.low = sequence.low + 1 >>> 0;
  if (sequence.low === 0) sequence.high++;
}
