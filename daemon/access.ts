/**
 * Access rules: who may do what on which channel. Pure data, made whole from the configuration and never changed; a
 * reload makes another one. What a client may is worked out once, when it joins and when the rules change, so that the
 * way of a message only ever looks at a boolean.
 *
 * Three kinds of rules speak about a channel: those for all, those for channels whose names fit a glob, and its own. A
 * deny list of any of them that fits denies, whatever is allowed elsewhere. Of the allow lists one counts: the channel's
 * own, else that of the first globs that have one, else that for all. It allows whom it names and nobody else; empty, it
 * allows nobody. Where there is no allow list everybody is allowed who is not denied.
 *
 * The broker's own channel is different: what may be asked there is decided by what is asked, method by method, nobody
 * but the broker sends or handles, and its events tell of all channels, so only who may see them all may listen.
 *
 * @module
 */
import { channelGlob, CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { IpcError } from "../protocol/errors.ts";
import type { Identity } from "./identity.ts";

/** What a rule can be about. */
export type AccessAction = "send" | "listen" | "request" | "handle" | "see" | "admin";

/** Two lists of subjects: `*`, `token:GLOB`, `name:GLOB`, `uid:N`, `gid:N`. */
export interface AccessLists {
  /** Nobody else; `undefined` says nothing. */
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
}

/** Lists by action. */
export type AccessTable = { readonly [action in AccessAction]?: AccessLists };

/** All rules of a broker. */
export interface AccessRules {
  /** For all channels. */
  readonly all: AccessTable;
  /** For channels whose names fit, those that win first. */
  readonly globs: readonly { readonly channels: readonly string[]; readonly table: AccessTable }[];
  /** For one channel. */
  readonly channels: ReadonlyMap<string, AccessTable>;
}

/** What one client may do on its channel. */
export interface Permissions {
  /** Publish events. */
  readonly send: boolean;
  /** Get events. */
  readonly listen: boolean;
  /** Ask. */
  readonly request: boolean;
  /** Be asked. */
  readonly handle: boolean;
  /** Know who is there. */
  readonly see: boolean;
  /** Close others, stop the broker, have it read its configuration again. Only on the broker's own channel. */
  readonly admin: boolean;
}

type Test = (identity: Identity) => boolean;
/** Lists that were read. */
interface Lists {
  readonly allow: readonly Test[] | undefined;
  readonly deny: readonly Test[];
}
type Table = ReadonlyMap<AccessAction, Lists>;

const ACTIONS = ["send", "listen", "request", "handle", "see", "admin"] as const;
const NO_TABLE: Table = new Map();

/** There are few combinations and many clients: each is one object. */
const KNOWN = new Map<number, Permissions>();

/** See the module's head. */
export class Policy {
  /** Whether there are no rules at all. */
  readonly is_empty: boolean;
  readonly #all: Table;
  readonly #globs: readonly { fits: (channel: string) => boolean; table: Table }[];
  readonly #channels: ReadonlyMap<string, Table>;
  /** Everything that may hide a channel from somebody. */
  readonly #see: readonly Lists[];

  /** @param rules Valid ones. */
  constructor({ all, globs, channels }: AccessRules) {
    this.#all = tableOf(all);
    this.#globs = globs.map(({ channels, table }) => {
      const tests = channels.map(channelGlob);
      return { fits: (channel) => tests.some((test) => test(channel)), table: tableOf(table) };
    });
    this.#channels = new Map([...channels].map(([name, table]) => [name, tableOf(table)]));
    const tables = [this.#all, ...this.#globs.map(({ table }) => table), ...this.#channels.values()];
    this.is_empty = tables.every(({ size }) => size === 0);
    this.#see = tables.map((table) => table.get("see")).filter((lists) => lists !== undefined);
  }

  /** What somebody may do on a channel. */
  permissions(identity: Identity, channel: string): Permissions {
    const may = this.#on(channel, identity);
    if (channel !== CONTROL_CHANNEL) {
      return permissions(may("send"), may("listen"), may("request"), may("handle"), may("see"), false);
    }
    const listen = may("listen") && this.#see.every((lists) => passes(identity, [lists], lists.allow));
    return permissions(false, listen, true, false, may("see"), may("admin"));
  }

  #on(channel: string, identity: Identity): (action: AccessAction) => boolean {
    const own = this.#channels.get(channel) ?? NO_TABLE;
    const fitting = this.#globs.filter(({ fits }) => fits(channel)).map(({ table }) => table);
    // The one that says most about the channel first.
    const tables = [own, ...fitting, this.#all];
    return (action) => {
      const lists = tables.map((table) => table.get(action)).filter((found) => found !== undefined);
      return passes(identity, lists, lists.find(({ allow }) => allow !== undefined)?.allow);
    };
  }
}

