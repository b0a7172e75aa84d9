/**
 * Requests: each goes to the handler that has the fewest open, and ends with exactly one final REPLY, whatever happens:
 * from the handler, or from the broker with NO_HANDLER, HANDLER_GONE, TIMEOUT, CANCELLED or OVERLOADED.
 *
 * A REQUEST is passed on as it came, `source` stamped; the pair of requester and the requester's own id names it from
 * then on, so nothing has to be renumbered. A REPLY is taken only from a handler that holds that request.
 *
 * Cost: a request with its reply costs the broker 5.6 us of CPU where 64 are open at a time, a third of it reading and
 * writing, a seventh collecting garbage, an eighth here (`deno task bench:profile requests-64`).
 *
 * @module
 */
import { encodeError } from "../../protocol/bodies.ts";
import { ERROR_CODES, type ErrorName, IpcError } from "../../protocol/errors.ts";
import { encodeFrame, ENCODINGS, FLAGS, FRAME_TYPES, OFFSET } from "../../protocol/frame.ts";
import { DEADLINE_MS_MAX } from "../../protocol/limits.ts";
import { Deadlines } from "../deadlines.ts";
import type { Overload } from "../counters.ts";
import {
  type Channel,
  type Client,
  OPEN_REQUEST_BYTES,
  type OpenRequest,
  type Registry,
  SERVED_BYTES,
} from "../registry.ts";
import type { Peer } from "./peer.ts";
import type { Slow } from "./slow.ts";

type Open = OpenRequest<Peer>;

/** See the module's head. */
export class Requests {
  /** Requests that are not answered yet, all channels together. */
  readonly deadlines: Deadlines<Open> = new Deadlines();
  readonly #registry: Registry<Peer>;
  readonly #slow: Slow;
  readonly #now: () => number;
  readonly #watch: () => void;
  readonly #overloaded: (what: Overload, error: IpcError) => void;
  /** Handlers whose replies wait for room, by the requester they wait for. */
  readonly #waiting = new Map<Client<Peer>, (() => void)[]>();

  /**
   * @param watch Called when there is a deadline to be kept.
   * @param overloaded Told what was refused because there is too much of something.
   */
  constructor(
    registry: Registry<Peer>,
    slow: Slow,
    now: () => number,
    watch: () => void,
    overloaded: (what: Overload, error: IpcError) => void,
  ) {
    this.#overloaded = overloaded;
    this.#watch = watch;
    this.#registry = registry;
    this.#slow = slow;
    this.#now = now;
  }

