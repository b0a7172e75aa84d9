/**
 * `ipc daemon start|stop|restart|status|reload`: the broker by hand.
 *
 * @module
 */
import { type BrokerOptions, control, IpcError } from "../../client/mod.ts";
import { formatAge, formatBytes } from "../../config/units.ts";
import type { Settings } from "../../config/settings.ts";
import { startBroker } from "../autostart.ts";
import { localBrokerOptions } from "../broker_options.ts";
import { brokerAnswers } from "../connection.ts";
import type { DaemonOptions } from "../daemon.ts";
import { EXIT, Failure } from "../exit_codes.ts";
import type { Io } from "../io.ts";
import { lockHolder } from "../lock_holder.ts";
import { notice } from "../notice.ts";
import { settingsOf } from "../settings.ts";
import { fieldsText } from "../table.ts";
import { sendSignal } from "../signals.ts";
import type { Stats } from "../stats/metrics.ts";

/** How much longer than its own limit a broker may take to end. */
const STOP_MARGIN_MS = 5_000;
const POLL_MS = 20;

type Action = (options: DaemonOptions, settings: Settings, io: Io) => Promise<number>;

const ACTIONS: Readonly<Record<Exclude<DaemonOptions["action"], "run">, Action>> = {
  start,
  stop,
  restart: async (options, settings, io) => {
    await stop(options, settings, io);
    return await start(options, settings, io);
  },
  status,
  reload,
};

/** Does one of them. @returns The exit code. */
export async function controlBroker(options: DaemonOptions, io: Io): Promise<number> {
  if (options.action === "run") throw new Error("run is not an action on a broker that runs");
  return await ACTIONS[options.action](options, await settingsOf(io, options.config), io);
}

async function start(options: DaemonOptions, settings: Settings, io: Io): Promise<number> {
  if (await brokerAnswers(settings)) notice(io.stderr, "a broker is running already");
  else await startBroker(settings, options.config === undefined ? [] : ["--config", options.config], io);
  return EXIT.OK;
}

/** Through the control channel if it answers, else by the signal that means the same. */
async function stop(_options: DaemonOptions, settings: Settings, io: Io): Promise<number> {
  const pid = await pidOf(settings, io);
  if (pid === undefined) {
    notice(io.stderr, "no broker is running");
    return EXIT.OK;
  }
  try {
    await control("drain", {}, asking(settings, io));
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    try {
      sendSignal(pid, "SIGTERM");
    } catch (denied) {
      throw denied instanceof Deno.errors.PermissionDenied ? error : denied;
    }
  }
  const deadline = performance.now() + settings.drain_timeout_ms + STOP_MARGIN_MS;
  // A signal that changes nothing tells whether there still is such a process.
  while (sendSignal(pid, "SIGCONT")) {
    if (performance.now() >= deadline) {
      throw new Failure(EXIT.TIMEOUT, `the broker with pid ${pid} does not end; if you must: kill -9 ${pid}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  notice(io.stderr, `the broker with pid ${pid} has ended`);
  return EXIT.OK;
}

async function status(options: DaemonOptions, settings: Settings, io: Io): Promise<number> {
  const stats = await control("stats", {}, asking(settings, io)) as Stats;
  if (options.json) io.stdout.write(`${JSON.stringify(stats)}\n`);
  else {
    io.stdout.write(fieldsText([
      ["state", stats.draining ? "going away" : "running"],
      ["pid", stats.pid],
      ["version", stats.version],
      ["sockets in", settings.socket_dir],
      ["running for", formatAge(stats.uptime_ms)],
      ["channels", stats.channels],
      ["clients", stats.clients],
      ["events", stats.events],
      ["requests", stats.requests],
      ["queued", formatBytes(stats.queued_bytes)],
      ["slow consumers", stats.slow_consumers],
      ["memory", formatBytes(stats.memory.rss_bytes)],
    ]));
  }
  return EXIT.OK;
}

/** Looks at the configuration itself first: what is wrong with it is then said as for any other command. */
async function reload(_options: DaemonOptions, settings: Settings, io: Io): Promise<number> {
  try {
    await control("reload", {}, asking(settings, io));
  } catch (error) {
    // What only the broker reads, or what cannot change while it runs.
    const refused = error instanceof IpcError && (error.reason === "HANDLER_ERROR" || error.reason === "PROTOCOL");
    throw refused ? new Failure(EXIT.CONFIGURATION, error.message, { cause: error }) : error;
  }
  notice(io.stderr, "the broker has read its configuration again");
  return EXIT.OK;
}

/** Where this machine's broker is, and who asks. */
function asking(settings: Settings, io: Io): BrokerOptions {
  return { ...localBrokerOptions(io, settings), name: "ipc daemon" };
}

async function pidOf(settings: Settings, io: Io): Promise<number | undefined> {
  try {
    const { pid } = await control("ping", {}, asking(settings, io)) as {
      pid: number;
    };
    return pid;
  } catch (error) {
    if (!(error instanceof IpcError) || error.reason === "FORBIDDEN") throw error;
  }
  // It may be going away, or hang.
  const holder = await lockHolder(settings, io);
  return holder === undefined || holder.pid === 0 ? undefined : holder.pid;
}
