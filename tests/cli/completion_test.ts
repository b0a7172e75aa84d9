import assert from "node:assert/strict";
import { SHELLS } from "../../commands/completion/scripts.ts";
import { eventually } from "../e2e/wait.ts";
import { CliSandbox } from "./sandbox.ts";

/** Whether programs or files are missing; says which. */
function missing(...programs: string[]): boolean {
  const all = programs.filter((program) =>
    !new Deno.Command("/bin/sh", { args: ["-c", `test -e ${program} || command -v ${program}`], stdout: "null" })
      .outputSync().success
  );
  if (all.length > 0) console.error(`skipped, because there is no ${all.join(", ")}`);
  return all.length > 0;
}

/** How each shell is started without anybody's configuration, and told of the completion. */
const STARTS = {
  bash: ["env PS1='% ' bash --norc --noprofile -i", "source <(ipc completion bash)"],
  zsh: ["env PS1='%% ' zsh -f -i", "autoload -U compinit; compinit -D; source <(ipc completion zsh)"],
  fish: ["fish --no-config -C 'function fish_prompt; echo \"% \"; end'", "ipc completion fish | source"],
} as const;

/** A shell in a terminal. */
class Typist implements AsyncDisposable {
  readonly #cli: CliSandbox;
  constructor(cli: CliSandbox) {
    this.#cli = cli;
  }

  async #tmux(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.#cli.sh(`tmux -S "$PWD/tmux" -f /dev/null ${command}`);
    assert.equal(code, 0, `tmux ${command}: ${stderr}`);
    return stdout;
  }

  async start([shell, source]: readonly [string, string]): Promise<void> {
    await this.#tmux(`new-session -d -x 120 -y 40 "${shell.replaceAll('"', '\\"')}"`);
    await this.sees(/^%/m);
    await this.types(`${source}; echo rea''dy`, "Enter");
    await this.sees(/^ready/m);
  }

  /** Types a text and then a key. */
  async types(text: string, key: string): Promise<void> {
    await this.#tmux(`send-keys -l -- '${text.replaceAll("'", "'\\''")}'`);
    await this.#tmux(`send-keys ${key}`);
  }

  /** Waits until the screen shows something. */
  async sees(what: RegExp): Promise<string> {
    let screen = "";
    try {
      return await eventually(async () => {
        screen = await this.#tmux("capture-pane -p -J");
        return what.test(screen) ? screen : undefined;
      }, `${what} is not to be seen`);
    } catch (error) {
      throw new Error(`${(error as Error).message} on this screen:\n${screen}`);
    }
  }

  /** Completes some words on an empty screen. */
  async completes(words: string, to: RegExp): Promise<string> {
    await this.#tmux("send-keys C-u C-l");
    await this.sees(/^%\s*$/);
    await this.types(words, "Tab");
    return await this.sees(to);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server").catch(() => {});
  }
}

for (const shell of SHELLS) {
  Deno.test({
    name: `ipc completion ${shell} completes in a real ${shell}`,
    ignore: missing("tmux", shell),
    async fn() {
      await using cli = new CliSandbox({ TERM: "screen", SHELL: "/bin/sh" });
      await cli.listen("--name 'web one' deploys");
      Deno.writeTextFileSync(`${cli.directory}/notes file.txt`, "");
      await using typist = new Typist(cli);
      await typist.start(STARTS[shell]);
      await typist.completes("ipc reque", /^% ipc request $/m);
      await typist.completes("ipc listen --over", /^% ipc listen --overflow/m);
      await typist.completes("ipc listen --overflow=bl", /^% ipc listen --overflow=block/m);
      await typist.completes("ipc daemon rel", /^% ipc daemon reload/m);
      await typist.completes("ipc send dep", /^% ipc send deploys/m);
      await typist.completes("ipc send deploys --to we", /^% ipc send deploys --to (web\\ one|'web one'|"web one")/m);
      await typist.completes("ipc send -f not", /^% ipc send -f (notes\\ file\.txt|'notes file\.txt')/m);
      await typist.completes("ipc send --file=not", /^% ipc send --file=(notes\\ file\.txt|'notes file\.txt')/m);
      await typist.completes("ipc handle x -- setsi", /^% ipc handle x -- setsid/m);
      // Without a package bash completes only the name of a command that stands behind another one.
      if (shell !== "bash") await typist.completes("ipc handle x -- ipc reque", /^% ipc handle x -- ipc request/m);
    },
  });
}

/** Completions of other programs for bash, where they are installed. */
const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";

Deno.test({
  name: "ipc completion bash leaves the command behind -- to bash-completion",
  ignore: missing("tmux", BASH_COMPLETION),
  async fn() {
    await using cli = new CliSandbox({ TERM: "screen", SHELL: "/bin/sh" });
    await using typist = new Typist(cli);
    await typist.start([STARTS.bash[0], `source ${BASH_COMPLETION}; ${STARTS.bash[1]}`]);
    await typist.completes("ipc handle x -- ls --almo", /^% ipc handle x -- ls --almost-all/m);
    await typist.completes("ipc handle --name=me x -- ipc handle --work", /-- ipc handle --workers/m);
    await typist.completes("ipc listen --overflow=bl", /^% ipc listen --overflow=block/m);
  },
});

Deno.test("ipc completion is silent where no broker runs, and starts none", async () => {
  await using cli = new CliSandbox();
  const began = performance.now();
  assert.deepEqual(await cli.sh("ipc completion bash --words -- send ''"), {
    code: 0,
    stdout: ":values\n",
    stderr: "",
  });
  assert.ok(performance.now() - began < 5_000);
  assert.deepEqual(await cli.brokers(), []);
  const wrong = { env: { IPC_CONFIG: "/no/such/file" } };
  assert.deepEqual(await cli.sh("ipc completion bash --words -- send ''", wrong), {
    code: 0,
    stdout: ":values\n",
    stderr: "",
  });
});

Deno.test({
  name: "ipc completion prints scripts that the shells and shellcheck take",
  ignore: missing("shellcheck", "zsh", "fish"),
  async fn() {
    await using cli = new CliSandbox();
    for (
      const check of [
        "ipc completion bash | shellcheck -s bash -",
        "ipc completion bash >b && bash -n b",
        "ipc completion zsh >z && zsh -n z",
        "ipc completion fish >f && fish -n f",
      ]
    ) assert.deepEqual(await cli.sh(check), { code: 0, stdout: "", stderr: "" }, check);
  },
});

Deno.test("ipc completion does not wait for a broker that does not answer", async () => {
  await using cli = new CliSandbox();
  await cli.listen("deploys");
  assert.match((await cli.sh("ipc completion bash --words -- send de")).stdout, /^deploys\t/m);
  const [broker] = await cli.brokers();
  Deno.kill(broker!, "SIGSTOP");
  const began = performance.now();
  assert.deepEqual(await cli.sh("ipc completion bash --words -- send de"), {
    code: 0,
    stdout: ":values\n",
    stderr: "",
  });
  assert.ok(performance.now() - began < 4_000, "it waits for the broker");
});
