import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import type { Process } from "../e2e/process.ts";
import { CliSandbox } from "./sandbox.ts";

// deno-lint-ignore no-explicit-any -- what a test looks into
type Shown = Record<string, any>;

async function monitor(cli: CliSandbox, options: string): Promise<Process> {
  const process = cli.start(`ipc monitor --ready-fd 2 ${options}`);
  await process.says("subscribed");
  return process;
}

Deno.test("ipc monitor shows events, requests and replies, in words and as JSON", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const handler = cli.start("ipc handle wc -- wc -c");
  assert.equal((await cli.sh("ipc request --wait=20s wc hello")).stdout, "5\n");
  const words = await monitor(cli, "> words"), json = await monitor(cli, "--json '[w]*' > json");
  await cli.sh("ipc send deploys 'v1.4 is live' && ipc request wc four");
  const lines = await eventually(() => {
    const text = Deno.readTextFileSync(`${cli.directory}/words`);
    return /\n.* wc .* leave .*\n/.test(text) && text.split("\n");
  }, "not all was shown");
  assert.match(
    lines.find((line) => line.includes(" event "))!,
    /^\d\d:\d\d:\d\d\.\d{3} +deploys +in +event +\d+ ipc send +36B +seq=1 +listeners=0 +v1\.4 is live$/,
  );
  const shown: Shown[] = Deno.readTextFileSync(`${cli.directory}/json`).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert(shown.every(({ channel }) => channel === "wc"));
  assert.deepEqual(
    shown.filter(({ type }) => type === "request" || type === "reply").map(({ direction, type, text }) => [
      direction,
      type,
      text,
    ]).slice(0, 3),
    [["in", "request", "four"], ["out", "request", "four"], ["in", "reply", "4\n"]],
  );
  for (const [process, signal, code] of [[words, "SIGINT", 130], [json, "SIGTERM", 143]] as const) {
    process.signal(signal);
    assert.equal(await process.exit(), code);
  }
  handler.signal("SIGTERM");
});

Deno.test("ipc monitor --capture writes what docs/monitoring.md says, for nobody else to read", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const process = await monitor(cli, "--capture file -n 1 'x*' > /dev/null");
  const listener = await monitor(cli, "-n 3 --json x > seen");
  const payload = "y".repeat(1000);
  await cli.sh(`ipc send other no; ipc send x ${payload}`);
  assert.equal(await process.exit(), 0);
  assert.equal(await listener.exit(), 0);
  const path = `${cli.directory}/file`;
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  const [head, first, ...rest] = Deno.readTextFileSync(path).split("\n");
  const { time, version, ...about } = JSON.parse(head!);
  assert.deepEqual(about, { type: "capture", format: 1, glob: "x*", payload_bytes: 65536 });
  assert(typeof version === "string" && Math.abs(Date.parse(time) - Date.now()) < 60_000);
  assert.equal(JSON.parse(first!).type, "join");
  assert.deepEqual(rest, [""]);
  const all = await monitor(cli, "--capture file -n 3 x > /dev/null");
  await cli.sh(`ipc send x ${payload}`);
  assert.equal(await all.exit(), 0);
  assert(Deno.readTextFileSync(path).includes(`"text":"${payload}"`));
  // On standard output there is less of it unless it is asked for.
  assert(!Deno.readTextFileSync(`${cli.directory}/seen`).includes(payload));
});

Deno.test("ipc monitor ends by itself, and says why", async () => {
  await using cli = new CliSandbox();
  for (
    const [line, code, said] of [
      ["ipc monitor", 69, /no broker is running/],
      ["ipc monitor '[' a", 64, /too many arguments/],
      ["ipc monitor --payload 1GiB", 64, /--payload: 1GiB is too much, at most 64KiB/],
      ["ipc daemon start && ipc monitor '['", 64, /has a "\[" without its "\]"/],
      ["ipc monitor -t 100ms", 124, /the time is up: 100ms/],
      ["ipc monitor --capture /no/such/file", 74, /Cannot write to "\/no\/such\/file"/],
    ] as const
  ) {
    for (const { code: got, stdout, stderr } of [await cli.sh(line), await cli.terminal(line)]) {
      assert.equal(got, code, `${line}: ${stderr}${stdout}`);
      assert.match(stderr + stdout, said);
    }
  }
  const orphan = await monitor(cli, "");
  for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
  assert.equal(await orphan.exit(), 69);
  await cli.sh("ipc daemon start");
  const drained = await monitor(cli, "");
  await cli.sh("ipc daemon stop");
  assert.equal(await drained.exit(), 69);
  assert.match(drained.stderr, /going away/);
  // Its reader leaves while nothing happens.
  await cli.sh("ipc daemon start");
  const piped = cli.start(`sh -c '{ ipc monitor --ready-fd 2; echo "left with $?" >&2; } | true'`);
  await piped.says("left with 141");
});

Deno.test("ipc monitor is denied where rules say so", async () => {
  await using cli = new CliSandbox();
  Deno.writeTextFileSync(`${cli.directory}/ipc.toml`, '[access]\nadmin = { allow = ["name:boss"] }\n');
  const env = { IPC_CONFIG: `${cli.directory}/ipc.toml` };
  assert.equal((await cli.sh("ipc daemon start", { env })).code, 0);
  const outcome = await cli.sh("ipc monitor", { env });
  assert.equal(outcome.code, 77);
  assert.match(outcome.stderr, /may not administer the broker/);
});
