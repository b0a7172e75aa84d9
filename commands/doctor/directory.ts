/**
 * The directories: that of the sockets, and that of the broker's lock.
 *
 * @module
 */
import { quote, stateDirectory } from "../../config/files.ts";
import { SOCKET_PATH_BYTES_MAX } from "../../protocol/limits.ts";
import { type Finding, type Patient, userText } from "./finding.ts";

/** A directory that leaves less than this for the name of a channel is a hindrance. */
const NAME_BYTES_MIN = 16;

/** Looks at the directory of the sockets. */
export function* checkSocketDirectory({ settings, uid, own_broker }: Patient): Generator<Finding> {
  const path = settings.socket_dir;
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    yield {
      finding: "socket_directory",
      level: "problem",
      path,
      what: missing
        ? `the socket directory ${path} does not exist`
        : `the socket directory ${path} cannot be looked at`,
      fix: missing
        ? `mkdir -p ${quote(path)}, or set another socket_dir`
        : error instanceof Deno.errors.NotCapable
        ? "Deno opens next to nothing below /dev, /proc and /sys: set another socket_dir"
        : `${(error as Error).message}: set another socket_dir`,
    };
    return;
  }
  const mode = info.mode ?? 0;
  if (!info.isDirectory) {
    yield {
      finding: "socket_directory",
      level: "problem",
      path,
      what: `socket_dir names ${path}, which is not a directory`,
      fix: "set another socket_dir",
    };
    return;
  }
  if ((mode & 0o002) !== 0 && (mode & 0o1000) === 0) {
    yield {
      finding: "directory_not_sticky",
      level: "problem",
      path,
      what: `everybody may write to ${path} and it is not sticky: anybody can remove and replace the sockets in it`,
      fix: `chmod +t ${quote(path)}`,
    };
  }
  if (info.uid !== 0 && info.uid !== uid && info.uid !== settings.broker_uid) {
    yield {
      finding: "directory_owner",
      level: "problem",
      path,
      what: `${path} belongs to ${userText(info.uid)}, who can remove and replace the sockets in it`,
      fix: "set socket_dir to a directory of root, of yours or of the broker's user",
    };
  }
  if (own_broker && !mayWrite(info, uid)) {
    yield {
      finding: "directory_not_writable",
      level: "problem",
      path,
      what: `a broker of ${userText(uid)} cannot make sockets in ${path}`,
      fix: "set a socket_dir that this user may write to, or broker_user to who runs the broker",
    };
  }
  const room = SOCKET_PATH_BYTES_MAX - new TextEncoder().encode(`${path.replace(/\/$/, "")}/.deno..socket`).length;
  if (room < NAME_BYTES_MIN) {
    yield {
      finding: "path_too_long",
      level: "problem",
      path,
      what: `${path} leaves ${
        Math.max(room, 0)
      } bytes for a channel's name: a socket's path has at most ${SOCKET_PATH_BYTES_MAX}`,
      fix: "set a shorter socket_dir",
    };
  }
}

/** As far as can be told: this user may be in the group. */
function mayWrite({ mode, uid }: Deno.FileInfo, own_uid: number): boolean {
  const bits = mode ?? 0o777;
  if (own_uid === 0) return true;
  if (uid === own_uid) return (bits & 0o200) !== 0;
  return (bits & 0o022) !== 0;
}

/** Looks at the directory of the lock, which a broker of this user needs. */
export function* checkLockDirectory({ io, uid, own_broker }: Patient): Generator<Finding> {
  if (!own_broker) return;
  const path = stateDirectory(io.env);
  const problem = (what: string, fix: string): Finding => ({
    finding: "lock_directory",
    level: "problem",
    path,
    what,
    fix,
  });
  const other = "set XDG_RUNTIME_DIR to a directory of yours";
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return yield* checkParent(path, uid);
    yield problem(
      `the directory of the broker's lock, ${path}, cannot be looked at: ${(error as Error).message}`,
      other,
    );
    return;
  }
  if (!info.isDirectory) {
    yield problem(`${path}, where the broker's lock should stand, is not a directory`, `remove it, or ${other}`);
  } else if (info.uid !== uid) {
    yield problem(
      `the directory of the broker's lock, ${path}, belongs to ${userText(info.uid)}: a broker of ${
        userText(uid)
      } cannot use it`,
      `chown ${uid} ${quote(path)} as root, or ${other}`,
    );
  } else if (((info.mode ?? 0) & 0o022) !== 0) {
    yield problem(
      `others may write to ${path}, the directory of the broker's lock, and keep a broker from starting`,
      `chmod go-w ${quote(path)}`,
    );
  } else if (((info.mode ?? 0) & 0o700) !== 0o700) {
    yield problem(
      `${path}, the directory of the broker's lock, is closed to its own user`,
      `chmod u+rwx ${quote(path)}`,
    );
  }
}

/** It will be made by the first broker, if its user may. */
function* checkParent(path: string, uid: number): Generator<Finding> {
  for (let parent = path; parent !== "";) {
    parent = parent.slice(0, parent.lastIndexOf("/"));
    let info: Deno.FileInfo;
    try {
      info = Deno.statSync(parent === "" ? "/" : parent);
    } catch {
      continue;
    }
    if (info.isDirectory && mayWrite(info, uid)) return;
    yield {
      finding: "lock_directory",
      level: "problem",
      path,
      what: `the directory of the broker's lock, ${path}, does not exist, and ${userText(uid)} cannot make it in ${
        parent || "/"
      }`,
      fix: "set XDG_RUNTIME_DIR to a directory of yours",
    };
    return;
  }
}
