import assert from "node:assert/strict";
import { parseBench } from "./bench.ts";
import { parseChannels } from "./channels.ts";
import { parseClients } from "./clients.ts";
import { parseDaemon } from "./daemon.ts";
import { parseHandle } from "./handle.ts";
import { parseInspect } from "./inspect.ts";
import { parseListen } from "./listen.ts";
import { parseMock } from "./mock.ts";
import { plainMessage } from "./messages/options.ts";
import { parsePing } from "./ping.ts";
import { parseRecord } from "./record.ts";
import { parseReplay } from "./replay.ts";
import { parseRequest } from "./messages/request_arguments.ts";
import { parseSend } from "./messages/send_arguments.ts";
import { parseDoctor } from "./doctor.ts";
import { parseService } from "./service.ts";
import { parseSockname } from "./sockname.ts";
import { HelpRequested, UsageError } from "./verb.ts";
import { VERBS } from "./verbs.ts";
import { parseLock } from "./lock.ts";
import { parseBarrier } from "./barrier.ts";
import { parseSemaphore } from "./semaphore.ts";
import { parseVersion } from "./version.ts";
import { parseWait } from "./wait.ts";

/** What is typed, and what it comes to; a text is part of the message of a usage error. */
type Row = readonly [line: readonly string[], expected: Record<string, unknown> | string];

// deno-lint-ignore no-explicit-any -- options of whatever verb
function table(parse: (argv: readonly string[]) => any, rows: readonly Row[]): void {
  for (const [line, expected] of rows) {
    if (typeof expected === "string") {
      assert.throws(() => parse(line), (error: unknown) => {
        assert.ok(error instanceof UsageError, `${line.join(" ")}: ${error}`);
        assert.match(error.message, new RegExp(expected), line.join(" "));
        assert.match(error.help, /^Usage: ipc /);
        return true;
      });
    } else {
      const options = parse(line);
      for (const [name, value] of Object.entries(expected)) {
        assert.deepEqual(options[name], value, `${line.join(" ")}: ${name}`);
      }
    }
  }
}

Deno.test("parseSend() takes a message, or says where to read it", () => {
  table(parseSend, [
    [["x", "hello"], { channel: "x", message: "hello", records: "whole", encoding: "auto", file: "-" }],
    [["x"], { message: undefined, file: "-", retain: false, expect: undefined, wait_ms: undefined, to: undefined }],
    [["x", "-"], { message: undefined, file: "-" }],
    [["x", ""], { message: "" }],
    [["x", "--", "-l"], { message: "-l" }],
    [["-f", "a.txt", "x"], { file: "a.txt" }],
    [["-fa.txt", "x"], { file: "a.txt" }],
    [["--file=a.txt", "x"], { file: "a.txt" }],
    [["-l", "x"], { records: "lines" }],
    [["x", "-0"], { records: "null" }],
    [["--json", "x", "1"], { encoding: "json" }],
    [["--text", "x", "1"], { encoding: "text" }],
    [["--bytes", "x", "1"], { encoding: "bytes" }],
    [["-H", "a: b:c", "-Hd:e", "x", "y"], { headers: new Map([["a", "b:c"], ["d", "e"]]) }],
    [["--to", "7", "--expect", "2", "x", "y"], { to: "7", retain: false, expect: 2 }],
    [["--retain", "x", "y"], { to: undefined, retain: true }],
    [["--to", "7", "--retain", "x", "y"], "--to and --retain exclude each other"],
    [["--wait", "x", "y"], { wait_ms: Infinity, channel: "x", message: "y" }],
    [["--wait=500ms", "x", "y"], { wait_ms: 500 }],
    [["x", "--", "--wait"], { wait_ms: undefined, message: "--wait" }],
    [["--name", "me", "x", "y"], { name: "me" }],
    [["x", "y"], { name: "ipc send", count: 1, every_ms: undefined, template: false, progress: true }],
    [["--count", "3", "x", "y"], { count: 3, every_ms: undefined }],
    [["--every", "1s", "x", "y"], { count: Infinity, every_ms: 1000 }],
    [["--count", "3", "--every", "500ms", "x", "y"], { count: 3, every_ms: 500 }],
    [["--template", "--no-progress", "-l", "x"], { template: true, progress: false, records: "lines" }],
    [["--count", "3", "-l", "x"], "--count repeats one message, so it and --lines exclude each other"],
    [["--every", "3", "-0", "x"], "--every repeats one message, so it and --null exclude each other"],
    [["--every", "0", "x", "y"], "--every needs a duration above 0"],
    [["--count", "0", "x", "y"], "whole number from 1"],
    [[], "missing required argument 'channel'"],
    [["x", "y", "z"], "too many arguments[^]*needs quotes"],
    [["x", "y", "--wait", "5s"], "too many arguments[^]*is written --wait=5s"],
    [["x", "-5"], "unknown option '-5'[^]*begins with - stands behind --"],
    [["--foo", "x"], "unknown option '--foo'$"],
    [["--profile", "prod", "x"], "option '--profile' stands before the verb: ipc --profile <value> send"],
    [["-f", "/dev/stdin", "x"], { file: "-" }],
    [["--jsn", "x"], "unknown option '--jsn'[^]*Did you mean --json"],
    [["--json", "--bytes", "x"], "--json and --bytes exclude each other"],
    [["-l", "-0", "x"], "--lines and --null exclude each other"],
    [["-f", "a", "x", "y"], "a message and --file exclude each other"],
    [["-l", "x", "y"], "--lines reads standard input"],
    [["-H", "nocolon", "x"], "KEY:VALUE"],
    [["--expect", "0", "x"], "whole number from 1"],
    [["--wait=soon", "x"], "not a duration"],
    [["--name", "n".repeat(65), "x"], "client name is 65 bytes, limit is 64"],
    [["--name", "a\x1b[2J", "x"], "control characters"],
  ]);
});

