/**
 * Each verb in each situation that makes any verb fail, with a pipe and a terminal as its standard output. What only some
 * verbs leave with, or only with some options, is in exit_codes_test.ts; signals are in verb_signals_test.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { sha256 } from "../../client/testing.ts";
import { EXIT } from "../../commands/exit_codes.ts";
import { VERBS } from "../../commands/verbs.ts";
import { launcher } from "../../scripts/install.ts";
import { bothWays, forEach, runRows } from "./rows.ts";
import { CliSandbox, PROGRAM } from "./sandbox.ts";

/** A verb, as this test runs it. */
interface VerbRow {
  /** What stands behind it. It works where a broker runs, and starts none. */
  args: string;
  /** It asks a broker, which may be elsewhere. */
  asks?: true;
  /** It needs the configuration. */
  configured?: true;
}

/** Every verb has a row. */
const ROWS: Readonly<Record<string, VerbRow>> = {
  send: { args: "x hello", asks: true, configured: true },
  request: { args: "x hello", asks: true, configured: true },
  listen: { args: "--no-autostart x", asks: true, configured: true },
  handle: { args: "--no-autostart x -- cat", asks: true, configured: true },
  lock: { args: "--no-autostart x -- true", asks: true, configured: true },
  semaphore: { args: "--no-autostart -n 1 x -- true", asks: true, configured: true },
  barrier: { args: "--no-autostart -n 1 x", asks: true, configured: true },
  wait: { args: "x --listener --no-wait", asks: true, configured: true },
  record: { args: "--no-autostart x -o -", asks: true, configured: true },
  replay: { args: `- <<'END'\n{"channel":"x","data":"hello"}\nEND`, asks: true, configured: true },
  mock: { args: "--no-autostart x --from - <<'END'\n{}\nEND", asks: true, configured: true },
  channels: { args: "", asks: true, configured: true },
  inspect: { args: "x", asks: true, configured: true },
  clients: { args: "", asks: true, configured: true },
  stats: { args: "", asks: true, configured: true },
  monitor: { args: "", asks: true, configured: true },
  // It draws on a terminal and nowhere else: tests/cli/top_test.ts.
  top: { args: "" },
  ping: { args: "-n 1", asks: true, configured: true },
  bench: { args: "--no-autostart --for 10ms", asks: true, configured: true },
  daemon: { args: "status", configured: true },
  service: { args: "print --user" },
  token: { args: "list --file tokens", configured: true },
  doctor: { args: "" },
  config: { args: "show", configured: true },
  sockname: { args: "x", configured: true },
  completion: { args: "bash" },
  help: { args: "" },
  version: { args: "" },
};

/** Verbs of some kind, with the line that runs each. */
function lines(which: (row: VerbRow) => boolean | undefined = () => true): [verb: string, line: string][] {
  return Object.entries(ROWS).filter(([, row]) => which(row)).map(([verb, { args }]) => [verb, `ipc ${verb} ${args}`]);
}

Deno.test("every verb is in the table", () => {
  assert.deepEqual(Object.keys(ROWS).sort(), VERBS.map(({ name }) => name).sort());
});

Deno.test("every verb leaves with 64 for wrong usage, and 0, 74 or 141 by what becomes of its output", async () => {
  await using cli = new CliSandbox();
  await runRows(
    cli,
    lines().flatMap(([verb]) => [
      [`ipc ${verb} --no-such-option`, EXIT.USAGE, /unknown option '--no-such-option'/],
      [`ipc ${verb} --help`, EXIT.OK, /^/],
      [`ipc ${verb} --help >/dev/full`, EXIT.OUTPUT, /cannot write the output: No space left/],
    ]),
  );
  // Nothing is said about a reader that has gone: it has what it wanted.
  await forEach(lines(), async ([verb]) => {
    const { stdout, stderr } = await cli.sh(`{ { sleep 0.2; ipc ${verb} --help; echo $? >&3; } | true; } 3>&1`);
    assert.deepEqual([stdout, stderr], [`${EXIT.BROKEN_PIPE}\n`, ""], verb);
  });
});

Deno.test("every verb that needs a broker leaves with 69 without one, and 78 with a configuration that is wrong", async () => {
  await using cli = new CliSandbox();
  await runRows(cli, [
    ...lines(({ asks }) => asks).map(([, line]) => [line, EXIT.UNAVAILABLE, /no broker is running/] as const),
    ["ipc daemon status", EXIT.UNAVAILABLE, /no broker is running/],
    ...lines(({ configured }) => configured).map(([, line]) =>
      [`IPC_QUEUE=soon ${line}`, EXIT.CONFIGURATION, /IPC_QUEUE/] as const
    ),
  ]);
});

