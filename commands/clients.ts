/**
 * `ipc clients`: who is connected.
 *
 * @module
 */
import type { ClientInfo } from "../client/mod.ts";
import { accountName } from "../config/accounts.ts";
import { formatAge } from "../config/units.ts";
import { checkChannelName, CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { askBroker } from "./connection.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { tableText } from "./table.ts";
import { argumentParser, parseArguments, type Verb } from "./verb.ts";

/** Options of `ipc clients`. */
export interface ClientsOptions {
  channel: string | undefined;
  json: boolean;
}

export const verb: Verb<ClientsOptions> = { parse: parseClients, run: runClients };

export function parseClients(argv: readonly string[]): ClientsOptions {
  const parser = argumentParser("clients", "List the connected clients.")
    .argument("[channel]", "only those of this channel")
    .option("--json", "one JSON object a line");
  const { args: [channel], options } = parseArguments(parser, argv);
  return { channel, json: options.json ?? false };
}

export async function runClients({ channel, json }: ClientsOptions, io: Io): Promise<number> {
  const all = await askBroker(
    "clients",
    channel === undefined ? {} : { channel: checkChannelName(channel) },
    io,
  ) as ClientInfo[];
  // Those on the broker's own channel look at it, as this command does; they are shown to who asks for them.
  const clients = all.filter((client) => client.channel !== CONTROL_CHANNEL || channel === CONTROL_CHANNEL);
  io.stdout.write(json ? clients.map((client) => `${JSON.stringify(client)}\n`).join("") : clientsText(clients));
  return EXIT.OK;
}

/** A table of clients. What the kernel says of one is shown in the place of what it says itself. */
export function clientsText(clients: readonly ClientInfo[]): string {
  const known = clients.some(({ credentials }) => credentials !== null);
  const shown = clients.some(({ token }) => token !== null);
  return tableText(
    [
      { heading: "CLIENT", right: true },
      { heading: "CHANNEL" },
      { heading: "NAME" },
      { heading: "PID", right: true },
      ...(known ? [{ heading: "USER" }] : []),
      ...(shown ? [{ heading: "TOKEN" }] : []),
      { heading: "ROLES" },
      { heading: "IN", right: true },
      { heading: "OUT", right: true },
      { heading: "QUEUED", right: true },
      { heading: "FOR", right: true },
    ],
    clients.map((client) => [
      client.client,
      client.channel,
      client.name,
      pidText(client),
      ...(known ? [client.credentials === null ? null : accountName("user", client.credentials.uid)] : []),
      ...(shown ? [client.token] : []),
      (["listen", "handle", "presence"] as const).filter((role) => client[role]).join(","),
      client.events_in,
      client.events_out,
      client.queued_bytes,
      formatAge(client.connected_ms),
    ]),
  );
}

/** A process that says another number than its own shall not be taken for the other. */
function pidText({ pid, credentials }: ClientInfo): string | number | null {
  if (credentials === null || credentials.pid === pid) return pid;
  return pid === null ? credentials.pid : `${credentials.pid}, says ${pid}`;
}
