/**
 * `[access]`, `[[access.rules]]` and `[channels.<name>.access]`: who may do what. What is not understood to the letter is
 * refused with the whole file, because half a rule is worse than none.
 *
 * @module
 */
import { channelGlob, isChannelName } from "../protocol/channel_name.ts";
import { isTable, type Problem, show } from "./errors.ts";
import { isAbsolute } from "./files.ts";
import type { Values } from "./keys.ts";
import type { AccessAction, AccessDocument, AccessGlobs, AccessLists, AccessTable } from "./settings.ts";
import { unknownKey } from "./suggest.ts";

/** What a rule can be about, in the order of the documentation. */
export const ACCESS_ACTIONS: readonly AccessAction[] = ["send", "listen", "request", "handle", "see", "admin"];
/** Administering is no matter of one channel. */
const CHANNEL_ACTIONS = ACCESS_ACTIONS.filter((action) => action !== "admin");
const LISTS = ["allow", "deny"] as const;
/** Of a rule for several channels, besides the actions. */
const CHANNELS = "channels";

const SUBJECTS = 'allowed are "*", "token:NAME", "name:NAME" (both may be globs), "uid:NUMBER" and "gid:NUMBER"';
const ID_MAX = 2 ** 32 - 2;

/**
 * Reads what stands under `access`, and under the `access` of each channel.
 *
 * @param raw Without `required`.
 * @param channels Only those that have it.
 * @param where The file's path; the token file is relative to its directory.
 */
export function readAccess(
  raw: Readonly<Record<string, unknown>>,
  channels: ReadonlyMap<string, unknown>,
  where: string,
): { access: AccessDocument; problems: Problem[] } {
  const reader = new AccessReader(where), { token_file, rules, ...all } = raw;
  const access: AccessDocument = {
    token_file: token_file === undefined ? undefined : reader.file(token_file),
    all: reader.table(all, "access", ACCESS_ACTIONS, ["required", "token_file", "rules"]),
    globs: rules === undefined ? [] : reader.globs(rules),
    channels: new Map(
      [...channels].map(([name, table]) => [name, reader.table(table, `channels.${name}.access`, CHANNEL_ACTIONS)]),
    ),
  };
  return { access, problems: reader.problems };
}

/** Whether there is any rule. Tokens alone are none. */
function hasRules(access: AccessDocument): boolean {
  return tablesOf(access).some((table) => Object.keys(table).length > 0);
}

/**
 * What is wrong with rules beside the other values.
 *
 * @param sources Where each of them comes from.
 */
export function misfits(access: AccessDocument, values: Values, sources: ReadonlyMap<string, string>): Problem[] {
  const problems: Problem[] = [];
  if (values["access.required"] && !hasRules(access)) {
    const key = "access.required", message = `${key} is true, and there is no rule: write one in [access]`;
    problems.push({ where: sources.get(key)!, key, message });
  }
  if (!values.peer_credentials && asksForCredentials(access)) {
    const key = "access", message = `rules for "uid:" and "gid:" need peer_credentials = true, or they would never fit`;
    problems.push({ where: sources.get(key)!, key, message });
  }
  return problems;
}

/** Whether a rule asks for what only the kernel knows. */
function asksForCredentials(access: AccessDocument): boolean {
  return tablesOf(access).flatMap((table) => Object.values(table))
    .some(({ allow = [], deny = [] }) => [...allow, ...deny].some((subject) => /^[ug]id:/.test(subject)));
}

function tablesOf({ all, globs, channels }: AccessDocument): AccessTable[] {
  return [all, ...globs.map(({ table }) => table), ...channels.values()];
}