Deno.test("send and request read arguments without options as their parsers do, without loading those", async () => {
  const parsers = { send: parseSend, request: parseRequest };
  for (const [name, parse] of Object.entries(parsers)) {
    const { verb } = await VERBS.find((entry) => entry.name === name)!.load();
    for (const argv of [["x"], ["x", ""], ["x", "a b"], ["", "{}"], ["a/b", "--x".slice(2)]]) {
      assert(plainMessage(name, argv) !== undefined);
      assert.deepEqual(await verb.parse(argv), parse(argv), argv.join(" "));
    }
    for (const argv of [["x", "-"], ["-l", "x"], ["x", "--text"], ["--", "x"], ["x", "y", "z"], []]) {
      assert.equal(plainMessage(name, argv), undefined, argv.join(" "));
    }
  }
});

Deno.test("parseRequest() takes the message options and its own", () => {
  table(parseRequest, [
    [["x", "hi"], { message: "hi", all: false, remote_status: true, raw: false, timeout_ms: undefined }],
    [["-t", "5", "x"], { timeout_ms: 5000 }],
    [["-t0", "x"], { timeout_ms: Infinity }],
    [["--timeout=1m", "x"], { timeout_ms: 60_000 }],
    [["--all", "--replies", "3", "x"], { all: true, replies: 3 }],
    [["--no-remote-status", "x"], { remote_status: false }],
    [["--wait", "x"], { wait_ms: Infinity }],
    [["--raw", "-l", "x"], { raw: true, records: "lines" }],
    [["--retain", "x"], "unknown option '--retain'"],
    [["-t", "-5", "x"], "not a duration"],
  ]);
});

