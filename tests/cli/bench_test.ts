import assert from "node:assert/strict";
import { eventually, pause } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";
import { hasTmux, Tmux } from "./tmux.ts";

/** What `ipc bench` leaves in the directory for temporary files. */
function left(cli: CliSandbox): string[] {
  return [...Deno.readDirSync(`${cli.directory}/run`)].map(({ name }) => name);
}

const TEMPORARY = 'TMPDIR="$XDG_RUNTIME_DIR"';

Deno.test("ipc bench measures events and requests through the broker, and a bare socket beside them", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const before = left(cli);
  const { code, stdout, stderr } = await cli.sh(`${TEMPORARY} ipc bench --for 100ms --clients 2 --size 1KiB --json`);
  assert.deepEqual([code, stderr], [0, ""]);
  const { size, clients, events, request } = JSON.parse(stdout);
  assert.deepEqual([size, clients], [1024, 2]);
  assert.ok(events.broker.messages > 100 && events.broker.per_s > 0);
  assert.equal(events.ratio, events.broker.per_s / events.socket.per_s);
  assert.equal(request.ratio, request.broker.p50_ms / request.socket.p50_ms);
  const { min_ms, p50_ms, p99_ms, max_ms, histogram } = request.broker;
  assert.ok(min_ms > 0 && min_ms <= p50_ms && p50_ms <= p99_ms && p99_ms <= max_ms);
  const counted = histogram.reduce((sum: number, { requests }: { requests: number }) => sum + requests, 0);
  assert.equal(counted, request.broker.requests);
  assert.deepEqual(left(cli), before);
  const text = await cli.sh("ipc bench request --for 50ms --size 0");
  const requests =
    /^requests of 0B, one at a time: median [\d.]+ µs, .*\n {2}bare socket: .*x as long\n( {2}below .*%.*\n)+$/;
  assert.match(text.stdout, requests);
  const more = await cli.sh("ipc bench request --for 50ms --size 0 --clients 4");
  assert.match(more.stdout.replace(", 4 at a time", ", one at a time"), requests);
  const sizes = await cli.sh("ipc bench events --for 50ms --size 16,1KiB,16MiB");
  const lines = ["16B", "1KiB", "16MiB"].map((size) =>
    `events of ${size} to 1 listener: \\d+ events/s, .*\n  bare socket: .*x as many\n`
  );
  assert.match(sizes.stdout, new RegExp(`^${lines.join("")}$`));
});

Deno.test("ipc bench pub publishes and ipc bench sub counts the same, also of several sizes and clients", async () => {
  await using cli = new CliSandbox();
  for (const [more, times] of [["", 1], ["elsewhere --clients 2", 2]] as const) {
    // The first one starts a broker, as a listener does.
    const sub = cli.sh(`ipc bench sub --json ${more}`);
    await cli.sh(`ipc wait ${more.split(" ")[0] || "bench"} --listener -t 10s`);
    const { code, stdout, stderr } = await cli.sh(`ipc bench pub --json --for 50ms --size 16,128 ${more}`);
    assert.deepEqual([code, stderr], [0, ""]);
    const published = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(published.map(({ size, clients }) => [size, clients]), [[16, times], [128, times]]);
    const [small, large] = published.map(({ pub }) => pub.broker.messages);
    assert.ok(small > 100 && large > 100);
    assert.equal(published[0].pub.ratio, published[0].pub.broker.per_s / published[0].pub.socket.per_s);
    const heard = await sub;
    assert.equal(heard.code, 0);
    assert.match(heard.stderr, times === 1 ? /^ipc: started a broker.*\n$/ : /^$/);
    const { messages, bytes, per_s, gaps, missed } = JSON.parse(heard.stdout);
    assert.deepEqual([messages, bytes], [times * (small + large), times * (small * 16 + large * 128)]);
    assert.deepEqual([gaps, missed], [0, 0]);
    assert.ok(per_s > 0);
  }
  const said = await cli.sh("ipc bench pub --for 50ms");
  assert.match(said.stdout, /^events of 128B from 1 publisher: \d+ events\/s, .*\n {2}bare socket: .*x as many\n$/);
});

