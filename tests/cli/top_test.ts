import assert from "node:assert/strict";
import { eventually } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

const { success: has_tmux } = new Deno.Command("/bin/sh", { args: ["-c", "command -v tmux"], stdout: "null" })
  .outputSync();
if (!has_tmux) console.error("tests/cli/top_test.ts: skipped, because there is no tmux");
const tmux = { ignore: !has_tmux };

/** A terminal in which `ipc top` runs. What it leaves behind is told when it has ended. */
class Screen implements AsyncDisposable {
  readonly #cli: CliSandbox;
  /** A server of its own: one that is ending takes no session. */
  readonly #server = crypto.randomUUID().slice(0, 8);

  private constructor(cli: CliSandbox) {
    this.#cli = cli;
  }

  static async start(cli: CliSandbox, command: string, env = ""): Promise<Screen> {
    const screen = new Screen(cli);
    const line = `stty -g > before; ${env} ${command}; echo "left with $?"; stty -g > after; sleep 1000`;
    Deno.writeTextFileSync(`${cli.directory}/line`, line);
    await screen.tmux("new-session -d -x 80 -y 12 'sh line'");
    return screen;
  }

  async tmux(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.#cli.sh(`tmux -S "$PWD/${this.#server}" -f /dev/null ${command}`);
    assert.equal(code, 0, `tmux ${command}: ${stderr}`);
    return stdout;
  }

  async sees(what: RegExp): Promise<string> {
    let screen = "";
    try {
      return await eventually(
        async () => {
          screen = await this.tmux("capture-pane -p");
          return what.test(screen) ? screen : undefined;
        },
        `${what} is not to be seen`,
        10_000,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message} on this screen:\n${screen}`);
    }
  }

  async keys(...keys: string[]): Promise<void> {
    for (const key of keys) await this.tmux(`send-keys ${key}`);
  }

  /** Waits for its end: the terminal has to be as it was. */
  async leaves(code: number, said = /^/): Promise<void> {
    const screen = await this.sees(new RegExp(`left with ${code}`));
    assert.match(screen, said);
    assert(!screen.includes("EVENTS/S"), `its screen is left behind:\n${screen}`);
    assert.equal(await this.tmux("display-message -p '#{alternate_on} #{cursor_flag} #{wrap_flag}'"), "0 1 1\n");
    await eventually(() => Deno.readTextFileSync(`${this.#cli.directory}/after`) !== "", "no end");
    const [before, after] = ["before", "after"].map((name) => Deno.readTextFileSync(`${this.#cli.directory}/${name}`));
    assert.equal(after, before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tmux("kill-server").catch(() => {});
  }
}

Deno.test("ipc top shows channels and clients, sorts, filters, inspects and closes, in any size", tmux, async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start && ipc send --retain other x");
  const listener = await cli.listen("--name victim deploys > /dev/null");
  const sender = cli.start("ipc send -l deploys");
  const timer = setInterval(() => void sender.write("hello").catch(() => {}), 50);
  using _stop = { [Symbol.dispose]: () => clearInterval(timer) };
  await using screen = await Screen.start(cli, "ipc top -i 100ms");
  const first = await screen.sees(/^> deploys +\d\d(\.\d)? .*[▁▂▃▄▅▆▇█]{3}/m);
  assert.match(first, /^ipc running for \d+s +channels 3 +clients \d+ +queued /);
  assert.match(first, /^ {2}CHANNEL +EVENTS\/S\+ +BYTES\/S +REQS\/S +LISTEN +QUEUED TREND$/m);
  assert.match(first, /^q leave +Tab clients .* space stop$/m);

  await screen.tmux("resize-window -x 40 -y 8");
  const narrow = await screen.sees(/^ {2}CHANNEL +EVENTS\/S\+ +QUEUED$/m);
  assert(narrow.split("\n").every((line) => line.length <= 40), narrow);
  await screen.tmux("resize-window -x 200 -y 20");
  await screen.sees(/HANDLE +CLIENTS +QUEUED +OPEN +EVENTS TREND$/m);

  await screen.keys("s", "s");
  await screen.sees(/REQS\/S\+/);
  await screen.keys("r");
  await screen.sees(/REQS\/S-/);
  await screen.keys("/", "OTH");
  await screen.sees(/^only names that contain: OTH$/m);
  await screen.keys("Enter");
  assert(!(await screen.sees(/^> other/m)).includes("deploys"));
  await screen.keys("Enter");
  await screen.sees(/^retained event +yes$/m);
  await screen.keys("Escape");
  await screen.sees(/^> other/m);
  await screen.keys("k");
  await screen.sees(/choose one there to close it/);
  await screen.keys("Escape", "Tab", "/", "victim", "Enter");
  await screen.sees(/^> +\d+ deploys +victim +listen/m);
  await screen.keys("k");
  await screen.sees(/close client \d+ victim on deploys\? y or n/);
  await screen.keys("y");
  await screen.sees(/^closed client \d+$/m);
  await listener.says("closed by an operator: ipc top");
  await screen.keys("Space");
  await screen.sees(/^ipc stopped for/m);
  await screen.keys("q");
  await screen.leaves(0);
});

Deno.test("ipc top puts the terminal back whatever ends it, and says why", tmux, async () => {
  for (
    const [end, code, said] of [
      ["SIGTERM", 143, /^/],
      ["SIGHUP", 129, /^/],
      ["C-c", 130, /^/],
      ["broker", 69, /ipc: /],
      ["stop", 69, /ipc: .*going away/],
    ] as const
  ) {
    await using cli = new CliSandbox();
    await cli.sh("ipc daemon start && ipc send --retain deploys x");
    await using screen = await Screen.start(cli, "sh -c 'echo $$ > pid; exec ipc top -i 100ms'");
    await screen.sees(/^> deploys/m);
    const pid = Number(Deno.readTextFileSync(`${cli.directory}/pid`));
    if (end === "C-c") await screen.keys("C-c");
    else if (end === "broker") { for (const broker of await cli.brokers()) Deno.kill(broker, "SIGKILL"); }
    else if (end === "stop") await cli.sh("ipc daemon stop");
    else Deno.kill(pid, end as Deno.Signal);
    await screen.leaves(code, said);
  }
});

Deno.test("ipc top paints nothing with NO_COLOR, and needs a terminal that can", tmux, async () => {
  await using cli = new CliSandbox();
  await cli.sh("ipc daemon start && ipc send --retain deploys x");
  for (
    const [line, said] of [
      ["ipc top", /^ipc: top needs a terminal: use "ipc stats '\*'"/],
      ["ipc top < /dev/null | cat", /^ipc: top needs a terminal/],
    ] as const
  ) {
    const outcome = await cli.sh(line);
    assert.match(outcome.stderr, said);
    assert.equal(outcome.stdout, "");
  }
  assert.equal((await cli.sh("ipc top")).code, 64);
  {
    await using screen = await Screen.start(cli, "ipc top", "TERM=dumb");
    await screen.leaves(64, /TERM says that this one/);
  }
  await using screen = await Screen.start(cli, "ipc top -i 100ms", "NO_COLOR=1");
  await screen.sees(/^> deploys/m);
  // deno-lint-ignore no-control-regex -- colours are what it looks for
  assert(!/\x1b\[[34][0-7]m/.test(await screen.tmux("capture-pane -p -e")));
  await screen.keys("q");
  await screen.leaves(0);
});

Deno.test("ipc top leaves with 69 where no broker is, without another screen", tmux, async () => {
  await using cli = new CliSandbox();
  await using screen = await Screen.start(cli, "ipc top");
  await screen.leaves(69, /no broker is running/);
});
