/**
 * `ipc config`: what holds and where it came from, whether a file can be used, which files there are, and a new one.
 *
 * @module
 */
import { Argument } from "@commander-js/extra-typings";
import { type Described, describeLoaded, newFile } from "../config/describe.ts";
import { ConfigError, type Problem } from "../config/errors.ts";
import { allPlaces, isAbsolute, PROJECT_FILE, userConfigFile } from "../config/files.ts";
import { readListenSecrets } from "../config/listen_secrets.ts";
import { type Loaded, loadSettings } from "../config/load.ts";
import { chosenProfile, CONNECTION_VARIABLES, type ConnectionKey, readConnection } from "../config/profiles.ts";
import { readTokens } from "../config/tokens.ts";
import { formatBytes, formatDuration } from "../config/units.ts";
import { fixedLimits, type Limit } from "../config/fixed_limits.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { writeNewFile } from "./new_file.ts";
import { notice } from "./notice.ts";
import { tableText } from "./table.ts";
import { argumentParser, parseArguments, usageError, type Verb } from "./verb.ts";

const CONFIG_ACTIONS = ["show", "check", "path", "init"] as const;
type Action = (typeof CONFIG_ACTIONS)[number];

/** Options of `ipc config`. */
export interface ConfigOptions {
  action: Action;
  /** The one to check, or to write. */
  file: string | undefined;
  /** `init`: your own in the place of the project's. */
  user: boolean;
  json: boolean;
}

export const verb: Verb<ConfigOptions> = { parse: parseConfig, run: runConfig };

export function parseConfig(argv: readonly string[]): ConfigOptions {
  const parser = argumentParser("config", "The configuration.", [
    "ipc config show                 # every key, its value, and where that came from; then the limits that are fixed",
    "ipc config check                # whether what would be read can be used; 78 if not",
    "ipc config check new.toml",
    "ipc config path                 # which files are read, and which could be",
    "ipc config init                 # writes ipc.toml here, with every key commented out",
    "ipc config init --user",
  ])
    .addArgument(new Argument("<action>", "what to do").choices(CONFIG_ACTIONS))
    .argument("[file]", "check: read this one and no other; init: write this one")
    .option("--user", "init: your own file, which holds everywhere")
    .option("--json", "show, path: as one JSON object");
  const { args: [action, file], options } = parseArguments(parser, argv);
  const user = options.user ?? false, json = options.json ?? false;
  if (file !== undefined && action !== "check" && action !== "init") {
    throw usageError(parser, `"${action}" takes no file; --config FILE before the verb names the one to read`);
  }
  if (user && action !== "init") throw usageError(parser, "--user is for init");
  if (user && file !== undefined) throw usageError(parser, "--user and a file cannot both be meant");
  if (json && action !== "show" && action !== "path") throw usageError(parser, "--json is for show and path");
  return { action, file, user, json };
}

const ACTIONS: Record<Action, (options: ConfigOptions, io: Io) => Promise<void>> = { show, check, path, init };

export async function runConfig(options: ConfigOptions, io: Io): Promise<number> {
  await ACTIONS[options.action](options, io);
  return EXIT.OK;
}

function load(io: Io, config_file?: string): Promise<Loaded> {
  return loadSettings({ cwd: io.cwd(), env: io.env, ...(config_file === undefined ? {} : { config_file }) });
}

async function show({ json }: ConfigOptions, io: Io): Promise<void> {
  const loaded = await load(io), { files, profile } = loaded, limits = fixedLimits();
  const keys = [...describeLoaded(loaded), ...await describeConnection(io)];
  for (const row of keys) if (row.from === profile?.path) row.from = `profile ${profile.name} (${profile.path})`;
  if (json) return io.stdout.write(`${JSON.stringify({ files, profile: profile ?? null, keys, limits })}\n`);
  io.stdout.write(tableText(
    [{ heading: "KEY" }, { heading: "VALUE" }, { heading: "FROM" }, { heading: "WHAT" }],
    keys.map(({ key, value, from, meaning }) => [key, value, from, meaning]),
  ));
  io.stdout.write("\n");
  io.stdout.write(tableText(
    [{ heading: "FIXED LIMIT" }, { heading: "VALUE", right: true }, { heading: "WHAT" }],
    limits.map((limit) => [limit.name, limitText(limit), limit.meaning]),
  ));
}

/** The way to a broker elsewhere, where there is one to tell of. */
async function describeConnection(io: Io): Promise<Described[]> {
  const places = { cwd: io.cwd(), env: io.env }, connection = await readConnection(places), keys: Described[] = [];
  for (const [key, variable] of Object.entries(CONNECTION_VARIABLES) as [ConnectionKey, string][]) {
    const value = io.env(variable) || connection[key];
    if (!value) continue;
    const from = value === connection[key] ? chosenProfile(places)!.path : variable;
    keys.push({ key, value: JSON.stringify(value), from });
  }
  return keys;
}

/** A limit's value, as people read it. */
export function limitText({ value, unit }: Limit): string {
  if (unit === "bytes" && value % 1024 === 0) return formatBytes(value);
  if (unit === "bytes") return `${value}B`;
  if (unit === "ms") return value > 1e9 ? `${value}ms` : formatDuration(value);
  return unit === "percent" ? `${value}%` : String(value);
}

/** Reads the files too that the configuration names, as a broker would. */
async function check({ file }: ConfigOptions, io: Io): Promise<void> {
  const { settings, files } = await load(io, file), problems: Problem[] = [];
  const { token_file } = settings.access;
  for (
    const read of [
      ...settings.listen.map((listen) => () => void readListenSecrets(listen)),
      () => token_file === undefined || void readTokens(token_file),
    ]
  ) {
    try {
      read();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  io.stdout.write(`OK: ${files.length === 0 ? "no file is read, the defaults hold" : files.join(", ")}\n`);
}

function path({ json }: ConfigOptions, io: Io): Promise<void> {
  const places = allPlaces({ cwd: io.cwd(), env: io.env });
  if (json) {
    io.stdout.write(`${JSON.stringify(places.map(({ path, of, exists }) => ({ path, of, exists })))}\n`);
  } else {
    io.stdout.write(tableText(
      [{ heading: "OF" }, { heading: "IS" }, { heading: "PATH" }],
      places.map(({ path, of, exists }) => [of, exists ? "read" : "missing", path]),
    ));
  }
  return Promise.resolve();
}

async function init({ file, user }: ConfigOptions, io: Io): Promise<void> {
  const path = user ? userConfigFile(io.env) : absolutePath(file ?? PROJECT_FILE, io.cwd());
  if (path === undefined) throw new Failure(EXIT.CONFIGURATION, "you have no home directory: set HOME");
  try {
    if (user) await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o755 });
    writeNewFile(path, newFile(Deno.build.os), 0o644);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new Failure(EXIT.CONFIGURATION, `Cannot write "${path}": it exists, and is left as it is`);
    }
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.CONFIGURATION, `Cannot write "${path}": ${why}`);
  }
  notice(io.stderr, `wrote ${path}; everything in it is commented out`);
}

function absolutePath(path: string, cwd: string): string {
  return isAbsolute(path) ? path : `${cwd}/${path}`;
}
