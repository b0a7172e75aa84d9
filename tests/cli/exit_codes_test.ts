import assert from "node:assert/strict";
import { bothWays, forEach, type Row, runRows } from "./rows.ts";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc leaves with the documented codes while no broker runs", async () => {
  await using cli = new CliSandbox();
  await runRows(
    cli,
    [
      ["ipc version", 0, /^/],
      ["ipc --help", 0, /^/],
      ["ipc sockname x", 0, /^/],
      ["ipc", 64, /a verb is missing/],
      ["ipc snd x", 64, /Did you mean send/],
      ["ipc --", 64, /a verb is missing/],
      ["mkdir gone; cd gone; rmdir ../gone; ipc version", 64, /working directory has been removed/],
      ["ipc send", 64, /missing required argument/],
      ["ipc listen x -F %q", 64, /%q/],
      ["ipc send x y", 69, /no broker is running/],
      ["ipc request x y", 69, /no broker is running/],
      ["ipc listen --no-autostart x", 69, /no broker is running/],
      ["ipc handle --no-autostart x -- cat", 69, /no broker is running/],
      ["ipc record x", 64, /-o <file>/],
      ["ipc record --no-autostart x -o -", 69, /no broker is running/],
      ["ipc record x -o /etc/passwd", 74, /is there already: --force/],
      ["ipc record x -o /no/such/directory/tape", 74, /cannot write to/],
      [`echo '{"channel":"x","data":"y"}' | ipc replay -`, 69, /no broker is running/],
      ["ipc replay --speed 0 tape", 64, /above 0/],
      ["ipc replay /no/such/tape", 65, /\/no\/such\/tape/],
      ["ipc mock x", 64, /--from/],
      ["ipc mock x --from /no/such/answers", 65, /\/no\/such\/answers/],
      ["echo '{}' | ipc mock --no-autostart x --from -", 69, /no broker is running/],
      ["printf '{}\\n[]' | ipc mock x --from -", 65, /line 2 of standard input: it is not a JSON object/],
      ["ipc channels", 69, /no broker is running/],
      ["ipc ping", 69, /no broker is running/],
      ["ipc ping x", 69, /no broker is running/],
      ["ipc record x -o /dev/full", 74, /give - instead, and > \/dev\/full/],
      ["ipc send --wait=100ms x y", 124, /x has no listener after 100ms: no broker is running/],
      ["ipc stats --prometheus", 69, /no broker is running/],
      ["ipc monitor", 69, /no broker is running/],
      ["ipc daemon status", 69, /no broker is running/],
      ["ipc daemon stop", 0, /no broker is running/],
      ["IPC_QUEUE=soon ipc send x y", 78, /IPC_QUEUE/],
      ["IPC_SOCKET_DIR=/proc ipc send x y", 77, /Deno opens next to nothing there: choose another socket_dir/],
      ["IPC_CONFIG=/no/such/file ipc send x y", 78, /\/no\/such\/file/],
      ["ipc handle x -- no-such-command", 127, /no-such-command/],
      ["ipc listen x -- no-such-command", 127, /no-such-command/],
      ["ipc handle x -- /etc/passwd", 126, /\/etc\/passwd/],
      ["ipc listen x -- /etc/passwd", 126, /\/etc\/passwd/],
      ["ipc listen --no-autostart x --then -- no-such-command", 127, /no-such-command/],
      ["ipc wait -t 100ms x --listener", 124, /x has no listener after 100ms: no broker is running/],
      ["ipc config check /no/such/file", 78, /\/no\/such\/file/],
      ["ipc token list", 78, /token/],
    ],
  );
  // What it looked for is what it prints.
  for (const run of [cli.sh("IPC_QUEUE=soon ipc doctor"), cli.terminal("IPC_QUEUE=soon ipc doctor")]) {
    const { code, stdout } = await run;
    assert.equal(code, 1);
    assert.match(stdout, /IPC_QUEUE/);
  }
});

