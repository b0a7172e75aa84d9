/**
 * The functions of "Simple IPC for Deno" (https://deno.land/x/simple_ipc), for programs that were written for it: change
 * the import, and they run.
 *
 * A channel is a socket, or a port from 49152 to 65535. Each message is one connection: it goes there, and for a request
 * the reply comes back. Without a broker the `listen` functions serve the socket or the port themselves, as that library
 * does. Where a broker runs they register with it, so that whatever else speaks to the broker reaches them too, and many
 * may listen to one channel. A port leads to the broker if its configuration has a `[[listen]]` entry with that port and
 * a `channel`.
 *
 * What differs from that library: a mistake of one client or of a handler does not end the program; a socket that a dead
 * process left behind is taken over; messages are limited to 16 MiB; channels may also have `.` and `-` in their names.
 *
 * @example
 * ```ts
 * import { listenIpRequest, postIpRequest } from "./simple_ipc.ts";
 *
 * const server = listenIpRequest(49152, (data: string) => `${data}, world`);
 * const reply = await postIpRequest<string, string>(49152, "hello");
 * server.close();
 * await server.finished;
 * if (reply !== "hello, world") throw new Error("not the reply");
 * ```
 *
 * It needs `--allow-read`, `--allow-write`, `--allow-net` and `--allow-sys=uid,umask`.
 *
 * @module
 */
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { IpcError } from "../protocol/errors.ts";
import { MESSAGE_BYTES_MAX } from "../protocol/limits.ts";
import { defaultSocketDirectory, socketPath } from "../protocol/socket_path.ts";
import { type Channel, connect } from "./channel.ts";
import { control } from "./control.ts";
import { runtime } from "./runtime_deno.ts";
import { type Answer, clearStale, lookAt, SimpleServer } from "./simple_server.ts";
import { readMessage, type SimpleConn, writeMessage } from "./simple_wire.ts";
import { openSocket } from "./socket.ts";

/** What JSON can say. */
export type JsonStruct = string | number | boolean | null | JsonStruct[] | { [key: string]: JsonStruct };

/** What can be sent. */
export type MessageBody = JsonStruct | Uint8Array;

/** Called for each message. */
export type MessageHandler<T extends MessageBody, U extends MessageBody | void> = (data: T) => U | Promise<U>;

/** What both kinds of listeners have. */
interface SimpleListener {
  /** A number of its own. Deno does not number its resources any more. */
  get rid(): number;
  /**
   * Who serves it: this process, or the broker with which it is registered. Rejected if neither can; nobody who looks
   * at it, and the program ends with that error. What this process posts waits for it.
   */
  get ready(): Promise<"self" | "broker">;
  /** Resolves when it was closed and another one may listen in its place. */
  get finished(): Promise<void>;
  /** Stops listening. */
  close(): void;
}

/** A listener on a socket. */
export interface UdsListener extends SimpleListener {
  /** The socket. */
  get path(): string;
}

/** A listener on a port. */
export interface IpListener extends SimpleListener {
  /** `127.0.0.1`. */
  get host(): string;
  get port(): number;
}

const PORT_MIN = 49_152, PORT_MAX = 65_535;
const HOST = "127.0.0.1";

/**
 * Answers what is posted to a channel.
 *
 * @param ch The channel. Its socket is `/tmp/.deno.<ch>.socket`, or in `$IPC_SOCKET_DIR`.
 * @param onMessage What it returns is the reply. If it throws, there is none.
 * @throws {Deno.errors.AddrInUse} If something stands there that cannot be taken over.
 * @throws {IpcError} CHANNEL_NAME
 */
export function listenUdsRequest<T extends MessageBody, U extends MessageBody>(
  ch: string,
  onMessage: MessageHandler<T, U>,
): UdsListener {
  return listenUds(ch, requests(onMessage));
}

/**
 * Takes what is posted to a channel.
 *
 * @param ch See {@linkcode listenUdsRequest}.
 * @param onMessage Called for each message; several may run at a time.
 * @throws See {@linkcode listenUdsRequest}.
 */
export function listenUdsBroadcast<T extends MessageBody>(
  ch: string,
  onMessage: MessageHandler<T, void>,
): UdsListener {
  return listenUds(ch, broadcasts(onMessage));
}

/**
 * Posts to a channel and waits for the reply.
 *
 * @throws {Deno.errors.NotFound | Deno.errors.ConnectionRefused} If nobody listens.
 * @throws {Deno.errors.UnexpectedEof} If there is no reply: whoever listens takes broadcasts only, or failed.
 */
export async function postUdsRequest<T extends MessageBody, U extends MessageBody>(ch: string, data: T): Promise<U> {
  return await request(await openUds(ch), data, ch);
}

/**
 * Posts to a channel. It is on its way when this resolves.
 *
 * @throws {Deno.errors.NotFound | Deno.errors.ConnectionRefused} If nobody listens.
 */
