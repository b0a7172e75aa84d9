/**
 * What `ipc top` knows: the latest look at the broker, how it has changed since the one before, and what is chosen.
 *
 * @module
 */
import type { ClientInfo } from "../../client/mod.ts";
import type { ChannelLine } from "../channels.ts";
import type { Stats } from "../stats/metrics.ts";

/** One look at the broker. */
export interface Sample {
  /** On the clock of `performance.now()`. */
  now_ms: number;
  stats: Stats;
  channels: readonly ChannelLine[];
  clients: readonly ClientInfo[];
}

/** What is listed. */
export type View = "channels" | "clients";

/** A row: a channel or a client with what it did since the look before. */
export interface Row {
  /** The channel's name, or the client's id. */
  key: string;
  /** What `/` looks into. */
  names: string;
  /** By column. */
  values: Readonly<Record<string, string | number>>;
  /** Rates, the latest last. */
  trend: readonly number[];
}

/** How many rates are kept of each. */
const TREND_MAX = 120;

/** Counts that are kept from one look to the next. */
interface Before {
  counts: Readonly<Record<string, number>>;
  trend: number[];
}

/** See the module's head. */
export class Model {
  view: View = "channels";
  filter = "";
  readonly sorts: Record<View, { column: string; reversed: boolean }> = {
    channels: { column: "events_per_s", reversed: false },
    clients: { column: "bytes_per_s", reversed: false },
  };
  stats: Stats | undefined;
  /** Of all channels together. */
  total: Row = { key: "", names: "", values: {}, trend: [] };
  #rows: Record<View, readonly Row[]> = { channels: [], clients: [] };
  #before = new Map<string, Before>();
  #before_ms: number | undefined;
  #chosen: Record<View, string | undefined> = { channels: undefined, clients: undefined };

  /** Takes another look. */
  take({ now_ms, stats, channels, clients }: Sample): void {
    const seconds = this.#before_ms === undefined ? 0 : (now_ms - this.#before_ms) / 1000;
    const after = new Map<string, Before>();
    const rates = (key: string, counts: Record<string, number>, trend_of: string): Rated => {
      const before = this.#before.get(key), rated: Record<string, number> = {};
      for (const [name, count] of Object.entries(counts)) {
        const since = before?.counts[name] ?? count;
        // A channel that was closed and opened again counts from 0.
        rated[name] = seconds > 0 ? (count < since ? count : count - since) / seconds : 0;
      }
      const trend = [...before?.trend ?? [], ...(seconds > 0 ? [rated[trend_of]!] : [])].slice(-TREND_MAX);
      after.set(key, { counts, trend });
      return { rated, trend };
    };
    const queued = new Map<string, number>();
    for (const { channel, queued_bytes } of clients) queued.set(channel, (queued.get(channel) ?? 0) + queued_bytes);
    this.#rows = {
      channels: channels.map((channel) => channelRow(channel, queued.get(channel.channel) ?? 0, rates)),
      clients: clients.map((client) => clientRow(client, rates)),
    };
    const { events, bytes, requests } = stats, { rated, trend } = rates("", { events, bytes, requests }, "events");
    this.total = { key: "", names: "", values: rated, trend };
    this.stats = stats;
    this.#before = after;
    this.#before_ms = now_ms;
  }

  /** Those that are shown, in their order. */
  get rows(): readonly Row[] {
    const { column, reversed } = this.sorts[this.view], wanted = this.filter.toLowerCase();
    const rows = this.#rows[this.view].filter(({ names }) => names.toLowerCase().includes(wanted));
    return rows.sort((one, other) => {
      const a = one.values[column]!, b = other.values[column]!;
      // Numbers begin with the largest, names with the first; what is equal stays where it is.
      const order = typeof a === "string" || typeof b === "string" ? compare(String(a), String(b)) : b - a;
      return (reversed ? -order : order) || compare(one.key, other.key);
    });
  }

  /** The row that is chosen, by its place among {@linkcode rows}; the first if what was chosen is gone. */
  chosen(rows: readonly Row[] = this.rows): number {
    return Math.max(0, rows.findIndex(({ key }) => key === this.#chosen[this.view]));
  }

  /** Chooses another row. */
  move(by: number): void {
    const { rows } = this, at = Math.min(Math.max(0, this.chosen(rows) + by), rows.length - 1);
    this.#chosen[this.view] = rows[at]?.key;
  }

  /** Sorts by the column behind the one that it is. */
  sortNext(columns: readonly string[]): void {
    const sort = this.sorts[this.view];
    sort.column = columns[(columns.indexOf(sort.column) + 1) % columns.length]!;
    sort.reversed = false;
  }
}

interface Rated {
  rated: Record<string, number>;
  trend: readonly number[];
}

type Rates = (key: string, counts: Record<string, number>, trend_of: string) => Rated;

function channelRow(line: ChannelLine, queued_bytes: number, rates: Rates): Row {
  const { channel, events, bytes, requests, listeners, handlers, clients, requests_open } = line;
  const { rated, trend } = rates(`channel ${channel}`, { events, bytes, requests }, "events");
  return {
    key: channel,
    names: channel,
    values: {
      channel,
      events_per_s: rated["events"]!,
      bytes_per_s: rated["bytes"]!,
      requests_per_s: rated["requests"]!,
      listeners,
      handlers,
      clients,
      queued_bytes,
      requests_open,
      events,
    },
    trend,
  };
}

function clientRow(client: ClientInfo, rates: Rates): Row {
  const { channel, name, events_in, events_out, bytes_in, bytes_out } = client, key = String(client.client);
  const bytes = bytes_in + bytes_out,
    { rated, trend } = rates(`client ${key}`, { events_in, events_out, bytes }, "bytes");
  const roles = (["listen", "handle", "presence"] as const).filter((role) => client[role]).join(",");
  return {
    key,
    names: `${name} ${channel}`,
    values: {
      client: client.client,
      channel,
      name,
      roles,
      in_per_s: rated["events_in"]!,
      out_per_s: rated["events_out"]!,
      bytes_per_s: rated["bytes"]!,
      queued_bytes: client.queued_bytes,
      requests_open: client.requests_open + client.serving,
      connected_ms: client.connected_ms,
    },
    trend,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
