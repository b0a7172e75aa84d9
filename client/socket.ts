/**
 * Opens a channel's socket, and makes sure first whose it is.
 *
 * Sockets stand in a directory that everybody may write to. Whoever puts a socket there under a channel's name before
 * the broker does would be told everything, tokens included. So the path is looked at before and after connecting: it
 * has to be a socket (not a link to one), owned by root, by this user or by the user that the caller named, and the same
 * inode both times, so that nobody swapped it in between. Until that is known, nothing is sent.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import { pause } from "./pause.ts";
import { runtime } from "./runtime_deno.ts";
import type { Connection, SocketFile } from "./runtime.ts";

/** A socket can be replaced while we look at it when its broker is restarted; not this often. */
const LOOKS_MAX = 5;
/** How long to wait for a broker whose queue of new connections is full. */
const BACKLOG_PAUSE_MS = 20;

/**
 * @param path The socket.
 * @param broker_uid User id of the broker, besides root and this user.
 * @param signal Gives up waiting for a broker that is too busy to accept.
 * @returns `undefined` if there is no socket, or nobody listens on it.
 * @throws {IpcError} FORBIDDEN if it belongs to somebody else, is no socket, or may not be opened; CHANNEL_RECV if it
 *   cannot be opened for now.
 */
export async function openSocket(
  path: string,
  broker_uid: number | undefined,
  signal: AbortSignal,
): Promise<Connection | undefined> {
  for (let looks = 0; looks < LOOKS_MAX;) {
    const before = look(path);
    if (before === undefined) return undefined;
    checkOwner(path, before, broker_uid);
    let conn: Connection;
    try {
      conn = await runtime.connectUnix(path);
    } catch (error) {
      const refusal = runtime.refusal(error);
      if (refusal === "busy") {
        await pause(BACKLOG_PAUSE_MS, signal);
        signal.throwIfAborted();
        continue;
      }
      if (refusal === "absent") return undefined;
      throw denied(path, error);
    }
    let after: SocketFile | undefined;
    try {
      after = look(path);
      if (after !== undefined) checkOwner(path, after, broker_uid);
    } catch (error) {
      conn.close();
      throw error;
    }
    if (after !== undefined && after.ino === before.ino && after.dev === before.dev) return conn;
    conn.close();
    looks++;
  }
  throw new IpcError(
    "FORBIDDEN",
    `Cannot use socket ${JSON.stringify(path)}: it was replaced ${LOOKS_MAX} times while connecting. ` +
      "Find out which program does that before sending anything there",
  );
}

function look(path: string): SocketFile | undefined {
  try {
    return runtime.lstat(path);
  } catch (error) {
    if (runtime.refusal(error) === "absent") return undefined;
    throw denied(path, error);
  }
}

/** What stands where a socket should. */
export function kindText(
  { isSymlink, isDirectory, isFifo }: Pick<SocketFile, "isSymlink" | "isDirectory" | "isFifo">,
): string {
  return isSymlink ? "a symbolic link" : isDirectory ? "a directory" : isFifo ? "a named pipe" : "a file";
}

function checkOwner(path: string, info: SocketFile, broker_uid: number | undefined): void {
  if (runtime.os === "windows") return; // files there have no user id; the directory's access list decides
  if (!info.isSocket) {
    throw new IpcError(
      "FORBIDDEN",
      `Cannot use ${JSON.stringify(path)}: it is ${kindText(info)} of user ${info.uid}, not a socket. ` +
        "Remove it, or choose another channel or socket_dir",
    );
  }
  if (info.uid === 0 || info.uid === broker_uid) return;
  const { uid, hint } = runtime.user();
  if (uid !== undefined && info.uid === uid) return;
  throw new IpcError(
    "FORBIDDEN",
    `Cannot trust socket ${JSON.stringify(path)}: it belongs to user ${info.uid}, not to root or this user${
      uid === undefined ? "" : ` (${uid})`
    }. Nothing was sent. If that user runs the broker, say so: for ipc broker_user = "${info.uid}" in the ` +
      `configuration or IPC_BROKER_USER=${info.uid}, for a program broker_uid: ${info.uid}. Else choose another ` +
      `socket_dir${hint}`,
  );
}

function denied(path: string, cause: unknown): IpcError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const refusal = runtime.refusal(cause);
  if (refusal !== "not capable" && refusal !== "denied") {
    // Out of file descriptors, for instance: may be better the next time.
    return new IpcError("CHANNEL_RECV", `Cannot open socket ${JSON.stringify(path)}: ${message}`, { cause });
  }
  const hint = refusal === "not capable" && /^\/(dev|proc|sys)\//.test(path)
    ? "Deno opens next to nothing there: choose another socket_dir"
    : refusal === "not capable"
    ? "A client needs --allow-read, --allow-write and --allow-net for it"
    : "Ask its owner for access, or choose another socket_dir";
  return new IpcError("FORBIDDEN", `Cannot open socket ${JSON.stringify(path)}: ${message}. ${hint}`, { cause });
}
