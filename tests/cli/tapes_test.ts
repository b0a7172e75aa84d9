/**
 * `ipc record`, `ipc replay` and `ipc mock`: what is sent again is what was recorded, when it was, and a file answers.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ENCODINGS, FRAME_TYPES } from "../../protocol/frame.ts";
import { encodeBody } from "../../protocol/msgpack.ts";
import { structuredCodec } from "../../protocol/structured_clone.ts";
import { readTapeLine, type TapedEvent, tapeLine } from "../../commands/tape.ts";
import type { Process } from "../e2e/process.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

/** Starts a recorder, and waits until it misses nothing. */
async function record(cli: CliSandbox, line: string): Promise<Process> {
  const recorder = cli.start(`ipc record --ready-fd 2 ${line}`);
  await recorder.says("subscribed");
  return recorder;
}

function linesOf(cli: CliSandbox, file: string): string[] {
  return Deno.readTextFileSync(`${cli.directory}/${file}`).split("\n").slice(0, -1);
}

function eventsOf(cli: CliSandbox, file: string): TapedEvent[] {
  return linesOf(cli, file).map(readTapeLine).filter((event) => event !== undefined && "payload" in event);
}

/** All that an event is but its time, its payload as something that can be compared quickly. */
function matter({ channel, encoding, payload, headers }: TapedEvent): unknown[] {
  return [
    channel,
    encoding,
    payload.length,
    Buffer.from(headers).toString("hex"),
    Buffer.from(payload).toString("latin1"),
  ];
}

/** A tape of an event each millisecond. */
function write(cli: CliSandbox, file: string, events: readonly Partial<TapedEvent>[], step_ms = 1): void {
  const lines = events.map(
    ({ channel = "x", encoding = 1, payload = new Uint8Array(), headers = new Uint8Array() }, at) => {
      const frame = {
        type: FRAME_TYPES.EVENT,
        flags: encoding,
        headers,
        payload,
        source: 1,
        target: 0,
        id: at + 1,
        aux: 0,
      };
      return `${tapeLine(frame, { channel, nameOf: () => "" }, new Date(at * step_ms))}\n`;
    },
  );
  Deno.writeTextFileSync(`${cli.directory}/${file}`, lines.join(""));
}

Deno.test("ipc record writes what ipc replay has sent exactly as it was on the tape, whatever it is", async () => {
  await using cli = new CliSandbox();
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const random = new Uint8Array(16 * 1024 * 1024);
  for (let at = 0; at < random.length; at += 65536) crypto.getRandomValues(random.subarray(at, at + 65536));
  const payloads = [
    new Uint8Array(),
    new Uint8Array([0, 255, 254, 10, 13, 0]),
    utf8("\n\n\r\n a \n"),
    utf8('{"a": 1.0, "a": "\\ud800"}\r\n'),
    utf8('{"a":[null,1e400]}'),
    utf8("\ufeffbyte order mark \u2028 \u0000"),
    structuredCodec.encode(new Map<unknown, unknown>([[new Date(7), new Set([1n, undefined])]])),
    random.subarray(0, 70_000),
  ];
  const events: Partial<TapedEvent>[] = [];
  for (const encoding of Object.values(ENCODINGS)) for (const payload of payloads) events.push({ encoding, payload });
  events.push({ encoding: ENCODINGS.BYTES, payload: random });
  events.push({ encoding: ENCODINGS.TEXT, payload: new Uint8Array(16 * 1024 * 1024).fill(10) });
  events.push({ headers: encodeBody({ a: 1.5, b: new Uint8Array([255]), c: ["d", null] }) }, {
    headers: encodeBody({ a: "b" }),
  });
  write(cli, "one", events);
  const recorder = await record(cli, `x -n ${events.length} -o two`);
  const { code, stderr } = await cli.sh("ipc replay one");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(await recorder.exit(60_000), 0);
  const [one, two] = [eventsOf(cli, "one"), eventsOf(cli, "two")];
  assert.equal(two.length, one.length);
  for (const [at, event] of one.entries()) {
    assert.ok(matter(event).every((part, of) => part === matter(two[at]!)[of]), `${at}`);
  }
});

