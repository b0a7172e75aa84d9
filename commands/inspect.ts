/**
 * `ipc inspect`: all about one channel.
 *
 * @module
 */
import type { ClientInfo } from "../client/mod.ts";
import { accountName } from "../config/accounts.ts";
import type { ChannelSettings } from "../config/settings.ts";
import { formatAge, formatBytes, formatDuration } from "../config/units.ts";
import { checkChannelName } from "../protocol/channel_name.ts";
import type { ChannelLine } from "./channels.ts";
import { clientsText } from "./clients.ts";
import { askBroker } from "./connection.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { fieldsText, tableText } from "./table.ts";
import { argumentParser, parseArguments, type Verb } from "./verb.ts";

/** Options of `ipc inspect`. */
export interface InspectOptions {
  channel: string;
  json: boolean;
}

/** A channel as the broker tells it. */
export interface ChannelDetails extends ChannelLine {
  epoch: string;
  settings: ChannelSettings;
  history: { from_seq: number; to_seq: number; bytes: number };
  retained: boolean;
  lock: { places: number; holders: (Ticket & { fence: number })[]; waiting: Ticket[] } | null;
  barrier: { parties: number; waiting: Ticket[] } | null;
  client_list: ClientInfo[];
}

/** Somebody who holds or waits for something. */
interface Ticket {
  client: number;
  name: string;
  pid: number | null;
  for_ms: number;
}

export const verb: Verb<InspectOptions> = { parse: parseInspect, run: runInspect };

export function parseInspect(argv: readonly string[]): InspectOptions {
  const parser = argumentParser("inspect", "Show all about one channel.")
    .argument("<channel>", "its name")
    .option("--json", "as one JSON object");
  const { args: [channel], options } = parseArguments(parser, argv);
  return { channel, json: options.json ?? false };
}

export async function runInspect({ channel, json }: InspectOptions, io: Io): Promise<number> {
  const details = await askBroker("channel", { channel: checkChannelName(channel) }, io) as ChannelDetails;
  io.stdout.write(json ? `${JSON.stringify(details)}\n` : detailsText(details));
  return EXIT.OK;
}

/** Fields and a table of clients. */
export function detailsText(details: ChannelDetails): string {
  const { history, settings } = details;
  const fields = fieldsText([
    ["channel", details.channel],
    ["socket", details.path],
    ["open to", openTo(settings)],
    ["opened", details.dynamic ? "on demand" : "by the configuration"],
    ["epoch", details.epoch],
    ["events", `${details.events} (${formatBytes(details.bytes)}), ${details.rate_per_s} a second now`],
    ["last event", details.seq],
    [
      "history",
      history.from_seq === 0 ? "empty" : `${history.from_seq} to ${history.to_seq} (${formatBytes(history.bytes)})`,
    ],
    ["retained event", details.retained],
    ["requests", `${details.requests}, ${details.requests_open} of them open`],
    ["overflow", `${settings.overflow}, queues of ${formatBytes(settings.queue_bytes)}`],
    ["message limit", formatBytes(settings.max_message_bytes)],
    ["request timeout", formatDuration(settings.request_timeout_ms ?? Infinity)],
    ["lock", lockText(details)],
    ["barrier", barrierText(details)],
    ["clients", `${details.clients}: ${details.listeners} listening, ${details.handlers} handling`],
  ]);
  return [fields, ticketsText(details), clientsText(details.client_list)].filter((text) => text !== "").join("\n");
}

function lockText({ lock }: ChannelDetails): string {
  if (lock === null) return "free";
  return `held by ${lock.holders.length} of ${lock.places}, ${lock.waiting.length} waiting`;
}

function barrierText({ barrier }: ChannelDetails): string {
  return barrier === null ? "nobody waits" : `${barrier.waiting.length} of ${barrier.parties} there`;
}

/** Who holds the lock and who waits, whose turn is next first. They are clients of the broker's own channel. */
function ticketsText({ lock, barrier }: ChannelDetails): string {
  const row = (does: string, { client, name, pid, for_ms }: Ticket, fence?: number) => {
    return [does, client, name, pid, fence, formatAge(for_ms)];
  };
  return tableText(
    [
      { heading: "LOCK" },
      { heading: "CLIENT", right: true },
      { heading: "NAME" },
      { heading: "PID", right: true },
      { heading: "FENCE", right: true },
      { heading: "FOR", right: true },
    ],
    [
      ...(lock?.holders ?? []).map((ticket) => row("holds", ticket, ticket.fence)),
      ...(lock?.waiting ?? []).map((ticket) => row("waits", ticket)),
      ...(barrier?.waiting ?? []).map((ticket) => row("at barrier", ticket)),
    ],
  );
}

function openTo({ socket_mode, socket_gid }: ChannelSettings): string {
  if ((socket_mode & 0o006) !== 0) return "everybody";
  if ((socket_mode & 0o060) === 0) return "the broker's user";
  return socket_gid === undefined ? "the broker's user and group" : `group ${accountName("group", socket_gid)}`;
}
