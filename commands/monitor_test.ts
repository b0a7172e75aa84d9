import assert from "node:assert/strict";
import { structuredCodec } from "../protocol/structured_clone.ts";
import { parseMonitor } from "./monitor.ts";
import { type MonitorRecord, needsCodec, recordJson, recordLine } from "./monitor/format.ts";
import { UsageError } from "./verb.ts";

const NOON = new Date(2026, 10, 20, 12, 0, 0, 7).getTime();
const EVENT: MonitorRecord = {
  time_ms: NOON,
  type: "event",
  channel: "deploys",
  direction: "in",
  client: 3,
  name: "ipc send",
  size: 29,
  seq: 7,
  listeners: 2,
  encoding: "text",
  payload_bytes: 5,
  text: "hello",
};

Deno.test("parseMonitor() shows more of each payload with --capture, unless it is said how much", () => {
  const plain = {
    glob: "*",
    json: false,
    capture: undefined,
    payload_bytes: 256,
    count: Infinity,
    timeout_ms: Infinity,
    ready_fd: undefined,
  };
  assert.deepEqual(parseMonitor([]), plain);
  assert.deepEqual(parseMonitor(["a*", "--capture", "f", "-n", "3", "-t", "2s", "--json"]), {
    ...plain,
    glob: "a*",
    json: true,
    capture: "f",
    payload_bytes: 65536,
    count: 3,
    timeout_ms: 2000,
  });
  assert.equal(parseMonitor(["--capture", "f", "--payload", "1KiB"]).payload_bytes, 1024);
  for (const argv of [["a", "b"], ["--payload", "1MiB"], ["--payload", "x"], ["-n", "0"]]) {
    assert.throws(() => parseMonitor(argv), UsageError, argv.join(" "));
  }
});

Deno.test("recordLine() is a line for people, in columns", () => {
  const line = (more: Partial<MonitorRecord>) => recordLine({ ...EVENT, ...more }, structuredCodec).slice(14);
  assert.equal(
    recordLine(EVENT, undefined),
    "12:00:00.007  deploys       in   event     3 ipc send            29B  seq=7  listeners=2  hello",
  );
  const bare = "deploys       in   event     3 ipc send            29B  seq=7  listeners=2";
  assert.equal(line({ payload_bytes: 6 }), `${bare}  hello...`);
  // What could command a terminal is made visible.
  assert.equal(line({ text: "a\x1b[2J\n", payload_bytes: 6, name: "\x07" }).slice(-15), "2  a\\x1b[2J\\x0a");
  assert(line({ name: "\x07" }).includes("3 \\x07"));
  const { text: _text, ...bytes } = EVENT;
  const shown = (base64: string, more: Partial<MonitorRecord> = {}) =>
    recordLine({ ...bytes, encoding: "bytes", base64, payload_bytes: 3, ...more }, structuredCodec).slice(14);
  assert.equal(shown("/wAB"), `${bare}  0xff0001`);
  assert.equal(shown("eHl6"), `${bare}  xyz`);
  assert.equal(shown("eHl6", { payload_bytes: 9 }), `${bare}  xyz...`);
  const structured: Partial<MonitorRecord> = { encoding: "structured" };
  const base64 = structuredCodec.encode({ at: new Date(0) }).toBase64();
  assert.equal(
    shown(base64, { ...structured, payload_bytes: Uint8Array.fromBase64(base64).length }),
    `${bare}  {"at":"1970-01-01T00:00:00.000Z"}`,
  );
  assert(needsCodec({ ...bytes, ...structured, base64: "eHl6", payload_bytes: 3 }));
  assert(!needsCodec({ ...bytes, ...structured, base64: "eHl6", payload_bytes: 4 }));
  assert.equal(
    recordLine({
      time_ms: NOON,
      type: "reply",
      channel: "wc",
      direction: "out",
      client: 0,
      name: "",
      size: 24,
      id: 1,
      target: 4,
      status: 7004,
      flags: ["error"],
      data: { code: 7004, message: "nobody" },
    }, undefined),
    "12:00:00.007  wc            out  reply     broker                24B  id=1  target=4  status=7004  error  " +
      '{"code":7004,"message":"nobody"}',
  );
});

Deno.test("recordLine() paints time and type where colours are wanted, and nothing else", () => {
  const color = (more: Partial<MonitorRecord>) => recordLine({ ...EVENT, ...more }, undefined, true);
  assert(color({}).startsWith("\x1b[2m12:00:00.007\x1b[0m  deploys       in   \x1b[32mevent   \x1b[0m  3 ipc send"));
  assert(color({ type: "reply", flags: ["error"] }).includes("\x1b[31mreply   \x1b[0m"));
  assert(color({ type: "join" }).includes("\x1b[2mjoin    \x1b[0m"));
  // deno-lint-ignore no-control-regex -- they are what it takes away
  assert.equal(color({}).replaceAll(/\x1b\[\d*m/g, ""), recordLine(EVENT, undefined));
});

Deno.test("recordJson() is what the broker says, with a time that can be read", () => {
  const { time_ms: _time, ...rest } = EVENT;
  assert.deepEqual(JSON.parse(recordJson(EVENT)), { time: new Date(NOON).toISOString(), ...rest });
});