Deno.test("ipc replay is late with none because it was late with another, and --speed makes it faster", async () => {
  await using cli = new CliSandbox();
  write(cli, "tape", Array.from({ length: 1000 }, () => ({})), 2);
  for (const [speed, expected_ms] of [["1", 1998], ["4", 499.5], ["max", 0]] as const) {
    const recorder = await record(cli, "x -n 1000 --force -o again");
    assert.equal((await cli.sh(`ipc replay --speed ${speed} tape`)).code, 0);
    assert.equal(await recorder.exit(), 0);
    const times = eventsOf(cli, "again").map(({ time_ms }) => time_ms!);
    const took_ms = times.at(-1)! - times[0]!;
    // A timer of its own for each would take a millisecond more each time.
    assert.ok(took_ms >= expected_ms - 60 && took_ms < expected_ms + 600, `--speed ${speed}: ${took_ms} ms`);
  }
});

Deno.test("ipc replay waits for longer than a timer can, and ends at once by a signal", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen("x");
  write(cli, "tape", [{ payload: new Uint8Array([97]) }, { payload: new Uint8Array([98]) }], 40 * 24 * 3600 * 1000);
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    const replay = cli.start("ipc replay tape");
    await listener.line((line) => line === "a" || undefined, "print a");
    await pause(200);
    replay.signal(signal);
    assert.equal(await replay.exit(), code);
  }
  await cli.sh("ipc send x end");
  // The second event of the tape has not been sent.
  assert.equal(await listener.line((line) => ["b", "end"].includes(line) ? line : undefined, "print more"), "end");
});

Deno.test("ipc replay sends to other channels with --channel, again and again with --loop, and retains what was retained", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen("-F '%c %p' one two rest");
  const tape = ["a", "b", "c.d"].map((channel, at) =>
    JSON.stringify({ channel, data: `${at}`, retained: channel === "b" })
  );
  Deno.writeTextFileSync(`${cli.directory}/tape`, tape.join("\n"));
  const replay = cli.start("ipc replay --loop --speed max --channel a=one --channel b=two --channel '*=rest' tape");
  for (const expected of ["one 0", "two 1", "rest 2", "one 0", "two 1", "rest 2"]) {
    await listener.line((line) => line === expected || undefined, `print ${expected}`);
  }
  replay.signal("SIGTERM");
  assert.equal(await replay.exit(), 143);
  assert.equal((await cli.sh("ipc listen -n 1 two")).stdout, "1\n");
  // Two lines say so: it was kept when the recorder came, and it is sent as one that is to be kept.
  await cli.sh("ipc record -n 1 two -o kept");
  assert.match(linesOf(cli, "kept")[0]!, /"retained":true/);
  Deno.writeTextFileSync(`${cli.directory}/empty`, '{"type":"gap","from":1,"to":3}\n');
  const empty = await cli.sh("ipc replay --loop empty");
  assert.equal(empty.code, 65);
  assert.match(empty.stderr, /lacks 3 events that were missed/);
});

Deno.test("ipc replay has sent what stands before a line that is wrong, and fails when the broker refuses or goes", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen("-n 1 x");
  const { code, stderr } = await cli.sh(
    `printf '{"channel":"x","data":"first"}\\n\\n{"channel":"x"}\\n' | ipc replay -`,
  );
  assert.equal(code, 65);
  assert.match(stderr, /^ipc: line 3 of standard input: it has no payload/);
  assert.equal(await listener.line((line) => line, "print"), "first");
  assert.equal(await listener.exit(), 0);
  const large = await cli.sh(
    `head -c 16777217 /dev/zero | tr '\\0' a | sed 's/.*/{"channel":"x","data":"&"}/' | ipc replay -`,
  );
  assert.equal(large.code, 65);
  assert.match(large.stderr, /payload in line 1 of 16777217 bytes is too long/);
  write(cli, "tape", [{}, {}], 3600_000);
  const again = await cli.listen("-n 1 x");
  const replay = cli.start("ipc replay tape");
  assert.equal(await again.exit(), 0);
  for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
  assert.equal(await replay.exit(), 69);
});

