/**
 * A configuration as people and programs look at it: every key with its value and where that came from, and as a new file
 * with all of them. Nothing secret is in it: of certificates, keys and tokens it only has the paths.
 *
 * @module
 */
import { type ChannelKey, defaultValues, type Key, KEYS, type QuotaKey, type Values } from "./keys.ts";
import type { Loaded } from "./load.ts";
import { MEANINGS, writtenValue } from "./meanings.ts";
import type { AccessTable, ListenSettings } from "./settings.ts";

/** One key. */
export interface Described {
  /** With its tables: `channels.deploys.queue`. */
  key: string;
  /** As a file would have it. */
  value: string;
  /** A file's path, a variable, an option or `default`. */
  from: string;
  /** What it is for, if it is a key of all. */
  meaning?: string;
}

/** Every key of all, then what is set for channels and tokens, then listeners and rules. */
export function describeLoaded(loaded: Loaded): Described[] {
  const { values, channels, tokens, settings, sources } = loaded, all: Described[] = [];
  const add = (key: string, value: string, source = key) =>
    all.push({ key, value, from: sources.get(source) ?? "default" });
  for (const key of KEYS) {
    const from = sources.get(key) ?? "default";
    all.push({ key, value: writtenValue(key, values[key]), from, meaning: MEANINGS[key].text });
  }
  for (const [channel, own] of channels) {
    const set = Object.entries(own) as [ChannelKey, Values[ChannelKey]][];
    if (set.length === 0) add(`channels.${channel}`, "{}");
    for (const [key, value] of set) add(`channels.${channel}.${key}`, writtenValue(key, value));
  }
  for (const [token, own] of tokens) {
    for (const [key, value] of Object.entries(own) as [QuotaKey, number][]) {
      add(`quota.tokens.${token}.${key.slice("quota.".length)}`, writtenValue(key, value));
    }
  }
  for (const listen of settings.listen) add(`listen ${listen.name}`, listenText(listen), "listen");
  const { access } = settings;
  if (access.token_file !== undefined) add("access.token_file", JSON.stringify(access.token_file), "access");
  const rules = (prefix: string, table: AccessTable) => {
    for (const [action, lists] of Object.entries(table)) {
      for (const [list, whom] of Object.entries(lists)) {
        add(`${prefix}.${action}.${list}`, JSON.stringify(whom), "access");
      }
    }
  };
  rules("access", access.all);
  for (const { channels, table } of access.globs) rules(`access ${channels.join(" ")}`, table);
  for (const [channel, table] of access.channels) rules(`channels.${channel}.access`, table);
  return all;
}

function listenText({ hostname, port, channel, tls, token_file }: ListenSettings): string {
  const address = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  const parts = [`tcp = ${JSON.stringify(address)}`];
  if (channel !== undefined) parts.push(`channel = ${JSON.stringify(channel)}`);
  if (tls !== undefined) parts.push(`tls = { cert = ${JSON.stringify(tls.cert)}, key = ${JSON.stringify(tls.key)} }`);
  if (token_file !== undefined) parts.push(`token_file = ${JSON.stringify(token_file)}`);
  return parts.join(", ");
}

/**
 * A new file: every key with what it is for, commented out with its default.
 *
 * @param os `Deno.build.os`.
 */
export function newFile(os: string): string {
  const defaults = defaultValues(os), lines = [HEAD];
  let table = "";
  for (const key of KEYS) {
    const [first, second] = key.split(".") as [string, string?];
    if (second !== undefined && first !== table) lines.push(`[${table = first}]\n`);
    lines.push(`# ${MEANINGS[key].text}\n# ${second ?? first} = ${writtenValue(key as Key, defaults[key])}\n`);
  }
  return `${lines.join("\n")}\n${TAIL}`;
}

const HEAD =
  `# Configuration of ipc. What is commented out is as it is by default; "ipc config show" says what holds and why,
# "ipc config check" whether this file can be used.
`;

const TAIL = `# What is different for one channel, which is open from the start then:
# [channels.deploys]
# history = "16MiB"

# What is different for one token:
# [quota.tokens.backup]
# connections = 2

# An address on the network:
# [[listen]]
# tcp = "127.0.0.1:7410"
`;
