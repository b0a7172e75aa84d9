/**
 * Sockets that a service manager bound before it started this process, sd_listen_fds(3): descriptors from 3 on.
 *
 * @module
 */
import { EXIT, Failure } from "../exit_codes.ts";

/** The first descriptor that is passed. */
const FIRST_FD = 3;
/** What the units call the socket of the broker's own channel. */
const SOCKET_NAME = "ipcd";

/**
 * The descriptor of the control socket, `undefined` if none was passed to this process.
 *
 * @param env Reads the environment: `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`.
 * @param pid This process. Variables that are about another one, a parent of ours, are not meant for us.
 * @throws {Failure} If it cannot be told which one it is.
 */
export function inheritedSocket(env: (name: string) => string | undefined, pid: number): number | undefined {
  if (env("LISTEN_PID") !== String(pid)) return undefined;
  const count = Number(env("LISTEN_FDS"));
  if (!Number.isInteger(count) || count < 1) return undefined;
  const names = (env("LISTEN_FDNAMES") ?? "").split(":"), at = names.indexOf(SOCKET_NAME);
  if (at >= 0 && at < count) return FIRST_FD + at;
  if (count === 1) return FIRST_FD;
  throw new Failure(
    EXIT.CONFIGURATION,
    `cannot tell which of ${count} sockets is the control socket: LISTEN_FDNAMES is ${
      JSON.stringify(names.join(":"))
    }. ` +
      `Pass one, or name it with FileDescriptorName=${SOCKET_NAME}`,
  );
}
