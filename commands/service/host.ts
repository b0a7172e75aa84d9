/**
 * What `ipc service` finds on the machine: the service manager, where its files belong, and whether the unit's user can
 * reach what the unit starts.
 *
 * @module
 */
import { EXIT, Failure } from "../exit_codes.ts";
import { isBundle } from "../build_info.ts";
import type { Io } from "../io.ts";
import type { Scope } from "./units.ts";

/** Where files go. */
export interface ServiceDirectories {
  units: string;
  /** For the system only. */
  sysusers?: string;
  tmpfiles?: string;
  config?: string;
}

/** @throws {Failure} If there is no place for a user's units. */
export function serviceDirectories(scope: Scope, io: Io): ServiceDirectories {
  if (scope === "system") {
    return {
      units: "/etc/systemd/system",
      sysusers: "/etc/sysusers.d",
      tmpfiles: "/etc/tmpfiles.d",
      config: "/etc/ipc",
    };
  }
  const xdg = io.env("XDG_CONFIG_HOME"), home = io.env("HOME");
  const base = xdg?.startsWith("/") ? xdg : home ? `${home}/.config` : undefined;
  if (base === undefined) throw new Failure(EXIT.CONFIGURATION, "no directory for units of this user: set HOME");
  return { units: `${base}/systemd/user` };
}

/** How a program of systemd ended. */
export interface Ran {
  success: boolean;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. @returns `undefined` if there is no such program. */
export async function runProgram(name: string, args: readonly string[]): Promise<Ran | undefined> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(name, { args: [...args] }).output();
    const decoder = new TextDecoder();
    return { success, stdout: decoder.decode(stdout).trim(), stderr: decoder.decode(stderr).trim() };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Orders to one manager. */
export class Systemctl {
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** @throws {Failure} If it fails, with what systemctl said. */
  async order(...args: string[]): Promise<void> {
    const { success, stderr } = await this.ask(...args);
    if (!success) throw new Failure(EXIT.UNAVAILABLE, `systemctl ${args.join(" ")} failed: ${stderr}`);
  }

  /** Whatever comes of it. */
  async ask(...args: string[]): Promise<Ran> {
    const ran = await runProgram("systemctl", [...(this.#scope === "user" ? ["--user"] : []), ...args]);
    if (ran === undefined) throw withoutSystemd("systemctl is not on the PATH");
    return ran;
  }

  /** @throws {Failure} If there is no such manager, or it is not for us to command. */
  async check(): Promise<void> {
    if (!await isThere("/run/systemd/system")) throw withoutSystemd("this machine was not started by systemd");
    if (this.#scope === "system") return;
    const { success, stderr } = await this.ask("show", "--property=Version");
    if (success) return;
    throw new Failure(
      EXIT.UNAVAILABLE,
      `cannot reach the systemd of this user: ${stderr}. It runs while the user is logged in (su and sudo do not count), ` +
        'or always after "loginctl enable-linger"',
    );
  }
}

function withoutSystemd(why: string): Failure {
  return new Failure(
    EXIT.UNAVAILABLE,
    `there is no systemd to talk to: ${why}. "ipc daemon start" starts a broker by hand; other service managers can run ` +
      '"ipc daemon run"',
  );
}

/** The version of systemd; 0 if it is not known, which is older than any. */
export async function systemdVersion(): Promise<number> {
  const ran = await runProgram("systemctl", ["--version"]);
  return Number(/^systemd (\d+)/.exec(ran?.stdout ?? "")?.[1] ?? 0);
}

/**
 * The launcher that `deno task install` wrote, which stays where it is when a newer bundle is installed.
 *
 * @throws {Failure} If this is not an installed ipc.
 */
export async function installedProgram(): Promise<string> {
  const program = decodeURIComponent(new URL("../../../bin/ipc", Deno.mainModule).pathname);
  if (!isBundle() || !await isThere(program)) {
    throw new Failure(
      EXIT.UNAVAILABLE,
      'a service runs the installed ipc, and this is not it: "deno task install" first, then run this again as that ipc',
    );
  }
  return program;
}

/**
 * Makes sure that a user who is nobody special can run the program, and that the unit does not hide it.
 *
 * @throws {Failure} Naming what is in the way.
 */
export async function checkReachable(program: string): Promise<void> {
  const bundle = decodeURIComponent(new URL(".", Deno.mainModule).pathname);
  for (const path of [program, Deno.execPath(), `${bundle}cli.js`]) {
    const real = await Deno.realPath(path);
    const obstacle = /^\/(?:home|root|run\/user)\//.exec(real)?.[0] ?? await closedPart(real);
    if (obstacle === undefined) continue;
    throw new Failure(
      EXIT.UNAVAILABLE,
      `the service's own user cannot reach "${path}": "${obstacle}" is closed to it. Put Deno and ipc where everybody may ` +
        `read them, and run this again as that ipc:\n` +
        `  install -m 755 ${Deno.execPath()} /usr/local/bin/deno\n` +
        "  /usr/local/bin/deno task install --prefix /usr/local\n" +
        "  /usr/local/bin/ipc service install --system",
    );
  }
}

/** The first part of a path that others may not pass, or the file itself if they may not read it. */
async function closedPart(path: string): Promise<string | undefined> {
  for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) {
    const directory = path.slice(0, end);
    if (((await Deno.stat(directory)).mode! & 0o001) === 0) return directory;
  }
  return ((await Deno.stat(path)).mode! & 0o004) === 0 ? path : undefined;
}

/** Whether there is something at a path. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
