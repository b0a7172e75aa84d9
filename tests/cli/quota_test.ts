import assert from "node:assert/strict";
import { sha256 } from "../../client/testing.ts";
import { CliSandbox } from "./sandbox.ts";

Deno.test("ipc leaves with 75 over a quota, says which and how many, and does not wait", async () => {
  await using cli = new CliSandbox({ IPC_QUOTA_REQUESTS: "2", IPC_QUOTA_CHANNELS: "1" });
  const { directory } = cli;
  let port: number;
  {
    using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    port = free.addr.port;
  }
  Deno.writeTextFileSync(`${directory}/token`, "ours\n", { mode: 0o600 });
  Deno.writeTextFileSync(`${directory}/tokens`, `ci:${await sha256("ours")}\n`);
  Deno.writeTextFileSync(
    `${directory}/ipc.toml`,
    `[[listen]]\ntcp = "127.0.0.1:${port}"\ntoken_file = "tokens"\n[quota.tokens.ci]\nconnections = 2\n`,
  );
  const env = { IPC_CONFIG: `${directory}/ipc.toml` };
  assert.equal((await cli.sh("ipc daemon start", { env })).code, 0);
  const ipc = `ipc --connect tcp://127.0.0.1:${port} --token-file token`;
  for (let n = 0; n < 2; n++) await cli.start(`${ipc} listen --ready-fd 2 x`).says("subscribed");
  const started_ms = performance.now();
  const refused = await cli.sh(`${ipc} send x hello`);
  assert.equal(refused.code, 75, refused.stderr);
  assert.match(refused.stderr, /token "ci" has 2 connections open, limit is 2 \(quota\.connections\)/);
  assert(performance.now() - started_ms < 3_000, "it waited");
  // Others do not notice.
  assert.equal((await cli.sh("ipc send x hello")).code, 0);
  assert.equal((await cli.sh("ipc send y hello")).code, 0);
  // By now somebody with a quota of its own has opened as many as it may.
  const opens = `printf '%s\\n' '{"ipc":1,"type":"hello"}' ` +
    `'{"type":"request","id":1,"data":{"method":"open","params":{"channel":"a"}}}' ` +
    `'{"type":"request","id":2,"data":{"method":"open","params":{"channel":"b"}}}' | ` +
    `timeout 5 python3 -c 'import socket,sys
s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);s.sendall(sys.stdin.buffer.read());s.shutdown(1)
while d:=s.recv(65536): sys.stdout.buffer.write(d)' ${cli.socket_dir}/.deno.ipcd.socket`;
  const { stdout, stderr } = await cli.sh(opens);
  assert.match(stdout, /"code":7013,.*has 1 channels open that it has opened, limit is 1/, stderr);
});

Deno.test("ipc config shows, checks, finds and begins a configuration", async () => {
  await using cli = new CliSandbox({ IPC_CONFIG: "" });
  const wrong = await cli.sh("printf 'queue = 1' >wrong.toml; ipc config check wrong.toml");
  assert.deepEqual([wrong.code, wrong.stdout], [78, ""]);
  assert.match(wrong.stderr, /queue = 1 cannot be used: allowed is a size/);
  const begun = await cli.sh("umask 0; ipc config init && ipc config check && ipc config path && stat -c %a ipc.toml");
  assert.equal(begun.code, 0, begun.stderr);
  assert.match(begun.stdout, /^OK: .*\/ipc\.toml\n/);
  assert.match(begun.stdout, /project +read +.*\/ipc\.toml\nuser +missing/);
  assert.match(begun.stdout, /644\n$/);
  assert.equal((await cli.sh("ipc config init")).code, 78);
  const shown = await cli.sh("echo 'queue = \"64KiB\"' >ipc.toml; IPC_HISTORY=0 ipc config show");
  assert.match(shown.stdout, /\nqueue +"64KiB" +\/.*ipc\.toml +what waits for one client\n/);
  assert.match(shown.stdout, /\nhistory +"0B" +IPC_HISTORY +/);
  assert.match(shown.stdout, /\nhandshakes_max +64 /);
});
