/**
 * The progress bar of `ipc send`, on the screen of a real terminal.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Process } from "../e2e/process.ts";
import { CliSandbox } from "./sandbox.ts";
import { hasTmux, Tmux } from "./tmux.ts";
import { pause } from "../e2e/wait.ts";

const ignore = !hasTmux();
if (ignore) console.error("skipped: there is no tmux here to look at the progress bar with");

/** A broker, and a listener that takes nothing, so that sending comes to a halt. */
async function halted(cli: CliSandbox): Promise<Process> {
  await cli.sh("ipc daemon start");
  const listener = await cli.listen("x > /dev/null");
  listener.signal("SIGSTOP");
  return listener;
}

/** Figures differ from run to run. */
function withoutFigures(text: string): string {
  return text.replace(/\d+%/g, "N%").replace(/\[=*>? *\]/g, "[==>  ]").replace(/[\d.]+(?:[KM]i)?B\/s/g, "N/s")
    .replace(/\d+ messages/g, "N messages").replace(/\d+s\b/g, "Ns").replace(/ +/g, " ");
}

Deno.test({ name: "ipc send shows on a terminal how far it has come, and leaves no trace of it", ignore }, async () => {
  await using cli = new CliSandbox({ IPC_QUEUE: "64KiB" });
  const listener = await halted(cli);
  await using terminal = await Tmux.open(cli);
  await cli.sh("seq 100000 600000 > größe-日本.log");
  await terminal.type("ipc send -l -f größe-日本.log x; echo left with $?");
  const shown = await terminal.shows((screen) => screen.includes("%"));
  const [typed, bar] = shown.split("\n");
  assert.equal(typed, "$ ipc send -l -f größe-日本.log x; echo left with $?");
  const [, filled, all, percent] = /^größe-日本\.log {2}\[(=*)(>? *)\] +(\d+)% {2}\d+ messages/.exec(bar!)!;
  const cells = filled!.length + all!.length;
  assert.equal(filled!.length, Math.floor(cells * Number(percent) / 100 + 0.5 / cells), bar);
  assert.ok((await terminal.screen("-e")).includes("\x1b[32m="), "the bar has no colour");
  // It is drawn in place, and ends with what was there before.
  await pause(500);
  assert.equal((await terminal.screen()).split("\n").length, 2);
  listener.signal("SIGCONT");
  assert.equal(await terminal.shows((screen) => screen.endsWith("$")), `${typed}\nleft with 0\n$`);

  // What the documentation shows is what is seen.
  const docs = Deno.readTextFileSync(new URL("../../docs/messages.md", import.meta.url));
  const recorded = /```text\n(\$ ipc send [^]*?)\n```/.exec(docs)![1]!;
  const begin = recorded.split("\n")[1]!.split("  ")[0]!;
  assert.equal(
    withoutFigures(recorded.split("\n")[1]!).replace(begin, ""),
    withoutFigures(bar!).replace("größe-日本.log", ""),
  );
});

Deno.test({ name: "ipc send clears its progress at Ctrl-C, and ends at once", ignore }, async () => {
  await using cli = new CliSandbox({ IPC_QUEUE: "64KiB" });
  const listener = await halted(cli);
  await using terminal = await Tmux.open(cli, { columns: 40, env: "NO_COLOR=1" });
  // From a pipe, whose end nobody knows.
  await terminal.type("seq 9000000|ipc send -l x");
  const screen = await terminal.shows((screen) => screen.includes("messages"), "-e");
  assert.match(screen, /\nstdin {2}\d+ messages/);
  assert.ok(screen.split("\n").every((line) => line.length < 40), screen);
  assert.ok(!screen.includes("\x1b"), "colours in spite of NO_COLOR");
  await terminal.keys("C-c");
  const typed = "$ seq 9000000|ipc send -l x";
  // The shell may begin a new line for a command that a signal has ended.
  const seen = (screen: string) => screen.replaceAll(/\n+/g, "\n");
  assert.equal(seen(await terminal.shows((screen) => screen.endsWith("$"))), `${typed}\n$`);
  await terminal.type("echo left with $?");
  await terminal.shows((screen) => seen(screen) === `${typed}\n$ echo left with $?\nleft with 130\n$`);
  listener.signal("SIGCONT");
});

Deno.test({ name: "ipc send shows no progress where it cannot be seen, or is not wanted", ignore }, async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start");
  const unseen = [["TERM=dumb", ""], ["", "--no-progress"], ["", "2> errors"]] as const;
  await Promise.all(unseen.map(async ([env, more]) => {
    await using terminal = await Tmux.open(cli, { env });
    await terminal.type(`(echo 1; sleep 1.6; echo 2) | ipc send -l ${more} x; echo over`);
    const seen = new Set<string>();
    await terminal.shows((screen) => {
      seen.add(screen);
      return screen.endsWith("$") && screen.includes("\nover");
    });
    for (const screen of seen) assert.ok(!screen.includes("stdin "), screen);
  }));
  assert.equal(Deno.readTextFileSync(`${cli.directory}/errors`), "");
});
