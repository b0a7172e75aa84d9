/**
 * The configuration: the only reader of its files and variables. What it is, is in docs/configuration.md.
 *
 * @module
 */
export { ConfigError, type Problem } from "./errors.ts";
export { PROJECT_FILE, stateDirectory, SYSTEM_FILE } from "./files.ts";
export { type Key, KEYS, variableOf } from "./keys.ts";
export { type Loaded, type LoadOptions, loadSettings, type RawValues } from "./load.ts";
export { readListenSecrets } from "./listen_secrets.ts";
export type { ChannelSettings, ListenSecrets, ListenSettings, LogSettings, Settings } from "./settings.ts";
export { formatBytes, formatDuration, parseDuration, parseSize } from "./units.ts";
