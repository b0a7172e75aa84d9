/**
 * A machine with several users: a directory for sockets that all may write to as to /tmp, and an `ipc` that each of them
 * can run, bundle, launcher and permissions included. Only root can be somebody else, so without it nothing of this runs.
 *
 * @module
 */
import { launcher } from "../../scripts/install.ts";
import { Sandbox } from "../e2e/harness.ts";
import { Process } from "../e2e/process.ts";
import { within } from "../e2e/wait.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;

/** For tests that need other users: skips them, and says so. */
export const WITH_USERS = { ignore: Deno.build.os !== "linux" || Deno.uid() !== 0 };
if (WITH_USERS.ignore) console.error("notice: tests with a second user are skipped: only root can be one");

/** A user, who need not be in /etc/passwd. */
export interface User {
  uid: number;
  gid: number;
  groups?: readonly number[];
}

export const ROOT: User = { uid: 0, gid: 0 };
/** Has nothing to do with the others. */
export const STRANGER: User = { uid: 12_345, gid: 12_345 };

/** How a command ended, and what it said. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** See the module's head. */
export class Users extends Sandbox {
  readonly #processes: Process[] = [];

  constructor() {
    super();
    Deno.chmodSync(this.directory, 0o755);
    Deno.chmodSync(this.socket_dir, 0o1777);
    this.configure("");
    this.#mkdir(`${this.directory}/bin`, 0o755);
    Deno.copyFileSync(`${PROJECT}tests/faults/programs/stranger.py`, `${this.directory}/stranger.py`);
    Deno.chmodSync(`${this.directory}/stranger.py`, 0o644);
  }

  /** Puts an `ipc` where everybody can run it; else only root can. */
  installIpc(): void {
    const deno = `${this.directory}/bin/deno`, library = `${this.directory}/lib`;
    // Root's own home may be closed to the others.
    Deno.copyFileSync(Deno.execPath(), deno);
    Deno.chmodSync(deno, 0o755);
    const build = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${PROJECT}scripts/build.ts`, library],
      stdout: "null",
      stderr: "inherit",
    }).outputSync();
    if (!build.success) throw new Error("cannot build ipc");
    Deno.chmodSync(library, 0o755);
    for (const { name } of Deno.readDirSync(library)) Deno.chmodSync(`${library}/${name}`, 0o644);
    const script = `${this.directory}/bin/ipc`;
    Deno.writeTextFileSync(script, launcher(deno, `${library}/cli.js`));
    Deno.chmodSync(script, 0o755);
  }

  /** Writes the configuration. */
  configure(toml: string): void {
    Deno.writeTextFileSync(this.config_file, toml);
    Deno.chmodSync(this.config_file, 0o644);
  }

  /** Runs a line of shell to its end, as somebody. */
  async sh(user: User, line: string, env: Record<string, string> = {}): Promise<Outcome> {
    const [command, ...args] = this.#command(user, ["/bin/sh", "-c", line]);
    const running = new Deno.Command(command!, {
      args,
      cwd: this.directory,
      env: { ...this.#env(user), ...env },
      clearEnv: true,
      stdin: "null",
    }).output();
    const { code, stdout, stderr } = await within(running, `"${line}" does not end`);
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** Starts a command line in the background, as somebody. */
  start(user: User, line: string, env: Record<string, string> = {}): Process {
    const process = new Process(line, this.#command(user, ["/bin/sh", "-c", `exec ${line}`]), {
      cwd: this.directory,
      env: { ...this.#env(user), ...env },
    });
    this.#processes.push(process);
    return process;
  }

  /** Starts `stranger.py`, see there, and waits for its first line. */
  async stranger(user: User, ...words: string[]): Promise<Process> {
    const process = this.start(user, `/usr/bin/python3 stranger.py ${words.join(" ")}`);
    await process.line((line) => line, "begin");
    return process;
  }

  /** What connecting to channels' sockets comes to, as somebody: `connected`, or the error's name. */
  async connect(user: User, channels: readonly string[]): Promise<string[]> {
    const paths = channels.map((channel) => this.socket(channel));
    const { stdout, stderr } = await this.sh(user, `exec /usr/bin/python3 stranger.py try ${paths.join(" ")}`);
    if (stdout === "") throw new Error(stderr);
    const results = new Map(Object.entries<string>(JSON.parse(stdout)));
    return paths.map((path) => results.get(path)!);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()));
    await super[Symbol.asyncDispose]();
  }

  #command({ uid, gid, groups = [] }: User, command: readonly string[]): string[] {
    const joined = groups.length === 0 ? "--clear-groups" : `--groups=${groups.join()}`;
    return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, joined, "--pdeathsig", "KILL", ...command];
  }

  #env({ uid, gid }: User): Record<string, string> {
    const home = `${this.directory}/home-${uid}`;
    this.#mkdir(home, 0o700, uid, gid);
    return {
      PATH: `${this.directory}/bin:/usr/bin:/bin`,
      HOME: home,
      LANG: "C.UTF-8",
      NO_COLOR: "1",
      DENO_DIR: `${home}/deno`,
      XDG_RUNTIME_DIR: home,
      IPC_SOCKET_DIR: this.socket_dir,
      IPC_CONFIG: this.config_file,
    };
  }

  #mkdir(path: string, mode: number, uid = 0, gid = 0): void {
    Deno.mkdirSync(path, { recursive: true });
    Deno.chownSync(path, uid, gid);
    Deno.chmodSync(path, mode);
  }
}

/** What a stranger says in the end, once it is told that it is over. */
export async function conclude(stranger: Process): Promise<Record<string, number>> {
  await stranger.endInput();
  return await stranger.line((line) => JSON.parse(line) as Record<string, number>, "say what came of it");
}