function passes(identity: Identity, lists: readonly Lists[], allow: readonly Test[] | undefined): boolean {
  const fits = (test: Test): boolean => test(identity);
  return !lists.some(({ deny }) => deny.some(fits)) && (allow?.some(fits) ?? true);
}

/** What all of several policies allow. */
export function permissionsOf(policies: readonly Policy[], identity: Identity, channel: string): Permissions {
  return policies.map((policy) => policy.permissions(identity, channel)).reduce((one, other) =>
    permissions(
      one.send && other.send,
      one.listen && other.listen,
      one.request && other.request,
      one.handle && other.handle,
      one.see && other.see,
      one.admin && other.admin,
    )
  );
}

function permissions(
  ...[send, listen, request, handle, see, admin]: [boolean, boolean, boolean, boolean, boolean, boolean]
): Permissions {
  const key = [send, listen, request, handle, see, admin].reduce((bits, may) => bits << 1 | Number(may), 0);
  let known = KNOWN.get(key);
  if (known === undefined) KNOWN.set(key, known = { send, listen, request, handle, see, admin });
  return known;
}

function tableOf(table: AccessTable): Table {
  const read = new Map<AccessAction, Lists>();
  for (const action of ACTIONS) {
    const lists = table[action];
    if (lists !== undefined) read.set(action, { allow: lists.allow?.map(testOf), deny: lists.deny?.map(testOf) ?? [] });
  }
  return read;
}

/** A subject as a test of who somebody is. */
function testOf(subject: string): Test {
  if (subject === "*") return () => true;
  const colon = subject.indexOf(":"), kind = subject.slice(0, colon), value = subject.slice(colon + 1);
  switch (kind) {
    case "token": {
      const fits = channelGlob(value);
      return ({ token }) => token !== undefined && fits(token);
    }
    case "name": {
      const fits = channelGlob(value);
      return ({ name }) => fits(name);
    }
    case "uid": {
      const uid = Number(value);
      return ({ credentials }) => credentials?.uid === uid;
    }
    case "gid": {
      const gid = Number(value);
      return ({ credentials }) => credentials?.gid === gid || credentials?.groups.includes(gid) === true;
    }
    default:
      throw new Error(`a rule that was not checked: ${subject}`);
  }
}

/** The policy of a broker without rules. */
export const NO_RULES: Policy = new Policy({ all: {}, globs: [], channels: new Map() });

/** Says that somebody may not do something, and who that is; for those who ask, and for the log. */
export function forbidden(action: AccessAction | "open", channel: string, identity: Identity): IpcError {
  const quoted = JSON.stringify(channel);
  if (channel === CONTROL_CHANNEL) {
    if (action === "send") return new IpcError("FORBIDDEN", `events on ${quoted} are the broker's own`);
    if (action === "handle") {
      return new IpcError("FORBIDDEN", `on channel ${quoted} the broker itself is the handler`);
    }
  }
  const what = action === "admin"
    ? "administer the broker"
    : action === "open"
    ? `do anything on channel ${quoted}`
    : action === "see"
    ? `see who is on channel ${quoted}`
    : `${action} on channel ${quoted}`;
  return new IpcError("FORBIDDEN", `${describe(identity)} may not ${what}: a rule denies it`);
}

/** Who somebody is, as far as it is known. */
export function describe({ token, name, credentials }: Identity): string {
  const called = name === "" ? "" : ` called ${JSON.stringify(name)}`;
  const user = credentials === undefined ? "" : ` of user ${credentials.uid}`;
  return token === undefined ? `a client${called}${user} without a token` : `token "${token}"${called}${user}`;
}
