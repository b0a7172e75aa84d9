/**
 * Walks a TOML document and says which keys it sets; what it does not know is a problem, with a suggestion. Names that
 * come from outside (`__proto__`, `constructor`) are compared and kept in a `Map`, never looked up in an object.
 *
 * @module
 */
import { parse, TomlError } from "smol-toml";
import { checkChannelName, CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { readAccess } from "./access.ts";
import { ConfigError, isTable, type Problem, show } from "./errors.ts";
import { CHANNEL_KEYS, type ChannelKey, type Entry, type Key, KEYS, QUOTA_KEYS, type QuotaKey } from "./keys.ts";
import { readListen } from "./listen.ts";
import { type Connection, CONNECTION_VARIABLES, type ConnectionKey, connectionValue } from "./profiles.ts";
import type { AccessDocument, ListenSettings } from "./settings.ts";
import { closest } from "./suggest.ts";

/** What a file sets. */
export interface Document {
  entries: Entry[];
  /** Channels that have a table, be it empty. */
  channels: string[];
  /** Tokens that have a table, be it empty. */
  tokens: string[];
  /** Its `[[listen]]` tables, if it has any. */
  listen?: ListenSettings[];
  /** Its access rules and tokens, if it has any. */
  access?: AccessDocument;
  /** The way to the broker, if it is a profile. */
  connection: Connection;
  problems: Problem[];
}

const LOG_KEYS = KEYS.filter((key) => key.startsWith("log."));
const PLAIN_KEYS = KEYS.filter((key) => !key.includes("."));
const TABLES = ["access", "log", "quota", "channels", "listen"];

/**
 * Reads a TOML document.
 *
 * @param text What the file holds.
 * @param where The file's path, for messages.
 * @param profile Whether it is a profile, which may say which broker is meant.
 */
export function readDocument(text: string, where: string, profile = false): Document {
  const document: Document = { entries: [], channels: [], tokens: [], connection: {}, problems: [] };
  const here = [...PLAIN_KEYS, ...TABLES, ...(profile ? Object.keys(CONNECTION_VARIABLES) : [])];
  const root = parseToml(text, where), channel_access = new Map<string, unknown>();
  let access: Record<string, unknown> | undefined;
  for (const [name, raw] of Object.entries(root)) {
    if (name === "log") readLog(raw, where, document);
    else if (name === "quota") readQuota(raw, where, document);
    else if (name === "channels") readChannels(raw, where, document, channel_access);
    else if (name === "access") access = takeRequired(raw, where, document);
    else if (profile && isConnectionKey(name)) {
      const value = connectionValue(name, raw, where);
      if (typeof value === "string") document.connection = { ...document.connection, [name]: value };
      else document.problems.push(value);
    } else if (name === "listen") {
      const { listen, problems } = readListen(raw, where);
      document.listen = listen;
      document.problems.push(...problems);
    } else if (includes(PLAIN_KEYS, name)) document.entries.push({ key: name, raw, where });
    else document.problems.push(unknown("", name, here, where));
  }
  if (access !== undefined || channel_access.size > 0) {
    const read = readAccess(access ?? {}, channel_access, where);
    document.access = read.access;
    document.problems.push(...read.problems);
  }
  return document;
}

function isConnectionKey(name: string): name is ConnectionKey {
  return Object.hasOwn(CONNECTION_VARIABLES, name);
}

function parseToml(text: string, where: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n")[0]!.replace("Invalid TOML document: ", "");
    const line = (text.split("\n")[error.line - 1] ?? "").trim();
    const hint = /=\s*[\d.]+\s*[a-z]/i.test(line) ? '; a value with a unit needs quotes, as in "16MiB"' : "";
    throw new ConfigError([{
      where: `${where}:${error.line}:${error.column}`,
      message: `not TOML: ${reason} in ${JSON.stringify(line.slice(0, 80))}${hint}`,
    }]);
  }
}

function readLog(raw: unknown, where: string, { entries, problems }: Document): void {
  if (!isTable(raw)) {
    problems.push({ where, key: "log", message: `log = ${show(raw)} is not a table: write [log] and its keys below` });
    return;
  }
  for (const [name, value] of Object.entries(raw)) {
    const key = `log.${name}`;
    if (includes(LOG_KEYS, key)) entries.push({ key, raw: value, where });
    else problems.push(unknown("log.", name, LOG_KEYS.map((known) => known.slice("log.".length)), where));
  }
}

