import assert from "node:assert/strict";
import { family, type Process, runs } from "../e2e/process.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

/** A command that says which processes it has, in a file, and does not end. It has none of our pipes. */
const FAMILY = `sh -c 'exec >&- 2>&-; sleep 1000 & echo $$ $! >"$1"; sleep 1000' sh`;
/** One that does no more than not end. */
const SLEEP = `sh -c 'exec sleep 1000 >&- 2>&-'`;

/** Ends those who hold something, with their commands, which would keep their pipes open. */
async function end(...holders: Process[]): Promise<void> {
  for (const holder of holders) holder.signal("SIGTERM");
  for (const holder of holders) assert.equal(await holder.exit(), 143);
}

/** How many hold a channel's lock, how many wait for it, and how many stand at its barrier. */
async function there(cli: CliSandbox, channel = "x"): Promise<[number, number, number]> {
  const { stdout } = await cli.sh(`ipc inspect ${channel} --json`);
  const { lock, barrier } = JSON.parse(stdout || "{}") as {
    lock?: { holders: unknown[]; waiting: unknown[] } | null;
    barrier?: { waiting: unknown[] } | null;
  };
  return [lock?.holders.length ?? 0, lock?.waiting.length ?? 0, barrier?.waiting.length ?? 0];
}

async function until(cli: CliSandbox, wanted: [number, number, number]): Promise<void> {
  let now: unknown;
  await eventually(async () => {
    now = await there(cli);
    return String(now) === String(wanted);
  }, () => `${now} instead of ${wanted}`);
}

Deno.test("ipc lock: a hundred processes that add one to a file lose nothing", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start; echo 0 >count");
  const add =
    `ipc lock x -- sh -c 'n=$(cat count); sleep 0.005; echo $((n + 1)) >count; echo $IPC_LOCK_FENCE >>fences'`;
  const began = performance.now();
  const outcomes = await Promise.all(Array.from({ length: 100 }, () => cli.sh(add)));
  console.error(`100 contenders took ${Math.round(performance.now() - began)} ms`);
  assert.deepEqual(outcomes.filter(({ code }) => code !== 0), []);
  assert.equal(Deno.readTextFileSync(`${cli.directory}/count`), "100\n");
  const fences = Deno.readTextFileSync(`${cli.directory}/fences`).trim().split("\n").map(Number);
  assert.equal(new Set(fences).size, 100);
  assert.deepEqual(fences, fences.toSorted((a, b) => a - b));
  assert.deepEqual(await there(cli), [0, 0, 0]);
});

Deno.test("ipc lock gives the lock to who comes next when the holder is killed, again and again", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const all = [];
  for (let at = 0; at < 6; at++) {
    all.push(cli.start(`ipc lock x -- sh -c 'echo ${at}; exec sleep 1000 >&- 2>&-'`));
    await until(cli, [1, at, 0]);
  }
  for (let at = 0; at < 6; at++) {
    assert.equal(await all[at]!.line((line) => line, "get the lock"), String(at));
    await until(cli, [1, 5 - at, 0]);
    const { stdout } = await cli.sh(`pgrep -P ${all[at]!.pid}`);
    all[at]!.signal("SIGKILL");
    // Nobody is left to end it.
    Deno.kill(-Number(stdout), "SIGKILL");
    assert.equal(await all[at]!.exit(), 137);
  }
  await until(cli, [0, 0, 0]);
});

Deno.test("ipc lock passes on the command's status, input, output and environment", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const outcome = await cli.sh(`ipc lock x -- sh -c 'cat; echo $IPC_CHANNEL; echo err >&2; exit 7'`, { stdin: "in\n" });
  assert.deepEqual(outcome, { code: 7, stdout: "in\nx\n", stderr: "err\n" });
  const shown = await cli.terminal(`ipc lock x -- sh -c 'echo $IPC_CHANNEL; exit 7'`);
  assert.deepEqual([shown.code, shown.stdout], [7, "x\n"]);
  assert.equal((await cli.sh("ipc lock x -- sh -c 'kill -KILL $$'")).code, 137);
  // What it leaves running is ended before the next one has the lock.
  const left = Number((await cli.sh("ipc lock x -- sh -c 'sleep 1000 >&- 2>&- & echo $!'")).stdout);
  assert.equal(runs(left), false);
});

