/**
 * Puts defaults, files and environment together. Each source only says which keys it sets (entries); then all
 * entries are checked in one place, and the last one of a key, in the order of precedence, wins.
 *
 * Where nothing is configured, which is the ordinary case, neither the TOML parser nor the schema library is loaded.
 *
 * @module
 */
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { socketPath } from "../protocol/socket_path.ts";
import { ConfigError, type Problem, show } from "./errors.ts";
import type { Accounts } from "./accounts.ts";
import { asDirectory, checkRulesFile, findFiles, type Places, readFile } from "./files.ts";
import {
  type ChannelKey,
  type ChannelValues,
  defaultValues,
  type Entry,
  type Key,
  KEYS,
  NO_ACCESS,
  pathOf,
  type QuotaKey,
  type QuotaValues,
  type Values,
  variableOf,
} from "./keys.ts";
import type { AccessDocument, ChannelSettings, ListenSettings, QuotaSettings, Settings } from "./settings.ts";
import { formatBytes } from "./units.ts";

/** Values as they stand in a file, `{ queue: "64KiB", "log.level": "debug" }`; checked on loading. */
export type RawValues = { readonly [K in Key]?: string | number | boolean | readonly string[] | undefined };

/** Keys that are true or false. */
const SWITCHES: readonly Key[] = ["peer_credentials", "access.required"];

/** What to load from. */
export interface LoadOptions extends Places {
  /** What the caller has in the place of the built-in defaults; everything wins over it. */
  defaults?: RawValues;
  /**
   * Files that were read before, on a reload. One that is not found any more, because it was removed or its directory is
   * closed to us, is an error: what it said (who may do what, say) would be gone without a word.
   */
  read_before?: readonly string[];
  /** `Deno.build.os`, unless somebody asks what it would be elsewhere. */
  os?: string;
}

/** A configuration, and where it is from. */
export interface Loaded {
  settings: Settings;
  /** The keys' values, for all. */
  values: Values;
  /** What is set for single channels, by name. */
  channels: ReadonlyMap<string, Partial<ChannelValues>>;
  /** What is set for single tokens, by name. */
  tokens: ReadonlyMap<string, Partial<QuotaValues>>;
  /**
   * Where each key's value comes from: a file's path, a variable (`IPC_QUEUE`) or `default`. By name (`queue`,
   * `log.level`, `channels.deploys.queue`); of a channel's keys only those that are set for it.
   */
  sources: Map<string, string>;
  /** The files that were read, those that win first. */
  files: string[];
  /** The profile that was chosen, if one was: its name and its file. */
  profile: { name: string; path: string } | undefined;
}

/**
 * Loads the configuration. Nothing is kept between calls, so a reload is another call with the same options.
 *
 * @throws {ConfigError} With everything that is wrong.
 *
 * @example
 * ```ts
 * import { loadSettings } from "./load.ts";
 *
 * const { settings, sources } = await loadSettings({
 *   cwd: "/",
 *   env: (name) => name === "IPC_QUEUE" ? "64KiB" : undefined,
 *   config_file: "/dev/null",
 * });
 * if (settings.defaults.queue_bytes !== 65_536 || sources.get("queue") !== "IPC_QUEUE") throw new Error("not loaded");
 * ```
 */
