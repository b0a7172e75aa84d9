import { Interrupted, Workshop } from "./workshop.ts";
import { eventually } from "../../tests/e2e/wait.ts";

Deno.test("Workshop ends what it started, children included, and removes its directory", async () => {
  const workshop = await Workshop.open();
  const file = `${workshop.directory}/pid`;
  const started = workshop.start("sh", {
    args: ["-c", `sleep 1000 & echo $! >${file}; echo up; wait`],
    stdout: "piped",
  });
  await started.line();
  const child = Number(await Deno.readTextFile(file));
  await workshop[Symbol.asyncDispose]();
  await started.stop();
  await eventually(async () => !await runs(child), `process ${child} still runs`);
  await rejects(Deno.stat(workshop.directory), "No such file");
});

Deno.test("Workshop.run() returns the first line", async () => {
  await using workshop = await Workshop.open();
  const line = await workshop.run("sh", { args: ["-c", "echo one; echo two"] });
  if (line !== "one") throw new Error(line);
});

Deno.test("Workshop.run() says what a process said that failed", async () => {
  await using workshop = await Workshop.open();
  await rejects(
    workshop.run("sh", { args: ["-c", "echo no such case >&2; exit 3"] }),
    "sh exited with 3: no such case",
  );
});

Deno.test("Workshop.interrupt() ends who waits, and nothing starts any more", async () => {
  await using workshop = await Workshop.open();
  const waits = rejects(workshop.run("sleep", { args: ["1000"] }), "Interrupted");
  workshop.interrupt();
  await waits;
  await rejects(workshop.pause(1000), "Interrupted");
  try {
    await workshop.start("true")[Symbol.asyncDispose]();
  } catch (error) {
    if (error instanceof Interrupted) return;
  }
  throw new Error("something was started");
});

/** Whether a process is more than a name that waits for its parent. */
async function runs(pid: number): Promise<boolean> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)] }).output();
  return /^[^Z\s]/.test(new TextDecoder().decode(stdout));
}

async function rejects(promise: Promise<unknown>, text: string): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (String(error).includes(text)) return;
    throw error;
  }
  throw new Error(`did not fail with "${text}"`);
}