Deno.test("every verb that asks a broker leaves with 75 when it has too many connections, 77 when it is not known", async () => {
  await using cli = new CliSandbox();
  let port: number;
  {
    using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    port = free.addr.port;
  }
  Deno.writeTextFileSync(`${cli.directory}/token`, "ours\n", { mode: 0o600 });
  Deno.writeTextFileSync(`${cli.directory}/other`, "theirs\n", { mode: 0o600 });
  Deno.writeTextFileSync(`${cli.directory}/tokens`, `ci:${await sha256("ours")}\n`);
  Deno.writeTextFileSync(
    `${cli.directory}/ipc.toml`,
    `[[listen]]\ntcp = "127.0.0.1:${port}"\ntoken_file = "tokens"\n[quota.tokens.ci]\nconnections = 1\n`,
  );
  assert.equal((await cli.sh("IPC_CONFIG=ipc.toml ipc daemon start")).code, 0);
  const options = `--connect tcp://127.0.0.1:${port} --token-file`;
  await cli.start(`ipc ${options} token listen --ready-fd 2 x`).says("subscribed");
  await runRows(
    cli,
    lines(({ asks }) => asks).flatMap(([, line]) => [
      [line.replace("ipc", `ipc ${options} token`), EXIT.OVERLOADED, /has 1 connections open, limit is 1/],
      [line.replace("ipc", `ipc ${options} other`), EXIT.DENIED, /token/],
    ]),
  );
});

Deno.test("every verb that asks a broker leaves with 76 where something else answers", async () => {
  await using cli = new CliSandbox();
  const conns = new Set<Deno.Conn>();
  const listeners = ["x", "ipcd"].map((name) =>
    Deno.listen({ transport: "unix", path: `${cli.socket_dir}/.deno.${name}.socket` })
  );
  const serving = listeners.map(async (listener) => {
    for await (const conn of listener) {
      conns.add(conn);
      conn.write(new Uint8Array(64).fill(0x41)).catch(() => {});
    }
  });
  await runRows(cli, lines(({ asks }) => asks).map(([, line]) => [line, EXIT.PROTOCOL, /./]));
  for (const closable of [...listeners, ...conns]) closable.close();
  await Promise.all(serving);
});

Deno.test("every verb that asks a broker leaves with 77 where the socket is not a broker's, and leaves it alone", async () => {
  await using cli = new CliSandbox();
  const paths = ["x", "ipcd"].map((name) => `${cli.socket_dir}/.deno.${name}.socket`);
  for (const path of paths) Deno.writeTextFileSync(path, "somebody's file");
  await runRows(cli, lines(({ asks }) => asks).map(([, line]) => [line, EXIT.DENIED, /not a socket/]));
  for (const path of paths) assert.equal(Deno.readTextFileSync(path), "somebody's file");
});

Deno.test("every verb leaves with 70, and asks for a report, when a part of ipc itself is damaged", async () => {
  await using cli = new CliSandbox();
  const directory = `${cli.directory}/damaged`;
  Deno.mkdirSync(directory);
  for (const { name } of Deno.readDirSync(`${PROGRAM}/lib`)) {
    const bytes = Deno.readFileSync(`${PROGRAM}/lib/${name}`);
    // Half of the file is there, as if the disk had been full. What each start reads must be whole for ipc to start.
    const whole = name === "cli.js" || name.startsWith("chunk-");
    Deno.writeFileSync(`${directory}/${name}`, whole ? bytes : bytes.subarray(0, bytes.length / 2));
  }
  const program = launcher(Deno.execPath(), `${directory}/cli.js`);
  Deno.writeTextFileSync(`${cli.directory}/ipc`, program, { mode: 0o755 });
  Deno.writeTextFileSync(`${cli.directory}/ipc.toml`, "");
  await forEach(lines(), async ([verb, line]) => {
    // These two are whole in each start; what reads a configuration file is not.
    const variables = verb === "send" || verb === "request" ? "IPC_CONFIG=ipc.toml " : "";
    await bothWays(cli, `${variables}./${line}`, EXIT.BUG, /this is a bug in ipc, please report it/);
  });
});
