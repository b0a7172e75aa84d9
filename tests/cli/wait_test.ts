import assert from "node:assert/strict";
import { pause } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc wait is done at once when it is so already", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const listener = await cli.listen("x --name web");
  cli.start("ipc handle x -- cat");
  assert.equal((await cli.sh("ipc request --wait=20s x hello")).code, 0);
  await cli.sh("ipc send --retain x 'v1.4 is live'");
  for (
    const [what, printed] of [
      ["--listener", ""],
      ["--handler", ""],
      ["--client web", ""],
      ["--message", "v1.4 is live\n"],
      ["--message --match live", "v1.4 is live\n"],
      ["--message --regex '^v[0-9.]+ '", "v1.4 is live\n"],
    ]
  ) {
    for (const how of ["-t 20s", "--no-wait"]) {
      const outcome = await cli.sh(`ipc wait x ${what} ${how}`);
      assert.deepEqual([outcome.code, outcome.stdout, outcome.stderr], [0, printed, ""], `${what} ${how}`);
    }
  }
  // The broker knows since when, half a second more or less.
  await pause(2200);
  const began = performance.now();
  assert.equal((await cli.sh("ipc wait x --idle 1s --no-wait")).code, 0);
  assert.equal((await cli.sh("ipc wait x --idle 1s")).code, 0);
  assert(performance.now() - began < 10_000);
  assert.equal(listener.running, true);
});

Deno.test("ipc wait leaves with 1 or 124 while it is not so, on a terminal and in a pipe", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const said = ["--listener", "--handler", "--client web", "--message", "--message --match live", "--idle 1h"];
  await cli.sh("ipc send --retain y 'v1.4 is dead'");
  for (const what of said) {
    for (const [how, code] of [["--no-wait", 1], ["-t 100ms", 124]] as const) {
      const line = `ipc wait ${what.includes("--match") ? "y" : "x"} ${what} ${how}`;
      const piped = await cli.sh(line), shown = await cli.terminal(line);
      assert.deepEqual([piped.code, piped.stdout, shown.code], [code, "", code], `${line}: ${piped.stderr}`);
      assert.match(piped.stderr, /^ipc: .*channel [xy]/, line);
    }
  }
  assert.equal((await cli.sh("ipc wait x")).code, 64);
  assert.equal((await cli.sh("ipc wait a/b --listener")).code, 64);
});

Deno.test("ipc wait waits for each, and for a broker", async () => {
  await using cli = new CliSandbox();
  assert.equal((await cli.sh("ipc wait x --listener -n")).code, 69);
  assert.equal((await cli.sh("ipc wait x --listener -t 100ms")).code, 124);
  const waiting = [
    "--listener",
    "--handler",
    "--client web",
    "--message --match live",
    "--idle 700ms",
  ].map((what) => cli.start(`ipc wait x -t 60s ${what}`));
  await cli.sh("ipc daemon start");
  await cli.listen("x --name web");
  cli.start("ipc handle x -- cat");
  // Those that wait for a message count as listeners.
  for (let listeners = 0; listeners < 3;) {
    listeners = (JSON.parse((await cli.sh("ipc inspect x --json")).stdout) as { listeners: number }).listeners;
  }
  await cli.sh("ipc send x 'v1.4 is dead'; ipc send x 'v1.4 is live'");
  for (const each of waiting) assert.equal(await each.exit(), 0, each.stderr);
  assert.equal(await waiting[3]!.line((line) => line, "print the message"), "v1.4 is live");
});

Deno.test("ipc wait ends by the signal that it is sent", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    const waiting = cli.start("ipc wait x --handler --name waiter");
    assert.equal((await cli.sh("ipc wait x --client waiter -t 20s")).code, 0);
    waiting.signal(signal);
    assert.equal(await waiting.exit(), code);
  }
});

Deno.test("ipc wait leaves with 141 when nobody reads its message", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start; ipc send --retain x hello");
  const outcome = await cli.sh("{ sleep 0.3; ipc wait x --message; echo $? >&2; } | true");
  assert.match(outcome.stderr, /141$/m);
});
