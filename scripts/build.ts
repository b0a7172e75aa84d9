/**
 * Bundles the program into dist/: `cli.js`, and a chunk for each verb and library that is loaded when it is needed.
 *
 *     deno run -A scripts/build.ts
 *
 * @module
 */
import { build, type Plugin, stop } from "esbuild";
import config from "../deno.json" with { type: "json" };
import type { BuildInfo } from "../commands/build_info.ts";
import { NODE_STUBS } from "./node_stubs.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** The bundle's directory. */
export const DIST = `${ROOT}dist`;

/** Builds dist/ anew. @returns What was baked in. */
export async function buildProgram(): Promise<BuildInfo> {
  const info = { version: config.version, commit: await commit() };
  await removeIfThere(DIST);
  try {
    await build({
      absWorkingDir: ROOT,
      entryPoints: ["cli.ts"],
      outdir: DIST,
      chunkNames: "[name]-[hash]",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "neutral",
      target: "esnext",
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: "linked",
      define: { IPC_BUILD: JSON.stringify(info) },
      logLevel: "warning",
      plugins: [denoResolution],
    });
  } finally {
    await stop();
  }
  return info;
}

/** Lets Deno say where the import map's packages are, and puts the stubs in Node's place. */
const denoResolution: Plugin = {
  name: "deno-resolution",
  setup(building) {
    building.onResolve({ filter: /^node:/ }, ({ path }) => {
      if (NODE_STUBS.has(path)) return { path, namespace: "node-stub" };
      return { external: true };
    });
    building.onLoad({ filter: /.*/, namespace: "node-stub" }, ({ path }) => ({ contents: NODE_STUBS.get(path)! }));
    building.onResolve({ filter: /^[@a-z]/ }, ({ path, kind }) => {
      if (kind === "entry-point") return undefined;
      return { path: new URL(import.meta.resolve(path)).pathname };
    });
  },
};

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
  const { version, commit } = await buildProgram();
  console.log(`dist/cli.js: ipc ${version} (${commit})`);
}
