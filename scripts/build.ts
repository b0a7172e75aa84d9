/**
 * Bundles the program into dist/: `cli.js`, and chunks for what only some commands need, such as the broker.
 *
 * What is made for here is a short start. Deno reads every file that it can see is imported, dynamically or not, before
 * it runs the first line, and each costs it some time. So what every start needs stands in one file beside `cli.js`; the
 * verbs, which are small, stand together instead of in a file each; and the names of the chunks that may be needed later
 * are hidden from Deno.
 *
 *     deno run -A scripts/build.ts [DIRECTORY]
 *
 * Without a directory it also builds dist/man/ and dist/npm/, see man_pages.ts and build_npm.ts.
 *
 * @module
 */
import { build, type Plugin, stop } from "esbuild";
import config from "../deno.json" with { type: "json" };
import type { BuildInfo } from "../commands/build_info.ts";
import { NODE_STUBS } from "./node_stubs.ts";
import { packagesByDeno } from "./packages_by_deno.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** The bundle's directory. */
export const DIST = `${ROOT}dist`;

/** Builds dist/ anew, or another directory that is only for this. @returns What was baked in. */
export async function buildProgram(directory = DIST): Promise<BuildInfo> {
  const info = { version: config.version, commit: await commit() };
  await removeIfThere(directory);
  try {
    const { outputFiles } = await build({
      absWorkingDir: ROOT,
      write: false,
      entryPoints: ["cli.ts"],
      outdir: directory,
      chunkNames: "[name]-[hash]",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "neutral",
      target: "esnext",
      minify: true,
      legalComments: "linked",
      define: { IPC_BUILD: JSON.stringify(info) },
      logLevel: "warning",
      plugins: [verbsTogether, startTogether, nodeStubs, packagesByDeno],
    });
    await Deno.mkdir(directory);
    for (const { path, text } of outputFiles) await Deno.writeTextFile(path, hideDynamicImports(text));
  } finally {
    await stop();
  }
  return info;
}

/** Puts the stubs in Node's place. */
const nodeStubs: Plugin = {
  name: "node-stubs",
  setup(building) {
    building.onResolve({ filter: /^node:/ }, ({ path }) => {
      if (NODE_STUBS.has(path)) return { path, namespace: "node-stub" };
      return { external: true };
    });
    building.onLoad({ filter: /.*/, namespace: "node-stub" }, ({ path }) => ({ contents: NODE_STUBS.get(path)! }));
  },
};

const COMMANDS = `${ROOT}commands/`;
/** Parts that stand alone: a screen, which nobody waits for in a loop. */
const APART = ["top/run"];
/** Verbs that shells call in loops: they are part of what every start loads. */
const OFTEN_CALLED = ["send", "request"];
/** Parts of those that few of their calls need. */
const SELDOM_NEEDED = [
  "autostart",
  "libc",
  "messages/made",
  "messages/progress_bar",
  "messages/records",
  "messages/send_arguments",
  "messages/request_arguments",
  "verb",
];
/** Verbs that scripts call; and the broker, which stays with all that it has loaded. */
const IN_SCRIPTS = [
  "barrier",
  "channels",
  "clients",
  "daemon",
  "handle",
  "inspect",
  "listen",
  "lock",
  "ping",
  "record",
  "replay",
  "semaphore",
  "stats",
  "wait",
];
/** A module that is those, and the parts. */
const SCRIPT_VERBS = "ipc:script-verbs";
/** A module that is the verbs that people type. */
const OTHER_VERBS = "ipc:other-verbs";

/**
 * Makes what commands/ imports from its own files when it is needed part of what it imports at once; but the verbs that
 * are called less often, and what is seldom needed, stand together in two chunks.
 */