Deno.test("ipc lock, semaphore and barrier leave with the documented codes, on a terminal and in a pipe", async () => {
  await using cli = new CliSandbox();
  const both = async (line: string, code: number, said: RegExp): Promise<void> => {
    const piped = await cli.sh(line), shown = await cli.terminal(line);
    assert.deepEqual([piped.code, piped.stdout, shown.code], [code, "", code], `${line}: ${piped.stderr}`);
    if (code !== 0) assert.match(piped.stderr, /^ipc: /m, line);
    assert.match(piped.stderr, said, line);
    assert.match(shown.stdout, said, line);
  };
  await both("ipc lock --no-autostart x -- true", 69, /no broker is running/);
  await both("ipc semaphore --no-autostart -n 2 x -- true", 69, /no broker is running/);
  await both("ipc barrier --no-autostart -n 2 x", 69, /no broker is running/);
  await both("ipc lock x -- no-such-command", 127, /no-such-command/);
  await both("ipc lock x -- /etc/passwd", 126, /\/etc\/passwd/);
  // This one starts a broker.
  await both("ipc lock x -- true", 0, /^/);
  assert.equal((await cli.brokers()).length, 1);
  const holders = [`lock x -- ${SLEEP}`, `semaphore -n 2 y -- ${SLEEP}`, "barrier -n 3 y"]
    .map((line) => cli.start(`ipc ${line}`));
  await until(cli, [1, 0, 0]);
  await eventually(async () => String(await there(cli, "y")) === "1,0,1", "they are not there");
  for (
    const [line, code, said] of [
      ["ipc lock", 64, /missing required argument/],
      ["ipc lock x", 64, /a command is missing/],
      ["ipc semaphore x -- true", 64, /-n/],
      ["ipc semaphore -n 0 x -- true", 64, /whole number from 1/],
      ["ipc barrier x", 64, /-n/],
      ["ipc lock a/b -- true", 64, /not a channel name/],
      ["ipc lock -n x -- true", 1, /the lock of x is taken/],
      ["ipc lock -t 100ms x -- true", 124, /did not come within 100ms/],
      ["ipc semaphore -n 2 x -- true", 65, /"x" is locked for 1 at a time/],
      ["ipc semaphore -n 2 y -- true", 0, /^/],
      ["ipc semaphore -n 2 y -- sh -c 'ipc semaphore -n 2 --no-wait y -- true'", 1, /the lock of y is taken/],
      ["ipc barrier -n 2 y", 65, /waits for 3/],
      ["ipc barrier -n 3 -t 100ms y", 124, /did not come to the barrier of y within 100ms/],
      ["ipc barrier -n 1 z", 0, /^/],
    ] as const
  ) await both(line, code, said);
  await end(...holders);
});

Deno.test("ipc lock denied by a rule leaves with 77", async () => {
  await using cli = new CliSandbox();
  Deno.writeTextFileSync(`${cli.directory}/ipc.toml`, '[channels.x.access]\nrequest = { deny = ["name:ipc lock"] }\n');
  const config = { env: { IPC_CONFIG: `${cli.directory}/ipc.toml` } };
  assert.equal((await cli.sh("ipc daemon start", config)).code, 0);
  assert.equal((await cli.sh("ipc lock x -- true")).code, 77);
  assert.equal((await cli.sh("ipc lock --name other x -- true")).code, 0);
});

Deno.test("ipc lock forwards a signal and leaves no process behind; the next one has the lock", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    const path = `${cli.directory}/family-${signal}`;
    const holder = cli.start(`ipc lock x -- ${FAMILY} ${path}`), pids = await family(path);
    const waiting = cli.start("ipc lock x -- true"), given_up = cli.start("ipc lock x -- true");
    await until(cli, [1, 2, 0]);
    given_up.signal(signal);
    assert.equal(await given_up.exit(), code);
    holder.signal(signal);
    assert.equal(await holder.exit(), code);
    assert.deepEqual(pids.filter(runs), []);
    assert.equal(await waiting.exit(), 0);
    const at_barrier = cli.start("ipc barrier -n 2 x");
    await until(cli, [0, 0, 1]);
    at_barrier.signal(signal);
    assert.equal(await at_barrier.exit(), code);
    await until(cli, [0, 0, 0]);
  }
  // It gets the signal that came, and the time that it was given.
  const traps = cli.start(
    `ipc lock --kill-after 30s x -- sh -c 'trap "sleep 0.1; echo INT; exit" INT; echo; sleep 1000'`,
  );
  await traps.line((line) => line, "start");
  await until(cli, [1, 0, 0]);
  traps.signal("SIGINT");
  assert.equal(await traps.exit(), 130);
});

