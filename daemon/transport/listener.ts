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
 * A socket is bound for its owner alone, whatever the process's umask is, and only then given to its group and opened to
 * those who may connect: so at no moment can anybody connect who may not. Both go by path, because nothing else changes
 * the file of a socket; so they are done only in a directory where nobody else can put something in its place.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import type { PeerCredentials } from "../identity.ts";
import { Acceptor, type AcceptorOwner } from "./acceptor.ts";
import { type Caller, KnownCallers } from "./callers.ts";
import type { PeerFinder } from "./peer_finder.ts";

/** Who may connect. */
export interface SocketAccess {
  /** Permission bits. */
  readonly mode: number;
  /** The group that it is given to; `undefined` leaves it to the process's own. */
  readonly gid: number | undefined;
}

/** What sockets are bound with. */
const OWNER_ALONE = 0o600, UMASK = 0o777 & ~OWNER_ALONE;

/** What the listener tells whoever owns it. */
export interface ListenerOwner extends Omit<AcceptorOwner<Deno.UnixConn>, "accepted"> {
  /** Finds out who connects, if that is wanted. */
  readonly peers?: PeerFinder | undefined;
  /** Somebody connected; who, only if it was to be found out. */
  accepted(conn: Deno.UnixConn, credentials?: PeerCredentials): void;
  /** The socket had been removed, and is there again. */
  rebound(): void;
}

/** See the module's head. */
export class Listener {
  readonly path: string;
  readonly #owner: ListenerOwner;
  /** `undefined` while nothing is bound. */
  #bound: { listener: Deno.UnixListener; acceptor: Acceptor<Deno.UnixConn> | Acceptor<Caller> } | undefined;
  #inode: number | null = null;
  #access: SocketAccess;
  #closed = false;
  #rebinding: Promise<void> | undefined;

  private constructor(path: string, access: SocketAccess, owner: ListenerOwner) {
    this.path = path;
    this.#access = access;
    this.#owner = owner;
    this.#bind();
  }

  /**
   * Binds a path.
   *
   * @throws {IpcError} CHANNEL_RECV, or FORBIDDEN if the path is somebody else's, naming the owner, or the socket cannot
   *   be opened to those who may connect.
   */
  static async bind(path: string, access: SocketAccess, owner: ListenerOwner): Promise<Listener> {
    await clearStale(path);
    return new Listener(path, access, owner);
  }

  /** Whether the path still leads to this listener. */
  intact(): boolean {
    return inode(this.path) === this.#inode;
  }

  /**
   * Binds again after the path was removed under it; whoever asks while that is being done waits for the same.
   *
   * @throws {IpcError} If something else stands there by now; this listener stays as it was.
   */
  rebind(): Promise<void> {
    return this.#rebinding ??= this.#bindAgain().finally(() => this.#rebinding = undefined);
  }

