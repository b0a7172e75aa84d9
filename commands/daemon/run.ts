/**
 * `ipc daemon run`: the broker, in the foreground.
 *
 * @module
 */
import type { Settings } from "../../config/settings.ts";
import type { Broker } from "../../daemon/mod.ts";
import { checkGroups } from "../../config/accounts.ts";
import { stateDirectory } from "../../config/files.ts";
import { readListenSecrets } from "../../config/listen_secrets.ts";
import { loadSettings } from "../../config/load.ts";
import { readTokens } from "../../config/tokens.ts";
import { buildInfo } from "../build_info.ts";
import type { DaemonOptions } from "../daemon.ts";
import { EXIT, Failure } from "../exit_codes.ts";
import { inheritedSocket } from "./inherited_socket.ts";
import type { Io } from "../io.ts";
import { brokerPermissions } from "../permissions.ts";
import { ServiceManager } from "./service_manager.ts";

/** Runs until it is told to stop, by a signal or through the control channel. @returns 0. */
export async function runBroker(options: DaemonOptions, io: Io): Promise<number> {
  const state_dir = stateDirectory(io.env);
  // Of the configuration that holds, and of the one that was read last, which may have been refused.
  let read_before: readonly string[] = [], read_last = read_before;
  const load = async () => {
    const { settings, files } = await loadSettings({
      cwd: io.cwd(),
      env: io.env,
      read_before,
      ...(options.config === undefined ? {} : { config_file: options.config }),
      ...(options.idle_exit_default === undefined ? {} : { defaults: { idle_exit: options.idle_exit_default } }),
    });
    checkGroups(settings, state_dir);
    read_last = files;
    return settings;
  };
  const settings = await load();
  if (options.print_permissions) {
    io.stdout.write(`${brokerPermissions(settings).join(" ")}\n`);
    return EXIT.OK;
  }
  checkPermissions(settings);
  const { version } = await buildInfo();
  read_before = read_last;
  const [{ startBroker }, { openLog }] = await Promise.all([
    import("../../daemon/mod.ts"),
    import("../../daemon/log_tape.ts"),
  ]);
  const log = await openLog(settings.log);
  const manager = ServiceManager.find(io.env, log), control_fd = inheritedSocket(io.env, Deno.pid);
  const serving = () => manager?.ready(`sockets in ${settings.socket_dir}`);
  const starting = startBroker({
    settings,
    state_dir,
    version,
    log,
    reload: load,
    reloaded: ({ log: { level, format } }) => {
      read_before = read_last;
      log.setLevel(level);
      if (format !== settings.log.format) log.warning("a changed log.format needs a restart", { format });
    },
    draining: (reason) => manager?.stopping(`going away: ${reason}`),
    secrets: readListenSecrets,
    tokens: readTokens,
    ...(control_fd === undefined ? {} : { control_fd }),
  });
  // From the first moment on: whoever finds the pid in the lock may send a signal.
  const told = (order: (broker: Broker) => Promise<void>) => () => void starting.then(order, () => {});
  const removers = [
    io.onSignal("SIGTERM", told((broker) => broker.drain("SIGTERM"))),
    io.onSignal("SIGINT", told((broker) => broker.drain("SIGINT"))),
    io.onSignal(
      "SIGHUP",
      told(async (broker) => {
        manager?.reloading();
        try {
          await broker.reload();
          serving();
        } catch (error) {
          const why = (error as Error).message;
          log.error("the configuration could not be read again", { error: why });
          manager?.ready(`still with the old configuration: ${why}`);
        }
      }),
    ),
  ];
  try {
    const broker = await starting;
    serving();
    manager?.watch(io.env, Deno.pid);
    await broker.finished;
  } finally {
    for (const remove of removers) remove();
    await manager?.close();
    await log.close();
  }
  return EXIT.OK;
}

/** @throws {Failure} If this process was not given what the configuration calls for. */
function checkPermissions({ peer_credentials }: Settings): void {
  if (!peer_credentials || Deno.permissions.querySync({ name: "ffi" }).state === "granted") return;
  throw new Failure(
    EXIT.CONFIGURATION,
    "cannot ask who connects (peer_credentials = true): this process was started without --allow-ffi. Start it by " +
      "ipc as it is installed, add --allow-ffi to your own deno run, or set peer_credentials = false",
  );
}