Deno.test("ipc lock ends its command when the broker is killed or stopped; --keep-running does not", async () => {
  await using cli = new CliSandbox();
  for (
    const end of [
      async () => (await cli.brokers()).forEach((pid) => Deno.kill(pid, "SIGKILL")),
      async () => void await cli.sh("ipc daemon stop"),
    ]
  ) {
    await cli.sh("ipc daemon start; rm -f family");
    const holder = cli.start(`ipc lock x -- ${FAMILY} ${cli.directory}/family`);
    const pids = await family(`${cli.directory}/family`);
    const keeps = cli.start("ipc lock --keep-running y -- sh -c 'while ! test -e go; do sleep 0.05; done; exit 7'");
    const waiting = cli.start("ipc lock x -- sh -c 'echo $IPC_LOCK_FENCE'");
    const at_barrier = cli.start("ipc barrier -n 2 x");
    await until(cli, [1, 1, 1]);
    await eventually(async () => (await there(cli, "y"))[0] === 1, "the other has no lock");
    await end();
    assert.equal(await holder.exit(), 69);
    assert.match(holder.stderr, /^ipc: the lock of x is lost: /m);
    assert.deepEqual(pids.filter(runs), []);
    assert.equal(await at_barrier.exit(), 69);
    await keeps.says("; sh goes on");
    // Who waits goes on with the next broker.
    await waiting.says("waiting for another one");
    await pause(100);
    assert.equal(waiting.running, true);
    await cli.sh("ipc daemon start");
    assert.equal(await waiting.exit(), 0, waiting.stderr);
    Deno.writeTextFileSync(`${cli.directory}/go`, "");
    assert.equal(await keeps.exit(), 7);
    Deno.removeSync(`${cli.directory}/go`);
    await cli.sh("ipc daemon stop");
  }
});

Deno.test("ipc semaphore lets so many run at a time, and ipc barrier so many go on together", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const work = "mkdir run.$$; ls -d run.* | wc -l >>most; sleep 0.05; rmdir run.$$";
  Deno.writeTextFileSync(`${cli.directory}/work.sh`, work);
  const outcomes = await Promise.all(Array.from({ length: 15 }, () => cli.sh("ipc semaphore -n 3 x -- sh work.sh")));
  assert.deepEqual(outcomes.filter(({ code }) => code !== 0), []);
  const most = Deno.readTextFileSync(`${cli.directory}/most`).trim().split("\n").map(Number);
  assert.equal(most.length, 15);
  assert.equal(Math.max(...most), 3);

  const some = [1, 2].map(() => cli.start("ipc barrier -n 3 x"));
  await until(cli, [0, 0, 2]);
  assert.equal((await cli.sh("ipc barrier -n 3 -t 20s x")).code, 0);
  for (const each of some) assert.equal(await each.exit(), 0);
});

Deno.test("ipc inspect shows who holds a lock, who waits, and who stands at the barrier", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  assert.equal(
    (await cli.sh("ipc lock x -- ipc inspect x")).stdout.includes("lock             held by 1 of 1, 0 waiting"),
    true,
  );
  const first = cli.start(`ipc lock --name first x -- ${SLEEP}`);
  await until(cli, [1, 0, 0]);
  const second = cli.start(`ipc lock --name second x -- ${SLEEP}`);
  await until(cli, [1, 1, 0]);
  const third = cli.start("ipc barrier --name third -n 2 x");
  await until(cli, [1, 1, 1]);
  const { stdout } = await cli.sh("ipc inspect x");
  assert.match(stdout, /^lock +held by 1 of 1, 1 waiting$/m);
  assert.match(stdout, /^barrier +1 of 2 there$/m);
  assert.match(stdout, new RegExp(`^holds +\\d+ +first +${first.pid} +\\d{16} +\\S+$`, "m"));
  assert.match(stdout, /^waits +\d+ +second +\d+ +- +\S+$/m);
  assert.match(stdout, /^at barrier +\d+ +third +\d+ +- +\S+$/m);
  await end(second, first, third);
});
