/**
 * A socket that somebody else bound and listens on, systemd for one, and passed on as an open file descriptor.
 *
 * It stays theirs: its path is neither removed nor bound again, and while the broker is restarted those who connect wait
 * in its backlog. `Deno.listen` cannot take a descriptor over, `node:net` can, at twice the time for each message; so this
 * is for one socket only.
 *
 * And it has a flaw: once `accept()` has failed because descriptors ran out, Deno 2.9 never calls it again, nor says so.
 * Nothing revives such a socket but a new process. So it is tried now and then, and if it takes nobody in any more the
 * owner is told.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { AcceptingServer } from "./accepting_server.ts";
import { Acceptor, type AcceptorOwner } from "./acceptor.ts";
import type { PeerCredentials } from "../identity.ts";
import type { Stream } from "./connection.ts";
import type { PeerFinder } from "./peer_finder.ts";
import type { SocketStream } from "./socket_stream.ts";

/** How often the socket is tried, and how long a process that has descriptors may take to accept. */
const TRY_MS = 5_000, ACCEPT_MS_MAX = 5_000;

/** What the listener tells whoever owns it. */
export interface InheritedListenerOwner extends Omit<AcceptorOwner<Stream>, "accepted"> {
  /** Finds out who connects, if that is wanted. */
  readonly peers: PeerFinder | undefined;
  /** Somebody connected; who, only if it was to be found out. */
  accepted(conn: Stream, credentials?: PeerCredentials): void;
  /** It takes nobody in any more, and never will. Told once. */
  dead(error: IpcError): void;
}

/** See the module's head. */
export class InheritedListener {
  readonly path: string;
  readonly #owner: InheritedListenerOwner;
  readonly #socket: AcceptingServer;
  readonly #acceptor: Acceptor<SocketStream>;
  readonly #inode: number | null;
  #tried_ms = performance.now();
  #trial: ReturnType<typeof setTimeout> | undefined;

  private constructor(path: string, inode: number | null, socket: AcceptingServer, owner: InheritedListenerOwner) {
    this.path = path;
    this.#inode = inode;
    this.#owner = owner;
    this.#socket = socket;
    this.#acceptor = new Acceptor<SocketStream>(socket, {
      accepted: (stream) => this.#accepted(stream),
      ready: () => owner.ready(),
      failed: (error) => owner.failed(error),
    });
  }

  /**
   * Takes a descriptor over.
   *
   * @param path Where clients will look for it.
   * @throws {IpcError} CHANNEL_RECV if it is no Unix socket that listens; FORBIDDEN if something else stands at the path.
   */
  static async adopt(fd: number, path: string, owner: InheritedListenerOwner): Promise<InheritedListener> {
    const ino = checkPath(path, fd);
    return new InheritedListener(path, ino, await AcceptingServer.over(fd), owner);
  }

  /** Whether the path still leads to this socket. */
  intact(): boolean {
    this.#try();
    try {
      return Deno.lstatSync(this.path).ino === this.#inode;
    } catch {
      return false;
    }
  }

  /** Whoever bound it has to do that. */
  rebind(): Promise<void> {
    const why =
      `"${this.path}" no longer leads to the socket that was passed to this broker. Only whoever passed it can ` +
      'put it back: "systemctl restart ipcd.socket"';
    return Promise.reject(new IpcError("CHANNEL_RECV", why));
  }

  /** Who may connect is for whoever bound it to say. */
  permit(): void {}

  /** As above. */
  restrict(): void {}

  /** Stops accepting. The socket stays. */
  async close(): Promise<void> {
    clearTimeout(this.#trial);
    this.#trial = undefined;
    await this.#acceptor.close();
  }

  #accepted(stream: SocketStream): void {
    const { peers } = this.#owner, { descriptor } = stream;
    const credentials = descriptor === undefined ? undefined : peers?.of(descriptor);
    if (peers === undefined || credentials !== undefined) return this.#owner.accepted(stream, credentials);
    stream.close();
    this.#owner.failed(new Error("a connection was refused: it could not be found out whose it is"));
  }

  #try(): void {
    const now_ms = performance.now();
    if (this.#trial !== undefined || this.#socket.closed || now_ms - this.#tried_ms < TRY_MS) return;
    this.#tried_ms = now_ms;
    const before = this.#socket.accepted;
    this.#trial = setTimeout(() => {
      this.#trial = undefined;
      if (this.#socket.closed || this.#socket.accepted !== before) return;
      const why =
        `the socket "${this.path}" that was passed to this broker takes no connections any more, as happens ` +
        "when file descriptors ran out. Only a new broker can use it again";
      this.#owner.dead(new IpcError("CHANNEL_RECV", why));
    }, ACCEPT_MS_MAX);
    Deno.connect({ transport: "unix", path: this.path }).then((conn) => conn.close(), (error) => {
      // A full backlog is what is to be found out; anything else says nothing about the socket.
      if (error instanceof Deno.errors.WouldBlock) return;
      clearTimeout(this.#trial);
      this.#trial = undefined;
    });
  }
}

/** What clients find at the path has to be a socket that they would trust. */
function checkPath(path: string, fd: number): number | null {
  const refused = (what: string) =>
    new IpcError(
      "FORBIDDEN",
      `Cannot listen on descriptor ${fd}: ${what} at "${path}". Its ListenStream and socket_dir must agree: ` +
        '"ipc service install" writes the one as the other says',
    );
  let found: Deno.FileInfo;
  try {
    found = Deno.lstatSync(path);
  } catch {
    throw refused("there is nothing");
  }
  if (!found.isSocket) throw refused("there is no socket");
  if (found.uid !== 0 && found.uid !== Deno.uid()) throw refused(`there is a socket of user ${found.uid}`);
  return found.ino;
}