export async function postUdsBroadcast<T extends MessageBody>(ch: string, data: T): Promise<void> {
  await broadcast(await openUds(ch), data);
}

/**
 * Answers what is posted to a port.
 *
 * @param ch From 49152 to 65535, on 127.0.0.1.
 * @param onMessage What it returns is the reply. If it throws, there is none.
 * @throws {RangeError} For another port.
 * @throws {Deno.errors.AddrInUse} If somebody listens there.
 */
export function listenIpRequest<T extends MessageBody, U extends MessageBody>(
  ch: number,
  onMessage: MessageHandler<T, U>,
): IpListener {
  return listenIp(ch, requests(onMessage));
}

/**
 * Takes what is posted to a port.
 *
 * @param ch See {@linkcode listenIpRequest}.
 * @param onMessage Called for each message; several may run at a time.
 * @throws See {@linkcode listenIpRequest}.
 */
export function listenIpBroadcast<T extends MessageBody>(ch: number, onMessage: MessageHandler<T, void>): IpListener {
  return listenIp(ch, broadcasts(onMessage));
}

/**
 * Posts to a port and waits for the reply.
 *
 * @throws {Deno.errors.ConnectionRefused} If nobody listens.
 * @throws {Deno.errors.UnexpectedEof} If there is no reply.
 */
export async function postIpRequest<T extends MessageBody, U extends MessageBody>(ch: number, data: T): Promise<U> {
  return await request(await openIp(ch), data, `port ${ch}`);
}

/**
 * Posts to a port. It is on its way when this resolves.
 *
 * @throws {Deno.errors.ConnectionRefused} If nobody listens.
 */
export async function postIpBroadcast<T extends MessageBody>(ch: number, data: T): Promise<void> {
  await broadcast(await openIp(ch), data);
}

/** What a listener does, served by itself or by the broker. */
interface Role {
  answer: Answer;
  take(channel: Channel): void;
}

function requests<T, U>(onMessage: (data: T) => U | Promise<U>): Role {
  const reply = async (data: unknown): Promise<U> => {
    try {
      return await onMessage(data as T);
    } catch (error) {
      // The requester only sees that there is no reply.
      console.error(error);
      throw error;
    }
  };
  return {
    answer: async (data) => ({ reply: await reply(data) }),
    take: (channel) => void channel.handle(({ data }) => reply(data)),
  };
}

function broadcasts<T>(onMessage: (data: T) => void | Promise<void>): Role {
  const take = async (data: unknown): Promise<undefined> => {
    try {
      await onMessage(data as T);
    } catch (error) {
      runtime.uncaught(error);
    }
  };
  return {
    answer: take,
    // Not waited for: that library calls handlers as messages come.
    take: (channel) => void channel.listen(({ data }) => void take(data)),
  };
}

/** Something that listens, by itself or with the broker. */
interface Serving {
  close(): void;
  readonly finished: Promise<unknown>;
}

/** Listeners of this process by path or port: what is still being set up, and what is still being taken down. */
const beginning: Map<string | number, Promise<unknown>> = new Map();
const ending: Map<string | number, Promise<unknown>> = new Map();
let listeners = 0;

/** A listener that may have to wait before it begins. */
class Listening implements SimpleListener {
  readonly rid: number = ++listeners;
  readonly ready: Promise<"self" | "broker">;
  readonly finished: Promise<void>;
  readonly #place: string | number;
  #serving: Serving | undefined;
  #closed = false;
  #end!: (ended: Promise<unknown> | undefined) => void;

  /** @param begin Gives a server at once, or finds one. */
  constructor(place: string | number, begin: () => Serving | Promise<{ by: "self" | "broker"; serving: Serving }>) {
    this.#place = place;
    const begun = begin();
    this.finished = new Promise<unknown>((resolve) => this.#end = resolve).then(() => {});
    if (!(begun instanceof Promise)) {
      this.#serving = begun;
      this.ready = Promise.resolve("self");
      return;
    }
    this.ready = begun.then(({ by, serving }) => {
      this.#serving = serving;
      if (this.#closed) this.#stop();
      return by;
    });
    // Not of `ready`: that it is rejected is to be noticed.
    const settled = begun.then(() => {}, () => this.#end(undefined)).then(() => {
      if (beginning.get(place) === settled) beginning.delete(place);
    });
    beginning.set(place, settled);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop();
  }

  #stop(): void {
    const serving = this.#serving, place = this.#place;
    if (serving === undefined) return;
    serving.close();
    const ended = serving.finished.finally(() => {
      if (ending.get(place) === ended) ending.delete(place);
    });
    ending.set(place, ended);
    this.#end(ended);
  }
}