Deno.test("ipc record ends by a signal between two lines, flushes each line, and appends", async () => {
  await using cli = new CliSandbox();
  Deno.writeTextFileSync(`${cli.directory}/many`, "y\n".repeat(1_000_000));
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    const recorder = await record(cli, "x --append -o tape");
    const before = linesOf(cli, "tape").length;
    assert.equal((await cli.sh("ipc send x hello")).code, 0);
    await eventually(() => linesOf(cli, "tape").length === before + 1, "it is not in the file");
    const flood = cli.start("ipc send -l -f many x");
    await eventually(() => Deno.statSync(`${cli.directory}/tape`).size > 1_000_000, "nothing more came");
    recorder.signal(signal);
    assert.equal(await recorder.exit(), code);
    await flood.kill();
    const text = Deno.readTextFileSync(`${cli.directory}/tape`);
    assert.ok(text.endsWith('"data":"y"}\n'));
    Deno.truncateSync(`${cli.directory}/tape`, text.indexOf("\n") + 1);
  }
  const refused = await cli.sh("ipc record x -o tape");
  assert.equal(refused.code, 74);
  assert.match(refused.stderr, /^ipc: tape is there already: --force overwrites it, --append adds to it\n$/);
  assert.equal(linesOf(cli, "tape").length, 1);
});

Deno.test("ipc record -o - ends when its reader does, and writes a line for a gap", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const recorder = cli.start(`sh -c '{ ipc record --ready-fd 2 x -o -; echo "left with $?" >&2; } | head -1'`);
  await recorder.says("subscribed");
  await cli.sh("ipc send x hello");
  assert.equal(await recorder.exit(), 0);
  assert.match(recorder.stderr, /left with 141/);
  await recorder.line((line) => line.endsWith('"data":"hello"}') || undefined, "print it");
  // The broker is another one, so what was between is missed.
  const strict = await record(cli, "x --strict -o tape");
  await cli.sh("ipc send x one");
  for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
  await cli.sh("ipc daemon start");
  assert.equal(await strict.exit(), 1);
  assert.deepEqual(linesOf(cli, "tape").map((line) => JSON.parse(line).type), ["event", "gap"]);
  assert.match(linesOf(cli, "tape")[1]!, /"time":"2/);
  const replayed = await cli.sh("ipc replay tape");
  assert.equal(replayed.code, 0);
});

Deno.test("ipc mock answers as its file says, each after its delay, and fails what no line fits", async () => {
  await using cli = new CliSandbox();
  const answers = [
    { is: "ping", reply: "pong" },
    { like: { id: 7 }, reply: { name: "Ada" } },
    { glob: "GET *", status: 3, stderr: "gone\n" },
    { is: "slow", delay: "1h" },
    { is: "bytes", base64: "/w==" },
    { is: "soon", delay: "300ms", reply: "now" },
  ];
  Deno.writeTextFileSync(`${cli.directory}/answers`, answers.map((answer) => `${JSON.stringify(answer)}\n`).join("\n"));
  const mock = cli.start("ipc mock users --from answers");
  const ask = (line: string) => cli.sh(`ipc request --wait=20s users ${line}`);
  assert.deepEqual(await ask("ping"), { code: 0, stdout: "pong\n", stderr: "" });
  assert.deepEqual(await ask(`'{"id": 7, "more": []}'`), { code: 0, stdout: '{"name":"Ada"}\n', stderr: "" });
  assert.deepEqual(await ask("'GET /'"), { code: 3, stdout: "", stderr: "gone\n" });
  assert.equal((await ask("--raw bytes | od -An -tx1")).stdout, " ff\n");
  const unknown = await ask("nothing");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no line of answers fits the request/);
  const begin_ms = performance.now();
  const both = await Promise.all([ask("soon"), ask("-t 200ms slow")]);
  assert.deepEqual(both.map(({ code }) => code), [0, 124]);
  assert.ok(performance.now() - begin_ms >= 300);
  const waiting = cli.start("ipc request users slow");
  await eventually(async () => / 1 of them open/.test((await cli.sh("ipc inspect users")).stdout), "it does not wait");
  mock.signal("SIGINT");
  assert.equal(await mock.exit(), 130);
  assert.equal(await waiting.exit(), 69);
  const twice = cli.start("sh -c 'echo {} | ipc mock -n 2 once --from -'");
  for (let n = 0; n < 2; n++) assert.equal((await cli.sh("ipc request --wait=20s once hello")).code, 0);
  assert.equal(await twice.exit(), 0);
});
