/**
 * `ipc handle --mode lines`: workers that are asked, that die, that take too long, and that are left.
 *
 * @module
 */
import assert from "node:assert/strict";
import { runs } from "../e2e/process.ts";
import { eventually } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

/** A worker that says who it is, and does what it is told. */
const WORKER = `
echo "worker starts" >&2
while IFS= read -r line; do
  case "$line" in
    die) exit 3 ;;
    hang) sleep 1000 ;;
    late) sleep 0.5; echo late ;;
    two) printf '1\\n2\\n' ;;
    family) sleep 1000 & echo "$$ $!" ;;
    *) echo "$$ $IPC_CHANNEL $line" ;;
  esac
done
echo "worker has read all" >&2
`;

function sandbox(env: Record<string, string> = {}): CliSandbox {
  const cli = new CliSandbox(env);
  Deno.writeTextFileSync(`${cli.directory}/worker`, WORKER);
  return cli;
}

Deno.test("ipc handle --mode lines asks the same workers again and again", async () => {
  await using cli = sandbox();
  const handler = cli.start("ipc handle --mode lines --workers 2 -n 44 x -- sh worker");
  const { stdout } = await cli.sh("seq 40 | ipc request --wait=20s -l x");
  const lines = stdout.trimEnd().split("\n").map((line) => line.split(" "));
  assert.deepEqual(
    lines.map(([, channel, text]) => `${channel} ${text}`),
    Array.from({ length: 40 }, (_, n) => `x ${n + 1}`),
  );
  assert.ok(new Set(lines.map(([pid]) => pid)).size <= 2, stdout);
  // A line feed at the end is none of the payload; one inside is refused.
  assert.match((await cli.sh("echo hello | ipc request x")).stdout, /^\d+ x hello\n$/);
  assert.match((await cli.sh("ipc request x ''")).stdout, /^\d+ x \n$/);
  assert.match((await cli.sh("printf '\\377' | ipc request x | od -c | head -1")).stdout, /x +377/);
  const several = await cli.sh("printf 'a\\nb' | ipc request x");
  assert.equal(several.code, 65);
  assert.match(several.stderr, /the payload has several lines, and the handler of channel x takes one; .*--json-lines/);
  assert.equal(await handler.exit(), 0);
  // They ended by the end of their input, and what they say is on standard error.
  assert.match(handler.stderr, /\n(worker starts\n){2}(worker has read all\n){2}$/);
});

Deno.test("ipc handle --json-lines carries any payload as a line of JSON", async () => {
  await using cli = sandbox();
  cli.start("ipc handle --mode lines --json-lines cat -- cat");
  assert.equal((await cli.sh("printf 'a\\nb\\n' | ipc request --wait=20s --raw cat")).stdout, "a\nb\n");
  assert.equal((await cli.sh(`ipc request --json cat '{"a":\n[1.0]}'`)).stdout, '{"a": [1.0]}\n');
  assert.equal((await cli.sh("printf '\\377' | ipc request cat")).stdout, '{"encoding":"base64","data":"/w=="}\n');
  if ((await cli.sh("command -v bc")).code === 0) {
    cli.start("ipc handle --mode lines sums -- bc");
    assert.equal((await cli.sh("ipc request --wait=20s sums '6*7'")).stdout, "42\n");
  } else console.error("skipped: there is no bc here, which docs/messages.md has as an example");
  cli.start("ipc handle --mode lines --json-lines bad -- sh worker");
  const bad = await cli.sh("ipc request --wait=20s bad hello");
  assert.equal(bad.code, 65);
  assert.match(bad.stderr, /sh answered what is not JSON/);
});

