/**
 * Puts an `ipc` on the PATH: a shell script that starts the bundle with the Deno that built it and, for each verb, the
 * permissions that it needs.
 *
 *     deno run -A scripts/install.ts [--prefix DIR] [--no-build] [--uninstall]
 *
 * The script goes into DIR/bin, ~/.local/bin unless a prefix is given, the manual pages into DIR/share/man, where man(1)
 * looks if DIR/bin is on the PATH, and the bundle into a directory of its own in DIR/lib/ipc, so that the source may be moved or removed afterwards. A running ipc may still load a chunk of the bundle
 * that it was started from: so that one stays until the next installation, and only older ones are removed.
 *
 * @module
 */
import { Command, CommanderError } from "@commander-js/extra-typings";
import { GLOBAL_OPTIONS } from "../commands/broker_options.ts";
import { BROKER_ENVIRONMENT, RUN_FLAGS, VERB_PERMISSIONS } from "../commands/permissions.ts";
import { buildProgram, DIST } from "./build.ts";
import { MAN_MARK, writeManPages } from "./man_pages.ts";

/** The second line of a script that this program wrote, and may write again. */
const MARK = "# Installed by ipc's scripts/install.ts; overwritten by the next installation.";

/** Writes a text so that a shell reads it as one word. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Deno itself does not start in a directory that has been removed, and leaves with 1. */
const CHECK_DIRECTORY = `[ -d "$PWD" ] || env pwd -P >/dev/null 2>&1 || {
  echo "ipc: the working directory has been removed: cd to one that is there" >&2
  exit 64
}
`;

/** Sets `verb`, which may stand behind options of its own. */
const FIND_VERB = `find_verb() {
  while :; do
    case "\${1-}" in
      ${[...GLOBAL_OPTIONS.keys()].join("|")}) shift; [ $# -eq 0 ] || shift ;;
      --*=*|--) shift ;;
      daemon) case " $* " in *" run "*) verb="daemon run" ;; *) verb=daemon ;; esac; return ;;
      *) verb="\${1-}"; return ;;
    esac
  done
}
find_verb "$@"
`;

/**
 * The script that starts the bundle. A broker in the foreground is started in two steps: first it says which permissions
 * its configuration calls for, then it gets those and no others. What it says else is the help that was asked for.
 *
 * @param deno Path of the Deno to run it with.
 * @param program Path of the bundle.
 */
export function launcher(deno: string, program: string): string {
  const words = (...all: string[]) => all.map(shellWord).join(" ");
  const start = (permissions: readonly string[]) =>
    `exec ${words(deno, "run", ...RUN_FLAGS, ...permissions, program)} "$@"`;
  const cases: string[] = [];
  const others = start(VERB_PERMISSIONS.get(undefined)!);
  const variables = Object.entries(BROKER_ENVIRONMENT).map(([name, value]) => `${name}="\${${name}:-${value}}"`);
  const broker = `  "daemon run")
    export ${variables.join(" ")}
    permissions=$(${others} --print-permissions) || exit
    # They are several words.
    # shellcheck disable=SC2086
    case "$permissions" in
      --allow-*) exec ${words(deno, "run", ...RUN_FLAGS)} $permissions ${words(program)} "$@" ;;
      *) printf '%s\\n' "$permissions"; exit ;;
    esac
    ;;
`;
  for (const [verb, permissions] of VERB_PERMISSIONS) {
    if (verb !== undefined) cases.push(`  ${verb}) ${start(permissions)} ;;\n`);
  }
  return `#!/bin/sh\n${MARK}\n${CHECK_DIRECTORY}${FIND_VERB}case "$verb" in\n${broker}${
    cases.join("")
  }  *) ${others} ;;\nesac\n`;
}

/** See {@linkcode places}. */
export interface Places {
  bin: string;
  script: string;
  /** Holds a directory for each bundle. */
  library: string;
  /** Holds the sections of the manual. */
  manual: string;
}

/** Where things go below a directory. */
export function places(prefix: string): Places {
  return {
    bin: `${prefix}/bin`,
    script: `${prefix}/bin/ipc`,
    library: `${prefix}/lib/ipc`,
    manual: `${prefix}/share/man`,
  };
}

