/**
 * What a channel is inside: the connection it has at the moment, and all that outlives a connection.
 *
 * The session reads a connection until it breaks, then says what that means to each part, connects again and goes on:
 *
 * - listeners: the broker sends what came since `position`, or a GAP first. If the epoch is another one, the broker was
 *   restarted, and they get a gap notice.
 * - what was not handed to the kernel yet is sent again; see `sender.ts`.
 * - requests that were handed over fail with CHANNEL_RECV, events waiting for an ACK with CHANNEL_SEND: whether they
 *   arrived is not known.
 * - requests that this client handles are aborted: their requesters have been told HANDLER_GONE.
 *
 * Reading stops while a listener or a reply stream is full, unless something waits for an answer, which may stand behind
 * what fills it.
 *
 * @module
 */
import { decodeError, decodeGap, decodePresence, type Hello, type Position, type Welcome } from "../protocol/bodies.ts";
import { IpcError } from "../protocol/errors.ts";
import { type Frame, FRAME_TYPES } from "../protocol/frame.ts";
import type { Address } from "./address.ts";
import { backoffMs, isFinal } from "./backoff.ts";
import { Confirmations, lostError } from "./confirmations.ts";
import { introduction } from "./control.ts";
import { Correlation } from "./correlation.ts";
import { dial } from "./dial.ts";
import { Handlers } from "./handlers.ts";
import { type Link, shut } from "./link.ts";
import { Listeners } from "./listeners.ts";
import { Members } from "./members.ts";
import type { GapNotice, Notice } from "./notice.ts";
import type { ConnectOptions } from "./options.ts";
import { Outgoing } from "./outgoing.ts";
import { after, pause } from "./pause.ts";
import { type Incoming, receive } from "./receiver.ts";
import { Requests } from "./requests.ts";
import { Roles } from "./roles.ts";
import type { Run } from "./run.ts";
import { runtime } from "./runtime_deno.ts";
import { Sender } from "./sender.ts";
import type { Surroundings } from "./subscription.ts";

/** Limit of what waits, either way, unless the caller says otherwise. */
const QUEUE_BYTES = 8 * 1024 * 1024;
/** A connection that is not read sends a PING this often: the broker asks those that are silent for 30 s. */
const PAUSED_PING_MS = 20_000;
/** `close()` gives up if the broker has taken nothing for this long. */
const CLOSE_MS = 5_000;

const NOTHING = new Uint8Array(0);

/** See the module's head. */
export class Session implements Incoming, Surroundings {
  readonly queue_bytes: number;
  readonly sender: Sender;
  readonly outgoing: Outgoing;
  readonly requests: Requests;
  readonly confirmations: Confirmations;
  readonly handlers: Handlers;
  readonly listeners: Listeners;
  readonly members: Members;
  /** Resolves when the channel is closed for good, with the reason unless it was closed by its user. */
  readonly closed: Promise<IpcError | undefined>;
  position: Position | undefined;
  reading_on = false;
  /** Why nothing can be sent any more. */
  refusal: IpcError | undefined;

  readonly #roles: Roles;
  /** Nothing more is waited for. */
  #stopped = false;
  /** Ends connecting again. */
  #redialing: AbortController | undefined;
  #welcome: Welcome | undefined;
  #link: Link | undefined;
  #running: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #resume: (() => void) | undefined;
  #settle!: (error: IpcError | undefined) => void;

