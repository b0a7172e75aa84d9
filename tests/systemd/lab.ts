/**
 * A systemd of a test's own, on a machine that may have been started by anything: it is the first process of its own
 * process, mount, cgroup and IPC namespaces, and commands are run beside it. What it writes to /etc, /run, /tmp, /home and
 * most of /var is in memory and gone with it; the rest of the machine is there as it is. ipc is installed in it at
 * {@linkcode Lab.prefix}, with a copy of this Deno, where every user can read it.
 *
 * It needs root, systemd and util-linux.
 *
 * @module
 */
import { eventually, within } from "../e2e/wait.ts";

/** How a command ended, and what it said. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

const SYSTEMD = "/lib/systemd/systemd";
const PROGRAMS = ["unshare", "nsenter", "setpriv", "mount", "cp"];
/** Where the second version of control groups may be. */
const CGROUPS = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/** Why there can be no lab here; `undefined` if there can. Says so on standard error, because a test is skipped then. */
export function withoutLab(): string | undefined {
  return toldOf(obstacle());
}

/** From this version on systemd waits for a reload to be done. */
const NEWER = 253;
/** Names what `fetch_systemd.sh` fetched. */
const NEWER_VARIABLE = "IPC_TEST_SYSTEMD";

/** A systemd that waits for reloads. */
export interface NewerSystemd {
  /** Its /usr, if it is not the machine's own. */
  usr?: string;
}

/** Finds one for {@linkcode Lab.boot}; if there is none, or no lab, says so as {@linkcode withoutLab} does. */
export function newerSystemd(): NewerSystemd | undefined {
  if (withoutLab() !== undefined) return undefined;
  const version = new Deno.Command("systemctl", { args: ["--version"] }).outputSync().stdout,
    number = Number(/^systemd (\d+)/.exec(new TextDecoder().decode(version))?.[1]);
  if (number >= NEWER) return {};
  const directory = Deno.env.get(NEWER_VARIABLE) || undefined, usr = `${directory}/usr`;
  const why = directory === undefined
    ? `systemd ${number} does not wait for reloads. "tests/systemd/fetch_systemd.sh DIRECTORY" fetches one that does, ` +
      `and ${NEWER_VARIABLE}=DIRECTORY names it`
    : refusal(["--mount", "mount", "-t", "overlay", "-o", `lowerdir=${usr}:/usr`, "overlay", "/mnt"]);
  return toldOf(why) === undefined ? { usr } : undefined;
}

function toldOf(why: string | undefined): string | undefined {
  if (why !== undefined) console.error(`tests/systemd: skipped, ${why}`);
  return why;
}

function obstacle(): string | undefined {
  if (Deno.build.os !== "linux") return "this is not Linux";
  if (Deno.uid() !== 0) return "a systemd can only be started by root";
  try {
    Deno.statSync(SYSTEMD);
  } catch {
    return "there is no systemd";
  }
  for (const program of PROGRAMS) {
    const { success } = new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" }).outputSync();
    if (!success) return `there is no ${program}`;
  }
  if (hierarchy() === undefined) return `there is no cgroup2 in ${CGROUPS.join(" nor ")}`;
  return refusal([
    "--fork",
    "--pid",
    "--mount",
    "--mount-proc",
    "--cgroup",
    "--ipc",
    "mount",
    "-t",
    "cgroup2",
    "cgroup2",
    "/mnt",
  ]);
}

/** What there is against namespaces with this mount in them. */
function refusal(args: string[]): string | undefined {
  const { success, stderr } = new Deno.Command("unshare", { args, stdout: "null" }).outputSync();
  return success
    ? undefined
    : `namespaces and mounts in them are not to be had: ${new TextDecoder().decode(stderr).trim()}`;
}

/** Where ipc is installed, for all labs of this process. */
let program: Promise<string> | undefined;

async function install(): Promise<string> {
  // Not in /tmp nor below a home directory: what stands there the service may not see.
  const prefix = await Deno.makeTempDir({ dir: "/var/lib", prefix: "ipc-lab-" });
  addEventListener("unload", () => Deno.removeSync(prefix, { recursive: true }));
  await Deno.chmod(prefix, 0o755);
  await Deno.mkdir(`${prefix}/bin`);
  await Deno.copyFile(Deno.execPath(), `${prefix}/bin/deno`);
  await run([`${prefix}/bin/deno`, "run", "-A", besides("install_program.ts"), prefix]);
  return prefix;
}

/** See the module's head. */
export class Lab implements AsyncDisposable {
  /** Where ipc is installed. */
  readonly prefix: string;
  /** For what is this lab's own. */
  readonly #work: string;
  readonly #holder: Deno.ChildProcess;
  readonly #cgroup: string;
  #pid = 0;

  private constructor(prefix: string, work: string, holder: Deno.ChildProcess, cgroup: string) {
    this.prefix = prefix;
    this.#work = work;
    this.#holder = holder;
    this.#cgroup = cgroup;
  }

