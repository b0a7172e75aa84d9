/**
 * One channel's socket: binding it without ever touching what is not ours.
 *
 * A path is taken over only if it is a socket, belongs to this user and refuses a connect: then its owner is dead. All
 * else ends with an error that says whose it is, and nothing is deleted. Whoever calls holds the broker's lock, so no
 * other broker of this user does the same at the same time.
 *
 * `Deno.Listener.close()` unlinks by path, even if somebody else's socket stands there by then. So the inode is compared
 * first; a listener whose path was taken by another is left open rather than closed, and ends with the process. And it
 * unlinks when the runtime lets go of the socket; until then nobody may bind the path again, so `close()` says when that
 * is.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { Acceptor, type AcceptorOwner } from "./acceptor.ts";

/** What the listener tells whoever owns it. */
export type ListenerOwner = AcceptorOwner<Deno.UnixConn>;

/** See the module's head. */
export class Listener {
  readonly path: string;
  readonly #owner: ListenerOwner;
  /** `undefined` while nothing is bound. */
  #bound: { listener: Deno.UnixListener; acceptor: Acceptor<Deno.UnixConn> } | undefined;
  #inode: number | null = null;
  #closed = false;

  private constructor(path: string, owner: ListenerOwner) {
    this.path = path;
    this.#owner = owner;
    this.#bind();
  }

  /**
   * Binds a path.
   *
   * @throws {IpcError} CHANNEL_RECV, or FORBIDDEN if the path is somebody else's, naming the owner.
   */
  static async bind(path: string, owner: ListenerOwner): Promise<Listener> {
    await clearStale(path);
    return new Listener(path, owner);
  }

  /** Whether the path still leads to this listener. */
  intact(): boolean {
    return inode(this.path) === this.#inode;
  }

  /**
   * Binds again after the path was removed under it.
   *
   * @throws {IpcError} If something else stands there by now; this listener stays as it was.
   */
  async rebind(): Promise<void> {
    if (inode(this.path) !== undefined) await clearStale(this.path);
    if (this.#closed) return;
    await this.#release();
    if (this.#closed) return;
    this.#bind();
  }

  /** Stops accepting and removes the socket, if it is still this one. Resolves when its path is nobody's. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const found = inode(this.path);
    if (found === this.#inode || found === undefined) return await this.#release();
    this.#bound?.acceptor.stop();
    this.#bound?.listener.unref();
  }

  #bind(): void {
    const listener = listen(this.path);
    this.#inode = Deno.lstatSync(this.path).ino;
    this.#bound = { listener, acceptor: new Acceptor(listener, this.#owner) };
  }

  async #release(): Promise<void> {
    const acceptor = this.#bound?.acceptor;
    this.#bound = undefined;
    await acceptor?.close();
  }
}

function listen(path: string): Deno.UnixListener {
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new IpcError("CHANNEL_RECV", `Cannot listen on socket "${path}": ${why}${remedy(error)}`, { cause: error });
  }
}

function remedy(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return ". Make that directory, or choose another socket_dir";
  if (error instanceof Deno.errors.PermissionDenied) return ". Choose a socket_dir that this user may write to";
  return "";
}

function inode(path: string): number | null | undefined {
  try {
    return Deno.lstatSync(path).ino;
  } catch {
    return undefined;
  }
}

/** Removes a socket that this user's dead broker left behind; refuses everything else. */
async function clearStale(path: string): Promise<void> {
  let found: Deno.FileInfo;
  try {
    found = Deno.lstatSync(path);
  } catch {
    return;
  }
  const kind = found.isSocket
    ? "socket"
    : found.isSymlink
    ? "symbolic link"
    : found.isDirectory
    ? "directory"
    : found.isFifo
    ? "named pipe"
    : "file";
  const whose = `a ${kind} of user ${found.uid}`;
  if (!found.isSocket || found.uid !== Deno.uid()) {
    throw new IpcError(
      "FORBIDDEN",
      `Cannot listen on "${path}": ${whose} stands there. Ask its owner to remove it, or choose another socket_dir`,
    );
  }
  if (await answers(path)) {
    throw new IpcError(
      "FORBIDDEN",
      `Cannot listen on "${path}": ${whose} stands there and a process listens on it. Stop that process first`,
    );
  }
  Deno.removeSync(path);
}

async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotFound) return false;
    // Anything else, as a full backlog, is no proof that its owner is dead.
    return true;
  }
}
