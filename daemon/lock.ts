/**
 * One broker per socket directory: a lock file in a directory of the user's own, never in /tmp, held by `flock` until
 * the last listener is closed. The kernel lets go of it when the process ends, however it ends, so a lock never gets
 * stale. The file says who holds it; a broker that is going away says so there, and its successor waits for it.
 *
 * @module
 */
import { LOCK_WAIT_MS_MAX } from "../protocol/limits.ts";
import { IpcError } from "../protocol/errors.ts";

const RETRY_MS = 25;

/** What the lock file says, one line of JSON. */
export interface LockHolder {
  pid: number;
  socket_dir: string;
  version: string;
  state: "running" | "draining";
}

/** Where the lock for a socket directory stands. */
export function lockPath(state_dir: string, socket_dir: string): string {
  return `${state_dir}/${encodeURIComponent(socket_dir.replace(/\/+$/, "") || "/")}.lock`;
}

/**
 * Makes the directory of lock and log, for this user alone, or finds it.
 *
 * @throws {IpcError} FORBIDDEN if others may write to it: what stands there could be a link to one of this user's files,
 *   which would be written over.
 */
export function makeStateDirectory(path: string): void {
  // The broker's own mask is for sockets: a directory made under it could not be entered.
  const mask = Deno.umask(0o077);
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } finally {
    Deno.umask(mask);
  }
  const { uid, mode } = Deno.statSync(path), own = Deno.uid();
  const wrong = uid !== null && uid !== 0 && uid !== own
    ? `it belongs to user ${uid}, and this is user ${own}`
    : mode !== null && (mode & 0o022) !== 0
    ? `others may write to it. Once you have looked what is in it: chmod go-w ${path}`
    : undefined;
  if (wrong === undefined) return;
  throw new IpcError(
    "FORBIDDEN",
    `Cannot have the broker's lock and log in "${path}": ${wrong}. Or set XDG_RUNTIME_DIR to a directory of yours`,
  );
}

/** Who holds a lock by what its file says; `undefined` if it says nothing. */
export function readHolder(path: string): LockHolder | undefined {
  try {
    const holder: unknown = JSON.parse(Deno.readTextFileSync(path));
    return typeof holder === "object" && holder !== null && "pid" in holder ? holder as LockHolder : undefined;
  } catch {
    return undefined;
  }
}

/** A lock that is held. */
export class Lock {
  readonly #file: Deno.FsFile;
  readonly #holder: LockHolder;

  private constructor(file: Deno.FsFile, holder: LockHolder) {
    this.#file = file;
    this.#holder = holder;
    this.#write();
  }

  /**
   * Takes the lock; waits for a holder that is going away.
   *
   * @throws {IpcError} FORBIDDEN, naming the holder's pid, if another broker runs; see also {@linkcode makeStateDirectory}.
   */
  static async take(state_dir: string, socket_dir: string, version: string): Promise<Lock> {
    const path = lockPath(state_dir, socket_dir);
    const mask = Deno.umask(0o077);
    let file: Deno.FsFile;
    try {
      makeStateDirectory(state_dir);
      file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    } catch (error) {
      if (error instanceof IpcError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new IpcError(
        "CHANNEL_RECV",
        `Cannot open lock file "${path}": ${why}. Set XDG_RUNTIME_DIR to a directory of yours`,
        {
          cause: error,
        },
      );
    } finally {
      Deno.umask(mask);
    }
    for (let waited_ms = 0; !file.tryLockSync(true); waited_ms += RETRY_MS) {
      const holder = readHolder(path);
      if (waited_ms >= LOCK_WAIT_MS_MAX || waited_ms >= 10 * RETRY_MS && holder?.state !== "draining") {
        file.close();
        const who = holder === undefined ? "another broker" : `broker ${holder.version} with pid ${holder.pid}`;
        throw new IpcError(
          "FORBIDDEN",
          `Cannot start a broker for "${socket_dir}": ${who} holds "${path}". Stop it with "ipc daemon stop"`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    return new Lock(file, { pid: Deno.pid, socket_dir, version, state: "running" });
  }

  /** Says that the holder is going away, so that a successor waits. */
  draining(): void {
    this.#holder.state = "draining";
    this.#write();
  }

  /** Lets go. The file stays, empty: removing it would let two brokers hold locks on two files of one name. */
  release(): void {
    try {
      this.#file.truncateSync(0);
    } catch {
      // As below.
    }
    this.#file.close();
  }

  /** What the file says is for people and successors; the lock itself is the kernel's. A full disk changes neither. */
  #write(): void {
    try {
      this.#file.truncateSync(0);
      this.#file.seekSync(0, Deno.SeekMode.Start);
      this.#file.writeSync(new TextEncoder().encode(JSON.stringify(this.#holder) + "\n"));
    } catch {
      // Whoever looks is told that "another broker" holds the lock.
    }
  }
}