  /**
   * Starts one, and waits until it is up.
   *
   * @param usr The /usr of another systemd than the machine's.
   */
  static async boot({ usr }: NewerSystemd = {}): Promise<Lab> {
    const prefix = await (program ??= install()), work = await Deno.makeTempDir({ dir: prefix, prefix: "lab-" });
    await run(["cp", "-a", "/etc", `${work}/etc`]);
    const cgroup = makeCgroup();
    const holder = new Deno.Command("sh", {
      args: [
        "-c",
        'echo $$ > "$1/cgroup.procs" && shift && ' +
        'exec unshare --fork --pid --mount --mount-proc --cgroup --ipc --kill-child bash "$@"',
        "sh",
        cgroup,
        besides("boot.sh"),
        `${work}/etc`,
        ...(usr === undefined ? [] : [usr]),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const lab = new Lab(prefix, work, holder, cgroup);
    try {
      lab.#pid = await eventually(() => childOf(holder.pid), "systemd was not started");
      await eventually(async () => {
        const { stdout } = await lab.sh("systemctl is-system-running");
        return /running|degraded/.test(stdout);
      }, "systemd does not come up");
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  /** Runs a line of shell to its end. ipc is on the PATH. */
  async sh(line: string, user?: string, env: Record<string, string> = {}): Promise<Outcome> {
    const child = this.spawn(line, user, env);
    const { code, stdout, stderr } = await within(child.output(), () => `this has not ended: ${line}`);
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** Starts a line of shell, as root unless another user is named. */
  spawn(line: string, user?: string, env: Record<string, string> = {}): Deno.ChildProcess {
    const who = user === undefined ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups"];
    return new Deno.Command("nsenter", {
      args: ["-t", String(this.#pid), "--all", "--wd=/", ...who, "bash", "-c", line],
      env: {
        PATH: `${this.prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
        HOME: user === undefined ? "/root" : `/home/${user}`,
        DENO_DIR: user === undefined ? "/run/deno" : `/tmp/deno-${user}`,
        LANG: "C.UTF-8",
        XDG_RUNTIME_DIR: user === undefined ? "/run/root" : `/run/user/${user}`,
        ...env,
      },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** The same, and it has to succeed. @returns What it wrote to standard output. */
  async must(line: string, user?: string, env?: Record<string, string>): Promise<string> {
    const { code, stdout, stderr } = await this.sh(line, user, env);
    if (code !== 0) throw new Error(`${line}: ended with ${code}\n${stdout}${stderr}${await this.log()}`);
    return stdout.trim();
  }

  /** Adds text to a file, which it makes if it is not there. */
  async append(path: string, text: string): Promise<void> {
    await this.must(`mkdir -p "$(dirname ${path})" && printf '%s' "$TEXT" >> ${path}`, undefined, { TEXT: text });
  }

  /** Makes a user, with a group and a home directory of the same name. */
  async addUser(name: string, ...groups: string[]): Promise<void> {
    const members = groups.map((group) => `m ${name} ${group}\n`).join("");
    await Deno.writeTextFile(`${this.#work}/user`, `u ${name} - "" /home/${name}\n${members}`);
    await this.must(`systemd-sysusers ${this.#work}/user`);
    for (const directory of [`/home/${name}`, `/run/user/${name}`]) {
      await this.must(`install -d -m 700 -o ${name} -g ${name} ${directory}`);
    }
  }

  /** A property of a unit. */
  async property(unit: string, name: string): Promise<string> {
    return await this.must(`systemctl show --value --property=${name} ${unit}`);
  }

  /** The last lines of the service's log. */
  async log(): Promise<string> {
    const { stdout } = await this.sh("journalctl --no-pager -o cat -n 40 -u ipcd.service -u 'user-*'");
    return `\nIts journal:\n${stdout}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#pid > 0) Deno.kill(this.#pid, "SIGKILL");
    this.#holder.kill("SIGKILL");
    await this.#holder.status;
    await Deno.remove(this.#work, { recursive: true });
    await removeCgroup(this.#cgroup);
  }
}

function besides(name: string): string {
  return decodeURIComponent(new URL(name, import.meta.url).pathname);
}

async function run(command: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command[0]!, { args: command.slice(1), stdout: "null" }).output();
  if (!success) throw new Error(`${command.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
}

/** systemd arranges its services below the group that it is started in: in one of its own two labs do not meet. */
function makeCgroup(): string {
  const cgroup = `${hierarchy()}/ipc-lab-${crypto.randomUUID()}`;
  Deno.mkdirSync(cgroup);
  return cgroup;
}

/** Where the second version of control groups is, if it is anywhere. */
function hierarchy(): string | undefined {
  return CGROUPS.find((directory) => {
    try {
      return Deno.statSync(`${directory}/cgroup.controllers`).isFile;
    } catch {
      return false;
    }
  });
}

async function removeCgroup(cgroup: string): Promise<void> {
  const remove = (directory: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) if (isDirectory) remove(`${directory}/${name}`);
    Deno.removeSync(directory);
  };
  await eventually(() => {
    try {
      remove(cgroup);
      return true;
    } catch {
      return false; // the kernel is still ending what was in it
    }
  }, `cannot remove ${cgroup}`);
}

/** The process that became systemd. */
function childOf(parent: number): number | undefined {
  try {
    const [child] = Deno.readTextFileSync(`/proc/${parent}/task/${parent}/children`).trim().split(" ");
    if (child === undefined || child === "") return undefined;
    return Deno.readTextFileSync(`/proc/${child}/comm`).trim() === "systemd" ? Number(child) : undefined;
  } catch {
    return undefined;
  }
}
