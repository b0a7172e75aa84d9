/**
 * `ipc version`: which ipc this is, and which Deno runs it.
 *
 * @module
 */
import { buildInfo } from "./build_info.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { argumentParser, parseArguments, type Verb } from "./verb.ts";

/** Options of `ipc version`. */
export interface VersionOptions {
  json: boolean;
}

export const verb: Verb<VersionOptions> = { parse: parseVersion, run: runVersion };

export function parseVersion(argv: readonly string[]): VersionOptions {
  const parser = argumentParser("version", "Print the version.").option("--json", "as one JSON object");
  return { json: parseArguments(parser, argv).options.json ?? false };
}

export async function runVersion(options: VersionOptions, io: Io): Promise<number> {
  const { version, commit } = await buildInfo();
  const deno = Deno.version.deno;
  io.stdout.write(
    options.json ? `${JSON.stringify({ version, commit, deno })}\n` : `ipc ${version} (${commit}, deno ${deno})\n`,
  );
  return EXIT.OK;
}