Deno.test("parseListen() takes channels, a format, limits and a command", () => {
  table(parseListen, [
    [["x"], { channels: ["x"], count: Infinity, timeout_ms: Infinity, idle_ms: Infinity, json: false, command: [] }],
    [["x", "y.*"], { channels: ["x", "y.*"], autostart: true, jobs: 1, last: 0, names: false, strict: false }],
    [["-n3", "x"], { count: 3 }],
    [["-t", "5s", "--idle", "200ms", "x"], { timeout_ms: 5000, idle_ms: 200 }],
    [["--json", "x"], { json: true, names: true }],
    [["-F", "%c %s", "x"], { names: false }],
    [["-F", "%n", "x"], { names: true }],
    [["-F", "%-20n %t{%H:%M}", "x"], { names: true }],
    [["x"], { coalesce: false, debounce_ms: 0, then: [], where: undefined, since: undefined }],
    [["--coalesce", "x", "--", "cat"], { coalesce: true, debounce_ms: 0 }],
    [["--debounce", "500ms", "--exec", "cat", "x"], { coalesce: true, debounce_ms: 500 }],
    [["--debounce", "0", "x", "--", "cat"], { coalesce: true, debounce_ms: 0 }],
    [["--then", "x", "--", "ls", "-l"], { then: ["ls", "-l"], command: [], names: false }],
    [["--then", "--json", "x", "--", "ls"], { then: ["ls"], json: true }],
    [["--then", "--exec", "cat", "x", "--", "ls"], { then: ["ls"], command: ["/bin/sh", "-c", "cat"] }],
    [["--since", "7", "x"], { since: { epoch: undefined, seq: 7 } }],
    [["--since", "ab:7", "x"], { since: { epoch: "ab", seq: 7 } }],
    [["x", "--", "wc", "-w"], { channels: ["x"], command: ["wc", "-w"], names: true }],
    [["--exec", "wc -w", "x"], { command: ["/bin/sh", "-c", "wc -w"] }],
    [["--jobs", "4", "x", "--", "cat"], { jobs: 4 }],
    [["--overflow", "drop", "x"], { overflow: "drop" }],
    [["--no-autostart", "x"], { autostart: false }],
    [["--ready-fd", "3", "--last", "10", "x"], { ready_fd: 3, last: 10 }],
    [["--presence", "--strict", "x"], { presence: true, strict: true }],
    [[], "missing required argument"],
    [["-n", "0", "x"], "whole number from 1"],
    [["--raw", "--json", "x"], "--json and --raw exclude each other"],
    [["--raw", "-0", "x"], "--raw and --null exclude each other"],
    [["--json", "x", "--", "cat"], "--json and a command exclude each other"],
    [["-F", "%q", "x"], '"%q" is not one of'],
    [["-F", "%t{%Q}", "x"], "--format: .*%Q"],
    [["--where", "@.a = 1", "x"], "--where: character 5: expected"],
    [["--then", "x"], "--then needs a command behind --"],
    [["--coalesce", "x"], "--coalesce needs a command to run"],
    [["--debounce", "1s", "--then", "x", "--", "ls"], "--debounce needs a command to run"],
    [["--jobs", "2", "x"], "--jobs needs a command to run"],
    [["--coalesce", "--jobs", "2", "x", "--", "ls"], "excludes --jobs"],
    [["--since", "7", "--last", "1", "x"], "--since and --last exclude each other"],
    [["--since", "7", "x", "y"], "--since takes one channel"],
    [["--since", "7", "x*"], "--since takes one channel"],
    [["--since", "ab:", "x"], "whole number"],
    [["--overflow", "lose", "x"], "Allowed choices are block, disconnect, drop"],
    [["--last", "x"], "missing required argument|whole number"],
  ]);
});

Deno.test("parseHandle() takes a channel and a command behind --", () => {
  table(parseHandle, [
    [["x", "--", "wc", "-w"], {
      channel: "x",
      command: ["wc", "-w"],
      workers: 1,
      timeout_ms: Infinity,
      count: Infinity,
    }],
    [["--workers", "4", "x", "--", "a", "--", "b"], { workers: 4, command: ["a", "--", "b"] }],
    [["--timeout", "10", "--kill-after", "1s", "x", "--", "a"], { timeout_ms: 10_000, kill_after_ms: 1000 }],
    [["-n", "1", "--no-autostart", "x", "--", "a"], { count: 1, autostart: false }],
    [["x", "--", "a"], { mode: "command", json_lines: false }],
    [["--mode", "lines", "--json-lines", "x", "--", "a"], { mode: "lines", json_lines: true }],
    [["--mode", "words", "x", "--", "a"], "Allowed choices are command, lines"],
    [["--json-lines", "x", "--", "a"], "--json-lines needs --mode lines"],
    [["x"], "a command is missing"],
    [["x", "wc"], "too many arguments[^]*stands behind --"],
    [["x", "wc", "-w"], "unknown option '-w'[^]*stands behind --"],
    [["--", "wc"], "missing required argument 'channel'"],
  ]);
});

Deno.test("the other verbs' parsers take what they need", () => {
  table(parseChannels, [[[], { glob: undefined, json: false }], [["a*", "--json"], { glob: "a*", json: true }]]);
  table(parseClients, [[[], { channel: undefined }], [["x"], { channel: "x" }], [["x", "y"], "too many arguments"]]);
  table(parseInspect, [[["x", "--json"], { channel: "x", json: true }], [[], "missing required argument"]]);
  table(parseSockname, [[["x"], { channel: "x" }], [[], "missing required argument"]]);
  table(parseDoctor, [[[], { fix: false, json: false }], [["--fix", "--json"], { fix: true, json: true }]]);
  table(parseVersion, [[["--json"], { json: true }], [["x"], "too many arguments"]]);
  table(parsePing, [
    [[], { channel: "ipcd", count: 4, interval_ms: 200, timeout_ms: 5000 }],
    [["-n", "1", "-i", "0", "x"], { count: 1, interval_ms: 0, channel: "x" }],
  ]);
  table(parseService, [
    [["install"], { action: "install", scope: undefined, json: false }],
    [["status", "--user", "--json"], { action: "status", scope: "user", json: true }],
    [["print", "--system"], { scope: "system" }],
    [["print", "--system", "--user"], "exclude each other"],
    [["print", "--json"], "--json is for status"],
    [["remove"], "'remove' is none of install, uninstall, status, print"],
    [[], "missing required argument"],
  ]);
  table(parseDaemon, [
    [["run"], { action: "run", config: undefined, idle_exit_default: undefined }],
    [["start", "--config", "a.toml"], { action: "start", config: "a.toml" }],
    [["status", "--json"], { action: "status", json: true }],
    [["stop", "--json"], "--json is for status"],
    [["stop", "--config", "a.toml"], '--config is for run, start and restart: for stop it stands before "daemon"'],
    [[], "missing required argument"],
    [["strt"], "none of run, start, stop, restart, status, reload\n.Did you mean start"],
  ]);
});

