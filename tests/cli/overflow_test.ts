import assert from "node:assert/strict";
import type { Process } from "../e2e/process.ts";
import { eventually } from "../e2e/wait.ts";
import { CliSandbox, type Outcome } from "./sandbox.ts";

const LINES = 40_000;

/** Stops a listener while more is sent than the queue and the kernel hold. @returns How the sender ended. */
async function flood(cli: CliSandbox, listener: Process): Promise<Outcome> {
  listener.signal("SIGSTOP");
  const sender = await cli.sh(`seq ${LINES} | sed 's/$/ ${"x".repeat(100)}/' | ipc send -l x`);
  listener.signal("SIGCONT");
  assert.equal((await cli.sh("ipc send x end")).code, 0);
  return sender;
}

/** Everything that a listener has written to a file, once the line is there that has `end` in it. */
async function written(cli: CliSandbox, file: string, end: string): Promise<string[]> {
  return await eventually(() => {
    const lines = Deno.readTextFileSync(`${cli.directory}/${file}`).split("\n");
    return lines.at(-1) === "" && lines.at(-2)?.includes(end) && lines.slice(0, -1);
  }, `${file} does not end with ${end}`);
}

Deno.test("ipc listen --overflow drop tells what it missed and goes on; with --strict it leaves with 1", async () => {
  await using cli = new CliSandbox({ IPC_QUEUE: "64KiB", IPC_STALL_TIMEOUT: "10m" });
  await cli.sh("ipc daemon start");
  const [listener, strict] = [
    await cli.listen("--overflow drop --json x >out"),
    await cli.listen("--overflow drop --strict x"),
  ];
  strict.signal("SIGSTOP");
  assert.equal((await flood(cli, listener)).code, 0);
  strict.signal("SIGCONT");
  let last = 0, gaps = 0;
  for (const line of await written(cli, "out", '"end"')) {
    const { type, seq, from = seq, to = seq, reason } = JSON.parse(line);
    assert.equal(from, last + 1, line);
    last = to;
    if (type !== "gap") continue;
    gaps++;
    assert.equal(reason, "overflow");
    assert.match(listener.stderr, new RegExp(`ipc: x: missed \\d+ events \\(${from} to ${to}\\): overflow`));
  }
  assert.deepEqual([last, gaps > 0], [LINES + 1, true]);
  assert(listener.running);
  assert.equal(await strict.exit(), 1);
  assert.match(strict.stderr, /ipc: x: missed \d+ events \(\d+ to \d+\): overflow/);
});

Deno.test("ipc listen --overflow disconnect comes back to what the history holds; with --strict it leaves with 1 if that is not all", async () => {
  for (const history of ["64MiB", "64KiB"]) {
    await using cli = new CliSandbox({ IPC_QUEUE: "64KiB", IPC_STALL_TIMEOUT: "10m", IPC_HISTORY: history });
    await cli.sh("ipc daemon start");
    const listener = await cli.listen("--overflow disconnect --strict x >out");
    assert.equal((await flood(cli, listener)).code, 0);
    if (history === "64KiB") {
      assert.equal(await listener.exit(), 1);
      assert.match(listener.stderr, /does not read[^]*ipc: x: missed \d+ events \(\d+ to \d+\): history/);
      continue;
    }
    const lines = await written(cli, "out", "end");
    assert.deepEqual(lines.map((line) => line.split(" ")[0]), [
      ...Array.from({ length: LINES }, (_, n) => `${n + 1}`),
      "end",
    ]);
    assert.match(listener.stderr, /ipc: x: connection lost[^]*does not read/);
    assert.match(listener.stderr, /ipc: x: connected again/);
    // The history is longer than the queue, and it is not closed for that.
    assert.equal(listener.stderr.split("connection lost").length, 2, listener.stderr);
    assert(!listener.stderr.includes("missed"));
  }
});

Deno.test("ipc listen: what the channel says goes before what the listener asks for", async () => {
  await using cli = new CliSandbox({ IPC_QUEUE: "64KiB", IPC_STALL_TIMEOUT: "10m", IPC_OVERFLOW: "drop" });
  await cli.sh("ipc daemon start");
  const listener = await cli.listen("--overflow block --strict x");
  assert.equal((await flood(cli, listener)).code, 0);
  assert.equal(await listener.exit(), 1);
});
