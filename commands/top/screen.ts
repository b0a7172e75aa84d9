/**
 * The screen of `ipc top`, as lines that are exactly as wide as it is.
 *
 * @module
 */
import { formatAge, formatBytes } from "../../config/units.ts";
import { codePointWidth } from "../display_width.ts";
import { printable } from "../notice.ts";
import type { Model, Row, View } from "./model.ts";

/** How it looks. */
export interface Style {
  columns: number;
  rows: number;
  color: boolean;
  /** Whether the terminal shows more than ASCII. */
  unicode: boolean;
}

/** What is shown in the place of the list, or below it. */
export interface Extra {
  /** All about one row, line by line, from this one on. */
  details?: { lines: readonly string[]; from: number } | undefined;
  /** In the place of the keys: a question, or what came of something. */
  message?: string | undefined;
  paused: boolean;
}

interface Column {
  name: string;
  heading: string;
  width: number;
  /** Those with the highest go first where there is no room. */
  rank: number;
  text: (value: string | number) => string;
}

const plain = String, rate = (value: string | number): string => rateText(Number(value));
const size = (value: string | number): string => formatBytes(Math.round(Number(value)));
const age = (value: string | number): string => formatAge(Number(value));

const COLUMNS: Record<View, readonly Column[]> = {
  channels: [
    { name: "channel", heading: "CHANNEL", width: 16, rank: 0, text: plain },
    { name: "events_per_s", heading: "EVENTS/S", width: 9, rank: 1, text: rate },
    { name: "bytes_per_s", heading: "BYTES/S", width: 9, rank: 3, text: size },
    { name: "requests_per_s", heading: "REQS/S", width: 7, rank: 4, text: rate },
    { name: "listeners", heading: "LISTEN", width: 7, rank: 5, text: plain },
    { name: "handlers", heading: "HANDLE", width: 7, rank: 6, text: plain },
    { name: "clients", heading: "CLIENTS", width: 8, rank: 7, text: plain },
    { name: "queued_bytes", heading: "QUEUED", width: 9, rank: 2, text: size },
    { name: "requests_open", heading: "OPEN", width: 5, rank: 8, text: plain },
    { name: "events", heading: "EVENTS", width: 10, rank: 9, text: plain },
  ],
  clients: [
    { name: "client", heading: "CLIENT", width: 7, rank: 0, text: plain },
    { name: "channel", heading: "CHANNEL", width: 14, rank: 4, text: plain },
    { name: "name", heading: "NAME", width: 14, rank: 1, text: plain },
    { name: "roles", heading: "ROLES", width: 13, rank: 7, text: plain },
    { name: "in_per_s", heading: "IN/S", width: 8, rank: 5, text: rate },
    { name: "out_per_s", heading: "OUT/S", width: 8, rank: 6, text: rate },
    { name: "bytes_per_s", heading: "BYTES/S", width: 9, rank: 3, text: size },
    { name: "queued_bytes", heading: "QUEUED", width: 9, rank: 2, text: size },
    { name: "requests_open", heading: "OPEN", width: 5, rank: 8, text: plain },
    { name: "connected_ms", heading: "FOR", width: 8, rank: 9, text: age },
  ],
};
const TEXTS = new Set(["channel", "name", "roles"]);
/** Narrower than this a trend says nothing. */
const TREND_MIN = 8;
/** From this many columns on it is more use than another number. */
const TREND_FROM = 60;
const BARS = "▁▂▃▄▅▆▇█", ASCII_BARS = "_.:-=+*#";
/** Above the list, its headings included, and below it. */
const HEAD_LINES = 3, FOOT_LINES = 1;

/** What a list can be sorted by. */
export function sortColumns(view: View): readonly string[] {
  return COLUMNS[view].map(({ name }) => name);
}

/** How many rows of the list there is room for. */
export function listRows({ rows }: Style): number {
  return Math.max(1, rows - HEAD_LINES - FOOT_LINES);
}

/** The whole screen. */
export function screenLines(model: Model, extra: Extra, style: Style): string[] {
  const { columns, rows } = style, body = extra.details === undefined ? list(model, style) : details(extra, style);
  const foot = extra.message ??
    (extra.details === undefined
      ? "q leave  Tab clients  Enter inspect  s, r sort  / filter  k close  space stop"
      : "arrows scroll  Enter, Esc or q back");
  const lines = [...head(model, extra, style), ...body];
  const shown = lines.slice(0, rows - FOOT_LINES);
  while (shown.length < rows - FOOT_LINES) shown.push("");
  return [...shown, cut(printable(foot), columns)];
}

