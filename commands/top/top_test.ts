import assert from "node:assert/strict";
import type { ClientInfo } from "../../client/mod.ts";
import type { ChannelLine } from "../channels.ts";
import { displayWidth } from "../display_width.ts";
import { Failure } from "../exit_codes.ts";
import type { Stats } from "../stats/metrics.ts";
import { memoryIo } from "../testing.ts";
import { parseTop, runTop } from "../top.ts";
import { UsageError } from "../verb.ts";
import { Model } from "./model.ts";
import { rateText, screenLines, sortColumns, sparkline, type Style } from "./screen.ts";
import { keysOf } from "./terminal.ts";

const STATS: Stats = {
  pid: 1,
  version: "1.0.0",
  uptime_ms: 60_000,
  channels: 3,
  clients: 2,
  requests_open: 0,
  queued_bytes: 2048,
  history_bytes: 0,
  events: 0,
  bytes: 0,
  requests: 0,
  connections: 2,
  slow_consumers: 0,
  gaps: 0,
  refused: 0,
  refused_for: {},
  overloaded: {},
  draining: false,
  memory: { held_bytes: 0, rss_bytes: 52_428_800, heap_bytes: 0, external_bytes: 0 },
};

const line = (channel: string, events: number): ChannelLine => ({
  channel,
  path: "/tmp/x",
  dynamic: true,
  clients: 1,
  listeners: 1,
  handlers: 0,
  seq: events,
  events,
  bytes: events * 100,
  requests: 0,
  requests_open: 0,
  rate_per_s: 0,
});

const client = (id: number, name: string, channel: string, queued_bytes: number): ClientInfo => ({
  client: id,
  channel,
  name,
  token: null,
  pid: 7,
  credentials: null,
  listen: true,
  handle: false,
  presence: false,
  overflow: "block",
  connected_ms: 5000,
  events_in: 0,
  events_out: 10,
  bytes_in: 0,
  bytes_out: 1000,
  queued_bytes,
  requests_open: 0,
  serving: 0,
  dialect: "binary",
});

const CLIENTS = [client(3, "日本語\x1b[2J", "quiet", 0), client(4, "ipc listen", "busy", 2048)];

/** Three looks, a second each. */
function looked(): Model {
  const model = new Model();
  for (const [at, events] of [0, 100, 400].entries()) {
    model.take({
      now_ms: at * 1000,
      stats: { ...STATS, events, bytes: events * 100 },
      channels: [line("busy", events), line("quiet", 5)],
      clients: CLIENTS,
    });
  }
  return model;
}

const style = (columns: number, more: Partial<Style> = {}): Style => ({
  columns,
  rows: 8,
  color: false,
  unicode: true,
  ...more,
});

