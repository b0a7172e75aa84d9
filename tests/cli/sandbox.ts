/**
 * `ipc` as it is installed, bundle, launcher and permissions included, in a directory of a test's own. Brokers are those
 * that the command line starts. Whatever happens to the test, no process is left when the sandbox is disposed of.
 *
 * @module
 */
import { launcher } from "../../scripts/install.ts";
import { Process } from "../e2e/process.ts";

/** Where it is: `lib` and `bin`. A path with what shells stumble over. */
export const PROGRAM = Deno.makeTempDirSync({ prefix: "ipc cli's " });
addEventListener("unload", () => Deno.removeSync(PROGRAM, { recursive: true }));
// In a process of its own: esbuild's helper would be a leak in the first test.
const BUILD = new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", new URL("../../scripts/build.ts", import.meta.url).pathname, `${PROGRAM}/lib`],
}).outputSync();
if (!BUILD.success) throw new Error(`cannot build: ${new TextDecoder().decode(BUILD.stderr)}`);
Deno.mkdirSync(`${PROGRAM}/bin`);
Deno.writeTextFileSync(`${PROGRAM}/bin/ipc`, launcher(Deno.execPath(), `${PROGRAM}/lib/cli.js`), { mode: 0o755 });

/** How a command ended, and what it said. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** How to run a command. */
export interface RunOptions {
  stdin?: string | Uint8Array<ArrayBuffer>;
  env?: Record<string, string>;
}

/** See the module's head. */
export class CliSandbox implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "ipc-cli-" });
  readonly socket_dir = `${this.directory}/sockets`;
  readonly #env: Record<string, string>;
  readonly #background: Process[] = [];

  constructor(env: Record<string, string> = {}) {
    Deno.mkdirSync(this.socket_dir);
    Deno.mkdirSync(`${this.directory}/run`, { mode: 0o700 });
    this.#env = {
      PATH: `${PROGRAM}/bin:${Deno.env.get("PATH")}`,
      HOME: this.directory,
      LANG: "C.UTF-8",
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      IPC_SOCKET_DIR: this.socket_dir,
      IPC_CONFIG: "/dev/null",
      XDG_RUNTIME_DIR: `${this.directory}/run`,
      ...env,
    };
  }

  /** Runs a line of shell to its end. */
  async sh(line: string, options: RunOptions = {}): Promise<Outcome> {
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", line],
      cwd: this.directory,
      env: { ...this.#env, ...options.env },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const input = typeof options.stdin === "string" ? new TextEncoder().encode(options.stdin) : options.stdin;
    const writer = child.stdin.getWriter();
    const given = (input === undefined ? Promise.resolve() : writer.write(input))
      .then(() => writer.close()).catch(() => writer.abort().catch(() => {}));
    const [{ code, stdout, stderr }] = await Promise.all([child.output(), given]);
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** The same with a terminal as its standard output and error; what it writes there is `stdout`. */
  async terminal(line: string): Promise<Outcome> {
    const outcome = await this.sh(`script -qec "$LINE" /dev/null </dev/null`, { env: { LINE: line } });
    return { ...outcome, stdout: outcome.stdout.replaceAll("\r\n", "\n") };
  }

  /** Starts a command line in the background; `ipc` itself, so that signals reach it. */
  start(line: string, env: Record<string, string> = {}): Process {
    const process = new Process(line, ["/bin/sh", "-c", `exec ${line}`], {
      cwd: this.directory,
      env: { ...this.#env, ...env },
    });
    this.#background.push(process);
    return process;
  }

  /** Starts a listener, and waits until it misses nothing. */
  async listen(line: string, env: Record<string, string> = {}): Promise<Process> {
    const listener = this.start(`ipc listen --ready-fd 2 ${line}`, env);
    await listener.says("subscribed");
    return listener;
  }

  /** The pids of the brokers that run here. */
  async brokers(): Promise<number[]> {
    const { stdout } = await this.sh(`pgrep -f "daemon run" || true`);
    return stdout.split("\n").filter((line) => line !== "").map(Number).filter((pid) => this.#isHere(pid));
  }

  #isHere(pid: number): boolean {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/environ`).includes(`IPC_SOCKET_DIR=${this.socket_dir}\0`);
    } catch {
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#background.map((process) => process.kill()));
    for (const pid of await this.brokers()) Deno.kill(pid, "SIGKILL");
    Deno.removeSync(this.directory, { recursive: true });
  }
}