function head(model: Model, { paused }: Extra, style: Style): string[] {
  const { stats, total } = model, { columns } = style;
  if (stats === undefined) return [cut("asking the broker", columns), ""];
  const state = paused ? "stopped" : stats.draining ? "going away" : "running";
  const first = `ipc ${state} for ${formatAge(stats.uptime_ms)}  ` +
    `channels ${stats.channels}  clients ${stats.clients}  queued ${formatBytes(stats.queued_bytes)}  ` +
    `memory ${formatBytes(stats.memory.rss_bytes)}`;
  const { events = 0, bytes = 0, requests = 0 } = total.values;
  const numbers = `events ${rate(events)}/s  ${size(bytes)}/s  requests ${rate(requests)}/s`;
  const trouble = ([["missed", stats.gaps], ["slow", stats.slow_consumers], ["refused", stats.refused]] as const)
    .map(([what, count]) => `${what} ${count}`).join("  ");
  const second = `${numbers}  ${trouble}`, room = columns - second.length - 2;
  const trend = room < TREND_MIN ? "" : `  ${sparkline(total.trend, Math.min(room, 60), style)}`;
  return [
    cut(first, columns),
    paint(cut(`${second}${trend}`, columns), stats.gaps + stats.slow_consumers > 0 ? "33" : "", style),
  ];
}

function list(model: Model, style: Style): string[] {
  const { view } = model, { columns, trend } = fitting(view, style), { column, reversed } = model.sorts[view];
  const { rows } = model, chosen = model.chosen(rows), room = listRows(style);
  const from = Math.max(0, Math.min(chosen - Math.floor(room / 2), rows.length - room));
  const heading = columns.map(({ name, heading, width }) => {
    const mark = name === column ? (reversed ? "-" : "+") : "";
    return pad(`${heading}${mark}`, width, TEXTS.has(name));
  });
  const top = cut(`  ${[...heading, ...(trend > 0 ? ["TREND"] : [])].join(" ")}`, style.columns);
  const lines = rows.slice(from, from + room).map((row, at) => {
    const line = rowText(row, columns, trend, style), marked = from + at === chosen;
    const queued = Number(row.values["queued_bytes"]) > 0;
    return marked
      ? `\x1b[7m${padEnd(`> ${line}`, style.columns)}\x1b[27m`
      : paint(cut(`  ${line}`, style.columns), queued ? "33" : "", style);
  });
  const filter = model.filter === "" ? "" : ` that contain ${JSON.stringify(model.filter)}`;
  return [`\x1b[1m${top}\x1b[22m`, ...(lines.length > 0 ? lines : [cut(`  no ${view}${filter}`, style.columns)])];
}

function rowText(row: Row, columns: readonly Column[], trend: number, style: Style): string {
  const cells = columns.map(({ name, width, text }) => {
    const value = text(row.values[name]!);
    return pad(printable(value === "" ? "-" : value), width, TEXTS.has(name));
  });
  if (trend > 0) cells.push(sparkline(row.trend, trend, style));
  return cells.join(" ");
}

/** Those columns that there is room for, and how much of it is left for the trend. The names take what no trend can use. */
function fitting(view: View, { columns: room }: Style): { columns: Column[]; trend: number } {
  const widthOf = (columns: readonly Column[]): number => columns.reduce((sum, { width }) => sum + width + 1, 1);
  let columns = [...COLUMNS[view]];
  const wanted = room >= TREND_FROM ? room - TREND_MIN - 1 : room;
  while (columns.length > 1 && widthOf(columns) > wanted) {
    const last = columns.reduce((one, other) => other.rank > one.rank ? other : one);
    columns = columns.filter((column) => column !== last);
  }
  const left = room - widthOf(columns);
  if (left > TREND_MIN) return { columns, trend: Math.min(left - 1, 60) };
  const widened = view === "channels" ? "channel" : "name";
  return { columns: columns.map((one) => one.name === widened ? { ...one, width: one.width + left } : one), trend: 0 };
}

function details({ details }: Extra, style: Style): string[] {
  const { lines, from } = details!;
  return lines.slice(from, from + listRows(style) + 1).map((line) => cut(line, style.columns));
}

/** A rate in at most seven characters. */
export function rateText(per_s: number): string {
  if (per_s >= 999_950) return `${(per_s / 1e6).toFixed(per_s < 9.995e6 ? 2 : 1)}M`;
  if (per_s >= 9999.5) return `${(per_s / 1000).toFixed(1)}k`;
  return per_s === 0 || per_s >= 99.95 ? String(Math.round(per_s)) : per_s.toFixed(1);
}

/** The latest of some rates, each as high as it is compared with the highest of them. */
export function sparkline(rates: readonly number[], width: number, { unicode }: Pick<Style, "unicode">): string {
  const bars = unicode ? BARS : ASCII_BARS, shown = rates.slice(-width), most = Math.max(...shown);
  return shown.map((rate) => bars[most > 0 ? Math.ceil(rate / most * (bars.length - 1)) : 0]).join("");
}

function paint(text: string, code: string, { color }: Style): string {
  return code === "" || !color ? text : `\x1b[${code}m${text}\x1b[39m`;
}

function pad(text: string, width: number, left: boolean): string {
  const short = cut(text, width);
  return left ? padEnd(short, width) : short.padStart(width);
}

function padEnd(text: string, width: number): string {
  const short = cut(text, width);
  return short + " ".repeat(Math.max(0, width - widthOf(short)));
}

function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += codePointWidth(character.codePointAt(0)!);
  return width;
}

/** A beginning that is no wider. No character is cut in two. */
function cut(text: string, width: number): string {
  let end = 0, used = 0;
  for (const character of text) {
    used += codePointWidth(character.codePointAt(0)!);
    if (used > width) break;
    end += character.length;
  }
  return text.slice(0, end);
}
