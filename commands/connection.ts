/**
 * How a command gets to the broker.
 *
 * @module
 */
import { type Channel, connect, type ConnectOptions, control, IpcError, type Presence } from "../client/mod.ts";
import type { Settings } from "../config/settings.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { settingsOf } from "./settings.ts";

/** Options of {@linkcode openChannel}. */
export interface OpenOptions extends ConnectOptions {
  /** Whether to start a broker if none runs. */
  autostart?: boolean;
}

/** Connects to a channel, at the place and within the limits that are configured. */
export async function openChannel(channel: string, io: Io, options: OpenOptions): Promise<Channel> {
  const settings = await settingsOf(io);
  const { autostart = false, ...own } = options;
  const all: ConnectOptions = {
    socket_dir: settings.socket_dir,
    queue_bytes: settings.defaults.queue_bytes,
    ...own,
  };
  try {
    return await connect(channel, all);
  } catch (error) {
    if (!autostart || !noBroker(error) || await brokerAnswers(settings)) throw error;
  }
  await (await import("./autostart.ts")).startBrokerFor(settings, io);
  return await connect(channel, all);
}

/** Asks the broker itself. */
export async function askBroker(method: string, params: Record<string, unknown>, io: Io): Promise<unknown> {
  const { socket_dir } = await settingsOf(io);
  return await control(method, params, { socket_dir, name: "ipc" });
}

/** Whether a broker runs where the settings say. */
export async function brokerAnswers({ socket_dir }: Settings): Promise<boolean> {
  try {
    await control("ping", {}, { socket_dir, name: "ipc" });
    return true;
  } catch (error) {
    if (noBroker(error)) return false;
    throw error;
  }
}

function noBroker(error: unknown): boolean {
  return error instanceof IpcError && error.reason === "CHANNEL_NOT_FOUND";
}

/** Whether listening and handling may start a broker: `--no-autostart` and `IPC_AUTOSTART=0` say no. */
export function autostartWanted(option: boolean, io: Io): boolean {
  return option && !["0", "false", "no", "off"].includes(io.env("IPC_AUTOSTART")?.toLowerCase() ?? "");
}

/**
 * Waits until another client of the channel has a role, whether it took it before or takes it now. The channel must have
 * been opened with `presence`.
 *
 * @throws {Failure} With the code of a timeout, if nobody did in time.
 */
export async function waitForRole(channel: Channel, role: "listen" | "handle", timeout_ms: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = timeout_ms === Infinity ? undefined : setTimeout(() => {
    reject(new Failure(EXIT.TIMEOUT, `channel ${channel.name} has no ${role}er after ${timeout_ms} ms`));
  }, timeout_ms);
  using _presence = channel.presence((presence: Presence) => {
    if (presence.event !== "leave" && presence.client !== channel.client && presence[role]) resolve();
  });
  channel.closed.then((error) => reject(error ?? new IpcError("SHUTDOWN", "the channel was closed")));
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** The client id that a `--to` means: the id itself, or the only client of that name on the channel. */
export async function clientNamed(name: string, channel: Channel): Promise<number> {
  if (/^[1-9]\d{0,9}$/.test(name)) return Number(name);
  const found = (await channel.clients()).filter((client) => client.name === name && client.client !== channel.client);
  if (found.length === 1) return found[0]!.client;
  const what = found.length === 0
    ? `no client of channel ${channel.name} is called ${JSON.stringify(name)}`
    : `${found.length} clients of channel ${channel.name} are called ${JSON.stringify(name)}: use the id, one of ${
      found.map(({ client }) => client).join(", ")
    }`;
  throw new IpcError("CLIENT_NOT_FOUND", what);
}
