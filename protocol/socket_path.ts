/**
 * Where a channel's socket stands. The names are those of Simple IPC for Deno, so that its programs find our sockets.
 *
 * @module
 */
import { checkChannelName, isChannelName } from "./channel_name.ts";
import { IpcError } from "./errors.ts";
import { SOCKET_PATH_BYTES_MAX } from "./limits.ts";

const PREFIX = ".deno.", SUFFIX = ".socket";

/**
 * The directory that sockets stand in unless somebody says otherwise.
 *
 * @param os `Deno.build.os`, or what it would be.
 */
export function defaultSocketDirectory(os: string): string {
  return os === "windows" ? "C:/Windows/Temp" : "/tmp";
}

/**
 * The path of a channel's socket.
 *
 * @param directory Without a slash at its end, or with one.
 * @param channel A channel name.
 * @throws {IpcError} CHANNEL_NAME if it is not a channel name, or the path does not fit into a socket address.
 *
 * @example
 * ```ts
 * import { socketPath } from "./socket_path.ts";
 *
 * if (socketPath("/tmp", "deploys") !== "/tmp/.deno.deploys.socket") throw new Error("not Simple IPC's path");
 * ```
 */
export function socketPath(directory: string, channel: string): string {
  const separator = directory.endsWith("/") || directory.endsWith("\\") ? "" : "/";
  const path = `${directory}${separator}${PREFIX}${checkChannelName(channel)}${SUFFIX}`;
  const bytes = new TextEncoder().encode(path).length;
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw new IpcError(
      "CHANNEL_NAME",
      `Cannot use socket ${JSON.stringify(path)}: path is ${bytes} bytes, limit is ${SOCKET_PATH_BYTES_MAX}. ` +
        "Choose a shorter channel name or socket_dir",
    );
  }
  return path;
}

/**
 * The channel whose socket has this file name.
 *
 * @param file A file's name, without its directory.
 * @returns `undefined` if it is not a channel's socket.
 */
export function channelOfSocket(file: string): string | undefined {
  if (!file.startsWith(PREFIX) || !file.endsWith(SUFFIX)) return undefined;
  const name = file.slice(PREFIX.length, -SUFFIX.length);
  return isChannelName(name) ? name : undefined;
}