  /**
   * Takes a REQUEST.
   *
   * @param frame Memory that may be written to; copied.
   */
  request(client: Client<Peer>, frame: Uint8Array<ArrayBuffer>): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length), channel = client.channel;
    const id = view.getUint32(OFFSET.id, true), all = (frame[OFFSET.flags]! & FLAGS.ALL) !== 0;
    channel.requests++;
    client.bytes_in += frame.length;
    if (client.requests.has(id)) {
      // Not an error REPLY: that would end the request that is open under this id.
      client.peer.pushFrames(errorFrame(id, new IpcError("PROTOCOL", `request id ${id} is in use`)));
      return;
    }
    const handlers = all ? channel.handlers.filter((handler) => handler.peer.fits(frame.length)) : [];
    const handler = all ? undefined : this.#leastBusy(channel, frame.length);
    if (handler !== undefined) handlers.push(handler);
    const refusal = channel.handlers.length === 0
      ? new IpcError("NO_HANDLER", `nobody handles requests on channel "${channel.name}"`)
      : handlers.length === 0
      ? new IpcError("OVERLOADED", `the queue of every handler on channel "${channel.name}" is full`)
      : client.account.take("requests");
    if (handlers.length === 0) { for (const full of channel.handlers) this.#slow.watch(full, frame.length); }
    if (refusal !== undefined) {
      if (refusal.reason === "OVERLOADED") this.#overloaded(handlers.length === 0 ? "queue" : "requests", refusal);
      return client.peer.pushFrames(replyFrame(id, refusal));
    }
    const deadline = view.getUint32(OFFSET.aux, true) || Math.min(channel.rules.request_timeout_ms, DEADLINE_MS_MAX);
    const open: Open = {
      requester: client,
      id,
      handlers: new Set(handlers),
      all,
      answered: 0,
      timeout_ms: deadline,
      deadline_ms: deadline === DEADLINE_MS_MAX ? Infinity : this.#now() + deadline,
      held_bytes: OPEN_REQUEST_BYTES + SERVED_BYTES * handlers.length,
    };
    client.addRequest(open);
    channel.requests_open++;
    if (this.deadlines.size === 0) this.#watch();
    this.deadlines.add(open);
    view.setUint32(OFFSET.source, client.id, true);
    view.setUint32(OFFSET.aux, deadline, true);
    const full = all ? channel.handlers.length - handlers.length : 0;
    // One copy for all: a hundred of a large one would be there before anybody can be closed for it.
    const shared = handlers.length > 1 ? frame.slice() : undefined;
    for (const handler of handlers) {
      handler.addServing(open);
      if (shared === undefined) handler.peer.pushFrames(frame);
      else handler.peer.pushShared(shared);
      handler.bytes_out += frame.length;
    }
    this.#refuseFor(open, full);
  }

  /**
   * Whether a reply may be queued for its requester now. One that answers nothing may: nobody gets it.
   *
   * @param frame The REPLY.
   * @returns `undefined` if it may; otherwise a promise that resolves when it is worth asking again.
   */
  room(handler: Client<Peer>, frame: Uint8Array<ArrayBuffer>): Promise<void> | undefined {
    const requester = this.#open(handler, frame)?.requester;
    if (requester === undefined || requester.peer.fits(frame.length)) return undefined;
    this.#slow.watch(requester, frame.length);
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(requester);
      if (waiting === undefined) this.#waiting.set(requester, [resolve]);
      else waiting.push(resolve);
    });
  }

  /** There is more room for a client, or it is gone. */
  drained(client: Client<Peer>): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting.get(client);
    if (waiting === undefined) return;
    this.#waiting.delete(client);
    this.#slow.forget(client);
    for (const resolve of waiting) resolve();
  }

  /**
   * Takes a REPLY. One that answers nothing, because the request was cancelled, timed out or never was this handler's,
   * is left: such races are normal.
   *
   * @param frame Memory that may be written to; copied.
   */
  reply(handler: Client<Peer>, frame: Uint8Array<ArrayBuffer>): void {
    const open = this.#open(handler, frame);
    handler.bytes_in += frame.length;
    if (open === undefined) return;
    const more = (frame[OFFSET.flags]! & FLAGS.MORE) !== 0;
    new DataView(frame.buffer, frame.byteOffset, frame.length).setUint32(OFFSET.source, handler.id, true);
    if (open.all) frame[OFFSET.flags]! |= FLAGS.MORE;
    open.requester.peer.pushFrames(frame);
    open.requester.bytes_out += frame.length;
    if (!more) this.#finish(open, handler);
  }

  /** The requester does not want an answer any more. */
  cancel(client: Client<Peer>, id: number): void {
    const open = client.requests.get(id);
    if (open !== undefined) this.#abort(open, "CANCELLED", "cancelled by its requester");
  }

  /** Ends what has come to its deadline. */
  tick(now_ms: number): void {
    if (this.deadlines.size === 0) return;
    for (const open of this.deadlines.due(now_ms)) {
      this.#abort(open, "TIMEOUT", `no reply on channel "${open.requester.channel.name}" within ${open.timeout_ms} ms`);
    }
  }

  /** Ends everything that a client that leaves has to do with. */
  leave(client: Client<Peer>): void {
    for (const open of client.requests.values()) {
      this.#cancelHandlers(open);
      this.#close(open);
    }
    this.desert(client);
    this.drained(client);
  }

  /** A handler can answer nothing any more, though it may still be there for the replies to what it has asked itself. */
  desert(client: Client<Peer>): void {
    for (const open of client.serving) {
      const error = new IpcError("HANDLER_GONE", `handler ${client.id} left before it answered`);
      if (open.all) open.requester.peer.pushFrames(replyFrame(open.id, error, FLAGS.MORE));
      else open.requester.peer.pushFrames(replyFrame(open.id, error));
      this.#finish(open, client);
    }
  }

  /** The request that a handler's REPLY answers, if that handler holds it. */
  #open(handler: Client<Peer>, frame: Uint8Array<ArrayBuffer>): Open | undefined {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const requester = this.#registry.clients.get(view.getUint32(OFFSET.target, true));
    const open = requester?.requests.get(view.getUint32(OFFSET.id, true));
    return open?.handlers.has(handler) ? open : undefined;
  }

  #leastBusy(channel: Channel<Peer>, bytes: number): Client<Peer> | undefined {
    const handlers = channel.handlers, count = handlers.length;
    let best: Client<Peer> | undefined, best_at = 0;
    for (let step = 0; step < count; step++) {
      const at = (channel.next_handler + step) % count, handler = handlers[at]!;
      if ((best === undefined || handler.serving.size < best.serving.size) && handler.peer.fits(bytes)) {
        best = handler;
        best_at = at;
        if (handler.serving.size === 0) break;
      }
    }
    if (best !== undefined) channel.next_handler = (best_at + 1) % count;
    return best;
  }

  /** With ALL, a handler that cannot be asked counts as one that answered with an error. */
  #refuseFor(open: Open, full: number): void {
    for (; full > 0; full--) {
      const error = new IpcError("OVERLOADED", "the queue of a handler is full");
      open.requester.peer.pushFrames(replyFrame(open.id, error, FLAGS.MORE));
      open.answered++;
    }
  }

  /** A handler has said its last word on a request. */
  #finish(open: Open, handler: Client<Peer>): void {
    open.handlers.delete(handler);
    handler.removeServing(open);
    open.answered++;
    if (open.handlers.size > 0) return;
    if (open.all) {
      open.requester.peer.pushFrames(encodeFrame({ type: FRAME_TYPES.REPLY, id: open.id, aux: open.answered }));
    }
    this.#close(open);
  }

  #abort(open: Open, reason: ErrorName, message: string): void {
    this.#cancelHandlers(open);
    open.requester.peer.pushFrames(replyFrame(open.id, new IpcError(reason, message)));
    this.#close(open);
  }

  #cancelHandlers(open: Open): void {
    const cancel = encodeFrame({ type: FRAME_TYPES.CANCEL, source: open.requester.id, id: open.id });
    for (const handler of open.handlers) {
      handler.removeServing(open);
      handler.peer.pushFrames(cancel);
    }
  }

  #close(open: Open): void {
    if (!open.requester.removeRequest(open)) return;
    open.requester.account.give("requests");
    open.requester.channel.requests_open--;
    this.deadlines.remove(open);
  }
}

/** The broker's own answer to a REQUEST. */
export function replyFrame(id: number, error: IpcError, flags = 0): Uint8Array<ArrayBuffer> {
  return encodeFrame({
    type: FRAME_TYPES.REPLY,
    flags: FLAGS.ERROR | ENCODINGS.STRUCTURED | flags,
    id,
    aux: error.code,
    payload: encodeError(error),
  });
}

/** What could not be done with a frame that is no REQUEST. */
export function errorFrame(id: number, error: IpcError): Uint8Array<ArrayBuffer> {
  return encodeFrame({
    type: FRAME_TYPES.ERROR,
    flags: ENCODINGS.STRUCTURED,
    id,
    aux: error.code ?? ERROR_CODES.PROTOCOL,
    payload: encodeError(error),
  });
}
