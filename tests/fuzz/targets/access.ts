/**
 * Access rules, against docs/configuration.md said in another way: one decision at a time, nothing worked out before.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type AccessAction, type AccessRules, type AccessTable, Policy } from "../../../daemon/access.ts";
import type { Identity } from "../../../daemon/identity.ts";
import { type Choices, Tape } from "../random.ts";
import type { Target } from "../target.ts";

const ACTIONS: readonly AccessAction[] = ["send", "listen", "request", "handle", "see", "admin"];
const SUBJECTS = [
  "*",
  "token:ops",
  "token:o*",
  "token:*",
  "name:ops",
  "name:?*",
  "name:*",
  "uid:0",
  "uid:1000",
  "gid:1000",
];
const CHANNELS = ["jobs", "logs.a", "logs.b", "ipcd", "constructor"];
const GLOBS = ["logs.*", "*", "j?bs", "logs.a", "ipcd", "*.b"];

/** See the module's head. */
export const ACCESS: Target = {
  name: "access",
  about: "who may do what: any rules, for anybody, on any channel",
  input: (choices) => choices.bytes(choices.size(200)),
  check(input, timed) {
    const choices = new Tape(input), rules = rulesOf(choices), identity = identityOf(choices);
    const policy = new Policy(rules);
    for (const channel of CHANNELS) {
      const permissions = timed(() => policy.permissions(identity, channel));
      for (const action of ACTIONS) {
        const may = mayDo(rules, identity, channel, action);
        if (permissions[action] === may) continue;
        assert.fail(
          `${may ? "denied" : "allowed"}: ${action} ${channel}, ${Deno.inspect({ rules, identity }, { depth: 9 })}`,
        );
      }
    }
  },
};

function rulesOf(choices: Choices): AccessRules {
  const globs = choices.many(choices.below(4), () => ({
    channels: choices.many(1 + choices.below(2), () => choices.pick(GLOBS)),
    table: tableOf(choices),
  }));
  const channels = choices.many(choices.below(4), () => [choices.pick(CHANNELS), tableOf(choices)] as const);
  return { all: tableOf(choices), globs, channels: new Map(channels) };
}

function tableOf(choices: Choices): AccessTable {
  const list = () => choices.oneIn(2) ? undefined : choices.many(choices.below(3), () => choices.pick(SUBJECTS));
  return Object.fromEntries(
    choices.many(choices.below(4), () => [choices.pick(ACTIONS), { allow: list(), deny: list() }]),
  );
}

function identityOf(choices: Choices): Identity {
  const id = () => choices.pick([0, 1000, 7]);
  const credentials = { pid: 1, uid: id(), gid: id(), groups: choices.many(choices.below(3), id) };
  return {
    token: choices.pick([undefined, "ops", "build", ""]),
    name: choices.pick(["", "ops", "*", "uid:0"]),
    credentials: choices.oneIn(2) ? credentials : undefined,
  };
}

function mayDo(rules: AccessRules, identity: Identity, channel: string, action: AccessAction): boolean {
  const is_control = channel === "ipcd";
  if (is_control && (action === "send" || action === "handle")) return false;
  if (is_control && action === "request") return true;
  if (!is_control && action === "admin") return false;
  const fits = (subjects: readonly string[] | undefined) =>
    (subjects ?? []).some((subject) => isOne(subject, identity));
  // Its events tell of all channels, so no rule about seeing any of them may stand against it.
  if (is_control && action === "listen") {
    for (const { see } of [rules.all, ...rules.globs.map(({ table }) => table), ...rules.channels.values()]) {
      if (see !== undefined && (fits(see.deny) || see.allow !== undefined && !fits(see.allow))) return false;
    }
  }
  const tables = [
    rules.channels.get(channel),
    ...rules.globs.filter((glob) => glob.channels.some((one) => like(one, channel))).map(({ table }) => table),
    rules.all,
  ];
  let allowed: boolean | undefined;
  for (const table of tables) {
    const lists = table?.[action];
    if (fits(lists?.deny)) return false;
    if (lists?.allow !== undefined) allowed ??= fits(lists.allow);
  }
  return allowed ?? true;
}

function isOne(subject: string, { token, name, credentials }: Identity): boolean {
  if (subject === "*") return true;
  const [kind, value] = subject.split(":") as [string, string];
  if (kind === "token") return token !== undefined && like(value, token);
  if (kind === "name") return like(value, name);
  if (credentials === undefined) return false;
  const { uid, gid, groups } = credentials, ids = kind === "uid" ? [uid] : [gid, ...groups];
  return ids.map(String).includes(value);
}

function like(glob: string, text: string): boolean {
  return new RegExp(`^${glob.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".")}$`).test(text);
}