/** What a terminal shows of it. */
function shown(lines: readonly string[]): string[] {
  // deno-lint-ignore no-control-regex -- they are what it looks for
  return lines.map((line) => line.replaceAll(/\x1b\[[0-9;]*m/g, "").trimEnd());
}

Deno.test("Model rates what has changed, and does not take a channel that was opened again for a fall", () => {
  const model = looked(), [busy, quiet] = model.rows;
  assert.deepEqual([busy!.key, busy!.values["events_per_s"], busy!.values["bytes_per_s"]], ["busy", 300, 30_000]);
  assert.deepEqual([quiet!.key, quiet!.values["events_per_s"]], ["quiet", 0]);
  assert.deepEqual([busy!.trend, busy!.values["queued_bytes"]], [[100, 300], 2048]);
  model.take({ now_ms: 3000, stats: STATS, channels: [line("busy", 7)], clients: [] });
  assert.equal(model.rows[0]!.values["events_per_s"], 7);
});

Deno.test("Model sorts, filters, and keeps to what was chosen", () => {
  const model = looked();
  model.move(1);
  assert.equal(model.chosen(), 1);
  model.sorts.channels.reversed = true;
  assert.deepEqual(model.rows.map(({ key }) => key), ["quiet", "busy"]);
  assert.equal(model.chosen(), 0);
  model.filter = "BUS";
  assert.deepEqual(model.rows.map(({ key }) => key), ["busy"]);
  model.move(-Infinity);
  assert.equal(model.chosen(), 0);
  const names: string[] = [];
  for (const _ of sortColumns("channels")) {
    model.sortNext(sortColumns("channels"));
    names.push(model.sorts.channels.column);
  }
  assert.deepEqual(names.toSorted(), [...sortColumns("channels")].toSorted());
});

const GOLDEN = JSON.parse(Deno.readTextFileSync(new URL("./screens.json", import.meta.url))) as Record<
  string,
  string[]
>;

/** The screens that are compared, by name. */
function screens(): Record<string, string[]> {
  const clients = looked();
  clients.view = "clients";
  const none = looked();
  none.filter = "nothing";
  return {
    "channels in 40 columns": screenLines(looked(), { paused: false }, style(40)),
    "channels in 80 columns": screenLines(looked(), { paused: true }, style(80)),
    "channels in 200 columns": screenLines(looked(), { paused: false }, style(200)),
    "clients in 40 columns": screenLines(clients, { paused: false }, style(40)),
    "clients in 120 columns, ASCII": screenLines(clients, { paused: false }, style(120, { unicode: false })),
    "no channel": screenLines(none, { paused: false, message: "only names that contain: nothing" }, style(60)),
    "details": screenLines(looked(), { paused: false, details: { lines: ["a", "b", "c"], from: 1 } }, style(60)),
  };
}

Deno.test("screenLines() fits 40, 80 and 200 columns, wide characters and what commands a terminal included", () => {
  for (const [name, lines] of Object.entries(screens())) {
    assert.deepEqual(shown(lines), GOLDEN[name], name);
    const columns = Number(/(\d+) columns/.exec(name)?.[1] ?? 60);
    assert.equal(lines.length, 8);
    for (const text of shown(lines)) assert(displayWidth(text) <= columns, `${name}: ${text}`);
  }
});

Deno.test("screenLines() paints only where colours are wanted", () => {
  const busy = (color: boolean) => {
    const model = looked();
    model.move(1);
    return screenLines(model, { paused: false }, style(80, { color })).join("\n");
  };
  assert(busy(true).includes("\x1b[33m"));
  // deno-lint-ignore no-control-regex -- colours are what it looks for
  assert(!/\x1b\[3[0-9]m/.test(busy(false)));
});

Deno.test("rateText() takes seven characters at most, sparkline() as many as there is room for", () => {
  const rates = [0, 0.04, 0.5, 99.94, 99.96, 9999, 10_000, 999_949, 999_950, 9_999_999, 123_456_789];
  assert.deepEqual(rates.map(rateText), [
    "0",
    "0.0",
    "0.5",
    "99.9",
    "100",
    "9999",
    "10.0k",
    "999.9k",
    "1.00M",
    "10.0M",
    "123.5M",
  ]);
  assert.equal(sparkline([0, 1, 7, 14], 3, { unicode: true }), "▂▅█");
  assert.equal(sparkline([0, 1, 7, 14], 9, { unicode: false }), "_.=#");
  assert.equal(sparkline([], 9, { unicode: true }), "");
  assert.equal(sparkline([0, 0], 9, { unicode: true }), "▁▁");
});

Deno.test("keysOf() takes apart what a terminal sends", () => {
  const keys = (text: string) => keysOf(new TextEncoder().encode(text));
  assert.deepEqual(keys("\x1b[A\x1bOBq\t\r\x7f\x03é/"), [
    "up",
    "down",
    "q",
    "tab",
    "enter",
    "backspace",
    "interrupt",
    "é",
    "/",
  ]);
  assert.deepEqual(keys("\x1b"), ["escape"]);
  // Keys that mean nothing here, a mouse and a pasted control character among them.
  assert.deepEqual(keys("\x1b[15~\x1b[1;5C\x01\x1b[200~"), []);
});

Deno.test("ipc top says what to use where there is no terminal for it", async () => {
  assert.deepEqual(parseTop(["a*", "-i", "200ms"]), { glob: "a*", interval_ms: 200 });
  for (const argv of [["-i", "0"], ["-i", "50ms"], ["a", "b"]]) assert.throws(() => parseTop(argv), UsageError);
  await assert.rejects(runTop(parseTop([]), memoryIo()), (error: Failure) => {
    assert(error instanceof Failure && error.code === 64 && error.message.includes("ipc stats"), error.message);
    return true;
  });
});