Deno.test("parseLock(), parseSemaphore() and parseBarrier() take a channel, how many, and a command", () => {
  table(parseLock, [
    [["x", "--", "ls", "-l"], { channel: "x", command: ["ls", "-l"], places: 1, no_wait: false, timeout_ms: Infinity }],
    [["-n", "x", "-t", "5s", "--", "ls"], {
      no_wait: true,
      timeout_ms: 5000,
      keep_running: false,
      kill_after_ms: 2000,
    }],
    [["x", "--keep-running", "--kill-after", "0", "--", "ls"], { keep_running: true, kill_after_ms: Infinity }],
    [["x", "--no-autostart", "--", "ls"], { autostart: false, name: "ipc lock" }],
    [["x"], "a command is missing"],
    [["x", "--"], "a command is missing"],
    [["--", "ls"], "missing required argument"],
  ]);
  table(parseSemaphore, [
    [["-n", "3", "x", "--", "ls"], { places: 3, no_wait: false, name: "ipc semaphore" }],
    [["-n", "3", "--no-wait", "x", "--", "ls"], { no_wait: true }],
    [["x", "--", "ls"], "how many may run at a time is missing"],
    [["-n", "0", "x", "--", "ls"], "whole number from 1"],
    [["-n", "16385", "x", "--", "ls"], "whole number from 1 to 16384"],
  ]);
  table(parseBarrier, [
    [["-n", "3", "x"], { channel: "x", parties: 3, timeout_ms: Infinity, autostart: true }],
    [["-n", "3", "x", "-t", "1m"], { timeout_ms: 60_000 }],
    [["x"], "how many it takes is missing"],
    [["-n", "16385", "x"], "whole number from 1 to 16384"],
    [["-n", "3"], "missing required argument"],
  ]);
});

Deno.test("parseWait() takes one thing to wait for", () => {
  table(parseWait, [
    [["x", "--listener"], { channel: "x", state: { what: "listener" }, timeout_ms: Infinity, no_wait: false }],
    [["--handler", "x", "-n"], { channel: "x", state: { what: "handler" }, no_wait: true, name: "ipc wait" }],
    [["x", "--client", "web"], { state: { what: "client", name: "web" } }],
    [["x", "--idle", "5s", "-t", "1m"], { state: { what: "idle", idle_ms: 5000 }, timeout_ms: 60_000 }],
    [[], "missing required argument"],
    [["x"], "what to wait for is missing"],
    [["x", "--listener", "--handler"], "--listener and --handler exclude each other"],
    [["x", "--idle", "0"], "for ever is never over"],
    [["x", "--listener", "--match", "a"], "--match is for --message"],
    [["x", "--match", "a"], "--match is for --message"],
    [["x", "--client", ""], "the name to wait for is empty"],
    [["x", "--idle", "1", "--regex", "a"], "--regex is for --message"],
    [["x", "--message", "--match", "a", "--regex", "a"], "--match and --regex exclude each other"],
    [["x", "--message", "--regex", "("], "--regex: "],
    [["x", "--client", "a".repeat(65)], "64"],
  ]);
  for (
    const [line, text, expected] of [
      [["x", "--message"], "", true],
      [["x", "--message", "--match", "a*"], "b a* c", true],
      [["x", "--message", "--match", "a*"], "aaa", false],
      [["x", "--message", "--regex", "^v\\d+$"], "v14", true],
      [["x", "--message", "--regex", "^v\\d+$"], "a v14", false],
    ] as const
  ) {
    const { state } = parseWait(line);
    assert(state.what === "message");
    assert.equal(state.fits(text), expected, line.join(" "));
  }
});