Deno.test("ipc bench sub tells of gaps, of what came at once, and ends when its time is over or it is told to", async () => {
  await using cli = new CliSandbox({ IPC_QUEUE: "64KiB", IPC_OVERFLOW: "drop" });
  await cli.sh("ipc daemon start");
  const sub = cli.start("ipc bench sub x");
  await cli.sh("ipc wait x --listener && ipc send --retain x old && sleep 0.2");
  sub.signal("SIGSTOP");
  await cli.sh("yes | head -n 500000 | ipc send -l x");
  sub.signal("SIGCONT");
  const line = await sub.line((line) => line, "what it has counted");
  const [, heard, missed] = /^(\d+) events on x, .* in [\d.]+m?s: .*; (\d+) missed in \d+ gaps?$/.exec(line)!;
  assert.ok(Number(missed) > 0, line);
  assert.equal(Number(heard) + Number(missed), 500_001);
  assert.equal(await sub.exit(), 0);

  // What is retained on the channel is not what it waits for.
  const one = cli.sh("ipc bench sub x");
  await cli.sh("ipc wait x --listener && sleep 0.2 && ipc send x hello");
  assert.deepEqual(await one, { code: 0, stdout: "1 event on x, 5B, in 0ms: at once; none missed\n", stderr: "" });

  const pub = cli.start("ipc bench pub x --for 100s");
  const some = await cli.sh("ipc bench sub x --for 200ms");
  assert.match(some.stdout, /^\d+ events on x, .* in (\d{3}ms|[\d.]+s): \d+ events\/s, .*\/s; /);
  const told = cli.start("ipc bench sub x");
  await cli.sh("ipc wait x --message");
  await pause(200);
  told.signal("SIGINT");
  await told.line((line) => /^\d+ events on x/.test(line) || undefined, "what it has counted");
  assert.equal(await told.exit(), 130);
  pub.signal("SIGTERM");
  assert.equal(await pub.exit(), 143);
});

Deno.test("ipc bench starts a broker for the run alone where none runs, unless that is not wanted", async () => {
  await using cli = new CliSandbox();
  const before = left(cli);
  const { code, stdout, stderr } = await cli.sh(`${TEMPORARY} ipc bench events --for 50ms --json`);
  assert.deepEqual([code, stderr], [
    0,
    "ipc: no broker is running, so this is about one that was started for this run alone\n",
  ]);
  assert.ok(JSON.parse(stdout).events.broker.messages > 100);
  const bench = cli.start("ipc bench request --for 20s", { TMPDIR: `${cli.directory}/run` });
  await bench.says("for this run alone");
  bench.signal("SIGINT");
  assert.equal(await bench.exit(), 130);
  assert.deepEqual([left(cli), await cli.sh("pgrep -f 'idle-exit-default 10[s]' | wc -l")], [
    before,
    { code: 0, stdout: "0\n", stderr: "" },
  ]);
  for (
    const line of [
      "IPC_AUTOSTART=0 ipc bench",
      "ipc bench --no-autostart",
      "ipc bench sub --no-autostart",
      "ipc bench pub",
    ]
  ) {
    const refused = await cli.sh(line);
    assert.equal(refused.code, 69, line);
    assert.match(refused.stderr, /no broker is running for socket directory/, line);
  }
  assert.equal((await cli.sh("ipc --connect tcp://127.0.0.1:1 bench")).code, 69);
});

Deno.test("ipc bench shows a bar on a terminal, and takes it away", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const shown = await cli.terminal("ipc bench --for 300ms --json");
  assert.equal(shown.code, 0);
  const [drawn, printed] = shown.stdout.split("\r\x1b[K");
  assert.match(drawn!, /\r\[=*> *\] \d+% {2}requests through the broker/);
  assert.match(printed!, /^\{"size":128,.*\}\n$/);
  for (const line of ["ipc bench --for 150ms --json --no-progress", "TERM=dumb ipc bench --for 150ms --json"]) {
    assert.match((await cli.terminal(line)).stdout, /^\{.*\}\n$/, line);
  }
});

const ignore = !hasTmux();
if (ignore) console.error("skipped: there is no tmux here to look at the progress bar of ipc bench with");

/** Figures differ from run to run. */
function withoutFigures(text: string): string {
  return text.replace(/\d+%/g, "N%").replace(/\[=*>? *\]/g, "[==>  ]").replace(/[\d.]+(?:[KMG]i)?B\b/g, "N")
    .replace(/[\d.]+m?s\b/g, "N").replace(/\d+ events/g, "N events");
}

