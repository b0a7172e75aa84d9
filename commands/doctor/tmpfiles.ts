/**
 * Cleaners of temporary directories: whether systemd-tmpfiles ages the socket directory, and spares the sockets.
 *
 * @module
 */
import type { Finding } from "./finding.ts";

/** Where rules stand; a file of an earlier directory replaces one of the same name of a later one (tmpfiles.d(5)). */
const RULE_DIRECTORIES: readonly string[] = ["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/** A file that spares the sockets, for the fix. */
const OWN_FILE = "/etc/tmpfiles.d/ipc.conf";

/** A line of a file of rules. */
interface Rule {
  readonly file: string;
  readonly type: string;
  readonly path: string;
  /** `undefined` if it has none. */
  readonly age: string | undefined;
}

/** Looks for a rule that ages the socket directory, and for one that spares the sockets. */
export function* checkTmpfiles(
  socket_dir: string,
  directories: readonly string[] = RULE_DIRECTORIES,
): Generator<Finding> {
  const rules = readRules(directories);
  const ages = rules.find(({ path, age, type }) =>
    age !== undefined && /^[dDevqQC]/.test(type) && isWithin(socket_dir, path)
  );
  if (ages === undefined || rules.some((rule) => spares(rule, socket_dir))) return;
  yield {
    finding: "tmpfiles",
    level: "note",
    path: ages.file,
    what: `${ages.file} has what is older than ${ages.age} removed from ${ages.path}. systemd-tmpfiles spares ` +
      "sockets that somebody listens on, but not those of a service with a network of its own; a broker binds again what " +
      "is removed, and until then it is not found",
    fix: `to be sure, as root: echo 'x ${socket_dir}/.deno.*.socket' >> ${OWN_FILE}`,
  };
}

function readRules(directories: readonly string[]): Rule[] {
  const files = new Map<string, string>();
  for (const directory of directories) {
    for (const name of names(directory)) if (!files.has(name)) files.set(name, `${directory}/${name}`);
  }
  return [...files.values()].flatMap((file) => {
    try {
      return Deno.readTextFileSync(file).split("\n").flatMap((line) => parse(line, file));
    } catch {
      return []; // it is not for this user
    }
  });
}

function names(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".conf"));
  } catch {
    return [];
  }
}

function parse(line: string, file: string): Rule[] {
  const [type, path, , , , age] = line.trim().split(/\s+/);
  if (type === undefined || path === undefined || !path.startsWith("/")) return [];
  return [{ file, type, path, age: age === undefined || age === "-" ? undefined : age }];
}

function isWithin(path: string, directory: string): boolean {
  const base = directory.replace(/\/+$/, "");
  return path === base || path.startsWith(`${base}/`);
}

/** `x` and `X` take globs of shells; what is asked is whether one fits a socket of ours. */
function spares({ type, path }: Rule, socket_dir: string): boolean {
  if (!/^[xX]/.test(type)) return false;
  const pattern = path.replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
  try {
    const fits = new RegExp(`^${pattern}$`);
    // What spares a directory with all that is in it is `x`; `X` spares the directory alone.
    return fits.test(`${socket_dir}/.deno.x.socket`) || type.startsWith("x") && fits.test(socket_dir);
  } catch {
    return false;
  }
}
