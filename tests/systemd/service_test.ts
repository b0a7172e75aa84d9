/**
 * `ipc service` where there is no systemd to be commanded: what it shows, and what it says.
 */
import assert from "node:assert/strict";

const linux = { ignore: Deno.build.os !== "linux" };
const file = (name: string) => decodeURIComponent(new URL(name, import.meta.url).pathname);

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(command: string, args: string[], home: string): Promise<Outcome> {
  const output = await new Deno.Command(command, {
    args,
    // No systemctl is to be found there, so that nothing happens to this machine.
    env: {
      PATH: `${home}/nothing`,
      HOME: home,
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
    },
    clearEnv: true,
    cwd: home,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

Deno.test(
  "ipc service shows the units of an installed ipc and touches nothing, and says what is missing",
  linux,
  async () => {
    const home = await Deno.makeTempDir({ prefix: "ipc service's " });
    try {
      const source = await run(Deno.execPath(), ["run", "-A", file("../../cli.ts"), "service", "print"], home);
      assert.equal(source.code, 69, source.stderr);
      assert.match(source.stderr, /runs the installed ipc, and this is not it: "deno task install" first/);

      await Deno.mkdir(`${home}/prefix`);
      const installed = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", file("install_program.ts"), `${home}/prefix`],
      }).output();
      assert.ok(installed.success, new TextDecoder().decode(installed.stderr));
      const before = [...Deno.readDirSync(home)].map(({ name }) => name).sort();
      const ipc = (...args: string[]) => run(`${home}/prefix/bin/ipc`, args, home);

      const user = await ipc("service", "print", "--user");
      assert.equal(user.code, 0, user.stderr);
      assert.match(user.stdout, new RegExp(`^# ${home}/.config/systemd/user/ipcd.service\\n# Written by ipc service`));
      assert.ok(user.stdout.includes(`ExecStart="${home}/prefix/bin/ipc" daemon run\n`), user.stdout);
      assert.match(user.stdout, /^ListenStream=\/tmp\/\.deno\.ipcd\.socket$/m);

      const elsewhere = await ipc("--socket-dir", `${home}/s`, "service", "print", "--user");
      assert.ok(elsewhere.stdout.includes(`Environment="IPC_SOCKET_DIR=${home}/s"\n`), elsewhere.stdout);
      assert.ok(elsewhere.stdout.includes(`ListenStream=${home}/s/.deno.ipcd.socket\n`), elsewhere.stdout);

      const named = await ipc("--config", "own.toml", "service", "print", "--user");
      assert.equal(named.code, 78);
      assert.match(named.stderr, /own\.toml: cannot be read: it does not exist/);

      const system = await ipc("service", "print", "--system");
      assert.equal(system.code, 0, system.stderr);
      for (
        const path of [
          "systemd/system/ipcd.service",
          "systemd/system/ipcd.socket",
          "sysusers.d/ipc.conf",
          "tmpfiles.d/ipc.conf",
        ]
      ) {
        assert.ok(system.stdout.includes(`# /etc/${path}\n`), system.stdout);
      }

      for (const action of ["install", "uninstall", "status"]) {
        const { code, stderr } = await ipc("service", action, "--user");
        assert.equal(code, 69, stderr);
        assert.match(stderr, /systemctl is not on the PATH|was not started by systemd/);
        assert.match(stderr, /"ipc daemon start"/);
      }
      const both = await ipc("service", "print", "--user", "--system");
      assert.equal(both.code, 64);
      assert.deepEqual([...Deno.readDirSync(home)].map(({ name }) => name).sort(), before);
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  },
);
