import assert from "node:assert/strict";
import { family, runs } from "../e2e/process.ts";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc listen --then starts its command once it listens, prints what that brings about, and leaves with its status", async () => {
  await using cli = new CliSandbox();
  assert.equal((await cli.sh("ipc listen x --then -- sh -c 'ipc send x one; ipc send x two; exit 3'")).code, 3);
  const both = "ipc listen x --then -- sh -c 'seq 50000 | ipc send -l x; echo from the command; cat'";
  const { code, stdout } = await cli.sh(both, { stdin: "input\n" });
  const lines = stdout.split("\n");
  assert.deepEqual([code, lines.length], [0, 50003]);
  for (const line of ["1", "50000", "from the command", "input"]) assert.ok(lines.includes(line), line);
  // A channel that it opens itself, found by a glob.
  const found = await cli.sh("ipc listen 'new.*' --then -- ipc send new.channel hello");
  assert.deepEqual([found.code, found.stdout], [0, "hello\n"]);
});

Deno.test("ipc listen --then goes on after its command for --count and --idle, unless that failed", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const later = "sh -c '(sleep 0.5; ipc send x later) >later.log 2>&1 &'";
  // What it leaves in the background is ended with it: so the late event comes from elsewhere.
  assert.equal((await cli.sh(`ipc listen -t 1s -n 1 x --then -- ${later}`)).code, 124);
  const listener = await cli.listen("-n 2 x --then -- ipc send x now");
  assert.equal(await listener.line((line) => line, "print"), "now");
  await cli.sh("ipc send x later");
  assert.equal(await listener.exit(), 0);
  assert.equal((await cli.sh("ipc listen --idle 100ms x --then -- sleep 0.4")).code, 0);
  assert.equal((await cli.sh("ipc listen -n 1 x --then -- false")).code, 1);
  // The count is reached while the command runs: it has the last word.
  const counted = await cli.sh("ipc listen -n 1 x --then -- sh -c 'seq 9 | ipc send -l x; sleep 0.3; exit 4'");
  assert.deepEqual([counted.code, counted.stdout], [4, "1\n"]);
  assert.equal((await cli.sh("ipc listen x --then -- no-such-command")).code, 127);
  assert.equal((await cli.sh("ipc listen -t 300ms x --then -- sleep 1000")).code, 124);
});

Deno.test("ipc listen --then passes signals on, and leaves nothing behind", async () => {
  await using cli = new CliSandbox();
  for (
    const [name, script, signal, code] of [
      ["plain", "", "SIGINT", 130],
      ["term", "", "SIGTERM", 143],
      ["hup", "", "SIGHUP", 129],
      ["trap", 'trap "exit 7" INT;', "SIGINT", 7],
      ["deaf", 'trap "" INT TERM;', "SIGINT", 137],
    ] as const
  ) {
    Deno.writeTextFileSync(
      `${cli.directory}/${name}.sh`,
      `${script} sleep 1000 & echo $$ $! >${name}; wait; sleep 1000`,
    );
    const listener = cli.start(`ipc listen x --then -- sh ${name}.sh`);
    const pids = await family(`${cli.directory}/${name}`);
    listener.signal(signal);
    assert.equal(await listener.exit(), code, name);
    assert.deepEqual(pids.filter(runs), [], name);
  }
  // A command that ends by itself, and one whose reader has gone.
  await cli.sh("ipc listen x --then -- sh -c 'sleep 1000 & echo $$ $! >left'");
  assert.deepEqual((await family(`${cli.directory}/left`)).filter(runs), []);
  Deno.writeTextFileSync(`${cli.directory}/pipe.sh`, "sleep 1000 & echo $$ $! >pipe; wait");
  const outcome = await cli.sh(
    "{ ipc listen x --then -- sh pipe.sh; echo $? >&2; } | until [ -s pipe ]; do sleep 0.05; done",
  );
  assert.match(outcome.stderr, /141/);
  assert.deepEqual((await family(`${cli.directory}/pipe`)).filter(runs), []);
});

