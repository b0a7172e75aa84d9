/**
 * A broker that runs for one `ipc bench` and no longer: where none runs, that is what is measured. It reads no
 * configuration file, and everything that it writes is in a directory of its own.
 *
 * @module
 */
import { isElsewhere } from "../broker_options.ts";
import { brokerAnswers, noBroker } from "../connection.ts";
import type { Io } from "../io.ts";
import { settingsOf } from "../settings.ts";

/** Should nobody be left who stops it, it ends itself after this long without clients. */
const IDLE_EXIT = "10s";

/** Whether an attempt to connect failed because there is no broker at all, rather than no such channel. */
export async function noBrokerAtAll(error: unknown, io: Io): Promise<boolean> {
  return noBroker(error) && !isElsewhere(io) && !await brokerAnswers(await settingsOf(io));
}

/**
 * Starts one.
 *
 * @param directory For its sockets, lock and log; there is nothing else in it.
 * @returns Surroundings in which it is the broker.
 */
export async function startOwnBroker(directory: string, io: Io): Promise<OwnBroker> {
  Deno.mkdirSync(directory, { mode: 0o700 });
  const values: Readonly<Record<string, string | undefined>> = {
    IPC_SOCKET_DIR: directory,
    IPC_CONFIG: "/dev/null",
    IPC_PROFILE: undefined,
    IPC_TOKEN_FILE: undefined,
    RUNTIME_DIRECTORY: directory,
  };
  const own: Io = {
    ...io,
    env: (name) => name in values ? values[name] : io.env(name),
    // What is said about its log is about a file that is gone at the end. A failure holds the lines that matter.
    stderr: { is_terminal: false, write: () => {} },
  };
  const { startBroker } = await import("../autostart.ts");
  await startBroker(await settingsOf(own), ["--idle-exit-default", IDLE_EXIT], own);
  return { io: own, [Symbol.asyncDispose]: () => stop(own) };
}

/** See {@linkcode startOwnBroker}. Disposed of, it has ended. */
export interface OwnBroker extends AsyncDisposable {
  io: Io;
}

async function stop(own: Io): Promise<void> {
  const { controlBroker } = await import("../daemon/control.ts");
  await controlBroker(
    { action: "stop", config: undefined, idle_exit_default: undefined, print_permissions: false, json: false },
    own,
  );
}