Deno.test("parseRecord(), parseReplay() and parseMock() name their files", () => {
  table(parseRecord, [
    [["x", "y*", "-o", "f"], {
      channels: ["x", "y*"],
      output: "f",
      if_there: "refuse",
      count: Infinity,
      strict: false,
    }],
    [["x", "-o", "-", "--force", "-n", "3", "-t", "1m"], {
      output: "-",
      if_there: "overwrite",
      count: 3,
      timeout_ms: 60000,
    }],
    [["x", "-o", "f", "--append", "--idle", "1"], { if_there: "append", idle_ms: 1000, name: "ipc record" }],
    [["x"], "where to is missing: -o <file>"],
    [["-o", "f"], "missing required argument"],
    [["x", "-o", "f", "--append", "--force"], "--force and --append exclude each other"],
    [["x", "-o", "/dev/stdout"], { output: "-" }],
  ]);
  table(parseReplay, [
    [["f"], { file: "f", speed: 1, detours: [], loop: false, name: "ipc replay" }],
    [["f", "--speed", "0.5", "--loop"], { speed: 0.5, loop: true }],
    [["-", "--speed", "max"], { file: "-", speed: Infinity }],
    [["f", "--speed", "0"], "above 0"],
    [["f", "--speed", "fast"], "above 0"],
    [["f", "--channel", "x"], "FROM=TO"],
    [["f", "--channel", "x=a/b"], "not a channel name"],
    [["f", "--channel", "[=x"], "without its"],
    [["-", "--loop"], "standard input comes only once"],
    [["/dev/fd/0", "--loop"], "standard input comes only once"],
    [[], "missing required argument"],
  ]);
  const { detours } = parseReplay(["f", "--channel", "a=b", "--channel", "c*=d"]);
  assert.deepEqual(
    ["a", "cc", "e"].map((channel) => detours.find(({ fits }) => fits(channel))?.to),
    ["b", "d", undefined],
  );
  table(parseMock, [
    [["x", "--from", "f", "-n", "2"], { channel: "x", file: "f", count: 2, autostart: true, name: "ipc mock" }],
    [["x"], "the answers are missing: --from <file>"],
    [["x", "--from", "/dev/stdin"], { file: "-" }],
    [["--from", "f"], "missing required argument"],
  ]);
});

Deno.test("parseBench() takes what to measure, where, how much and for how long", () => {
  const two_ended = { channel: undefined, sizes: [128], clients: 1, duration_ms: 1000 };
  table(parseBench, [
    [[], { what: ["events", "request"], ...two_ended, json: false, progress: true, autostart: true }],
    [["request", "--size", "16KiB", "--for", "10s", "--json"], {
      what: ["request"],
      sizes: [16384],
      duration_ms: 10000,
    }],
    [["events", "--clients", "4", "--no-progress"], { what: ["events"], clients: 4, progress: false }],
    [["pub", "--size", "16,128,1KiB"], { what: ["pub"], channel: "bench", sizes: [16, 128, 1024] }],
    [["sub", "deploys", "--no-autostart"], {
      what: ["sub"],
      channel: "deploys",
      duration_ms: Infinity,
      autostart: false,
    }],
    [["sub", "--for", "5s"], { what: ["sub"], channel: "bench", duration_ms: 5000 }],
    [["requests"], "none of events, request, pub, sub\n.Did you mean request"],
    [["events", "deploys"], "events has a channel of its own: only pub and sub take one"],
    [["sub", "--size", "16"], "sub counts what comes: --size is for those who publish"],
    [["--for", "0"], "--for needs a duration above 0"],
    [["--size", "big"], "not a size"],
    [["--size", "16,"], '"" is not a size'],
    [["--clients", "0"], "from 1 up"],
  ]);
});

Deno.test("every verb's --help names its arguments and options", async () => {
  for (const { name, load } of VERBS) {
    const { verb } = await load();
    await assert.rejects(async () => await verb.parse(["--help"]), (error: unknown) => {
      assert.ok(error instanceof HelpRequested, name);
      assert.match(error.message, new RegExp(`^Usage: ipc ${name} `));
      assert.match(error.message, /-h, --help/);
      return true;
    });
  }
});

Deno.test("parsers show defaults as they would be written", () => {
  const help = (parse: () => unknown): string => {
    try {
      parse();
    } catch (error) {
      if (error instanceof HelpRequested) return error.textFor(200);
      throw error;
    }
    throw new Error("no help");
  };
  const ping = help(() => parsePing(["--help"]));
  for (const end of ["time between two (default: 200ms)", "how many times (default: 4)"]) assert.ok(ping.includes(end));
  assert.ok(help(() => parseLock(["--help"])).includes('holder\'s name (default: "ipc lock")'));
  assert.doesNotMatch(help(() => parseReplay(["--help"])), /default: \[/);
  assert.doesNotMatch(help(() => parseSend(["--help"])), /default: \{/);
});