  constructor(readonly name: string, readonly address: Address, readonly options: ConnectOptions) {
    this.queue_bytes = options.queue_bytes ?? QUEUE_BYTES;
    if (!(this.queue_bytes >= 1)) throw new RangeError(`Cannot queue ${this.queue_bytes} bytes: 1 is the least`);
    this.position = options.resume && { ...options.resume };
    const ids = new Correlation((id) => this.requests.has(id) || this.confirmations.has(id) || this.#roles.has(id));
    const roles_changed = (): void => this.#rolesChanged();
    const listen = options.listen === true || options.resume !== undefined;
    this.sender = new Sender(this.queue_bytes);
    this.outgoing = new Outgoing(this.sender);
    this.requests = new Requests(this.outgoing, this.sender, ids);
    this.confirmations = new Confirmations(this.sender, this.outgoing, ids);
    this.handlers = new Handlers(name, this.outgoing, this.queue_bytes, options.handle === true, roles_changed);
    this.listeners = new Listeners(this, listen, roles_changed);
    this.members = new Members(options.presence === true, roles_changed, (error) => this.threw(error));
    this.#roles = new Roles(this.sender, ids, () => ({
      listen: this.listeners.wanted,
      handle: this.handlers.wanted,
      presence: this.members.wanted,
    }));
    this.closed = new Promise((resolve) => this.#settle = resolve);
  }

  /** Connects for the first time. */
  async open(): Promise<void> {
    const hello = this.#hello();
    const link = await dial(this.name, this.address, hello, this.options, this.options.signal);
    this.#adopt(link, hello);
    if (this.address.transport !== "unix" && this.address.fallback) {
      this.#notice({ type: "fallback", url: this.address.url });
    }
    this.#running = this.#run(link);
  }

  get welcome(): Welcome {
    return this.#welcome!;
  }

  get epoch(): string {
    return this.welcome.epoch;
  }

  get connected(): boolean {
    return this.#link !== undefined;
  }

  get decodes(): boolean {
    return this.listeners.decodes;
  }

  /** See `Channel.close`. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  run(run: Run): void {
    this.listeners.push(run);
  }

  frame(frame: Frame): void {
    TAKE[frame.type]?.(this, frame);
  }

  pause(): Promise<void> | undefined {
    this.reading_on = this.listeners.full || this.requests.full;
    if (!this.reading_on || this.#stopped) return undefined;
    if (this.requests.waiting || this.confirmations.waiting || this.#roles.waiting) return undefined;
    return new Promise((resolve) => {
      const timer = setInterval(() => this.sender.sendNow(FRAME_TYPES.PING, 0, 0, NOTHING), PAUSED_PING_MS);
      this.#resume = () => {
        clearInterval(timer);
        this.#resume = undefined;
        resolve();
      };
    });
  }

  /** Something has changed that {@linkcode pause} looks at. */
  room(): void {
    this.#resume?.();
  }

  gap(notice: GapNotice): void {
    if (this.options.onnotice !== undefined) return this.#notice(notice);
    const { from, to, reason, direct } = notice;
    const events = from === 0 ? `${direct} direct events` : `events ${from} to ${to ?? "?"}`;
    console.warn(`ipc: ${events} of channel "${this.name}" did not arrive (${reason})`);
  }

  /** Something failed that nobody waits for. */
  failed(error: IpcError): void {
    if (this.options.onnotice !== undefined) this.#notice({ type: "error", error });
    else console.error(`ipc: channel "${this.name}": ${error.reason}: ${error.message}`);
  }

  /** A callback threw: a mistake in the program, as if an event listener had. */
  threw(error: unknown): void {
    runtime.uncaught(error);
  }

  /** ACK of an event or of ROLES. */
  acknowledged(frame: Frame): void {
    if (!this.#roles.has(frame.id)) return this.confirmations.acknowledged(frame.id, frame.aux);
    const begins = this.#roles.acknowledged(frame.id, frame.payload);
    if (begins === undefined) return;
    // What came in between is newer. On a channel without events it begins at 0, which is a position like any other.
    if (this.position === undefined || this.position.seq < begins.seq) this.position = begins;
  }

  /** ERROR. */
  refused(frame: Frame): void {
    const error = decodeError(frame.payload), id = frame.id;
    if (this.requests.has(id)) return this.requests.refuse(id, error);
    if (id !== 0 && this.confirmations.refuse(id, error)) return;
    this.#roles.refused(id);
    this.failed(error);
  }

  #notice(notice: Notice): void {
    try {
      this.options.onnotice?.(notice);
    } catch (error) {
      this.threw(error);
    }
  }

  #hello(): Hello {
    const { echo, overflow } = this.options, hello = introduction(this.options);
    if (echo !== undefined) hello.echo = echo;
    if (overflow !== undefined) hello.overflow = overflow;
    this.#roles.introduce(hello);
    if (hello.listen === true && this.position !== undefined) hello.resume = { ...this.position };
    return hello;
  }

  #rolesChanged(): void {
    if (!this.listeners.wanted) this.position = undefined;
    this.#roles.update();
    this.room();
  }

  async #run(link: Link): Promise<void> {
    for (;;) {
      const error = await receive(link, this);
      shut(link);
      const kept_ids = await this.#broke(error);
      if (this.#ends(error)) return await this.#finish(error);
      this.#notice({ type: "disconnected", error });
      const next = await this.#redial();
      if (next instanceof IpcError) return await this.#finish(next);
      link = next.link;
      const restarted = this.#adopt(link, next.hello, kept_ids);
      this.#notice({ type: "reconnected", epoch: this.epoch, restarted });
    }
  }

  #ends(error: IpcError): boolean {
    return this.#closing !== undefined || this.options.reconnect === false || isFinal(error);
  }

  async #redial(): Promise<{ link: Link; hello: Hello } | IpcError> {
    const { signal: stop } = this.#redialing = new AbortController(), options = { ...this.options, signal: undefined };
    for (let attempt = 0;; attempt++) {
      await pause(backoffMs(attempt), stop);
      if (stop.aborted) return closedError();
      const hello = this.#hello();
      try {
        return { hello, link: await dial(this.name, this.address, hello, options, stop) };
      } catch (error) {
        if (stop.aborted) return closedError();
        const reason = error instanceof IpcError
          ? error
          : new IpcError("CHANNEL_RECV", String(error), { cause: error });
        if (isFinal(reason)) return reason;
      }
    }
  }

  /**
   * @param kept_ids If this is not the first connection, the correlation ids that were not handed to the last one.
   * @returns Whether the broker was restarted meanwhile.
   */
  #adopt(link: Link, hello: Hello, kept_ids?: ReadonlySet<number>): boolean {
    const { welcome } = link, restarted = this.#welcome !== undefined && this.#welcome.epoch !== welcome.epoch;
    this.#welcome = welcome;
    this.#link = link;
    this.outgoing.message_bytes_max = welcome.max_message;
    if (hello.listen === true) this.#begin(welcome, hello.resume);
    if (kept_ids !== undefined) this.#keep(kept_ids, restarted);
    this.sender.attach(link.conn);
    this.#roles.begin(hello);
    return restarted;
  }

  /** Drops what waits to be sent and makes no sense on a new connection. */
  #keep(kept_ids: ReadonlySet<number>, restarted: boolean): void {
    const gone = new IpcError("CLIENT_NOT_FOUND", "the broker was restarted, and its clients have other ids now");
    this.sender.filter((type, target, id) => {
      if (type === FRAME_TYPES.REQUEST) return this.requests.has(id);
      if (type === FRAME_TYPES.PING) return this.confirmations.has(id);
      if (type !== FRAME_TYPES.EVENT) return false;
      if (target === 0 || !restarted) return true;
      this.confirmations.refuse(id, gone);
      return false;
    }, gone);
    this.confirmations.resume(kept_ids);
  }

  /** Notes where the listener begins on a new connection. */
  #begin(welcome: Welcome, resume: Position | undefined): void {
    if (resume === undefined) this.position = { epoch: welcome.epoch, seq: welcome.seq };
    else if (resume.epoch !== welcome.epoch) {
      this.listeners.gap({ type: "gap", from: resume.seq + 1, to: null, reason: "restart", epoch: resume.epoch });
      this.position = { epoch: welcome.epoch, seq: 0 };
    }
  }

  /** Says to each part what a break means to it. */
  async #broke(error: IpcError): Promise<ReadonlySet<number>> {
    this.#link = undefined;
    this.#roles.end();
    await this.sender.detach();
    const { lost, kept_ids } = this.sender.sift();
    const text = `the connection broke before the reply came: ${error.message}`;
    const broke = this.#stopped ? closedError() : new IpcError("CHANNEL_RECV", text, { cause: error });
    this.requests.fail(broke, kept_ids);
    this.confirmations.broke(lost, kept_ids);
    this.handlers.abandon(new IpcError("CHANNEL_RECV", "the connection broke", { cause: error }));
    if (this.#closing === undefined) this.members.forget();
    return kept_ids;
  }

  async #close(): Promise<void> {
    this.refusal ??= closedError();
    const unconfirmed = await this.#lastFlush();
    this.#stop(this.refusal);
    if (unconfirmed === 0 && this.#link !== undefined) {
      this.sender.sendNow(FRAME_TYPES.BYE, 0, 0, NOTHING);
      await this.sender.drain();
    }
    shut(this.#link);
    this.room();
    await this.#running;
    // After a failure that ended the channel, what waited for listeners was still to be delivered; not any more.
    this.listeners.close(undefined, true);
    if (unconfirmed > 0) throw lostError(unconfirmed);
  }

  /** @returns How many events may not have arrived. */
  async #lastFlush(): Promise<number> {
    const { sender } = this, lost = sender.lost;
    sender.lost = 0;
    if (this.#link === undefined) return lost + sender.unconfirmed;
    const link = this.#link;
    let bytes = sender.bytes, confirmed = sender.confirmed;
    const watch = (): () => void =>
      after(CLOSE_MS, () => {
        if (sender.bytes === bytes && sender.confirmed === confirmed) return shut(link);
        bytes = sender.bytes;
        confirmed = sender.confirmed;
        disarm = watch();
      });
    let disarm = watch();
    this.room();
    try {
      await this.confirmations.flush();
      return lost;
    } catch (error) {
      const more = error instanceof IpcError ? (error.data as { events?: number } | undefined)?.events : undefined;
      return lost + (more ?? 0) + sender.lost + sender.unconfirmed;
    } finally {
      disarm();
    }
  }

  #stop(reason: IpcError): void {
    this.#stopped = true;
    this.#redialing?.abort(reason);
  }

  async #finish(error: IpcError): Promise<void> {
    const by_user = this.#closing !== undefined;
    const reason = by_user ? closedError() : error;
    this.refusal = reason;
    this.#stop(reason);
    this.requests.fail(reason, new Set());
    this.confirmations.close(reason);
    this.listeners.close(by_user ? undefined : error, by_user);
    await this.sender.close(reason);
    this.#settle(by_user ? undefined : error);
  }
}

