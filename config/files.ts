/**
 * Which files a configuration is read from, and reading one. Synchronous throughout: five `statSync` cost 0.35 ms in a
 * fresh process, the same five awaited 0.35 to 3.7 ms, and every `ipc send` passes here.
 *
 * @module
 */
import { CONFIG_BYTES_MAX } from "../protocol/limits.ts";
import { ConfigError } from "./errors.ts";

/** The name of a project's file. */
export const PROJECT_FILE = "ipc.toml";

/** The file of the whole machine. */
export const SYSTEM_FILE = "/etc/ipc/config.toml";

/** Where to look. */
export interface Places {
  /** Where the search for the project's file begins; absolute. */
  cwd: string;
  /** Reads an environment variable: `Deno.env.get`. */
  env: (name: string) => string | undefined;
  /** The one file to read, named by the user; relative to `cwd`. Then nothing is searched for. */
  config_file?: string;
  /** The machine's file, if not {@linkcode SYSTEM_FILE}. */
  system_file?: string;
}

/** A file that is there. */
export interface FoundFile {
  path: string;
  /** Whether it was come upon in a directory that anybody may have put it into, rather than named or kept in its place. */
  found: boolean;
  /** The name of the profile that it is, if it is one. It may not exist. */
  profile?: string;
}

/** Where profiles are looked for. */
export function profileDirectories({ env, system_file = SYSTEM_FILE }: Places): string[] {
  const home = configHome(env), system = `${system_file.slice(0, system_file.lastIndexOf("/"))}/profiles`;
  return home === undefined ? [system] : [`${home}/ipc/profiles`, system];
}

function profileFile(profile: string, places: Places): FoundFile {
  const paths = profileDirectories(places).map((directory) => `${directory}/${profile}.toml`);
  return { path: paths.find(exists) ?? paths[0]!, found: false, profile };
}

/**
 * The files to read, those that win first. A file that was named is in the list whether it exists or not; of the
 * others only those that do.
 */
export function findFiles(places: Places): FoundFile[] {
  const profile = text(places.env("IPC_PROFILE"));
  return profile === undefined ? ordinaryFiles(places) : [profileFile(profile, places), ...ordinaryFiles(places)];
}

function ordinaryFiles({ cwd, env, config_file, system_file = SYSTEM_FILE }: Places): FoundFile[] {
  const named = config_file ?? text(env("IPC_CONFIG"));
  if (named !== undefined) {
    const path = isAbsolute(named) ? named : `${withoutSlash(cwd)}/${named}`;
    return [{ path, found: false }];
  }
  const files: FoundFile[] = [];
  const project = findUpwards(cwd, env("HOME"));
  if (project !== undefined) files.push({ path: project, found: true });
  const home = configHome(env);
  for (const path of [userFile(home), system_file]) {
    if (path !== undefined && path !== project && exists(path)) files.push({ path, found: false });
  }
  return files;
}

/** A place where a configuration may be. */
export interface Place extends FoundFile {
  /** Whose it is. */
  of: "profile" | "named" | "project" | "user" | "machine";
  exists: boolean;
}

/** Everywhere that is looked, those that win first, whether there is a file or not. */
export function allPlaces(places: Places): Place[] {
  const { cwd, env, config_file, system_file = SYSTEM_FILE } = places;
  const named = config_file ?? text(env("IPC_CONFIG")), profile = text(env("IPC_PROFILE")), all: Place[] = [];
  const add = (of: Place["of"], file: FoundFile) => all.push({ ...file, of, exists: exists(file.path) });
  if (profile !== undefined) add("profile", profileFile(profile, places));
  if (named !== undefined) {
    for (const file of ordinaryFiles(places)) add("named", file);
    return all;
  }
  const project = findUpwards(cwd, env("HOME")), home = configHome(env);
  const path = project ?? `${withoutSlash(cwd)}/${PROJECT_FILE}`;
  all.push({ path, found: true, of: "project", exists: project !== undefined });
  for (const [of, path] of [["user", userFile(home)], ["machine", system_file]] as const) {
    if (path !== undefined && path !== project) all.push({ path, found: false, of, exists: exists(path) });
  }
  return all;
}

/** The file of whoever runs this; `undefined` if it has no home directory. */
export function userConfigFile(env: Places["env"]): string | undefined {
  return userFile(configHome(env));
}

function userFile(home: string | undefined): string | undefined {
  return home === undefined ? undefined : `${home}/ipc/config.toml`;
}

/**
 * Reads a configuration file's text.
 *
 * @throws {ConfigError} If it is no file, not UTF-8, too large, cannot be read, or others may have written it.
 */