  /**
   * Changes who may connect from now on. Who is connected stays.
   *
   * @throws {IpcError} FORBIDDEN if that cannot be done; then nobody may who might not before.
   */
  permit(access: SocketAccess): void {
    const before = this.#access;
    this.#access = access;
    if (this.#bound === undefined || !this.intact()) return; // bound again, it has them
    if (before.mode !== access.mode || before.gid !== access.gid) grant(this.path, access, before.mode);
  }

  /**
   * Leaves only those in who may connect now and will be allowed to, until {@linkcode permit} says so: what else decides
   * on them may not be in force yet.
   *
   * @throws {IpcError} FORBIDDEN if the socket cannot be opened to others at all.
   */
  restrict({ mode, gid }: SocketAccess): void {
    if (mode !== OWNER_ALONE) checkDirectory(this.path);
    const now = this.#access, group = now.gid === gid ? 0o060 : 0;
    this.permit({ mode: now.mode & mode & (0o606 | group), gid: now.gid });
  }

  async #bindAgain(): Promise<void> {
    if (inode(this.path) !== undefined) await clearStale(this.path);
    if (this.#closed) return;
    await this.#release();
    if (this.#closed) return;
    this.#bind();
    this.#owner.rebound();
  }

  /** Stops accepting and removes the socket, if it is still this one. Resolves when its path is nobody's. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#rebinding?.catch(() => {});
    const found = inode(this.path);
    if (found === this.#inode || found === undefined) return await this.#release();
    this.#bound?.acceptor.stop();
    this.#bound?.listener.unref();
  }

  #bind(): void {
    const listener = listen(this.path);
    this.#inode = Deno.lstatSync(this.path).ino;
    try {
      grant(this.path, this.#access, OWNER_ALONE);
      this.#bound = { listener, acceptor: acceptorOf(listener, this.#owner) };
    } catch (error) {
      listener.close();
      throw error;
    }
  }

  async #release(): Promise<void> {
    const acceptor = this.#bound?.acceptor;
    this.#bound = undefined;
    await acceptor?.close();
  }
}

/** There may be thousands of listeners that wait for years: one whose callers need not be known costs nothing beside it. */
function acceptorOf(
  listener: Deno.UnixListener,
  owner: ListenerOwner,
): Acceptor<Deno.UnixConn> | Acceptor<Caller> {
  const { peers } = owner;
  if (peers === undefined) return new Acceptor<Deno.UnixConn>(listener, owner);
  return new Acceptor<Caller>(new KnownCallers(listener, peers, (error) => owner.failed(error)), {
    accepted: ({ conn, credentials }) => owner.accepted(conn, credentials),
    ready: () => owner.ready(),
    failed: (error) => owner.failed(error),
  });
}

function listen(path: string): Deno.UnixListener {
  const mask = Deno.umask(UMASK);
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new IpcError("CHANNEL_RECV", `Cannot listen on socket "${path}": ${why}${remedy(error)}`, { cause: error });
  } finally {
    Deno.umask(mask);
  }
}

/**
 * Opens a socket to those who may connect, and to nobody else meanwhile: until it has changed hands only what both groups
 * may is allowed.
 */
function grant(path: string, { mode, gid }: SocketAccess, before: number): void {
  if (mode === OWNER_ALONE && before === OWNER_ALONE && gid === undefined) return;
  try {
    checkDirectory(path);
    if ((before & mode) !== before) Deno.chmodSync(path, before & mode);
    Deno.chownSync(path, null, gid ?? Deno.gid());
    Deno.chmodSync(path, mode);
  } catch (error) {
    if (error instanceof IpcError) throw error;
    const why = error instanceof Error ? error.message : String(error),
      whom = gid === undefined ? "" : ` of group ${gid}`;
    const advice = error instanceof Deno.errors.PermissionDenied && gid !== undefined
      ? `. The broker has to be started by a user who is in group ${gid}`
      : "";
    throw new IpcError(
      "FORBIDDEN",
      `Cannot make "${path}" a socket${whom} with mode 0${mode.toString(8)}: ${why}${advice}`,
      { cause: error },
    );
  }
}

/** chmod(2) and chown(2) follow links: nobody else may be able to exchange the socket for one. */
function checkDirectory(path: string): void {
  const directory = path.slice(0, path.lastIndexOf("/")) || "/", { mode, uid } = Deno.statSync(directory);
  const others_write = ((mode ?? 0) & 0o022) !== 0, sticky = ((mode ?? 0) & 0o1000) !== 0;
  const why = uid !== 0 && uid !== Deno.uid()
    ? `"${directory}" belongs to user ${uid}`
    : others_write && !sticky
    ? `others may write to "${directory}" and it is not sticky`
    : undefined;
  if (why === undefined) return;
  throw new IpcError(
    "FORBIDDEN",
    `Cannot open "${path}" to other users: ${why}, so that somebody else could put another file in its place. ` +
      `Choose another socket_dir, or leave mode at "0600"`,
  );
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
