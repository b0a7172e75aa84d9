/**
 * The configuration as a command sees it.
 *
 * @module
 */
import { loadSettings } from "../config/load.ts";
import type { Settings } from "../config/settings.ts";
import type { Io } from "./io.ts";

/**
 * @param config_file The one file to read, if one was named.
 * @throws {ConfigError} With everything that is wrong.
 */
export async function settingsOf(io: Io, config_file?: string): Promise<Settings> {
  const named = config_file === undefined ? {} : { config_file };
  return (await loadSettings({ cwd: io.cwd(), env: io.env, ...named })).settings;
}