class AccessReader {
  readonly problems: Problem[] = [];
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  /** Lists by action. */
  table(raw: unknown, path: string, actions: readonly AccessAction[], besides: readonly string[] = []): AccessTable {
    if (!isTable(raw)) {
      this.#wrong(path, `${path} = ${show(raw)} is not a table: write [${path}] and its keys below`);
      return {};
    }
    const table: { [action in AccessAction]?: AccessLists } = {};
    for (const [name, lists] of Object.entries(raw)) {
      const action = actions.find((action) => action === name), key = `${path}.${name}`;
      if (action !== undefined) table[action] = this.#lists(lists, key);
      else if (name === "admin") this.#wrong(key, `${key} is no matter of single channels: it belongs in [access]`);
      else this.#wrong(key, unknownKey(path, name, [...actions, ...besides]));
    }
    return table;
  }

  globs(raw: unknown): AccessGlobs[] {
    const path = "access.rules";
    if (!Array.isArray(raw) || !raw.every(isTable)) {
      this.#wrong(path, `${path} = ${show(raw)} is not a list of tables: write [[${path}]] and its keys below`);
      return [];
    }
    return raw.map(({ [CHANNELS]: channels, ...table }, index) => {
      const here = `${path}[${index}]`;
      return {
        channels: this.#list(
          channels,
          `${here}.${CHANNELS}`,
          isChannelGlob,
          "allowed are names of channels, and globs",
        ),
        table: this.table(table, here, CHANNEL_ACTIONS, [CHANNELS]),
      };
    });
  }

  /** The path of the token file. */
  file(raw: unknown): string | undefined {
    if (typeof raw !== "string" || raw === "") {
      const key = "access.token_file";
      return this.#wrong(key, `${key} = ${show(raw)} cannot be used: allowed is the path of a file`);
    }
    return isAbsolute(raw) ? raw : `${this.#where.slice(0, this.#where.lastIndexOf("/"))}/${raw}`;
  }

  #lists(raw: unknown, path: string): AccessLists {
    const lists: { allow?: readonly string[]; deny?: readonly string[] } = {};
    if (!isTable(raw) || Object.keys(raw).length === 0) {
      const what = isTable(raw) ? "says nothing" : `= ${show(raw)} is not a table`;
      this.#wrong(path, `${path} ${what}: write { allow = [...], deny = [...] }, or one of the two`);
      return lists;
    }
    for (const [name, list] of Object.entries(raw)) {
      const known = LISTS.find((known) => known === name), key = `${path}.${name}`;
      if (known !== undefined) lists[known] = this.#list(list, key, isSubject, SUBJECTS);
      else this.#wrong(key, unknownKey(path, name, LISTS));
    }
    return lists;
  }

  #list(raw: unknown, key: string, fits: (text: string) => boolean, allowed: string): readonly string[] {
    const found = raw === undefined ? "is missing" : `= ${show(raw)} is not a list`;
    if (!Array.isArray(raw)) this.#wrong(key, `${key} ${found}: ${allowed}`);
    else {
      const wrong = raw.filter((text) => typeof text !== "string" || !fits(text));
      if (wrong.length === 0) return raw;
      this.#wrong(key, `${key} cannot hold ${wrong.map(show).join(", ")}: ${allowed}`);
    }
    return [];
  }

  #wrong(key: string, message: string): undefined {
    this.problems.push({ where: this.#where, key, message });
  }
}

/** Refuses what could never fit: it would look like a rule and be none. */
function isSubject(text: string): boolean {
  if (text === "*") return true;
  const colon = text.indexOf(":"), kind = text.slice(0, Math.max(0, colon)), value = text.slice(colon + 1);
  if (kind === "uid" || kind === "gid") return /^(0|[1-9]\d{0,9})$/.test(value) && Number(value) <= ID_MAX;
  if (kind === "token") return /^[^:\s]+$/.test(value) && isGlob(value);
  return kind === "name" && isGlob(value);
}

function isGlob(text: string): boolean {
  try {
    channelGlob(text);
    return true;
  } catch {
    return false;
  }
}

function isChannelGlob(text: string): boolean {
  return isChannelName(text) || /^[A-Za-z0-9_.*?[\]!^-]+$/.test(text) && /[*?[]/.test(text) && isGlob(text);
}
