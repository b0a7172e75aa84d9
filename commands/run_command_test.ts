import assert from "node:assert/strict";
import { Failure } from "./exit_codes.ts";
import { checkCommand, type CommandOptions, runCommand } from "./run_command.ts";

const decoder = new TextDecoder();

async function run(
  command: readonly string[],
  more: Partial<CommandOptions> = {},
): Promise<{ status: number; stdout: string; stderr: string }> {
  let stdout = "", stderr = "";
  const status = await runCommand({
    command,
    env: {},
    stdin: new Uint8Array(0),
    stdout: (bytes) => void (stdout += decoder.decode(bytes)),
    stderr: (bytes) => void (stderr += decoder.decode(bytes)),
    signal: new AbortController().signal,
    kill_after_ms: 1000,
    ...more,
  });
  return { status, stdout, stderr };
}

function shell(script: string, more: Partial<CommandOptions> = {}) {
  return run(["/bin/sh", "-c", script], more);
}

/** Whether a process runs; one that has ended and waits to be reaped does not. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

Deno.test("runCommand() gives the payload, takes both outputs and the status", async () => {
  const stdin = new TextEncoder().encode("payload");
  assert.deepEqual(await shell("cat; echo $X; echo err >&2; exit 3", { stdin, env: { X: "y" } }), {
    status: 3,
    stdout: "payloady\n",
    stderr: "err\n",
  });
  assert.equal((await shell("kill -TERM $$")).status, 143);
});

Deno.test("runCommand() does not mind a command that reads nothing of a large payload", async () => {
  assert.equal((await run(["/bin/true"], { stdin: new Uint8Array(1_000_000) })).status, 0);
});

Deno.test("runCommand() moves large payloads both ways at once", async () => {
  const stdin = new Uint8Array(3_000_000).fill(65);
  let length = 0;
  const { status } = await run(["/bin/cat"], { stdin, stdout: (bytes) => void (length += bytes.length) });
  assert.deepEqual([status, length], [0, stdin.length]);
});

Deno.test("runCommand() ends the whole process group when told to", async () => {
  const stop = new AbortController();
  let pid = 0;
  const ended = shell("sleep 1000 & echo $!; sleep 1000", {
    signal: stop.signal,
    stdout: (bytes) => {
      pid = Number(decoder.decode(bytes));
      stop.abort();
    },
  });
  assert.equal((await ended).status, 143);
  assert.ok(pid > 0);
  assert.equal(runs(pid), false);
});

Deno.test("runCommand() sends KILL to what does not end at TERM", async () => {
  const stop = new AbortController(), began = performance.now();
  const ended = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", {
    signal: stop.signal,
    kill_after_ms: 200,
    stdout: () => stop.abort(),
  });
  assert.equal((await ended).status, 137);
  assert.ok(performance.now() - began >= 190);
});

Deno.test("runCommand() ends a command at once that is cancelled before it starts", async () => {
  assert.equal((await run(["/bin/sleep", "1000"], { signal: AbortSignal.abort() })).status, 143);
});

Deno.test("runCommand() ends the command when its output cannot be taken", async () => {
  const full = new Error("no more");
  await assert.rejects(
    shell("while :; do echo more; done", {
      stdout: () => {
        throw full;
      },
    }),
    full,
  );
});

Deno.test("runCommand() and checkCommand() tell what is not found from what cannot be run", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/plain`, "no program", { mode: 0o644 });
    for (
      const [program, code] of [[`${directory}/none`, 127], [`${directory}/plain`, 126], [directory, 126]] as const
    ) {
      const expected = (error: unknown) => error instanceof Failure && error.code === code;
      await assert.rejects(run([program]), expected, program);
      await assert.rejects(checkCommand(program, "/bin"), expected, program);
    }
    await assert.rejects(
      checkCommand("plain", `/nowhere:${directory}`),
      (error: unknown) => (error as Failure).code === 126,
    );
    await checkCommand("sh", `${directory}:/usr/bin:/bin`);
    await checkCommand("/bin/sh", undefined);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
