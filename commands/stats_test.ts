import assert from "node:assert/strict";
import { parseExposition } from "../tests/prometheus.ts";
import { expositionText } from "./stats/prometheus.ts";
import { parseStats, statsText } from "./stats.ts";
import { type Stats, statsMetrics } from "./stats/metrics.ts";
import { UsageError } from "./verb.ts";

const STATS: Stats = {
  pid: 4711,
  version: "1.0.0",
  uptime_ms: 61_500,
  channels: 3,
  clients: 2,
  requests_open: 1,
  queued_bytes: 2048,
  history_bytes: 100,
  events: 7,
  bytes: 4096,
  requests: 5,
  connections: 9,
  slow_consumers: 1,
  gaps: 12,
  refused: 3,
  refused_for: { FORBIDDEN: 2, UNKNOWN: 1 },
  overloaded: { memory: 4 },
  draining: false,
  memory: { held_bytes: 131072, rss_bytes: 54038528, heap_bytes: 5401088, external_bytes: 1109516 },
};

const CHANNEL = {
  channel: "a.b-c",
  path: "/tmp/x",
  dynamic: true,
  clients: 2,
  listeners: 1,
  handlers: 0,
  seq: 7,
  events: 7,
  bytes: 4096,
  requests: 5,
  requests_open: 1,
  rate_per_s: 0.5,
};

Deno.test("parseStats() takes one form", () => {
  assert.deepEqual(parseStats([]), { glob: undefined, form: "table" });
  assert.deepEqual(parseStats(["--json", "a*"]), { glob: "a*", form: "json" });
  assert.deepEqual(parseStats(["--prometheus"]), { glob: undefined, form: "prometheus" });
  assert.throws(() => parseStats(["--json", "--prometheus"]), UsageError);
  assert.throws(() => parseStats(["a", "b"]), UsageError);
});

Deno.test("statsText() is what people see", () => {
  assert.equal(
    statsText(STATS),
    [
      "broker          running, version 1.0.0, pid 4711",
      "running for     1m 1s",
      "channels        3",
      "clients         2",
      "open requests   1",
      "queued          2KiB",
      "histories       100B",
      "memory          51.5MiB, 128KiB of it for messages",
      "events          7 (4KiB)",
      "requests        5",
      "connections     9",
      "slow consumers  1",
      "missed events   12",
      "refused         FORBIDDEN 2, UNKNOWN 1",
      "overloaded      memory 4",
      "",
    ].join("\n"),
  );
});

Deno.test("statsMetrics() is what Prometheus reads, every number of the broker in it", () => {
  const families = parseExposition(statsMetrics(STATS, [CHANNEL, { ...CHANNEL, channel: "d", events: 0 }]));
  const value = (name: string, labels = "") => families.get(name)?.samples.get(labels);
  assert.equal(value("ipc_build_info", 'version="1.0.0"'), 1);
  assert.equal(value("ipc_uptime_seconds"), 61.5);
  assert.equal(value("ipc_draining"), 0);
  assert.equal(value("ipc_queued_bytes"), 2048);
  assert.equal(value("ipc_events_total"), 7);
  assert.equal(value("ipc_missed_events_total"), 12);
  assert.deepEqual(
    [...families.get("ipc_refused_total")!.samples],
    [["FORBIDDEN", 2], ["UNAUTHORIZED", 0], ["PROTOCOL", 0], ["TIMEOUT", 0], ["OVERLOADED", 0], ["UNKNOWN", 1]]
      .map(([reason, count]) => [`reason="${reason}"`, count]),
  );
  assert.equal(value("ipc_overloaded_total", 'what="memory"'), 4);
  assert.equal(value("ipc_overloaded_total", 'what="queue"'), 0);
  assert.equal(value("ipc_channel_events_total", 'channel="a.b-c"'), 7);
  assert.equal(value("ipc_channel_events_total", 'channel="d"'), 0);
  // Nothing that the broker tells is left out, and what is there now is not said to be counted.
  for (const key of ["events", "requests", "connections", "slow_consumers"]) {
    assert.equal(families.get(`ipc_${key}_total`)?.type, "counter", key);
  }
  for (const key of ["channels", "clients", "requests_open", "queued_bytes", "history_bytes"]) {
    assert.equal(families.get(`ipc_${key}`)?.type, "gauge", key);
  }
  // Without channels there is no empty family.
  assert(![...parseExposition(statsMetrics(STATS, [])).keys()].some((name) => name.startsWith("ipc_channel_")));
});

Deno.test("expositionText() escapes what stands in labels and help", () => {
  const nasty = 'a"b\\c\nd{e="f"} 7';
  const text = expositionText([{
    name: "x",
    type: "gauge",
    help: "a\\b\nc",
    samples: [[{ who: nasty, b: "" }, 1e21]],
  }]);
  assert.equal(text, '# HELP x a\\\\b\\nc\n# TYPE x gauge\nx{who="a\\"b\\\\c\\nd{e=\\"f\\"} 7",b=""} 1e+21\n');
  const family = parseExposition(text).get("x")!;
  assert.equal(family.help, "a\\b\nc");
  assert.deepEqual([...family.samples], [[`who="${nasty}",b=""`, 1e21]]);
});

Deno.test("the checker of these tests refuses what Prometheus does", () => {
  for (
    const wrong of [
      "x 1",
      "x 1\n",
      "# TYPE x gauge\nx 1\n",
      "# HELP x y\n# TYPE x counter\nx 1\n",
      "# HELP x_total y\n# TYPE x_total gauge\nx_total 1\n",
      "# HELP x y\n# TYPE x gauge\n",
      "# HELP x y\n# TYPE x gauge\nx 1\nx 1\n",
      "# HELP x y\n# TYPE x gauge\nx NaN1\n",
      '# HELP x y\n# TYPE x gauge\nx{a="b} 1\n',
      '# HELP x y\n# TYPE x gauge\nx{a="\\q"} 1\n',
      '# HELP x y\n# TYPE x gauge\nx{a="b",} 1\n',
      '# HELP x y\n# TYPE x gauge\nx{a="b",a="c"} 1\n',
      "# HELP x_ms y\n# TYPE x_ms gauge\nx_ms 1\n",
    ]
  ) assert.throws(() => parseExposition(wrong), Error, wrong);
});
