/**
 * `ipc channels`: which channels are open. The broker's own is not one of them unless it is named.
 *
 * @module
 */
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { askBroker } from "./connection.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { tableText } from "./table.ts";
import { argumentParser, parseArguments, type Verb } from "./verb.ts";

/** Options of `ipc channels`. */
export interface ChannelsOptions {
  glob: string | undefined;
  json: boolean;
}

/** A channel as the broker tells it, as far as it is shown. */
export interface ChannelLine {
  channel: string;
  path: string;
  dynamic: boolean;
  clients: number;
  listeners: number;
  handlers: number;
  seq: number;
  events: number;
  bytes: number;
  requests: number;
  requests_open: number;
  rate_per_s: number;
}

export const verb: Verb<ChannelsOptions> = { parse: parseChannels, run: runChannels };

export function parseChannels(argv: readonly string[]): ChannelsOptions {
  const parser = argumentParser("channels", "List the open channels.", ["ipc channels 'sensor.*'"])
    .argument("[glob]", "only those that fit: * ? [a-z]")
    .option("--json", "one JSON object a line");
  const { args: [glob], options } = parseArguments(parser, argv);
  return { glob, json: options.json ?? false };
}

export async function runChannels({ glob, json }: ChannelsOptions, io: Io): Promise<number> {
  const all = await askBroker("channels", glob === undefined ? {} : { glob }, io) as ChannelLine[];
  const channels = all.filter(({ channel }) => channel !== CONTROL_CHANNEL || glob === CONTROL_CHANNEL);
  io.stdout.write(json ? channels.map((channel) => `${JSON.stringify(channel)}\n`).join("") : channelsText(channels));
  return EXIT.OK;
}

/** A table of channels. */
export function channelsText(channels: readonly ChannelLine[]): string {
  return tableText(
    [
      { heading: "CHANNEL" },
      { heading: "CLIENTS", right: true },
      { heading: "LISTENERS", right: true },
      { heading: "HANDLERS", right: true },
      { heading: "EVENTS", right: true },
      { heading: "REQUESTS", right: true },
      { heading: "PER SECOND", right: true },
    ],
    channels.map((line) => [
      line.channel,
      line.clients,
      line.listeners,
      line.handlers,
      line.events,
      line.requests,
      line.rate_per_s,
    ]),
  );
}
