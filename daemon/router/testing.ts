/**
 * What tests of the router share: a router with a clock of its own, and clients that are real queues over a sink which
 * takes as many bytes as the test says.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  decodeError,
  decodeGap,
  decodePresence,
  encodeFrame,
  type Frame,
  FRAME_TYPES,
  FROM_CLIENT,
  type Hello,
  type IpcError,
  Scanner,
} from "../../protocol/mod.ts";
import { ANONYMOUS } from "../identity.ts";
import { FLAGS } from "../../protocol/frame.ts";
import { joined } from "../../protocol/joined.ts";
import type { Channel, ChannelRules, Client } from "../registry.ts";
import { Outbox } from "../transport/outbox.ts";
import { settled, SlowSink } from "../transport/testing.ts";
import { type Peer, Router } from "./mod.ts";
import { buffers } from "../buffer_pool.ts";

// Whoever still reads what was put back is found out.
buffers.poison = true;

/** A client of the router's, without a socket. */
export class TestClient implements Peer {
  readonly sink = new SlowSink();
  readonly outbox: Outbox;
  readonly client: Client<Peer>;
  #closed: IpcError | undefined;
  readonly #router: Router;
  readonly scanner = new Scanner(FROM_CLIENT, 1 << 30, buffers);
  #seen = 0;

  constructor(router: Router, channel: Channel<Peer>, hello: Hello, resume?: number, token?: string) {
    this.#router = router;
    this.outbox = new Outbox(this.sink, channel.rules.queue_bytes, {
      room: () => router.drained(this.client),
      lost: () => router.slow.giveUp(this.client, "its queue is full"),
    });
    this.client = router.join(channel, this, "test", hello, { ...ANONYMOUS, token, name: hello.name ?? "" });
    this.outbox.charge(this.client.account);
    router.roles(this.client, hello, true, resume);
  }

  get id(): number {
    return this.client.id;
  }

  get queued_bytes(): number {
    return this.outbox.queued_bytes;
  }

  get writes(): number {
    return this.outbox.writes;
  }

  fits(bytes: number): boolean {
    return this.outbox.fits(bytes);
  }

  pushRun(bytes: Uint8Array<ArrayBuffer>, start: number, end: number, first: number, count: number): void {
    this.outbox.pushRun(bytes, start, end, first, count);
  }

  pushFrames(bytes: Uint8Array<ArrayBuffer>): void {
    this.outbox.pushFrames(bytes);
  }

  pushShared(frame: Uint8Array<ArrayBuffer>): void {
    this.outbox.pushShared(frame);
  }

  catchUp(): void {
    this.outbox.catchUp();
  }

  catchesUp(bytes: number): boolean {
    return this.outbox.catchesUp(bytes);
  }

  dropOldest(bytes: number): number {
    return this.outbox.dropOldest(bytes);
  }

  close(error: IpcError, _at_once: boolean): void {
    this.#closed = error;
    this.outbox.close();
    this.scanner.close();
  }

  /** Why the router closed it. */
  why(): string | undefined {
    return this.#closed?.reason;
  }

  /** Takes bytes, all that there are if it is not said how many. */
  async take(bytes = Infinity): Promise<void> {
    await this.sink.allow(bytes);
  }