function listenUds(ch: string, role: Role): UdsListener {
  const directory = socketDirectory(), path = pathOf(ch);
  const listening = new Listening(path, () => {
    const has_broker = exists(socketPath(directory, CONTROL_CHANNEL));
    if (!has_broker && lookAt(path) === undefined && !ending.has(path)) return SimpleServer.atPath(path, role.answer);
    return registered(directory, () => ch, role, async () => {
      await ending.get(path);
      await clearStale(path);
      return SimpleServer.atPath(path, role.answer);
    });
  });
  return Object.assign(listening, { path });
}

function listenIp(ch: number, role: Role): IpListener {
  const directory = socketDirectory(), port = checkPort(ch);
  const listening = new Listening(port, () => {
    if (!ending.has(port)) {
      try {
        return SimpleServer.atPort(port, role.answer);
      } catch (error) {
        // It may be the broker that listens there.
        if (!(error instanceof Deno.errors.AddrInUse) || !exists(socketPath(directory, CONTROL_CHANNEL))) throw error;
      }
    }
    return registered(directory, () => channelOfPort(directory, port), role, async () => {
      await ending.get(port);
      return SimpleServer.atPort(port, role.answer);
    });
  });
  return Object.assign(listening, { host: HOST, port });
}

/** Registers with the broker; if there is none, or it has nothing to do with the place, listens after all. */
async function registered(
  socket_dir: string,
  find: () => string | Promise<string | undefined>,
  role: Role,
  otherwise: () => Promise<SimpleServer>,
): Promise<{ by: "self" | "broker"; serving: Serving }> {
  const name = await brokerAnswers(socket_dir) ? await find() : undefined;
  if (name === undefined) return { by: "self", serving: await otherwise() };
  // Not before the broker has opened it: until then the socket may be another program's.
  await control("open", { channel: name }, { socket_dir });
  const channel = await connect(name, { socket_dir, name: "simple_ipc" });
  role.take(channel);
  await channel.flush();
  const close = (): void => void channel.close().catch(() => {});
  return { by: "broker", serving: { close, finished: channel.closed } };
}

async function brokerAnswers(socket_dir: string): Promise<boolean> {
  try {
    await control("ping", {}, { socket_dir });
    return true;
  } catch (error) {
    if (error instanceof IpcError && error.reason === "CHANNEL_NOT_FOUND") return false;
    throw error;
  }
}

/** The channel that a port of the broker leads to. */
async function channelOfPort(socket_dir: string, port: number): Promise<string | undefined> {
  const { listen } = await control("stats", {}, { socket_dir }) as {
    listen: { port: number; channel: string | null; tls: boolean }[];
  };
  return listen.find((entry) => entry.port === port && !entry.tls)?.channel ?? undefined;
}

async function openUds(ch: string): Promise<SimpleConn & Deno.Conn> {
  const path = pathOf(ch);
  await beginning.get(path);
  const conn = await openSocket(path, undefined, new AbortController().signal);
  if (conn !== undefined) return conn as SimpleConn & Deno.Conn;
  const kind = exists(path) ? Deno.errors.ConnectionRefused : Deno.errors.NotFound;
  throw new kind(`Cannot post to channel "${ch}": nobody listens on "${path}"`);
}

async function openIp(ch: number): Promise<SimpleConn & Deno.Conn> {
  const port = checkPort(ch);
  await beginning.get(port);
  const conn = await Deno.connect({ hostname: HOST, port });
  conn.setNoDelay(true);
  return conn;
}

async function request<U>(conn: SimpleConn & Deno.Conn, data: unknown, where: string): Promise<U> {
  using _conn = conn;
  // Both at once: whoever answers may begin before it has read all.
  const [reply] = await Promise.all([readMessage(conn, MESSAGE_BYTES_MAX), writeMessage(conn, data)]);
  if (reply !== undefined) return reply.data as U;
  throw new Deno.errors.UnexpectedEof(`No reply from ${where}: whoever listens takes broadcasts only, or failed`);
}

async function broadcast(conn: SimpleConn & Deno.Conn, data: unknown): Promise<void> {
  using _conn = conn;
  await writeMessage(conn, data);
}

function socketDirectory(): string {
  return runtime.variable("IPC_SOCKET_DIR") ?? defaultSocketDirectory(runtime.os);
}

function pathOf(ch: string): string {
  if (runtime.os === "windows") {
    throw new Error(`Cannot use channel "${ch}": there are no unix sockets on Windows. Use a port`);
  }
  if (ch === CONTROL_CHANNEL) throw new IpcError("CHANNEL_NAME", `channel "${ch}" is the broker's own`);
  return socketPath(socketDirectory(), ch);
}

function checkPort(ch: number): number {
  if (Number.isInteger(ch) && ch >= PORT_MIN && ch <= PORT_MAX) return ch;
  throw new RangeError(`${ch} is not a port from ${PORT_MIN} to ${PORT_MAX}`);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