export function readFile({ path, found }: FoundFile): string {
  if (path === "/dev/null") return "";
  try {
    // Looked at before it is opened, because opening a FIFO waits for a writer; and again once open, because what
    // counts is what is read.
    check(path, found, Deno.statSync(path));
    using file = Deno.openSync(path);
    const info = file.statSync();
    check(path, found, info);
    const bytes = new Uint8Array(Math.min(info.size, CONFIG_BYTES_MAX));
    let length = 0;
    while (length < bytes.length) {
      const count = file.readSync(bytes.subarray(length));
      if (count === null) break;
      length += count;
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw wrong(path, reasonOf(error));
  }
}

function check(path: string, found: boolean, info: Deno.FileInfo): void {
  if (info.isDirectory) throw wrong(path, "it is a directory, not a file");
  if (!info.isFile) throw wrong(path, "it is not a regular file");
  if (info.size > CONFIG_BYTES_MAX) throw wrong(path, `it is ${info.size} bytes, limit is ${CONFIG_BYTES_MAX}`);
  if (info.mode !== null && (info.mode & 0o002) !== 0) {
    throw wrong(path, `everybody may write to it. Once you have checked what it says: chmod o-w ${quote(path)}`);
  }
  if (found && info.uid !== null && info.uid !== 0 && info.uid !== Deno.uid()) {
    throw wrong(
      path,
      `it belongs to user ${info.uid}, neither to you nor to root. If you trust it, name it: --config ${quote(path)}`,
    );
  }
}

/**
 * What says who may do what has to be safe from more people: it is refused if its group may write to it, too.
 *
 * @throws {ConfigError}
 */
export function checkRulesFile(path: string): void {
  const { mode } = Deno.statSync(path);
  if (mode === null || (mode & 0o020) === 0) return;
  const todo = `Once you have checked what it says: chmod g-w ${quote(path)}`;
  throw wrong(path, `it says who may do what, and its group may write to it. ${todo}`);
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof TypeError) return "it is not UTF-8";
  return error instanceof Error ? error.message : String(error);
}

function wrong(path: string, reason: string): ConfigError {
  return new ConfigError([{ where: path, message: `cannot be read: ${reason}` }]);
}

/** Ends at the home directory, as a project does; outside it, at the root. */
function findUpwards(cwd: string, home: string | undefined): string | undefined {
  for (let directory = withoutSlash(cwd);; directory = directory.slice(0, directory.lastIndexOf("/"))) {
    const path = `${directory}/${PROJECT_FILE}`;
    if (exists(path)) return path;
    if (!directory.includes("/") || directory === home) return undefined;
  }
}

/** What may not be looked at, in a directory closed to us, is not there for us. */
function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    const { NotFound, NotADirectory, PermissionDenied } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory || error instanceof PermissionDenied) return false;
    throw wrong(path, reasonOf(error));
  }
}

function configHome(env: Places["env"]): string | undefined {
  const home = env("HOME");
  return absolute(env("XDG_CONFIG_HOME")) ?? (home ? `${home}/.config` : undefined);
}

/**
 * The directory for the broker's lock: `$RUNTIME_DIRECTORY` (which systemd sets), `$XDG_RUNTIME_DIR/ipc`,
 * `$XDG_STATE_HOME/ipc` or `$HOME/.local/state/ipc`. Never in /tmp, where others could be first.
 *
 * @throws {ConfigError} If none of the variables is set.
 */
export function stateDirectory(env: Places["env"]): string {
  const systemd = absolute(env("RUNTIME_DIRECTORY")?.split(":")[0]);
  if (systemd !== undefined) return systemd;
  const base = absolute(env("XDG_RUNTIME_DIR")) ?? absolute(env("XDG_STATE_HOME"));
  if (base !== undefined) return `${base}/ipc`;
  const home = absolute(env("HOME"));
  if (home !== undefined) return `${home}/.local/state/ipc`;
  throw new ConfigError([{
    where: "environment",
    message: "no directory for the broker's lock: set XDG_RUNTIME_DIR, XDG_STATE_HOME or HOME to an absolute path",
  }]);
}

/** The XDG specification has relative paths ignored. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/** Also of Windows. By hand, because the first regular expression of a process costs it 0.08 ms. */
export function isAbsolute(path: string): boolean {
  return path[0] === "/" || (path[1] === ":" && (path[2] === "/" || path[2] === "\\"));
}

function withoutSlash(directory: string): string {
  return directory.endsWith("/") ? directory.slice(0, -1) : directory;
}

function text(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** For a command to be copied into a shell. */
export function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/**
 * A directory as it is used from then on.
 *
 * @returns Without slashes at its end; `undefined` if it is not an absolute path.
 */
export function asDirectory(path: string): string | undefined {
  if (!isAbsolute(path) || path.includes("\0")) return undefined;
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}