/** What is done with each frame that is no event. */
const TAKE: { readonly [type: number]: (session: Session, frame: Frame) => void } = {
  [FRAME_TYPES.REQUEST]: (session, frame) => session.handlers.request(frame),
  [FRAME_TYPES.REPLY]: (session, frame) => session.requests.reply(frame),
  [FRAME_TYPES.CANCEL]: (session, frame) => session.handlers.cancel(frame.source, frame.id),
  [FRAME_TYPES.ACK]: (session, frame) => session.acknowledged(frame),
  [FRAME_TYPES.ERROR]: (session, frame) => session.refused(frame),
  [FRAME_TYPES.GAP]: (session, frame) => {
    const gap = decodeGap(frame.payload);
    session.listeners.gap({ type: "gap", ...gap, epoch: session.epoch });
    // What is missing is not asked for again.
    if (session.position !== undefined && session.position.seq < gap.to) session.position.seq = gap.to;
  },
  [FRAME_TYPES.PRESENCE]: (session, frame) => session.members.tell(decodePresence(frame.payload)),
  [FRAME_TYPES.PING]: (session, frame) =>
    session.sender.sendNow(FRAME_TYPES.PONG, frame.id, frame.aux, frame.payload.slice()),
  [FRAME_TYPES.PONG]: (session, frame) => session.confirmations.ponged(frame.id),
};

function closedError(): IpcError {
  return new IpcError("CANCELLED", "the channel was closed");
}