export async function loadSettings(options: LoadOptions): Promise<Loaded> {
  const { env, os = Deno.build.os } = options;
  const problems: Problem[] = [];
  const files = findFiles(options);
  const profile = files.find(({ profile }) => profile !== undefined);
  if (profile !== undefined) (await import("./profiles.ts")).checkProfile(profile, options);
  for (const path of options.read_before ?? []) {
    if (files.some((file) => file.path === path)) continue;
    const message =
      "was read before, and cannot be found any more. Put it back, or restart the broker to go without it";
    problems.push({ where: path, message });
  }
  const channels = new Map<string, Partial<ChannelValues>>(), tokens = new Map<string, Partial<QuotaValues>>();
  const sources = new Map<string, string>(KEYS.map((key) => [key, "default"]));

  let listen: readonly ListenSettings[] = [], access: AccessDocument = NO_ACCESS;

  // From here on what comes later wins.
  const entries = defaultEntries(options.defaults);
  for (const file of files.toReversed()) {
    try {
      const text = readFile(file);
      if (text.trim() === "") continue;
      const { readDocument } = await import("./document.ts");
      const document = readDocument(text, file.path, file === profile);
      for (const channel of document.channels) {
        if (!channels.has(channel)) channels.set(channel, {});
        sources.set(`channels.${channel}`, file.path);
      }
      for (const token of document.tokens) if (!tokens.has(token)) tokens.set(token, {});
      if (document.listen !== undefined) {
        listen = document.listen;
        sources.set("listen", file.path);
      }
      if (document.access !== undefined) {
        checkRulesFile(file.path);
        access = document.access;
        sources.set("access", file.path);
      }
      entries.push(...document.entries);
      problems.push(...document.problems);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
    }
  }
  entries.push(...environmentEntries(env));

  // A listener leads to a channel that is always there.
  for (const { channel } of listen) if (channel !== undefined && !channels.has(channel)) channels.set(channel, {});

  const values = defaultValues(os);
  const directory = directoryAlone(entries);
  if (directory !== undefined) {
    values.socket_dir = directory;
    sources.set("socket_dir", entries[0]!.where);
  } else if (entries.length > 0) await apply(entries, values, { channels, tokens }, sources, problems);
  // The defaults fit together; looking is a tenth of a millisecond in a fresh process.
  if (problems.length === 0 && files.length + entries.length > 0) {
    problems.push(...wrongPaths(values.socket_dir, channels.keys(), sources));
    if (directory === undefined) problems.push(...wrongSizes(values, channels, tokens, sources));
  }
  if (values.peer_credentials && os !== "linux") {
    const where = sources.get("peer_credentials")!, key = "peer_credentials";
    problems.push({
      where,
      key,
      message: `${key} = true cannot be used: only Linux is asked who connects, this is ${os}`,
    });
  }
  let accounts: Accounts = { broker_uid: undefined, groups: new Map() };
  if (values.broker_user !== "" || [values, ...channels.values()].some(({ group }) => group)) {
    accounts = (await import("./accounts.ts")).findAccounts(values, channels, sources, problems);
  }
  if (access !== NO_ACCESS || values["access.required"]) {
    const { misfits } = await import("./access.ts");
    problems.push(...misfits(access, values, sources));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    settings: assemble(values, { channels, tokens }, listen, access, accounts),
    values,
    channels,
    tokens,
    sources,
    files: files.map(({ path }) => path),
    profile: profile?.profile === undefined ? undefined : { name: profile.profile, path: profile.path },
  };
}

function defaultEntries(raw: RawValues = {}): Entry[] {
  return KEYS.filter((key) => raw[key] !== undefined).map((key) => ({ key, raw: raw[key], where: "default" }));
}

/** An empty variable is an unset one, as everywhere in a shell. */
function environmentEntries(env: Places["env"]): Entry[] {
  const entries: Entry[] = [];
  for (const key of KEYS) {
    const where = variableOf(key);
    const text = env(where);
    if (text === undefined || text === "") continue;
    entries.push({ key, where, raw: fromVariable(key, text) });
  }
  return entries;
}

function fromVariable(key: Key, text: string): Entry["raw"] {
  if (key === "dynamic_channels") return booleanOrList(text);
  return SWITCHES.includes(key) && (text === "true" || text === "false") ? text === "true" : text;
}

function booleanOrList(text: string): boolean | string[] {
  if (text === "true" || text === "false") return text === "true";
  return text.split(/[\s,]+/).filter((glob) => glob !== "");
}

/**
 * The value, if nothing is set but a valid `socket_dir`. It is what most scripts set, if anything, and loading the schemas
 * for it would make every `ipc send` a millisecond slower.
 */
function directoryAlone(entries: readonly Entry[]): string | undefined {
  const [entry, ...others] = entries;
  if (entry?.key !== "socket_dir" || typeof entry.raw !== "string" || others.length > 0) return undefined;
  return asDirectory(entry.raw);
}

/** What stands in tables that have names of their own. */
interface Named {
  channels: ReadonlyMap<string, Partial<ChannelValues>>;
  tokens: ReadonlyMap<string, Partial<QuotaValues>>;
}

