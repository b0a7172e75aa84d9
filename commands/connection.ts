/**
 * How a command gets to the broker.
 *
 * @module
 */
import { type Channel, connect } from "../client/channel.ts";
import { control } from "../client/control.ts";
import type { BrokerOptions, ConnectOptions } from "../client/options.ts";
import { after } from "../client/pause.ts";
import type { Settings } from "../config/settings.ts";
import { formatDuration } from "../config/units.ts";
import { IpcError } from "../protocol/errors.ts";
import { brokerOptions, isElsewhere } from "./broker_options.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { settingsOf } from "./settings.ts";

/** Options of {@linkcode openChannel}. */
export interface OpenOptions extends ConnectOptions {
  /** Whether to start a broker if none runs. */
  autostart?: boolean;
}

/** Connects to a channel, at the place and within the limits that are configured. A broker elsewhere is not started. */
export async function openChannel(channel: string, io: Io, options: OpenOptions): Promise<Channel> {
  const { autostart = false, ...own } = options;
  return await reachBroker(io, autostart, (where, settings) => {
    return connect(channel, { ...where, queue_bytes: settings.defaults.queue_bytes, ...own });
  });
}

/**
 * Does what needs a broker, at the place that is configured.
 *
 * @param autostart Whether to start one if none runs there, and try again.
 * @param reach Fails with CHANNEL_NOT_FOUND if none runs.
 */
export async function reachBroker<T>(
  io: Io,
  autostart: boolean,
  reach: (where: BrokerOptions, settings: Settings) => Promise<T>,
): Promise<T> {
  const settings = await settingsOf(io), where = brokerOptions(io, settings);
  try {
    return await reach(where, settings);
  } catch (error) {
    if (!autostart || isElsewhere(io) || !noBroker(error)) throw error;
  }
  // Another listener may have started one meanwhile. If it was there before, the same error comes again.
  if (!await brokerAnswers(settings)) await (await import("./autostart.ts")).startBrokerFor(settings, io);
  return await reach(where, settings);
}

/** Asks the broker itself. */
export async function askBroker(method: string, params: Record<string, unknown>, io: Io): Promise<unknown> {
  const where = brokerOptions(io, await settingsOf(io));
  return await control(method, params, { ...where, name: "ipc" });
}

/** How often to look for a broker that is waited for. */
const BROKER_POLL_MS = 50;
/** How long one that hangs up instead of answering may take to end. */
const ENDING_MS_MAX = 1_000;

/** Whether a broker runs where the settings say. One that has just been killed may still be connected to, and hangs up. */
export async function brokerAnswers(
  { socket_dir, broker_uid }: Pick<Settings, "socket_dir" | "broker_uid">,
): Promise<boolean> {
  const until_ms = performance.now() + ENDING_MS_MAX;
  for (;;) {
    try {
      await control("ping", {}, { socket_dir, broker_uid, name: "ipc" });
      return true;
    } catch (error) {
      if (noBroker(error)) return false;
      const hung_up = error instanceof IpcError && error.reason === "CHANNEL_RECV";
      if (!hung_up || performance.now() >= until_ms) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, BROKER_POLL_MS));
  }
}

/** Whether it failed because no broker runs. */
export function noBroker(error: unknown): boolean {
  return error instanceof IpcError && error.reason === "CHANNEL_NOT_FOUND";
}

/** Whether listening and handling may start a broker: `--no-autostart` and `IPC_AUTOSTART=0` say no. */
export function autostartWanted(option: boolean, io: Io): boolean {
  return option && !["0", "false", "no", "off"].includes(io.env("IPC_AUTOSTART")?.toLowerCase() ?? "");
}

/** What others of a channel may be waited for. */
export type AwaitedRole = "listener" | "handler";

/** Who is waited for. */
export interface Awaited {
  role: AwaitedRole;
  /** Only the client of this id or name. */
  client?: string | undefined;
}

/**
 * Connects to a channel once another client has a role there, whether it took it before or takes it now; also once there
 * is a broker, if there is none yet.
 *
 * @param wait_ms For how long; `undefined` connects and waits for nothing.
 * @throws {Failure} With the code of a timeout, if that does not come in time.
 */
export async function openAwaited(
  channel: string,
  awaited: Awaited,
  wait_ms: number | undefined,
  io: Io,
  options: OpenOptions,
): Promise<Channel> {
  if (wait_ms === undefined) return await openChannel(channel, io, options);
  const until = performance.now() + wait_ms;
  for (;;) {
    try {
      const opened = await openChannel(channel, io, { ...options, presence: true });
      try {
        await waitFor(opened, awaited, wait_ms, until);
        return opened;
      } catch (error) {
        await opened.close();
        throw error;
      }
    } catch (error) {
      if (!noBroker(error)) throw error;
      if (performance.now() >= until) throw tooLate(channel, awaited, wait_ms, error as Error);
    }
    await new Promise((resolve) => setTimeout(resolve, BROKER_POLL_MS));
  }
}

async function waitFor(channel: Channel, awaited: Awaited, wait_ms: number, until: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const disarm = after(until - performance.now(), () => reject(tooLate(channel.name, awaited, wait_ms)));
  const { role, client: wanted } = awaited;
  using _presence = channel.presence(({ event, client, name, listen, handle }) => {
    if (event === "leave" || client === channel.client || !(role === "listener" ? listen : handle)) return;
    if (wanted === undefined || wanted === (isClientId(wanted) ? String(client) : name)) resolve();
  });
  channel.closed.then((error) => reject(error ?? new IpcError("SHUTDOWN", "the channel was closed")));
  try {
    await promise;
  } finally {
    disarm();
  }
}

/** @param cause Why nobody can be there, if that is known. */
function tooLate(channel: string, { role, client }: Awaited, wait_ms: number, cause?: Error): Failure {
  const who = client === undefined ? role : `${role} ${JSON.stringify(client)}`,
    why = cause ? `: ${cause.message}` : "";
  return new Failure(EXIT.TIMEOUT, `channel ${channel} has no ${who} after ${formatDuration(wait_ms)}${why}`);
}

/** Whether a text is an id rather than a name. */
function isClientId(text: string): boolean {
  return /^[1-9]\d{0,9}$/.test(text);
}

/** The client id that a `--to` means: the id itself, or the only client of that name on the channel. */
export async function clientNamed(name: string, channel: Channel): Promise<number> {
  if (isClientId(name)) return Number(name);
  const found = (await channel.clients()).filter((client) => client.name === name && client.client !== channel.client);
  if (found.length === 1) return found[0]!.client;
  const what = found.length === 0
    ? `no client of channel ${channel.name} is called ${JSON.stringify(name)}`
    : `${found.length} clients of channel ${channel.name} are called ${JSON.stringify(name)}: use the id, one of ${
      found.map(({ client }) => client).join(", ")
    }`;
  throw new IpcError("CLIENT_NOT_FOUND", what);
}
