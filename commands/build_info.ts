/**
 * Which ipc this is.
 *
 * @module
 */

/** What `scripts/build.ts` bakes into a bundle. */
export interface BuildInfo {
  version: string;
  /** The commit it was built from, abbreviated; ends in `+` if there were changes on top. */
  commit: string;
}

declare const IPC_BUILD: BuildInfo | undefined;

/** The bundle's version and commit; run from source, what deno.json says. */
export async function buildInfo(): Promise<BuildInfo> {
  if (typeof IPC_BUILD !== "undefined") return IPC_BUILD;
  const { default: { version } } = await import("../deno.json", { with: { type: "json" } });
  return { version, commit: "source" };
}

/** Whether this is a bundle, and not run from source. */
export function isBundle(): boolean {
  return typeof IPC_BUILD !== "undefined";
}