/**
 * The script that stands there, `undefined` if there is none.
 *
 * @throws {Error} If it is not ours.
 */
async function installedScript({ script }: Places): Promise<string | undefined> {
  try {
    const text = await Deno.readTextFile(script);
    if (text.split("\n")[1] === MARK) return text;
    throw new Error(`Cannot write "${script}": it is not ipc's. Remove it, or choose another --prefix`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Puts a bundle and the script that starts it in place.
 *
 * @param bundle The bundle's directory.
 * @throws {Error} If something that is not ours stands where the script goes; then nothing has changed.
 */
export async function installBundle(bundle: string, target: Places): Promise<void> {
  const before = await installedScript(target);
  const name = new Date().toISOString().replaceAll(/[^\dTZ]/g, ""), directory = `${target.library}/${name}`;
  await copyFiles(bundle, directory);
  await Deno.mkdir(target.bin, { recursive: true });
  // Put in place in one step: an ipc that a shell is just starting is either the old or the new one.
  const draft = `${target.script}.${Deno.pid}`;
  await Deno.writeTextFile(draft, launcher(Deno.execPath(), `${directory}/cli.js`), { mode: 0o755 });
  await Deno.rename(draft, target.script);
  for await (const entry of Deno.readDir(target.library)) {
    if (entry.name === name || before?.includes(`/${entry.name}/cli.js`)) continue;
    await Deno.remove(`${target.library}/${entry.name}`, { recursive: true });
  }
}

/** Puts the manual pages in place, and takes away those of an earlier installation. */
export async function installManual(target: Places): Promise<void> {
  await removeManual(target);
  await writeManPages(target.manual);
}

/** Removes the pages that were made here. What else is called so is somebody else's. */
async function removeManual({ manual }: Places): Promise<void> {
  for (const section of ["man1", "man5"]) {
    try {
      for await (const { name, isFile } of Deno.readDir(`${manual}/${section}`)) {
        if (!isFile || !/^ipc[.-]/.test(name)) continue;
        const path = `${manual}/${section}/${name}`;
        if ((await Deno.readTextFile(path)).startsWith(MAN_MARK)) await Deno.remove(path);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

async function install(target: Places, build: boolean): Promise<void> {
  await installedScript(target); // before a long build is in vain
  if (build) await buildProgram();
  await installBundle(DIST, target);
  await installManual(target);
  console.log(`Installed ${target.script}, and its manual in ${target.manual}`);
  const path = (Deno.env.get("PATH") ?? "").split(":");
  if (!path.includes(target.bin)) {
    console.log(`${target.bin} is not on your PATH. Put this into your shell's profile:`);
    console.log(`  export PATH=${shellWord(target.bin)}:"$PATH"`);
  }
}

async function copyFiles(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isFile } of Deno.readDir(from)) {
    if (isFile) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

async function uninstall(target: Places): Promise<void> {
  if (await installedScript(target) === undefined) {
    console.log(`There is no ${target.script}`);
    return;
  }
  await Deno.remove(target.script);
  await Deno.remove(target.library, { recursive: true });
  await removeManual(target);
  console.log(`Removed ${target.script}, ${target.library} and the manual`);
}

function absolute(path: string): string {
  return path.startsWith("/") ? path.replace(/(?<=.)\/+$/, "") : `${Deno.cwd()}/${path}`;
}

if (import.meta.main) {
  const program = new Command("install")
    .description("Put ipc on the PATH.")
    .option(
      "--prefix <dir>",
      "install into <dir>/bin, <dir>/lib/ipc and <dir>/share/man",
      `${Deno.env.get("HOME") ?? ""}/.local`,
    )
    .option("--no-build", "install dist/ as it is")
    .option("--uninstall", "remove what was installed")
    .exitOverride();
  try {
    const { prefix, build, uninstall: remove } = program.parse(Deno.args, { from: "user" }).opts();
    const target = places(absolute(prefix));
    if (remove) await uninstall(target);
    else await install(target, build);
  } catch (error) {
    if (error instanceof CommanderError) Deno.exitCode = error.exitCode === 0 ? 0 : 64;
    else {
      console.error((error as Error).message);
      Deno.exitCode = 1;
    }
  }
}