function readQuota(raw: unknown, where: string, document: Document): void {
  const { tokens, problems } = document;
  if (!isTable(raw)) {
    const message = `quota = ${show(raw)} is not a table: write [quota] and its keys below`;
    problems.push({ where, key: "quota", message });
    return;
  }
  const { tokens: own, ...all } = raw;
  readQuotas(all, undefined, where, document);
  if (own === undefined) return;
  if (!isTable(own)) {
    const message = `quota.tokens = ${show(own)} is not a table: write [quota.tokens.<name>] and its keys below`;
    problems.push({ where, key: "quota.tokens", message });
    return;
  }
  for (const [token, table] of Object.entries(own)) {
    const key = `quota.tokens.${token}`;
    if (!isTable(table)) {
      problems.push({
        where,
        key,
        message: `${key} = ${show(table)} is not a table: write [${key}] and its keys below`,
      });
      continue;
    }
    tokens.push(token);
    readQuotas(table, token, where, document);
  }
}

function readQuotas(
  table: Record<string, unknown>,
  token: string | undefined,
  where: string,
  { entries, problems }: Document,
): void {
  const names = QUOTA_KEYS.map((known) => known.slice("quota.".length));
  const here = token === undefined ? [...names, "tokens"] : names;
  for (const [name, raw] of Object.entries(table)) {
    const key = `quota.${name}`;
    if (!includes<QuotaKey>(QUOTA_KEYS, key)) {
      problems.push(unknown(token === undefined ? "quota." : `quota.tokens.${token}.`, name, here, where));
    } else entries.push(token === undefined ? { key, raw, where } : { key, token, raw, where });
  }
}

/** @returns The rest of `[access]`, if there is any. */
function takeRequired(
  raw: unknown,
  where: string,
  { entries, problems }: Document,
): Record<string, unknown> | undefined {
  if (!isTable(raw)) {
    const message = `access = ${show(raw)} is not a table: write [access] and its keys below`;
    problems.push({ where, key: "access", message });
    return undefined;
  }
  const { required, ...rest } = raw;
  if (required !== undefined) entries.push({ key: "access.required", raw: required, where });
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function readChannels(
  raw: unknown,
  where: string,
  { entries, channels, problems }: Document,
  access: Map<string, unknown>,
): void {
  if (!isTable(raw)) {
    const message = `channels = ${show(raw)} is not a table: write [channels.<name>] and its keys below`;
    problems.push({ where, key: "channels", message });
    return;
  }
  for (const [channel, table] of Object.entries(raw)) {
    const key = `channels.${channel}`;
    const wrong = wrongChannel(channel, table);
    if (wrong !== undefined) {
      problems.push({ where, key, message: wrong });
      continue;
    }
    if (channel !== CONTROL_CHANNEL) channels.push(channel);
    for (const [name, value] of Object.entries(table as Record<string, unknown>)) {
      if (name === "access") access.set(channel, value);
      else if (includes<ChannelKey>(CHANNEL_KEYS, name)) entries.push({ key: name, channel, raw: value, where });
      else problems.push(unknown(`${key}.`, name, [...CHANNEL_KEYS, "access"], where));
    }
  }
}

function wrongChannel(channel: string, table: unknown): string | undefined {
  try {
    checkChannelName(channel);
  } catch (error) {
    return `[channels.${JSON.stringify(channel)}]: ${(error as Error).message}`;
  }
  if (channel === CONTROL_CHANNEL && !(isTable(table) && Object.keys(table).every((key) => key === "access"))) {
    return `[channels.${channel}] is the broker's own channel and takes no settings but access`;
  }
  if (isTable(table)) return undefined;
  return `channels.${channel} = ${show(table)} is not a table: write [channels.${channel}] and its keys below`;
}

/** A key that is known elsewhere is more likely misplaced than misspelt. */
function unknown(table: string, name: string, here: readonly string[], where: string): Problem {
  const key = `${table}${name}`;
  const known = [...KEYS, ...TABLES];
  const elsewhere = known.find((other) => other === name) ?? known.find((other) => other.endsWith(`.${name}`));
  const guess = closest(name, here);
  let advice = `known here: ${here.join(", ")}`;
  const section = elsewhere?.split(".", 2);
  if (section?.length === 2) advice = `${name} belongs in [${section[0]}]`;
  else if (elsewhere !== undefined) advice = `${name} belongs at the top of the file, before the first [table]`;
  else if (guess !== undefined) advice = `did you mean ${guess}?`;
  return { where, key, message: `unknown key ${/^[\w.-]+$/.test(key) ? key : JSON.stringify(key)}: ${advice}` };
}

function includes<K extends Key>(keys: readonly K[], name: string): name is K {
  return (keys as readonly string[]).includes(name);
}