const verbsTogether: Plugin = {
  name: "verbs-together",
  setup(building) {
    building.onLoad({ filter: /[/]commands[/][a-z_/]+\.ts$/, namespace: "file" }, async ({ path }) => {
      const chunks = await chunksOfVerbs(), at_once = new Set<string>();
      const text = (await Deno.readTextFile(path)).replaceAll(IMPORT, (written, specifier: string) => {
        const name = nameOf(specifier, path);
        if (name === undefined || APART.includes(name)) return written;
        for (const [chunk, names] of chunks) {
          if (names.includes(name)) return `import("${chunk}").then((verbs) => verbs.${variable(name)})`;
        }
        at_once.add(name);
        return `Promise.resolve(at_once_${variable(name)})`;
      });
      const statements = [...at_once].map((name) =>
        `import * as at_once_${variable(name)} from "${COMMANDS}${name}.ts";\n`
      );
      return { contents: statements.join("") + text, loader: "ts" };
    });
    building.onResolve({ filter: /^ipc:/ }, ({ path }) => ({ path, namespace: "ipc" }));
    building.onLoad({ filter: /.*/, namespace: "ipc" }, async ({ path }) => {
      const names = (await chunksOfVerbs()).get(path)!;
      const statements = names.map((name) => `export * as ${variable(name)} from "./${name}.ts";\n`);
      return { contents: loadedBefore(path) + statements.join(""), resolveDir: COMMANDS };
    });
  },
};

/**
 * Imports what is loaded already when a module is imported later: all that a start needs, but the entry itself; and if it is
 * of a verb that people type, what those in scripts need.
 *
 * esbuild puts modules into one chunk that are needed from the same places. Now all that a start needs is needed from
 * everywhere. So it becomes one chunk instead of a dozen.
 */
function loadedBefore(path: string): string {
  const typed = path === OTHER_VERBS || path.startsWith(COMMANDS);
  return `import "${ROOT}commands/dispatch.ts";\n` + (typed ? `import "${SCRIPT_VERBS}";\n` : "");
}

/** See {@linkcode loadedBefore}. */
const startTogether: Plugin = {
  name: "start-together",
  setup(building) {
    building.onResolve({ filter: /^\.\.?[/]/ }, ({ path, kind, resolveDir }) => {
      return kind === "dynamic-import"
        ? { path: new URL(path, `file://${resolveDir}/`).pathname, namespace: "later" }
        : undefined;
    });
    building.onLoad({ filter: /.*/, namespace: "later" }, ({ path }) => ({
      contents: `${loadedBefore(path)}export * from ${JSON.stringify(path)};\n`,
      resolveDir: ROOT,
    }));
  },
};

/** What a file imports when it is needed. */
const IMPORT = /\bimport\("(\.[a-z_./]+)\.ts"\)/g;

/** The name of a file of commands/ that another one imports: its path from there. `undefined` if it is none. */
function nameOf(specifier: string, importer: string): string | undefined {
  const { pathname } = new URL(specifier, `file://${importer}`);
  return pathname.startsWith(COMMANDS) ? pathname.slice(COMMANDS.length) : undefined;
}

function variable(name: string): string {
  return name.replaceAll("/", "_");
}

/** The names of what stands in which of the two. */
async function chunksOfVerbs(): Promise<ReadonlyMap<string, readonly string[]>> {
  const verbs = await Deno.readTextFile(`${COMMANDS}verbs.ts`);
  const names = [...verbs.matchAll(IMPORT)].map(([, specifier]) => nameOf(specifier!, `${COMMANDS}verbs.ts`)!);
  const others = names.filter((name) => !OFTEN_CALLED.includes(name) && !IN_SCRIPTS.includes(name));
  return new Map([[SCRIPT_VERBS, [...IN_SCRIPTS, ...SELDOM_NEEDED]], [OTHER_VERBS, others]]);
}

/** Deno does not follow what it would have to compute. */
function hideDynamicImports(text: string): string {
  return text.replaceAll(/\bimport\(("\.\/[^"]+\.js")\)/g, "import(String($1))");
}

async function commit(): Promise<string> {
  const git = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("git", { args, cwd: ROOT, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  };
  try {
    const hash = await git("rev-parse", "--short", "HEAD");
    if (hash === undefined) return "unknown";
    return await git("status", "--porcelain") === "" ? hash : `${hash}+`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "unknown";
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

if (import.meta.main) {
  const [directory = DIST] = Deno.args;
  const { version, commit } = await buildProgram(directory);
  console.log(`${directory}/cli.js: ipc ${version} (${commit})`);
  if (directory === DIST) {
    const { writeManPages } = await import("./man_pages.ts");
    await writeManPages(`${DIST}/man`);
    console.log(`${DIST}/man: the manual pages`);
    const { buildNpm } = await import("./build_npm.ts");
    await buildNpm(`${DIST}/npm`);
    console.log(`${DIST}/npm: the client library for Node.js`);
  }
}