Deno.test("ipc listen ends at a signal while it waits for the last commands", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen("-n 1 x -- sh -c 'echo here; sleep 1000'");
  await cli.sh("ipc send x hello");
  await listener.line((line) => line === "here" || undefined, "run its command");
  listener.signal("SIGINT");
  assert.equal(await listener.exit(), 130);
});

Deno.test("ipc listen --coalesce and --debounce run a command with the newest event", async () => {
  await using cli = new CliSandbox();
  const say = `sh -c 'echo "$(cat) $IPC_SKIPPED"; while [ ! -e go ]; do sleep 0.02; done'`;
  const coalescing = await cli.listen(`--coalesce -n 2 x -- ${say}`);
  await cli.sh("ipc send x first");
  assert.equal(await coalescing.line((line) => line, "print"), "first 0");
  await cli.sh("seq 100 | ipc send -l x; touch go");
  assert.equal(await coalescing.exit(), 0);
  assert.equal(await coalescing.line((line) => line, "print"), "100 99");

  const debouncing = await cli.listen(`--debounce 500ms --idle 2s x -- ${say}`);
  await cli.sh("seq 100 | ipc send -l x");
  assert.equal(await debouncing.line((line) => line, "print"), "100 99");
  assert.equal(await debouncing.exit(), 0);
  // What waits when it leaves of its own accord is not lost.
  const leaving = await cli.listen(`--debounce 1h --idle 1500ms x -- ${say}`);
  await cli.sh("ipc send x last");
  assert.equal(await leaving.exit(), 0);
  assert.equal(await leaving.line((line) => line, "print"), "last 0");
});

Deno.test("ipc listen --where takes what fits, and counts nothing else", async () => {
  await using cli = new CliSandbox();
  const listener = await cli.listen(`--where '@.n > 2 && @.on' -n 2 x`);
  await cli.sh(`for n in 1 2 3 4 5; do echo '{"n":'$n',"on":true}'; echo text; done | ipc send -l x`);
  assert.equal(await listener.exit(), 0);
  for (const n of [3, 4]) assert.equal(await listener.line((line) => line, "print"), `{"n":${n},"on":true}`);
  const running = await cli.listen(`--where '@ == "yes"' -n 1 x -- sh -c 'cat; echo'`);
  await cli.sh("ipc send x no; ipc send x yes");
  assert.equal(await running.exit(), 0);
  assert.equal(await running.line((line) => line, "print"), "yes");
  assert.equal((await cli.sh("ipc listen --where '@.a =' x")).code, 64);
});

Deno.test("ipc listen --since goes on behind an event, and says so if its number is of another time", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start; seq 10 | ipc send -l x");
  assert.equal((await cli.sh("ipc listen --since 7 -n 3 x")).stdout, "8\n9\n10\n");
  assert.equal((await cli.sh("ipc listen --since 0 -n 10 x | tail -1")).stdout, "10\n");
  const epoch = JSON.parse((await cli.sh("ipc inspect --json x")).stdout).epoch;
  assert.equal((await cli.sh(`ipc listen --since ${epoch}:9 -n 1 x`)).stdout, "10\n");
  for (const since of ["11", "another:3"]) {
    const { code, stdout, stderr } = await cli.sh(`ipc listen --since ${since} -n 10 x`);
    assert.deepEqual([code, stdout.split("\n")[0]], [0, "1"], since);
    assert.match(stderr, /missed events from \d+ on: restart/, since);
  }
  assert.equal((await cli.sh("ipc listen --since 11 --strict x")).code, 1);
  const fresh = await cli.sh("ipc listen --since 5 y --then -- ipc send y hello");
  assert.match(
    fresh.stdout + fresh.stderr,
    /missed events from 6 on: restart[^]*hello|hello[^]*missed events from 6 on/,
  );
});
