import assert from "node:assert/strict";
import { sha256 } from "../../client/testing.ts";
import type { Process } from "../e2e/process.ts";
import { CliSandbox } from "./sandbox.ts";

const RULES = `
[access]
token_file = "tokens"
admin = { allow = ["token:ops"] }

[channels.deploys.access]
send = { allow = ["token:ci", "token:ops"] }
listen = { deny = ["name:spy*"] }
handle = { allow = ["token:ops"] }
request = { allow = ["token:ops"] }
see = { allow = ["token:ops"] }
`;

/** A broker under rules, and tokens in files of the names "ops" and "ci". */
async function underRules(test: (cli: CliSandbox) => Promise<void>): Promise<void> {
  await using cli = new CliSandbox({ IPC_CONFIG: "ipc.toml" });
  write(cli, RULES);
  for (const name of ["ops", "ci"]) await succeeds(cli, `ipc token new ${name} -o ${name}`);
  await succeeds(cli, "ipc daemon start");
  await test(cli);
  await succeeds(cli, "ipc --token-file ops daemon stop");
}

function write(cli: CliSandbox, rules: string): void {
  Deno.writeTextFileSync(`${cli.directory}/ipc.toml`, rules);
  Deno.chmodSync(`${cli.directory}/ipc.toml`, 0o600);
}

async function succeeds(cli: CliSandbox, line: string): Promise<string> {
  const { code, stdout, stderr } = await cli.sh(line);
  assert.equal(code, 0, `${line}: ${stderr}`);
  return stdout;
}

async function hears(listener: Process, text: string): Promise<void> {
  await listener.line((line) => line === text || undefined, `print ${text}`);
}

Deno.test("ipc under rules: allowed with a token, 77 without, whatever the verb", async () => {
  await underRules(async (cli) => {
    const listener = await cli.listen("deploys");
    cli.start("ipc --token-file ops handle deploys -- cat");
    assert.equal(await succeeds(cli, "ipc --token-file ops request --wait=20s deploys there?"), "there?\n");
    const rows: [line: string, code: number, said: RegExp][] = [
      ["ipc send deploys no", 77, /^ipc: a client called "ipc send" without a token may not send on channel "deploys"/],
      ["yes no | head -100000 | ipc send -l deploys", 77, /may not send/],
      ["ipc send --retain deploys no", 77, /may not send/],
      ["ipc send --expect 1 deploys no", 77, /may not send/],
      ["ipc --token-file ci send deploys hello", 0, /^$/],
      ["IPC_TOKEN_FILE=ci ipc send --expect 1 deploys again", 0, /^$/],
      [
        "ipc listen --name spy7 deploys",
        77,
        /a client called "spy7" without a token may not listen on channel "deploys"/,
      ],
      ["ipc request deploys hello", 77, /may not request/],
      ["ipc --token-file ci request deploys hello", 77, /token "ci" called "ipc request" may not request/],
      ["ipc handle deploys -- cat", 77, /may not handle/],
      ["ipc --token-file ci handle deploys -- cat", 77, /token "ci" .* may not handle/],
      ["ipc send --wait=5s deploys hello", 77, /may not see/],
      ["ipc inspect deploys", 77, /may not see/],
      ["ipc clients deploys", 77, /may not see/],
      ["ipc listen 'dep*'", 77, /may not listen on channel "ipcd"/],
      ["ipc daemon reload", 77, /may not administer the broker/],
      ["ipc --token-file ci daemon reload", 77, /token "ci" .* may not administer/],
      ["ipc --token-file ops daemon reload", 0, /read its configuration again/],
      ["ipc --token-file none send deploys hello", 78, /Cannot read the token.*none/],
      ["echo wrong > wrong; chmod 600 wrong; ipc --token-file wrong send deploys x", 77, /not accepted/],
      ["cp ci open; chmod 644 open; ipc --token-file open send deploys x", 78, /everybody may read.*chmod o= open/],
    ];
    for (const [line, code, said] of rows) {
      const outcome = await cli.sh(line);
      assert.equal(outcome.code, code, `${line}: ${outcome.stderr}`);
      assert.match(outcome.stderr, said, line);
      assert.equal(outcome.stdout, "", line);
    }
    assert.doesNotMatch(await succeeds(cli, "ipc channels"), /deploys/);
    assert.match(await succeeds(cli, "ipc --token-file ops channels"), /^deploys /m);
    assert.match(await succeeds(cli, "ipc --token-file ops inspect deploys"), / TOKEN [^]* ipc handle +\d+ +ops /);
    for (const text of ["hello", "again"]) await hears(listener, text);
    assert.equal(await succeeds(cli, "ipc --token-file ops request deploys still?"), "still?\n");
  });
});

