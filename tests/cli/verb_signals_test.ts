/**
 * Each verb that runs for a while, ended in each way that there is. Whatever ends it: no process of its own is left, its
 * connection is gone, and the terminal is as it was.
 *
 * @module
 */
import assert from "node:assert/strict";
import { control } from "../../client/mod.ts";
import { EXIT, SIGNAL_EXITS } from "../../commands/exit_codes.ts";
import { VERBS } from "../../commands/verbs.ts";
import { eventually } from "../e2e/wait.ts";
import { forEach } from "./rows.ts";
import { CliSandbox } from "./sandbox.ts";

/** A command line that does not end by itself. CH is a channel of its own, which is open, or its name elsewhere. */
interface Lasting {
  args: string;
  /** It writes a line to descriptor 9 when it is ready; otherwise it is when it is on its channel. */
  tells?: true;
  /** What is on its channel before it. */
  first?: string;
  /** What it needs before it is ready, such as an event, once it is on its channel. */
  then?: string;
  /** How many processes there are besides `ipc` itself and what started it. */
  children?: number;
  /** It notices at once that nobody reads its output. */
  unread?: true;
  /** How it ends when there is nothing to read from standard input; it goes on if this is not said. */
  without_input?: number;
}

/** Every verb, with what of it runs for a while. The others are done in no time, and listen to no signal. */
const LASTING: Readonly<Record<string, readonly Lasting[]>> = {
  send: [
    { args: "-l CH", without_input: 0 },
    { args: "--every 100ms CH hello" },
    { args: "--wait CH hello" },
  ],
  request: [{ args: "--wait CH hello" }, { args: "-t infinity CH hello", first: "ipc handle CH -- sleep 1000" }],
  listen: [
    { args: "--ready-fd 9 CH", tells: true, unread: true },
    { args: "--ready-fd 9 --json 'CH*'", tells: true, unread: true },
    { args: "CH -- sh -c 'sleep 1000 & sleep 1000'", then: "ipc send CH hello", children: 3 },
    { args: "--coalesce CH -- sleep 1000", then: "ipc send CH hello", children: 1 },
    { args: "CH --then -- sh -c 'sleep 1000 & sleep 1000'", children: 3 },
  ],
  handle: [
    { args: "CH -- sh -c 'sleep 1000 & sleep 1000'", then: "ipc request CH hello", children: 3 },
    { args: "--mode lines --workers 2 CH -- cat", children: 2 },
  ],
  wait: [{ args: "CH --handler" }, { args: "CH --message" }],
  lock: [
    { args: "--name CH CH -- sh -c 'sleep 1000 & sleep 1000'", children: 3 },
    { args: "--name CH CH -- true", first: "ipc lock --name CH CH -- sleep 1000" },
  ],
  semaphore: [{ args: "--name CH -n 2 CH -- sleep 1000", children: 1 }],
  barrier: [{ args: "--name CH -n 2 CH" }],
  record: [{ args: "--ready-fd 9 -o CH.jsonl CH", tells: true }],
  replay: [{ args: "--loop --name CH replayed.jsonl" }],
  mock: [{ args: "CH --from mock.jsonl" }],
  channels: [],
  inspect: [],
  clients: [],
  stats: [],
  top: [], // tests/cli/top_test.ts: it runs on terminals alone
  monitor: [{ args: "--ready-fd 9 CH", tells: true, unread: true }],
  ping: [{ args: "-n 1000000 -i 50ms CH", unread: true }],
  // Those that have a channel of their own, whose name nobody knows before, are in tests/cli/bench_test.ts.
  bench: [{ args: "sub CH" }, { args: "pub --for 1000s CH", first: "ipc listen CH >/dev/null" }],
  daemon: [], // tests/cli/broker_test.ts: what a signal means to a broker is another thing
  service: [],
  token: [],
  doctor: [],
  config: [],
  sockname: [],
  completion: [],
  help: [],
  version: [],
};

/** A way to end it. */
type End = keyof typeof SIGNAL_EXITS | "Ctrl-C on a terminal" | "no reader" | "no input";

/** The processes of a mark, without those that only wait to be reaped. */
function marked(mark: string): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (Deno.readTextFileSync(`/proc/${name}/environ`).includes(`MARK=${mark}\0`)) found.push(Number(name));
    } catch { /* it has ended, or is another user's */ }
  }
  return found;
}

