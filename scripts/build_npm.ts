/**
 * Builds the client library for Node.js out of the same source: ESM for Node 20, its types, and the package.json that
 * nothing else of the project has. Only the system underneath differs: `client/runtime_node.ts` takes the place of
 * `client/runtime_deno.ts`.
 *
 * @module
 */
import { build, type Plugin, stop } from "esbuild";
import ts from "typescript";
import config from "../deno.json" with { type: "json" };
import { packagesByDeno } from "./packages_by_deno.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const ENTRY = "client/mod.ts";

/** Builds the package into a directory that is only for it. */
export async function buildNpm(directory: string): Promise<void> {
  try {
    await build({
      absWorkingDir: ROOT,
      entryPoints: [ENTRY],
      outdir: directory,
      chunkNames: "[name]-[hash]",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node20",
      legalComments: "linked",
      logLevel: "warning",
      plugins: [nodeRuntime, packagesByDeno],
    });
  } finally {
    await stop();
  }
  writeTypes(directory);
  await Deno.copyFile(`${ROOT}LICENSE`, `${directory}/LICENSE`);
  await Deno.writeTextFile(`${directory}/package.json`, `${JSON.stringify(packageJson(), null, 2)}\n`);
}

function packageJson() {
  return {
    name: config.name,
    version: config.version,
    description: "Lets the processes of a machine talk: the client library of ipc",
    license: config.license,
    type: "module",
    engines: { node: ">=20" },
    exports: { ".": { types: "./types/client/mod.d.ts", default: "./mod.js" } },
    sideEffects: false,
  };
}

const nodeRuntime: Plugin = {
  name: "node-runtime",
  setup(building) {
    building.onResolve({ filter: /\/runtime_deno\.ts$/ }, () => ({ path: `${ROOT}client/runtime_node.ts` }));
  },
};

/** Writes what `mod.ts` exports and all that it leads to; what is marked as internal stays out. */
function writeTypes(directory: string): void {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    declaration: true,
    emitDeclarationOnly: true,
    stripInternal: true,
    rootDir: ROOT,
    outDir: `${directory}/types`,
  };
  const written = new Map<string, string>();
  const program = ts.createProgram([`${ROOT}${ENTRY}`], options);
  program.emit(undefined, (path, text) => written.set(path, text), undefined, true);
  for (const [path, text] of written) written.set(path, withExamples(withExtensions(text)));
  const entry = `${directory}/types/${ENTRY.replace(/\.ts$/, ".d.ts")}`;
  for (const path of reachable(entry, written)) {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, written.get(path)!);
  }
}

/** Node's resolution wants the names that the files have at run time. Examples in comments stay as they are. */
function withExtensions(text: string): string {
  for (const { fileName, end } of importsOf(text).reverse()) {
    text = `${text.slice(0, end).replace(/\.ts$/, ".js")}${text.slice(end)}`;
    if (!fileName.startsWith(".")) throw new Error(`Cannot write the types: they are made of "${fileName}" too`);
  }
  return text;
}

/**
 * Examples run as tests of this repository, with a broker of their own and what stands in the next file. People have the
 * package, and a broker that runs already. What shows something else than the package is left out.
 */
function withExamples(text: string): string {
  return text.replaceAll(/^( *)\* @example[^]*?(?=^ *\* @|^ *\*\/)/gm, (example) => {
    const shown = example
      .replaceAll(/^.*(?:\bstartTestBroker\b.*\n)(?: *\*\n)?/gm, "")
      .replaceAll(/, \{ socket_dir: broker\.socket_dir \}|socket_dir: broker\.socket_dir, /g, "")
      .replaceAll(/( from )"[^"]*\/(?:mod|errors)\.ts"/g, `$1${JSON.stringify(config.name)}`);
    return / from "\.|\bDeno\./.test(shown) ? "" : shown;
  });
}

/** @returns Imports of other files, `end` being where the specifier ends. */
function importsOf(text: string): { fileName: string; end: number }[] {
  return ts.preProcessFile(text).importedFiles.map(({ fileName, pos }) => {
    const start = text.indexOf(fileName, pos);
    return { fileName, end: start + fileName.length };
  });
}

/** @returns The paths of what a file imports, however many files away, and its own. */
function reachable(entry: string, files: ReadonlyMap<string, string>): Set<string> {
  const found = new Set([entry]);
  for (const path of found) { // grows while it is walked
    const text = files.get(path);
    if (text === undefined) throw new Error(`Cannot write the types: there are none for ${path}`);
    for (const { fileName } of importsOf(text)) {
      found.add(new URL(fileName.replace(/\.js$/, ".d.ts"), `file://${path}`).pathname);
    }
  }
  return found;
}
