/**
 * Serves Simple IPC where no broker does: one message a connection, as that library's own listeners do.
 *
 * The socket's path is treated as the broker treats it. It is taken over only if it is a socket of this user and nobody
 * listens on it. There is no lock here, so before a dead socket is removed it is moved aside and tried once more: if
 * another program has put a living one in its place meanwhile, that one is moved back. And as `Deno.Listener.close()`
 * unlinks whatever stands at its path, a listener whose path was taken by another is let go of rather than closed.
 *
 * @module
 */
import { MESSAGE_BYTES_DEFAULT } from "../protocol/limits.ts";
import { readMessage, type SimpleConn, writeMessage } from "./simple_wire.ts";

/** Answers one message; `reply` is written unless it is missing. */
export type Answer = (data: unknown) => Promise<{ reply: unknown } | undefined>;

/** How long accepting pauses when the system has no descriptors left. */
const PAUSE_MS = 100;

/** See the module's head. */
export class SimpleServer {
  /** Resolves when its path or port is free. */
  readonly finished: Promise<void>;
  readonly #listener: Deno.Listener;
  readonly #answer: Answer;
  readonly #name: string;
  readonly #socket: { path: string; inode: number | null } | undefined;
  #closed = false;
  #pause: { timer: ReturnType<typeof setTimeout>; resume: () => void } | undefined;

  private constructor(listener: Deno.Listener, name: string, answer: Answer, path?: string) {
    this.#listener = listener;
    this.#answer = answer;
    this.#name = name;
    this.#socket = path === undefined ? undefined : { path, inode: Deno.lstatSync(path).ino };
    this.finished = this.#accept();
  }

  /**
   * Binds a socket that only this user may use.
   *
   * @throws {Deno.errors.AddrInUse} If something stands there.
   */
  static atPath(path: string, answer: Answer): SimpleServer {
    const mask = umask(0o177);
    let listener: Deno.Listener;
    try {
      listener = Deno.listen({ transport: "unix", path });
    } finally {
      if (mask !== undefined) umask(mask);
    }
    if (mask === undefined) Deno.chmodSync(path, 0o600);
    return new SimpleServer(listener, path, answer, path);
  }

  /** @throws {Deno.errors.AddrInUse} If somebody listens there. */
  static atPort(port: number, answer: Answer): SimpleServer {
    return new SimpleServer(Deno.listen({ hostname: "127.0.0.1", port }), `port ${port}`, answer);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pause?.timer);
    this.#pause?.resume();
    const found = this.#socket && inodeOf(this.#socket.path);
    if (found === undefined || found === this.#socket?.inode) this.#listener.close();
    else this.#listener.unref();
  }

  async #accept(): Promise<void> {
    while (!this.#closed) {
      try {
        const conn = await this.#listener.accept();
        if (this.#closed) conn.close();
        else void this.#serve(conn);
      } catch (error) {
        if (this.#closed) return;
        console.warn(`ipc: cannot accept connections on ${this.#name}: ${(error as Error).message}`);
        await new Promise<void>((resume) => this.#pause = { timer: setTimeout(resume, PAUSE_MS), resume });
      }
    }
  }

  /** Whoever sends what is no message gets no reply, and the next one is served. */
  async #serve(conn: Deno.Conn): Promise<void> {
    const simple = conn as SimpleConn & Deno.Conn;
    try {
      const message = await readMessage(simple, MESSAGE_BYTES_DEFAULT);
      if (message === undefined) return;
      const answer = await this.#answer(message.data);
      if (answer !== undefined) await writeMessage(simple, answer.reply);
    } catch (error) {
      if (!isDisconnect(error)) console.warn(`ipc: no reply on ${this.#name}: ${(error as Error).message}`);
    } finally {
      try {
        conn.close();
      } catch {
        // It is.
      }
    }
  }
}

/**
 * Makes room for a listener: removes a socket that a dead process of this user left.
 *
 * @throws {Deno.errors.AddrInUse} If something else stands there; nothing is removed.
 */
export async function clearStale(path: string): Promise<void> {
  const found = lookAt(path);
  if (found === undefined) return;
  if (await answers(path)) throw inUse(path, "a process listens there");
  // Directory and name are as long as those of any socket in it, so that it can be connected to.
  const aside = `${path.slice(0, path.lastIndexOf("/"))}/.deno-${crypto.randomUUID().slice(0, 8)}`;
  Deno.renameSync(path, aside);
  if (!await answers(aside)) return Deno.removeSync(aside);
  try {
    Deno.linkSync(aside, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    // A third one listens there by now. The second is found by nobody any more, but it is not ours to remove.
    throw inUse(path, `two processes want to listen there; the socket of one is "${aside}"`);
  }
  Deno.removeSync(aside);
  throw inUse(path, "a process has begun to listen there");
}

/**
 * Looks what stands at a path.
 *
 * @returns `undefined` if nothing does.
 * @throws {Deno.errors.AddrInUse} If it can never become ours.
 */
export function lookAt(path: string): Deno.FileInfo | undefined {
  let found: Deno.FileInfo;
  try {
    found = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (!found.isSocket) throw inUse(path, "something that is no socket stands there");
  if (found.uid !== Deno.uid()) throw inUse(path, `a socket of user ${found.uid} stands there`);
  return found;
}

/** The error that binding an address in use has. */
function inUse(path: string, why: string): Error {
  return new Deno.errors.AddrInUse(`Cannot listen on ${JSON.stringify(path)}: ${why}`);
}

async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    // Anything else, as a full backlog, is no proof that its owner is dead.
    return !(error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotFound);
  }
}

function inodeOf(path: string): number | null | undefined {
  try {
    return Deno.lstatSync(path).ino;
  } catch {
    return undefined;
  }
}

/** @returns The mask before, `undefined` if this program may not change it. */
function umask(mask: number): number | undefined {
  try {
    return Deno.umask(mask);
  } catch {
    return undefined;
  }
}

function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.NotConnected;
}