Deno.test("ipc leaves with the documented codes while a broker runs", async () => {
  await using cli = new CliSandbox();
  assert.equal((await cli.sh("ipc daemon start")).code, 0);
  cli.start("ipc handle echo -- cat");
  cli.start("ipc handle three -- sh -c 'echo out; echo err >&2; exit 3'");
  cli.start("ipc handle killed -- sh -c 'kill -KILL $$'");
  cli.start("ipc handle slow -- sleep 1000");
  cli.start(
    "ipc handle --mode lines --timeout 100ms lines -- sh -c 'read line || exit; [ $line = die ] || sleep 1000'",
  );
  cli.start("ipc handle limited --timeout 100ms -- sleep 1000");
  cli.start("ipc handle large -- head -c 20000000 /dev/zero");
  await cli.sh("ipc send --retain full hello");
  const rows: readonly Row[] = [
    ["ipc send x hello", 0, /^/],
    ["ipc send --expect 1 x hello", 1, /the message reached 0 listeners of channel x, fewer than 1/],
    ["ipc send --expect 2 --count 3 x hello", 1, /3 of 3 messages reached fewer than 2 .* at worst 0 listeners/],
    ["ipc -- send x hello", 0, /^/],
    ["ipc send -f /proc/version x", 65, /give - instead, and < \/proc\/version/],
    ["ipc send -f /dev/stdin x </dev/null", 0, /^/],
    ["ipc send bad/name hello", 64, /not a channel name/],
    ["ipc inspect bad/name", 64, /not a channel name/],
    ["ipc clients bad/name", 64, /not a channel name/],
    ["ipc send --template x '{{y}}'", 64, /{{y}}, and what can be filled in/],
    ["ipc send --count 2 -l x", 64, /exclude each other/],
    ["ipc send --json --template x '{{uuid}}'", 65, /not JSON/],
    ["ipc send --json x '{'", 65, /not JSON/],
    ["ipc send -f /no/such/file x", 65, /\/no\/such\/file/],
    ["ipc send x < .", 65, /standard input/],
    ["head -c 16777217 /dev/zero | ipc send x", 65, /too long, limit is 16777216/],
    ["printf '\\377' | ipc send --text x", 65, /not valid UTF-8/],
    ["ipc stats", 0, /^/],
    ["ipc monitor nosuch -t 100ms", 124, /time is up/],
    ["ipc stats > /dev/full", 74, /cannot write the output: No space left/],
    ["ipc channels > /dev/full", 74, /cannot write the output: No space left/],
    ["ipc listen full > /dev/full", 74, /cannot write the output: No space left/],
    ["ipc listen --json full > /dev/full", 74, /cannot write the output: No space left/],
    ["ipc request --wait=20s echo hello > /dev/full", 74, /cannot write the output: No space left/],
    ["ipc send --to 4000000 x hello", 69, /4000000/],
    ["ipc send --to nobody x hello", 69, /nobody/],
    ["ipc inspect none", 69, /none/],
    ["ipc request unheard hello", 69, /unheard/],
    ["ipc send --wait=100ms unheard hello", 124, /no listener/],
    ["ipc request --wait=100ms unheard hello", 124, /no handler/],
    ["ipc wait --listener --no-wait quiet", 1, /quiet/],
    ["ipc wait --handler -t 100ms quiet", 124, /quiet/],
    ["ipc listen --where 'not a condition' x", 64, /--where/],
    ["ipc listen -t 20s then --then -- ipc send --expect 3 then hello", 1, /reached 1 listener of .* fewer than 3/],
    ["ipc listen -t 100ms quiet", 124, /^/],
    ["ipc listen --idle 100ms quiet", 0, /^/],
    ["ipc listen --idle 100ms -n 1 quiet", 124, /^/],
    ["ipc record -t 100ms quiet -o -", 124, /^/],
    ["ipc record --idle 100ms quiet -o -", 0, /^/],
    ["ipc record full -n 1 -o - > /dev/full", 74, /cannot write the output: No space left/],
    [`echo '{"channel":"x","data":"y"}' | ipc replay -`, 0, /^/],
    [`printf '{"channel":"x","data":"y"}\\n{' | ipc replay -`, 65, /line 2 of standard input: it is not JSON/],
    [`echo '{"channel":"a/b","data":"y"}' | ipc replay -`, 65, /line 1 of standard input: .*not a channel name/],
    ["ipc request --wait=20s echo hello", 0, /^/],
    ["ipc request --wait=20s three hello", 3, /err/],
    ["ipc request --wait=20s --no-remote-status three hello", 0, /err/],
    ["ipc request --wait=20s killed hello", 137, /^/],
    ["ipc request --wait=20s -t 100ms slow hello", 124, /no reply on channel "slow" within 100 ms/],
    ["ipc request --wait=20s limited hello", 124, /ran longer than 100 ms/],
    ["ipc request --wait=20s large hello", 65, /too long/],
    ["ipc request --wait=20s lines die", 69, /channel lines: the worker ended before it answered/],
    ["ipc request --wait=20s lines hello", 124, /longer than 100 ms for an answer/],
    ["printf 'a\\nb' | ipc request --wait=20s lines", 65, /has several lines/],
  ];
  // Where the handler says something, or nobody does, ipc has nothing to say.
  const of_handler = ([, code]: Row) => code === 3 || code === 137;
  await runRows(cli, rows.filter((row) => !of_handler(row)));
  await forEach(rows.filter(of_handler), async ([line, code]) => {
    assert.equal((await cli.sh(line)).code, code, line);
    assert.equal((await cli.terminal(line)).code, code, line);
  });
});