function text(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

Deno.test("every verb is in the table of those that run for a while, if only as one that does not", () => {
  assert.deepEqual(Object.keys(LASTING).sort(), VERBS.map(({ name }) => name).sort());
});

Deno.test("every verb that runs for a while leaves nothing behind, however it ends", async () => {
  await using cli = new CliSandbox();
  assert.equal((await cli.sh("ipc daemon start")).code, 0);
  const times = ["08:00:00", "08:01:00"].map((time) =>
    `${JSON.stringify({ type: "event", channel: "replayed", time: `2026-11-20T${time}Z`, data: "hello" })}\n`
  );
  Deno.writeTextFileSync(`${cli.directory}/replayed.jsonl`, times.join(""));
  Deno.writeTextFileSync(`${cli.directory}/mock.jsonl`, "{}\n");
  async function clients(channel: string): Promise<number> {
    const all = await control("clients", {}, cli) as { channel: string; name: string }[];
    return all.filter((client) => client.channel === channel || client.name === channel).length;
  }

  const rows: { verb: string; row: Lasting; end: End; id: string }[] = [];
  for (const [verb, lines] of Object.entries(LASTING)) {
    for (const row of lines) {
      for (const end of ["SIGINT", "SIGTERM", "SIGHUP", "Ctrl-C on a terminal", "no reader", "no input"] as const) {
        if (end === "no reader" && !row.unread) continue;
        rows.push({ verb, row, end, id: `row${rows.length}` });
      }
    }
  }
  await forEach(rows, async ({ verb, row, end, id }) => {
    const mark = `${cli.directory}/${id}`;
    const line = `ipc ${verb} ${row.args.replaceAll("CH", id)} 9>${id}.ready`, what = `${line}: ${end}`;
    await control("open", { channel: id }, cli);
    const first = row.first === undefined ? undefined : cli.start(row.first.replaceAll("CH", id));
    const before = first === undefined ? 0 : 1;
    await eventually(async () => await clients(id) === before, `${what}: ${row.first} is not there`);
    const script = {
      "Ctrl-C on a terminal": `trap : INT; stty -g >${id}.before; ${line}; echo $? >${id}.code; stty -g >${id}.after`,
      "no reader": `{ ${line}; echo $? >${id}.code; } | while [ ! -e ${id}.go ]; do sleep 0.02; done`,
      "no input": `exec ${line} <&-`,
      SIGINT: `exec ${line}`,
      SIGTERM: `exec ${line}`,
      SIGHUP: `exec ${line}`,
    }[end];
    Deno.writeTextFileSync(`${cli.directory}/${id}.sh`, `${script}\n`);
    const command = end === "Ctrl-C on a terminal" ? `script -qec "sh ${id}.sh" /dev/null` : `sh ${id}.sh`;
    const process = cli.start(command, { MARK: mark });
    const ready = async (): Promise<boolean> => {
      if (!process.running) return true;
      return row.tells ? text(`${cli.directory}/${id}.ready`) !== "" : await clients(id) > before;
    };
    await eventually(ready, `${what}: is not ready`);
    const other = row.then === undefined ? undefined : cli.start(row.then.replaceAll("CH", id));
    // Between the terminal and ipc there are script(1) and its shell.
    const children = (row.children ?? 0) + (end === "Ctrl-C on a terminal" ? 2 : 0);
    await eventually(() => !process.running || marked(mark).length > children, `${what}: has no children`);

    const file = (name: string): number => Number(text(`${cli.directory}/${id}.${name}`));
    if (end === "no input" && row.without_input !== undefined) {
      assert.equal(await process.exit(), row.without_input, what);
    } else if (end === "Ctrl-C on a terminal") {
      await process.write("\x03");
      await process.exit();
      assert.equal(file("code"), EXIT.INTERRUPTED, what);
      assert.equal(text(`${cli.directory}/${id}.after`), text(`${cli.directory}/${id}.before`), what);
    } else if (end === "no reader") {
      Deno.writeTextFileSync(`${cli.directory}/${id}.go`, "");
      await process.exit();
      assert.equal(file("code"), EXIT.BROKEN_PIPE, what);
    } else {
      const signal = end === "no input" ? "SIGTERM" : end;
      assert(process.running, `${what}: it has ended`);
      process.signal(signal);
      assert.equal(await process.exit(), SIGNAL_EXITS[signal], `${what}: ${process.stderr}`);
    }
    assert.deepEqual(marked(mark), [], `${what}: processes are left`);
    // By signals that it passes on: SIGKILL would leave its command.
    first?.signal("SIGTERM");
    await Promise.all([first?.exit(), other?.kill()]);
    await eventually(async () => await clients(id) === 0, `${what}: a connection is left`);
  });
  assert.equal((await cli.sh("ipc daemon stop")).code, 0);
  assert.deepEqual([...Deno.readDirSync(cli.socket_dir)].map(({ name }) => name), []);
});
