/**
 * Lets Deno tell esbuild where the import map's packages are.
 *
 * @module
 */
import type { Plugin } from "esbuild";

/** See the module's head. */
export const packagesByDeno: Plugin = {
  name: "packages-by-deno",
  setup(building) {
    building.onResolve({ filter: /^[@a-z]/ }, ({ path, kind }) => {
      if (kind === "entry-point" || path.startsWith("node:")) return undefined;
      return { path: new URL(import.meta.resolve(path)).pathname };
    });
  },
};