Deno.test("ipc daemon reload: who may not listen any more leaves with 77; a wrong file changes nothing and is 78", async () => {
  await underRules(async (cli) => {
    const allowed = await cli.listen("--name other deploys"), denied = await cli.listen("--name one deploys");
    const ci = cli.start("ipc --token-file ci listen --ready-fd 2 deploys");
    await ci.says("subscribed");
    const more = RULES.replace("spy*", "one");
    const wrong: [spoil: () => void, said: RegExp][] = [
      [() => write(cli, more.replace("name:one", "one")), /cannot hold "one"/],
      [() => write(cli, `${more}[channels.deploys`), /not TOML/],
      [() => write(cli, ""), /Cannot take back all access rules while running/],
      [() => {
        write(cli, more);
        Deno.chmodSync(`${cli.directory}/ipc.toml`, 0o622);
      }, /everybody may write to it/],
      [() => {
        write(cli, more);
        Deno.writeTextFileSync(`${cli.directory}/tokens`, "ops:x\n", { append: true });
      }, /tokens:4: cannot be used: it is not "name:hash"/],
    ];
    for (const [spoil, said] of wrong) {
      spoil();
      const outcome = await cli.sh("ipc --token-file ops daemon reload");
      assert.deepEqual([outcome.code, said.test(outcome.stderr)], [78, true], outcome.stderr);
    }
    const file = `${cli.directory}/tokens`;
    Deno.writeTextFileSync(file, Deno.readTextFileSync(file).replace("ops:x\n", ""));
    await succeeds(cli, "ipc --token-file ci send --expect 3 deploys all-still-there");
    for (const listener of [allowed, denied, ci]) await hears(listener, "all-still-there");
    write(cli, more);
    await succeeds(cli, "ipc token revoke ci");
    await succeeds(cli, "ipc --token-file ops daemon reload");
    assert.equal(await denied.exit(), 77);
    assert.match(denied.stderr, /a client called "one" without a token may not listen on channel "deploys"/);
    assert.equal(await ci.exit(), 77);
    assert.match(ci.stderr, /token/);
    await succeeds(cli, "ipc --token-file ops send --expect 1 deploys last");
    await hears(allowed, "last");
  });
});

Deno.test("a token is in no argument, no log, no error and no answer of the broker, nor is its hash", async () => {
  await underRules(async (cli) => {
    const ci = cli.start("ipc --token-file ci listen --ready-fd 2 deploys");
    await ci.says("subscribed");
    const said: string[] = [commandLines()];
    const ask = (method: string) => `printf '{"method":"${method}"}' | ipc --token-file ops request ipcd`;
    const lines = [
      ...["stats", "config", "clients", "channels", "kick", "reload"].map(ask),
      `ipc --token-file ops inspect --json deploys`,
      "ipc --token-file ci request deploys x",
      "ipc --token-file ops daemon status --json",
      "ipc token list --json",
      "ipc token new ci -o other",
      "sed -i 's/ci:/ci /' tokens; ipc --token-file ops daemon reload; ipc token list",
    ];
    for (const line of lines) {
      const { stdout, stderr } = await cli.sh(line);
      said.push(stdout, stderr);
    }
    const hashes = Deno.readTextFileSync(`${cli.directory}/tokens`);
    said.push(ci.stderr, Deno.readTextFileSync(`${cli.directory}/run/ipc/ipcd.log`));
    assert(said.some((text) => text.includes('"token":"ci"')), "its name is there");
    for (const name of ["ops", "ci"]) {
      const token = Deno.readTextFileSync(`${cli.directory}/${name}`).trim(), hash = await sha256(token);
      assert(hashes.includes(hash));
      for (const text of said) assert(!text.includes(token) && !text.includes(hash), text);
    }
    await succeeds(cli, "sed -i 's/ci /ci:/' tokens");
  });
});

/** What every process of this machine shows to everybody. */
function commandLines(): string {
  const lines: string[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      lines.push(Deno.readTextFileSync(`/proc/${name}/cmdline`));
    } catch { /* it has ended */ }
  }
  assert(lines.some((line) => line.includes("--token-file")));
  return lines.join("\n");
}
