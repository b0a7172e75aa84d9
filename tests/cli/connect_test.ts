import assert from "node:assert/strict";
import { certificates, sha256 } from "../../client/testing.ts";
import { CliSandbox } from "./sandbox.ts";

const TOKEN = "a token of ours";

/** A port that was free a moment ago. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A broker that listens by TCP, and by TLS with a token. Its clients find it nowhere else. */
async function elsewhere(cli: CliSandbox): Promise<{ tcp: string; tls: string }> {
  const tcp = freePort(), tls = freePort(), { directory } = cli;
  await certificates(directory);
  await cli.sh("chmod 600 key.pem");
  Deno.writeTextFileSync(`${directory}/token`, `${TOKEN}\n`, { mode: 0o600 });
  Deno.writeTextFileSync(`${directory}/tokens`, `ci:${await sha256(TOKEN)}\n`);
  Deno.writeTextFileSync(
    `${directory}/ipc.toml`,
    `[[listen]]\ntcp = "127.0.0.1:${tcp}"\n` +
      `[[listen]]\ntcp = "127.0.0.1:${tls}"\ntls = { cert = "${directory}/cert.pem", key = "${directory}/key.pem" }\n` +
      `token_file = "${directory}/tokens"\n`,
  );
  Deno.mkdirSync(`${directory}/else`);
  const started = await cli.sh("ipc daemon start", {
    env: { IPC_SOCKET_DIR: `${directory}/else`, IPC_CONFIG: `${directory}/ipc.toml` },
  });
  assert.equal(started.code, 0, started.stderr);
  return { tcp: `tcp://127.0.0.1:${tcp}`, tls: `tls://localhost:${tls}` };
}

async function stop(cli: CliSandbox): Promise<void> {
  const { directory } = cli;
  await cli.sh("ipc daemon stop", { env: { IPC_SOCKET_DIR: `${directory}/else`, IPC_CONFIG: "/dev/null" } });
}

Deno.test("ipc --connect sends, listens, asks and handles by TCP and TLS, and starts no broker", async () => {
  await using cli = new CliSandbox();
  const { tcp, tls } = await elsewhere(cli);
  try {
    for (const options of [`--connect ${tcp}`, `--connect=${tls} --ca ca.pem --token-file token`]) {
      const listener = cli.start(`ipc ${options} listen --ready-fd 2 -n 1 x`);
      await listener.says("subscribed");
      const sent = await cli.sh(`ipc ${options} send x hello`);
      assert.equal(sent.code, 0, sent.stderr);
      assert.equal(await listener.exit(), 0);
      const handler = cli.start(`ipc ${options} handle -n 1 wc -- wc -c`);
      const reply = await cli.sh(`ipc ${options} request --wait=5s wc four`);
      assert.deepEqual([reply.code, reply.stdout.trim()], [0, "4"], reply.stderr);
      assert.equal(await handler.exit(), 0);
      assert.match((await cli.sh(`ipc ${options} channels`)).stdout, /\bx\b/);
      assert.equal((await cli.sh(`ipc ${options} ping -n 1 x`)).code, 0);
      const globs = cli.start(`ipc ${options} listen --ready-fd 2 -n 1 'y*'`);
      await globs.says("subscribed");
      assert.equal((await cli.sh(`ipc ${options} send y2 hello`)).code, 0);
      assert.equal(await globs.exit(), 0);
    }
    const by_variables = { IPC_CONNECT: tls, IPC_CA: "ca.pem", IPC_TOKEN_FILE: "token" };
    assert.equal((await cli.sh("ipc send x hello", { env: by_variables })).code, 0);
    assert.deepEqual(await cli.brokers(), []);
  } finally {
    await stop(cli);
  }
});

Deno.test("ipc --connect says what keeps it out: 77 for token and certificate, 69 for nobody there", async () => {
  await using cli = new CliSandbox();
  const { tcp, tls } = await elsewhere(cli);
  try {
    for (
      const [options, code, words] of [
        [`--connect ${tls} --ca ca.pem`, 77, /token/],
        [`--connect ${tls} --token-file token`, 77, /signed by nobody who is trusted here/],
        [`--connect ${tls} --ca other_ca.pem --token-file token`, 77, /signed by nobody who is trusted here/],
        [`--connect ${tls} --ca missing.pem`, 78, /missing\.pem/],
        [`--connect tcp://127.0.0.1:${freePort()}`, 69, /no broker listens at/],
        [`--connect ${tcp}/x`, 64, /is not the URL of a broker/],
      ] as const
    ) {
      for (const verb of ["send x hello", "listen -n 1 x"]) {
        const refused = await cli.sh(`ipc ${options} ${verb}`);
        assert.equal(refused.code, code, `${options} ${verb}: ${refused.stderr}`);
        assert.match(refused.stderr, words);
        assert.equal(refused.stdout, "");
      }
    }
    assert.deepEqual(await cli.brokers(), []);
  } finally {
    await stop(cli);
  }
});