async function apply(
  entries: readonly Entry[],
  values: Values,
  { channels, tokens }: Named,
  sources: Map<string, string>,
  problems: Problem[],
): Promise<void> {
  const { checkValue } = await import("./schema.ts");
  for (const entry of entries) {
    const path = pathOf(entry);
    const checked = checkValue(entry.key, entry.raw);
    if (checked.state === "wrong") {
      const message = `${path} = ${show(entry.raw)} cannot be used: ${checked.allowed}`;
      problems.push({ where: entry.where, key: path, message });
      continue;
    }
    // Both are written by a key of KEYS, with the value that the key's own schema gave.
    const target = entry.channel !== undefined
      ? channels.get(entry.channel)
      : entry.token !== undefined
      ? tokens.get(entry.token)
      : values;
    (target as Record<Key | ChannelKey | QuotaKey, unknown>)[entry.key] = checked.value;
    sources.set(path, entry.where);
  }
}

/** The length of a socket's path is limited, and only directory and name together say whether it fits. */
function wrongPaths(directory: string, channels: Iterable<string>, sources: ReadonlyMap<string, string>): Problem[] {
  const problems: Problem[] = [];
  for (const channel of [CONTROL_CHANNEL, ...channels]) {
    try {
      socketPath(directory, channel);
    } catch (error) {
      const key = channel === CONTROL_CHANNEL ? "socket_dir" : `channels.${channel}`;
      problems.push({ where: sources.get(key) ?? "default", key, message: `${key}: ${(error as Error).message}` });
    }
  }
  return problems;
}

/** How much memory the largest message takes: its buffer doubles while it is read, and is held twice for a moment. */
const MEMORY_PER_MESSAGE = 4;

/** A message that may be sent must find room. */
function wrongSizes(
  values: Values,
  channels: ReadonlyMap<string, Partial<ChannelValues>>,
  tokens: ReadonlyMap<string, Partial<QuotaValues>>,
  sources: ReadonlyMap<string, string>,
): Problem[] {
  const problems: Problem[] = [];
  let largest = values.max_message, named = "max_message";
  for (const [channel, { max_message = 0 }] of channels) {
    if (max_message > largest) [largest, named] = [max_message, `channels.${channel}.max_message`];
  }
  const check = (key: string, bytes: number, least: number, why: string): void => {
    if (bytes >= least) return;
    const where = sources.get(key) === "default" ? sources.get(named)! : sources.get(key)!;
    const message = `${key} = "${formatBytes(bytes)}" is too little for ${named} = "${formatBytes(largest)}": ${why}`;
    problems.push({ where, key, message });
  };
  check("memory", values.memory, largest * MEMORY_PER_MESSAGE, `at least ${MEMORY_PER_MESSAGE} times that is needed`);
  check("quota.queued", values["quota.queued"], largest, "one message must find room");
  for (const [token, own] of tokens) {
    if (own["quota.queued"] === undefined) continue;
    check(`quota.tokens.${token}.queued`, own["quota.queued"], largest, "one message must find room");
  }
  return problems;
}

function assemble(
  values: Values,
  { channels, tokens }: Named,
  listen: readonly ListenSettings[],
  access: AccessDocument,
  { broker_uid, groups }: Accounts,
): Settings {
  const own = (all: ChannelValues) => channelSettings(all, groups.get(all.group));
  return {
    socket_dir: values.socket_dir,
    defaults: own(values),
    dynamic_channels: values.dynamic_channels,
    channel_idle_ms: values.channel_idle,
    idle_exit_ms: values.idle_exit,
    drain_timeout_ms: values.drain_timeout,
    broker_uid,
    peer_credentials: values.peer_credentials,
    memory_bytes: values.memory,
    quota: {
      defaults: quotaSettings(values),
      tokens: new Map([...tokens].map(([name, own]) => [name, quotaSettings({ ...values, ...own })])),
    },
    log: { level: values["log.level"], format: values["log.format"] },
    channels: new Map([...channels].map(([name, set]) => [name, own({ ...values, ...set })])),
    listen,
    access: { required: values["access.required"], ...access },
  };
}

function quotaSettings(values: QuotaValues): QuotaSettings {
  return {
    connections: values["quota.connections"],
    queued_bytes: values["quota.queued"],
    requests: values["quota.requests"],
    channels: values["quota.channels"],
  };
}

function channelSettings(values: ChannelValues, socket_gid: number | undefined): ChannelSettings {
  return {
    max_message_bytes: values.max_message,
    queue_bytes: values.queue,
    history_bytes: values.history,
    overflow: values.overflow,
    stall_timeout_ms: values.stall_timeout,
    request_timeout_ms: values.request_timeout,
    socket_mode: parseInt(values.mode, 8),
    socket_gid,
  };
}