  /** Takes everything; returns what came since the last call, in a word each. */
  async told(): Promise<string[]> {
    await this.take();
    const frames = this.sink.frames, fresh = frames.slice(this.#seen);
    this.#seen = frames.length;
    return fresh.map(inWords);
  }

  /** Publishes as a reader does: takes its turn, stamps what it read in place and passes it on. */
  async publish(...payloads: (string | Uint8Array<ArrayBuffer>)[]): Promise<void> {
    const bytes = eventBytes(...payloads);
    const turn = this.#router.events.turn(this.client, bytes.length);
    if (turn !== undefined) await turn;
    if (this.#router.registry.clients.get(this.id) !== this.client) return;
    this.publishNow(bytes);
  }

  /** Publishes frames without asking for a turn. */
  publishNow(bytes: Uint8Array<ArrayBuffer>): void {
    const scanner = this.scanner, channel = this.client.channel;
    for (let at = 0; at < bytes.length;) {
      const space = scanner.space(), piece = bytes.subarray(at, at + space.length);
      space.set(piece);
      scanner.filled(piece.length);
      at += piece.length;
    }
    assert.equal(scanner.next(), FRAME_TYPES.EVENT);
    const first = channel.seq + 1, count = scanner.events(this.id, channel.sequence);
    assert.equal(scanner.start, scanner.end);
    const { bytes: memory, run_start, start } = scanner;
    if (this.#router.events.publish(channel, this.client, memory, run_start, start, first, count)) scanner.lend();
  }

  /** Sends a REQUEST. */
  request(id: number, options: { payload?: string; deadline_ms?: number; all?: boolean } = {}): void {
    const payload = new TextEncoder().encode(options.payload ?? "");
    const flags = options.all ? FLAGS.ALL : 0;
    const frame = encodeFrame({ type: FRAME_TYPES.REQUEST, flags, id, aux: options.deadline_ms ?? 0, payload });
    this.#router.request(this.client, frame);
  }

  /** Sends a CANCEL. */
  cancel(id: number): void {
    this.#router.requests.cancel(this.client, id);
  }

  /** Sends a REPLY. */
  reply(to: TestClient, id: number, payload = "", flags = 0): void {
    this.#router.requests.reply(this.client, this.replyFrame(to, id, payload, flags));
  }

  replyFrame(to: TestClient, id: number, payload = "", flags = 0): Uint8Array<ArrayBuffer> {
    const bytes = new TextEncoder().encode(payload);
    return encodeFrame({ type: FRAME_TYPES.REPLY, flags, target: to.id, id, payload: bytes });
  }
}

/** EVENT frames one behind the other. */
export function eventBytes(...payloads: (string | Uint8Array<ArrayBuffer>)[]): Uint8Array<ArrayBuffer> {
  return joined(payloads.map((payload) =>
    encodeFrame({
      type: FRAME_TYPES.EVENT,
      payload: typeof payload === "string" ? new TextEncoder().encode(payload) : payload,
    })
  ));
}

/** A payload of so many bytes. */
export function large(bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes).fill(0x78);
}

/** `3:hello` for event 3, `gap 1..2`, `ask 1/7 hello` for request 7 of client 1, `reply 7 from 2 hello`, ... */
function inWords(frame: Frame): string {
  const text = frame.payload.length > 60 ? `(${frame.payload.length})` : new TextDecoder().decode(frame.payload);
  switch (frame.type) {
    case FRAME_TYPES.EVENT:
      return `${(frame.flags & FLAGS.RETAIN) === 0 ? "" : "retained "}${frame.id}:${text}`;
    case FRAME_TYPES.GAP: {
      const gap = decodeGap(frame.payload);
      return `gap ${gap.from}..${gap.to} ${gap.reason}`;
    }
    case FRAME_TYPES.REQUEST:
      return `ask ${frame.source}/${frame.id} ${text}`.trimEnd();
    case FRAME_TYPES.CANCEL:
      return `cancel ${frame.source}/${frame.id}`;
    case FRAME_TYPES.ERROR:
      return `error ${frame.id} ${decodeError(frame.payload).reason}`;
    case FRAME_TYPES.PRESENCE: {
      const { event, client, listen, handle, reason } = decodePresence(frame.payload);
      return [event, client, listen ? "listen" : "", handle ? "handle" : "", reason ?? ""].filter((word) => word).join(
        " ",
      );
    }
    case FRAME_TYPES.REPLY: {
      const more = (frame.flags & FLAGS.MORE) === 0 ? "reply" : "more";
      const what = (frame.flags & FLAGS.ERROR) === 0 ? text || String(frame.aux) : decodeError(frame.payload).reason;
      return `${more} ${frame.id} from ${frame.source} ${what}`;
    }
    default:
      return `frame ${frame.type}`;
  }
}

/** A router, one channel "c", and a clock that goes when it is told to. */
export class TestRouter {
  now_ms = 0;
  readonly router: Router;
  readonly channel: Channel<Peer>;
  readonly left: string[] = [];
  /** What was refused because of a rule. */
  readonly refused: string[] = [];
  /** What was refused because there is too much of something. */
  readonly overloaded: string[] = [];
  /** How often the router asked to have deadlines kept. */
  deadlines = 0;

  constructor(rules: Partial<ChannelRules> = {}) {
    this.router = new Router({
      joined() {},
      left: (client, error) => this.left.push(`${client.id} ${error?.reason ?? "by itself"}`),
      deadlines: () => this.deadlines++,
      refused: (_identity, _channel, { message }) => this.refused.push(message),
      overloaded: (what, error) => this.overloaded.push(`${what}: ${error.message}`),
    }, () => this.now_ms);
    this.channel = this.router.open("c", true, {
      max_message_bytes: 1 << 24,
      queue_bytes: 10_000,
      history_bytes: 1 << 20,
      overflow: "block",
      stall_timeout_ms: 5_000,
      request_timeout_ms: 30_000,
      ...rules,
    });
  }

  join(hello: Hello = {}, resume?: number, token?: string): TestClient {
    return new TestClient(this.router, this.channel, hello, resume, token);
  }

  /** Lets time pass, looking after everything each half second as the broker does. */
  pass(ms: number): void {
    for (const end_ms = this.now_ms + ms; this.now_ms < end_ms;) {
      this.now_ms = Math.min(this.now_ms + 500, end_ms);
      this.router.slow.tick(this.now_ms);
      this.router.requests.tick(this.now_ms);
    }
  }
}

export { settled };