Deno.test("ipc leaves with 76 where something else than a broker answers", async () => {
  await using cli = new CliSandbox();
  const path = `${cli.socket_dir}/.deno.x.socket`;
  using listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    // Each of the two tries thrice: it could be a broker that took it for a text client.
    for (let served = 0; served < 6; served++) {
      using conn = await listener.accept();
      await conn.write(new Uint8Array(64).fill(0x41));
      await conn.read(new Uint8Array(1000));
    }
  })();
  await bothWays(cli, "ipc send x hello", 76, /./);
  await serving;
});

Deno.test("ipc leaves with 77 where the socket is not a broker's, and leaves it alone", async () => {
  await using cli = new CliSandbox();
  const path = `${cli.socket_dir}/.deno.x.socket`;
  Deno.writeTextFileSync(path, "somebody's file");
  await bothWays(cli, "ipc send x hello", 77, /not a socket/);
  assert.equal(Deno.readTextFileSync(path), "somebody's file");
});

Deno.test("ipc leaves with 75 when a handler has no room for more", async () => {
  await using cli = new CliSandbox({ IPC_QUEUE: "4KiB" });
  await cli.sh("ipc daemon start");
  const handler = cli.start("ipc handle x -- cat");
  assert.equal((await cli.sh("ipc request --wait=20s x hello")).code, 0);
  handler.signal("SIGSTOP");
  // The first fills the handler's socket and queue; the others find no room.
  cli.start("sh -c 'head -c 4000000 /dev/zero | ipc request -t 60s x'");
  let outcome = { code: 0, stderr: "" };
  for (let tries = 0; tries < 50 && outcome.code !== 75; tries++) {
    outcome = await cli.sh("head -c 100000 /dev/zero | ipc request -t 200ms x");
  }
  assert.equal(outcome.code, 75, outcome.stderr);
  handler.signal("SIGCONT");
});

Deno.test("ipc listen --strict leaves with 1 when events were missed", async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const listener = await cli.listen("--strict x");
  assert.equal((await cli.sh("ipc send x one")).code, 0);
  for (const pid of await cli.brokers()) Deno.kill(pid, "SIGKILL");
  await cli.sh("ipc daemon start");
  assert.equal(await listener.exit(), 1);
  assert.match(listener.stderr, /ipc: x: missed events/);
});
