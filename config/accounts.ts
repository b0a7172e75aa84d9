/**
 * Names of users and groups, and their numbers. Only the machine's own files are asked: a broker may run no programs, and
 * an account of a directory service can be given by its number.
 *
 * @module
 */
import { ConfigError, type Problem } from "./errors.ts";
import { quote } from "./files.ts";
import type { ChannelValues, Values } from "./keys.ts";
import type { Settings } from "./settings.ts";

/** Where the names stand. */
const FILES = { user: "/etc/passwd", group: "/etc/group" } as const;
/** The largest is no account: chown(2) takes it for "leave as it is". */
const ID_MAX = 2 ** 32 - 2;

/**
 * The number of a user or group.
 *
 * @param name Its name, or the number itself.
 * @returns `undefined` if there is none of that name.
 */
export function accountId(kind: keyof typeof FILES, name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name) <= ID_MAX ? Number(name) : undefined;
  for (const [account, id] of accounts(kind)) if (account === name) return id;
  return undefined;
}

/** The name of a user or group, for people; its number if it has none. */
export function accountName(kind: keyof typeof FILES, id: number): string {
  for (const [account, number] of accounts(kind)) if (number === id) return account;
  return String(id);
}

function* accounts(kind: keyof typeof FILES): Generator<[string, number]> {
  let text: string;
  try {
    text = Deno.readTextFileSync(FILES[kind]);
  } catch {
    return; // there are only numbers then
  }
  for (const line of text.split("\n")) {
    const [account, , id] = line.split(":");
    if (account !== undefined && id !== undefined && /^\d+$/.test(id)) yield [account, Number(id)];
  }
}

/** Ids of the accounts that a configuration names. */
export interface Accounts {
  broker_uid: number | undefined;
  /** By name. */
  groups: ReadonlyMap<string, number>;
}

/**
 * Finds the accounts that are named, and says of groups what can have been meant by none.
 *
 * @param channels What is set for single channels.
 * @param problems What is wrong is added here.
 */
export function findAccounts(
  values: Values,
  channels: ReadonlyMap<string, Partial<ChannelValues>>,
  sources: ReadonlyMap<string, string>,
  problems: Problem[],
): Accounts {
  const groups = new Map<string, number>();
  const missing = (key: string, kind: keyof typeof FILES, name: string) =>
    problems.push({
      where: sources.get(key) ?? "default",
      key,
      message: `${key} = ${JSON.stringify(name)} cannot be used: ${FILES[kind]} has no such ${kind}. ` +
        `Create it, or give the number of one that it does not list`,
    });
  const useless = (key: string, name: string) =>
    problems.push({
      where: sources.get(key) ?? "default",
      key,
      message: `${key} = ${JSON.stringify(name)} lets nobody in while mode is "0600": set mode = "0660" with it`,
    });
  const named: [string, string][] = [["group", values.group]];
  for (const [channel, { group = "", mode = values.mode }] of channels) {
    named.push([`channels.${channel}.group`, group]);
    if (group !== "" && mode === "0600") useless(`channels.${channel}.group`, group);
  }
  const inherited = [values, ...[...channels.values()].filter(({ group }) => group === undefined)];
  if (values.group !== "" && inherited.every(({ mode = values.mode }) => mode === "0600")) {
    useless("group", values.group);
  }
  for (const [key, name] of named) {
    if (name === "") continue;
    const gid = accountId("group", name);
    if (gid === undefined) missing(key, "group", name);
    else groups.set(name, gid);
  }
  const broker_uid = values.broker_user === "" ? undefined : accountId("user", values.broker_user);
  if (values.broker_user !== "" && broker_uid === undefined) missing("broker_user", "user", values.broker_user);
  return { broker_uid, groups };
}

/**
 * Makes sure that this process may give files to every group that the settings name, by giving one away: that a user is
 * in a group says `/etc/group`, but a process has the groups that it was started with.
 *
 * @param directory Where to try it; of this user's own.
 * @throws {ConfigError} Naming the groups.
 */
export function checkGroups(settings: Settings, directory: string): void {
  const named = new Set([settings.defaults, ...settings.channels.values()].map(({ socket_gid }) => socket_gid));
  named.delete(undefined);
  if (named.size === 0) return;
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const probe = Deno.makeTempFileSync({ dir: directory, prefix: "group-" }), problems: Problem[] = [];
  try {
    for (const gid of named as Set<number>) {
      try {
        Deno.chownSync(probe, null, gid);
      } catch (error) {
        if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
        const name = accountName("group", gid), user = accountName("user", Deno.uid() ?? 0);
        problems.push({
          where: "group",
          key: "group",
          message: `sockets cannot be given to group ${name}: this process is not in it. As root: ` +
            `usermod -aG ${quote(name)} ${quote(user)}; then log in again, or restart the service`,
        });
      }
    }
  } finally {
    Deno.removeSync(probe);
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
