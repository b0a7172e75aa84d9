/**
 * Shows the main job working: builds the program, starts a broker in a temporary directory, and uses `ipc` as a person
 * would. It prints each command before it runs it, and removes everything at the end.
 *
 *     deno run -A scripts/demo.ts
 *
 * @module
 */
import { buildProgram, DIST } from "./build.ts";

const LINES = 1_000_000;

async function main(): Promise<void> {
  const started = Date.now();
  console.log("Building ...");
  const info = await buildProgram();
  const directory = await Deno.makeTempDir({ prefix: "ipc-demo-" });
  const shell = new Shell(directory);
  try {
    console.log(`ipc ${info.version} (${info.commit}), sockets in ${directory}\n`);
    await shell.makeCommand();
    await shell.run("ipc daemon start", { quiet: true });
    await show(shell);
    console.log(
      `\nThat was all real, and took ${((Date.now() - started) / 1000).toFixed(1)} s. Now: deno task install`,
    );
  } finally {
    await shell.run("ipc daemon stop", { quiet: true });
    shell.close();
    await Deno.remove(directory, { recursive: true });
  }
}

async function show(shell: Shell): Promise<void> {
  heading("Events: everybody who listens gets them");
  const listeners = [
    await shell.background("ipc listen deploys -n 2 --ready-fd 2", "subscribed"),
    await shell.background("ipc listen 'dep*' -n 2 --json --ready-fd 2", "subscribed"),
  ];
  await shell.run('ipc send deploys "v1.4 is live"');
  await shell.run('ipc send deploys --json \'{"rev":"a1b2","hosts":3}\'');
  for (const listener of listeners) await listener.finished();

  heading("Requests: a command answers them");
  const handler = await shell.background("ipc handle wc -- wc -w");
  await shell.run("ipc request wc --wait < README.md");
  await shell.run("ipc request nobody hello", { expect: 69 });
  await handler.stop();

  heading(`Streams: ${LINES.toLocaleString("en")} lines through the broker`);
  const lines = `${shell.directory}/lines`;
  const stream = await shell.background(`ipc listen lines -n ${LINES} --ready-fd 2 > ${lines}`, "subscribed");
  const began = performance.now();
  await shell.run(`seq ${LINES} | ipc send -l lines`);
  await stream.finished();
  const seconds = (performance.now() - began) / 1000;
  await shell.run(`seq ${LINES} | cmp - ${lines} && echo "not one lost, doubled or out of order"`);
  console.log(`${Math.round(LINES / seconds).toLocaleString("en")} lines a second, process starts included`);

  heading("What is there");
  const watcher = await shell.background("ipc listen deploys --ready-fd 2", "subscribed");
  await shell.run("ipc channels");
  await shell.run("ipc inspect deploys");
  await watcher.stop();
}

function heading(text: string): void {
  console.log(`\n── ${text}\n`);
}

interface RunOptions {
  /** Print neither the command nor what it says. */
  quiet?: boolean;
  /** Exit code that is the point of it; 0 by default. */
  expect?: number;
}

/** Runs command lines in `sh`, with `ipc` on the PATH and everything it writes inside one directory. */
class Shell {
  readonly #env: Record<string, string>;
  readonly #background: Background[] = [];

  constructor(readonly directory: string) {
    this.#env = {
      PATH: `${directory}/bin:${Deno.env.get("PATH") ?? ""}`,
      IPC_SOCKET_DIR: directory,
      IPC_CONFIG: "/dev/null",
      XDG_RUNTIME_DIR: directory,
    };
  }

  /** An `ipc` that runs the bundle with the Deno that runs this. */
  async makeCommand(): Promise<void> {
    await Deno.mkdir(`${this.directory}/bin`);
    const script =
      `#!/bin/sh\nexec '${Deno.execPath()}' run --quiet --no-config --no-prompt -A '${DIST}/cli.js' "$@"\n`;
    await Deno.writeTextFile(`${this.directory}/bin/ipc`, script, { mode: 0o755 });
  }

  /** Runs a command line to its end. @throws {Error} If it does not exit as expected. */
  async run(line: string, { quiet = false, expect = 0 }: RunOptions = {}): Promise<void> {
    if (!quiet) console.log(`$ ${line}`);
    const output = quiet ? "null" : "inherit";
    const { code } = await this.#command(line, output, output).output();
    if (quiet) return;
    if (code !== expect) throw new Error(`"${line}" exited with ${code}, not with ${expect}`);
    if (code !== 0) console.log(`(exit ${code})`);
  }

  /** Starts a command line; if it announces itself on standard error, waits for that. */
  async background(line: string, ready?: "subscribed"): Promise<Background> {
    console.log(`$ ${line.replace(" --ready-fd 2", "")} &`);
    const child = this.#command(`exec ${line}`, "inherit", ready === undefined ? "inherit" : "piped").spawn();
    const background = new Background(line, child);
    this.#background.push(background);
    if (ready !== undefined) await background.firstByteOfErrors();
    return background;
  }

  /** Ends what still runs. */
  close(): void {
    for (const background of this.#background) background.kill();
  }

  #command(line: string, stdout: "inherit" | "null", stderr: "inherit" | "piped" | "null"): Deno.Command {
    return new Deno.Command("sh", { args: ["-c", line], env: this.#env, stdin: "null", stdout, stderr });
  }
}

class Background {
  constructor(readonly line: string, readonly child: Deno.ChildProcess) {}

  /** Waits until the command says that it is ready. @throws {Error} If it ends before. */
  async firstByteOfErrors(): Promise<void> {
    const reader = this.child.stderr.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    if (done) throw new Error(`"${this.line}" ended before it was ready`);
    this.child.stderr.pipeTo(Deno.stderr.writable, { preventClose: true }).catch(() => {});
  }

  /** Waits for its end. @throws {Error} If it failed. */
  async finished(): Promise<void> {
    const { code } = await this.child.status;
    if (code !== 0) throw new Error(`"${this.line}" exited with ${code}`);
  }

  async stop(): Promise<void> {
    this.kill();
    await this.child.status;
  }

  kill(): void {
    try {
      this.child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
  }
}

await main();
