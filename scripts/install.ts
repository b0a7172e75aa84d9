/**
 * Puts an `ipc` on the PATH: a shell script that starts the bundle with the Deno that built it and, for each verb, the
 * permissions that it needs.
 *
 *     deno run -A scripts/install.ts [--prefix DIR] [--no-build] [--uninstall]
 *
 * The script goes into DIR/bin, ~/.local/bin unless a prefix is given, and the bundle into DIR/lib/ipc, so that the
 * source may be moved or removed afterwards.
 *
 * @module
 */
import { Command, CommanderError } from "@commander-js/extra-typings";
import { GLOBAL_OPTIONS } from "../commands/broker_options.ts";
import { RUN_FLAGS, VERB_PERMISSIONS } from "../commands/permissions.ts";
import { buildProgram, DIST } from "./build.ts";

/** The second line of a script that this program wrote, and may write again. */
const MARK = "# Installed by ipc's scripts/install.ts; overwritten by the next installation.";

/** Writes a text so that a shell reads it as one word. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Sets `verb`, which may stand behind options of its own. */
const FIND_VERB = `find_verb() {
  while :; do
    case "\${1-}" in
      ${[...GLOBAL_OPTIONS.keys()].join("|")}) shift; [ $# -eq 0 ] || shift ;;
      --*=*) shift ;;
      *) verb="\${1-}"; return ;;
    esac
  done
}
find_verb "$@"
`;

/**
 * The script that starts the bundle.
 *
 * @param deno Path of the Deno to run it with.
 * @param program Path of the bundle.
 */
export function launcher(deno: string, program: string): string {
  const start = (permissions: readonly string[]) =>
    `exec ${[deno, "run", ...RUN_FLAGS, ...permissions, program].map(shellWord).join(" ")} "$@"`;
  const cases: string[] = [];
  for (const [verb, permissions] of VERB_PERMISSIONS) {
    if (verb !== undefined) cases.push(`  ${verb}) ${start(permissions)} ;;\n`);
  }
  const others = start(VERB_PERMISSIONS.get(undefined)!);
  return `#!/bin/sh\n${MARK}\n${FIND_VERB}case "$verb" in\n${cases.join("")}  *) ${others} ;;\nesac\n`;
}

/** Where things go. */
interface Places {
  bin: string;
  script: string;
  library: string;
}

function places(prefix: string): Places {
  return { bin: `${prefix}/bin`, script: `${prefix}/bin/ipc`, library: `${prefix}/lib/ipc` };
}

/** @throws {Error} If something that is not ours stands there. */
async function checkOurs({ script }: Places): Promise<boolean> {
  try {
    const text = await Deno.readTextFile(script);
    if (text.split("\n")[1] === MARK) return true;
    throw new Error(`Cannot write "${script}": it is not ipc's. Remove it, or choose another --prefix`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function install(target: Places, build: boolean): Promise<void> {
  await checkOurs(target);
  if (build) await buildProgram();
  await Deno.mkdir(target.bin, { recursive: true });
  await copyBundle(target.library);
  const script = launcher(Deno.execPath(), `${target.library}/cli.js`);
  // Put in place in one step: an ipc that a shell is just starting is either the old or the new one.
  const draft = `${target.script}.${Deno.pid}`;
  await Deno.writeTextFile(draft, script, { mode: 0o755 });
  await Deno.rename(draft, target.script);
  console.log(`Installed ${target.script}`);
  const path = (Deno.env.get("PATH") ?? "").split(":");
  if (!path.includes(target.bin)) {
    console.log(`${target.bin} is not on your PATH. Put this into your shell's profile:`);
    console.log(`  export PATH=${shellWord(target.bin)}:"$PATH"`);
  }
}

/** A running ipc may still load a chunk of the old bundle: names of chunks change with what is in them, so they stay. */
async function copyBundle(library: string): Promise<void> {
  await Deno.mkdir(library, { recursive: true });
  for await (const { name, isFile } of Deno.readDir(DIST)) {
    if (isFile && name !== "cli.js") await Deno.copyFile(`${DIST}/${name}`, `${library}/${name}`);
  }
  await Deno.copyFile(`${DIST}/cli.js`, `${library}/cli.js`);
}

async function uninstall(target: Places): Promise<void> {
  if (!await checkOurs(target)) {
    console.log(`There is no ${target.script}`);
    return;
  }
  await Deno.remove(target.script);
  await Deno.remove(target.library, { recursive: true });
  console.log(`Removed ${target.script} and ${target.library}`);
}

function absolute(path: string): string {
  return path.startsWith("/") ? path.replace(/(?<=.)\/+$/, "") : `${Deno.cwd()}/${path}`;
}

if (import.meta.main) {
  const program = new Command("install")
    .description("Put ipc on the PATH.")
    .option("--prefix <dir>", "install into <dir>/bin and <dir>/lib/ipc", `${Deno.env.get("HOME") ?? ""}/.local`)
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
