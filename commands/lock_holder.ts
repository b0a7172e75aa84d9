/**
 * Who holds the broker's lock, asked of the kernel: what the lock's file says may be about a broker that was killed.
 *
 * @module
 */
import { stateDirectory } from "../config/files.ts";
import type { Settings } from "../config/settings.ts";
import type { Io } from "./io.ts";

/** The process that holds the lock for the socket directory; `undefined` if nobody does. */
export async function lockHolder(settings: Settings, io: Io): Promise<{ pid: number } | undefined> {
  const { lockPath, readHolder } = await import("../daemon/lock.ts");
  const path = lockPath(stateDirectory(io.env), settings.socket_dir);
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    const { NotFound, NotADirectory, PermissionDenied } = Deno.errors;
    // Where this user may not look, no broker of this user holds one.
    if (error instanceof NotFound || error instanceof NotADirectory || error instanceof PermissionDenied) {
      return undefined;
    }
    throw error;
  }
  try {
    // Shared, so that two who ask at once are not in each other's way. A broker that starts tries again.
    if (!file.tryLockSync(false)) return readHolder(path) ?? { pid: 0 };
    file.unlockSync();
    return undefined;
  } finally {
    file.close();
  }
}
