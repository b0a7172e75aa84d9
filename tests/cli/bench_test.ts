import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

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
  const { size, clients, events, requests } = JSON.parse(stdout);
  assert.deepEqual([size, clients], [1024, 2]);
  assert.ok(events.broker.messages > 100 && events.broker.per_s > 0);
  assert.equal(events.ratio, events.broker.per_s / events.socket.per_s);
  assert.equal(requests.ratio, requests.broker.p50_ms / requests.socket.p50_ms);
  const { min_ms, p50_ms, p99_ms, max_ms, histogram } = requests.broker;
  assert.ok(min_ms > 0 && min_ms <= p50_ms && p50_ms <= p99_ms && p99_ms <= max_ms);
  const counted = histogram.reduce((sum: number, { requests }: { requests: number }) => sum + requests, 0);
  assert.equal(counted, requests.broker.requests);
  assert.deepEqual(left(cli), before);
  const text = await cli.sh("ipc bench requests --for 50ms --size 0");
  assert.match(
    text.stdout,
    /^requests of 0B, one at a time: median [\d.]+ µs, .*\n {2}bare socket: .*x as long\n( {2}below .*%.*\n)+$/,
  );
  const large = await cli.sh("ipc bench events --for 50ms --size 16MiB");
  assert.match(large.stdout, /^events of 16MiB to 1 listener: \d+ events\/s, .*\n {2}bare socket: .*x as many\n$/);
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

Deno.test("ipc bench leaves nothing behind at Ctrl-C, TERM and HUP, and fails when the broker goes", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const before = left(cli);
  for (const part of ["events", "requests"]) {
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
      const bench = cli.start(`ipc bench ${part} --for 400ms`, { TMPDIR: `${cli.directory}/run` });
      await eventually(() => left(cli).length > before.length, "it has not begun");
      await new Promise((resolve) => setTimeout(resolve, part === "events" ? 500 : 100));
      bench.signal(signal);
      assert.equal(await bench.exit(), code);
      assert.deepEqual(left(cli), before);
    }
  }
  const bench = cli.start("ipc bench --for 20s", { TMPDIR: `${cli.directory}/run` });
  await eventually(() => left(cli).length > before.length, "it has not begun");
  for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
  assert.equal(await bench.exit(), 69);
  assert.equal((await cli.sh("ipc bench --size 1GiB")).code, 69);
  await cli.sh("ipc daemon start");
  const large = await cli.sh("ipc bench --size 1GiB");
  assert.equal(large.code, 65);
  assert.match(large.stderr, /--size 1073741824 is over the limit of 16777216/);
});
