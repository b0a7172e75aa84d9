/**
 * A terminal that a test looks at: a window of tmux, with a shell in it.
 *
 * @module
 */
import { eventually } from "../e2e/wait.ts";
import type { CliSandbox } from "./sandbox.ts";

/** How the terminal is. */
export interface TmuxOptions {
  columns?: number;
  rows?: number;
  /** Words in front of the shell, such as `NO_COLOR=1`. */
  env?: string;
}

/** Whether there is a tmux here. */
export function hasTmux(): boolean {
  try {
    return new Deno.Command("tmux", { args: ["-V"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** See the module's head. */
export class Tmux implements AsyncDisposable {
  readonly #cli: CliSandbox;
  readonly #tmux: string;

  private constructor(cli: CliSandbox) {
    this.#cli = cli;
    this.#tmux = `tmux -f /dev/null -S '${cli.directory}/tmux-${crypto.randomUUID().slice(0, 8)}'`;
  }

  /** Opens it, and waits for the shell's prompt. */
  static async open(cli: CliSandbox, { columns = 80, rows = 10, env = "" }: TmuxOptions = {}): Promise<Tmux> {
    const terminal = new Tmux(cli);
    await terminal.#run(`new-session -d -x ${columns} -y ${rows} "env ${env} PS1='$ ' sh"`);
    await eventually(async () => await terminal.screen() === "$", "there is no prompt");
    return terminal;
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#run(`send-keys -l '${line.replaceAll("'", "'\\''")}'`);
    await this.keys("Enter");
  }

  /** Presses keys, by their names in tmux. */
  async keys(...names: string[]): Promise<void> {
    await this.#run(`send-keys ${names.join(" ")}`);
  }

  /** What can be seen, without spaces at the ends of lines and without empty lines at the end. */
  async screen(more = ""): Promise<string> {
    const text = await this.#run(`capture-pane -p ${more}`);
    return text.split("\n").map((line) => line.trimEnd()).join("\n").trimEnd();
  }

  /** Waits until the screen is as wanted. @returns The screen. */
  async shows(wanted: (screen: string) => boolean, more = ""): Promise<string> {
    let screen = "";
    return await eventually(
      async () => wanted(screen = await this.screen(more)) && screen,
      () => `the screen does not become what it should be:\n${screen}`,
      20_000,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cli.sh(`${this.#tmux} kill-server`);
  }

  async #run(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.#cli.sh(`${this.#tmux} ${command}`);
    if (code !== 0) throw new Error(`tmux ${command}: ${stderr}`);
    return stdout;
  }
}