Deno.test("ipc handle --mode lines fails the request of a worker that dies at once, and starts it again", async () => {
  await using cli = sandbox();
  const handler = cli.start("ipc handle --mode lines x -- sh worker");
  const [first] = (await cli.sh("ipc request --wait=20s x hello")).stdout.split(" ");
  const dead = await cli.sh("ipc request x die");
  assert.equal(dead.code, 69);
  assert.match(dead.stderr, /the worker ended before it answered/);
  // The next one waits until there is a worker again.
  const [second] = (await cli.sh("ipc request x hello")).stdout.split(" ");
  assert.notEqual(second, first);
  assert.match(handler.stderr, /ipc: x: worker 1 ended with status 3; it is started again in \d+ms\n/);
  assert.deepEqual((await cli.sh("ipc request x two")).stdout, "1\n");
  assert.match((await cli.sh("ipc request x hello")).stdout, /hello/);
  assert.match(handler.stderr, /worker 1 was ended: it wrote more than a line for a line/);
});

Deno.test("ipc handle --mode lines starts what always dies later and later", async () => {
  await using cli = sandbox();
  const handler = cli.start("ipc handle --mode lines x -- false");
  const pauses = await eventually(() => {
    const found = [...handler.stderr.matchAll(/started again in ([\d.]+)(ms|s)/g)];
    return found.length >= 6 && found.map(([, number, unit]) => Number(number) * (unit === "s" ? 1000 : 1));
  }, "it was not started six times");
  for (const [attempt, pause_ms] of pauses.slice(0, 6).entries()) {
    const most_ms = 50 * 2 ** attempt;
    assert.ok(pause_ms >= most_ms / 2 - 1 && pause_ms <= most_ms + 1, `${attempt}: ${pause_ms} ms`);
  }
  // Whoever asks waits for no longer than he wants to.
  assert.equal((await cli.sh("ipc request -t 200ms x hello")).code, 124);
  handler.signal("SIGTERM");
  assert.equal(await handler.exit(), 143);
});

Deno.test("ipc handle --mode lines ends and starts a worker that takes longer than --timeout", async () => {
  await using cli = sandbox();
  const handler = cli.start("ipc handle --mode lines --timeout 300ms x -- sh worker");
  assert.equal((await cli.sh("ipc request --wait=20s x hello")).code, 0);
  const late = await cli.sh("ipc request x hang");
  assert.equal(late.code, 124);
  assert.match(late.stderr, /sh took longer than 300 ms for an answer and was ended/);
  assert.match((await cli.sh("ipc request x hello")).stdout, /hello/);
  assert.match(handler.stderr, /worker 1 was ended: it took longer than 300ms for an answer; it is started again/);
});

Deno.test("ipc handle --mode lines never gives an answer to whom it is not for", async () => {
  await using cli = sandbox();
  const handler = cli.start("ipc handle --mode lines --kill-after 3s x -- sh worker");
  const [first] = (await cli.sh("ipc request --wait=20s x hello")).stdout.split(" ");
  // It gave up, and its answer comes while the next one waits: it is dropped, and the worker stays.
  assert.equal((await cli.sh("ipc request -t 100ms x late")).code, 124);
  assert.equal((await cli.sh("ipc request x hello")).stdout, `${first} x hello\n`);
  // One that does not come back is ended, without --timeout too.
  assert.equal((await cli.sh("ipc request -t 100ms x hang")).code, 124);
  assert.match((await cli.sh("ipc request x hello")).stdout, /hello/);
  assert.match(handler.stderr, /worker 1 was ended: nobody waits for its answer any more/);
});

Deno.test("ipc handle --mode lines leaves no process behind at Ctrl-C, TERM and HUP", async () => {
  await using cli = sandbox();
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    const handler = cli.start("ipc handle --mode lines --workers 2 x -- sh worker");
    const pids = (await cli.sh("ipc request --wait=20s x family")).stdout.trim().split(" ").map(Number);
    assert.equal(pids.filter(runs).length, 2);
    const hanging = cli.start("ipc request x hang");
    await eventually(async () => / 1 of them open/.test((await cli.sh("ipc inspect x")).stdout), "it does not hang");
    handler.signal(signal);
    assert.equal(await handler.exit(), code);
    assert.deepEqual(pids.filter(runs), []);
    assert.equal(await hanging.exit(), 69);
  }
});