Deno.test(
  { name: "ipc bench is seen on a terminal as docs/benchmarks.md shows it, and leaves no bar there", ignore },
  async () => {
    await using cli = new CliSandbox();
    await cli.sh("ipc daemon start");
    const docs = Deno.readTextFileSync(new URL("../../docs/benchmarks.md", import.meta.url));
    const recorded = [...docs.matchAll(/```text\n(\$ ipc bench [^]*?)\n```/g)].map(([, text]) => text!);
    assert.equal(recorded.length, 2);
    const [during, sub] = recorded;

    await using terminal = await Tmux.open(cli, { columns: 100 });
    await terminal.type("ipc bench pub --size 16,1KiB");
    const bar = await terminal.shows((screen) => screen.includes("events to the broker"));
    assert.equal(withoutFigures(bar), withoutFigures(during!));
    const [, filled, all, percent] = /\n\[(=*)(>? *)\] (\d+)%/.exec(bar)!;
    assert.equal(filled!.length + all!.length, 30);
    assert.ok(Math.abs(filled!.length / 30 - Number(percent) / 100) < 1 / 30 + 0.01, bar);
    const after = await terminal.shows((screen) => screen.endsWith("$"));
    assert.match(after, /^\$ ipc bench pub --size 16,1KiB\n(events of .*\n {2}bare socket: .*\n){2}\$$/);

    await using narrow = await Tmux.open(cli, { columns: 40 });
    await narrow.type("ipc bench sub x");
    await narrow.shows((screen) => screen === "$ ipc bench sub x\nwaiting for events on x");
    const pub = cli.start("ipc bench pub x --for 1000s");
    await narrow.shows((screen) => /\n\d+ events on x, [^\n]{1,40}$/.test(screen) && screen.split("\n").length === 2);
    await narrow.keys("C-c");
    // The shell may begin a new line for a command that a signal has ended.
    assert.match(
      await narrow.shows((screen) => screen.endsWith("$")),
      /^\$ ipc bench sub x\n(\^C)?\d+ events [^]*\n\$$/,
    );
    pub.signal("SIGTERM");
    await pub.exit();

    await using wide = await Tmux.open(cli, { columns: 100 });
    await wide.type("ipc bench sub");
    await wide.shows((screen) => screen.endsWith("waiting for events on bench"));
    await cli.sh("ipc bench pub --for 300ms");
    const heard = await wide.shows((screen) => screen.endsWith("$"));
    assert.equal(withoutFigures(heard), withoutFigures(`${sub}\n$`));
  },
);

Deno.test("ipc bench leaves nothing behind at Ctrl-C, TERM and HUP, and fails when the broker goes", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const before = left(cli);
  for (const part of ["events", "request"]) {
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
      const bench = cli.start(`ipc bench ${part} --for 400ms`, { TMPDIR: `${cli.directory}/run` });
      await eventually(() => left(cli).length > before.length, "it has not begun");
      await pause(part === "events" ? 500 : 100);
      bench.signal(signal);
      assert.equal(await bench.exit(), code);
      assert.deepEqual(left(cli), before);
    }
  }
  // A listener that does not read holds up who publishes, and not the end of that.
  const listener = await cli.listen("x > /dev/null");
  listener.signal("SIGSTOP");
  const held = cli.start("ipc bench pub x --for 100ms");
  await cli.sh("ipc wait x --client 'ipc bench'; sleep 1");
  held.signal("SIGINT");
  assert.equal(await held.exit(2000), 130);
  listener.signal("SIGCONT");
  for (const part of ["", "sub"]) {
    const bench = cli.start(`ipc bench ${part} --for 20s`, { TMPDIR: `${cli.directory}/run` });
    if (part === "") await eventually(() => left(cli).length > before.length, "it has not begun");
    else await cli.sh("ipc wait bench --listener");
    for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
    assert.equal(await bench.exit(), 69, part);
    assert.equal((await cli.sh("ipc bench --no-autostart --size 1GiB")).code, 69);
    await cli.sh("ipc daemon start");
  }
  const large = await cli.sh("ipc bench --size 16,1GiB");
  assert.equal(large.code, 65);
  assert.match(large.stderr, /--size 1073741824 is over the limit of 16777216/);
});
