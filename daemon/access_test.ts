import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AccessAction,
  type AccessLists,
  type AccessRules,
  type AccessTable,
  forbidden,
  NO_RULES,
  permissionsOf,
  Policy,
} from "./access.ts";
import { ANONYMOUS, type Identity } from "./identity.ts";

const CHANNEL_ACTIONS = ["send", "listen", "request", "handle", "see"] as const;
const NOTHING: AccessRules = { all: {}, globs: [], channels: new Map() };

function policy(rules: Partial<AccessRules>): Policy {
  return new Policy({ ...NOTHING, ...rules });
}

function who(token?: string, name = "", uid?: number, groups: readonly number[] = []): Identity {
  return { token, name, credentials: uid === undefined ? undefined : { pid: 1, uid, gid: uid + 1, groups } };
}

/** Whether somebody may send on a channel. */
function sends(rules: Partial<AccessRules>, identity: Identity, channel = "c"): boolean {
  return policy(rules).permissions(identity, channel).send;
}

Deno.test("Policy.permissions() without rules is everything, but for what is the broker's own", () => {
  const all = { send: true, listen: true, request: true, handle: true, see: true };
  assert.deepEqual(NO_RULES.permissions(ANONYMOUS, "c"), { ...all, admin: false });
  assert.deepEqual(NO_RULES.permissions(ANONYMOUS, "ipcd"), { ...all, send: false, handle: false, admin: true });
  assert.equal(NO_RULES.permissions(who("t"), "d"), NO_RULES.permissions(ANONYMOUS, "c"), "one object for all");
});

Deno.test("Policy.permissions() knows people by token, name, user and group, and by globs", () => {
  const rows: [subject: string, identity: Identity, fits: boolean][] = [
    ["*", ANONYMOUS, true],
    ["token:ci", who("ci"), true],
    ["token:ci", who("ci2"), false],
    ["token:ci", who(undefined, "ci"), false],
    ["token:*", who("any"), true],
    ["token:*", ANONYMOUS, false],
    ["token:ci-*", who("ci-main"), true],
    ["token:ci-?", who("ci-main"), false],
    ["name:backup", who(undefined, "backup"), true],
    ["name:backup", who("backup"), false],
    ["name:*.py", who(undefined, "a b.py"), true],
    ["name:", who(undefined, ""), true],
    ["name:a:b", who(undefined, "a:b"), true],
    ["uid:1000", who(undefined, "", 1000), true],
    ["uid:1000", who(undefined, "", 100), false],
    ["uid:0", ANONYMOUS, false],
    ["gid:1001", who(undefined, "", 1000), true],
    ["gid:1000", who(undefined, "", 1000), false],
    ["gid:7", who(undefined, "", 1000, [5, 7]), true],
    ["gid:5", who(undefined, "", 1000, [5, 7]), true],
    ["gid:6", who(undefined, "", 1000, [5, 7]), false],
    ["uid:7", who(undefined, "", 1000, [5, 7]), false],
    ["gid:7", ANONYMOUS, false],
  ];
  for (const [subject, identity, fits] of rows) {
    assert.equal(sends({ all: { send: { allow: [subject] } } }, identity), fits, `allow ${subject}`);
    assert.equal(sends({ all: { send: { deny: [subject] } } }, identity), !fits, `deny ${subject}`);
  }
});

Deno.test("Policy.permissions() of one action says nothing about another", () => {
  const may = policy({ all: { send: { allow: [] } } }).permissions(ANONYMOUS, "c");
  assert.deepEqual(may, { send: false, listen: true, request: true, handle: true, see: true, admin: false });
});

Deno.test("Policy.permissions() takes a channel's own allow list, else the first glob's, else that for all", () => {
  const rules: AccessRules = {
    all: { send: { allow: ["token:all"] } },
    globs: [
      { channels: ["z", "logs.*"], table: { listen: { allow: [] } } },
      { channels: ["logs.*"], table: { send: { allow: ["token:glob"] } } },
      { channels: ["logs.w*"], table: { send: { allow: ["token:later"] } } },
    ],
    channels: new Map([["logs.web", { send: { allow: ["token:own"] } }], ["logs.wx", {
      send: { deny: ["token:glob"] },
    }]]),
  };
  const rows: [channel: string, token: string][] = [
    ["c", "all"],
    ["logs.a", "glob"],
    ["logs.wa", "glob"],
    ["logs.web", "own"],
  ];
  for (const [channel, allowed] of rows) {
    for (const token of ["all", "glob", "later", "own"]) {
      assert.equal(sends(rules, who(token), channel), token === allowed, `${channel} ${token}`);
    }
  }
  assert.equal(sends(rules, who("glob"), "logs.wx"), false);
  assert.equal(policy(rules).permissions(ANONYMOUS, "logs.a").listen, false);
});

Deno.test("Policy.permissions() denies what any deny list denies", () => {
  const everybody = { send: { allow: ["*"] } }, me = who("me", "me", 7);
  const tables: [string, Partial<AccessRules>][] = ["*", "token:m?", "name:me", "uid:7", "gid:8"].flatMap((deny) => [
    [`${deny} for all`, { all: { send: { deny: [deny] } }, channels: new Map([["c", everybody]]) }],
    [`${deny} by glob`, { globs: [{ channels: ["?"], table: { send: { deny: [deny] } } }], all: everybody }],
    [`${deny} for one`, { all: everybody, channels: new Map([["c", { send: { allow: ["*"], deny: [deny] } }]]) }],
  ]);
  for (const [what, rules] of tables) assert.equal(sends(rules, me), false, what);
});

Deno.test("Policy.permissions() on the broker's own channel: sight of all channels to listen, its own list to administer", () => {
  const own = policy({
    all: { admin: { allow: ["token:ops"] } },
    channels: new Map([["ipcd", { see: { deny: ["*"] } }]]),
  });
  assert.deepEqual(own.permissions(who("ops"), "ipcd"), {
    ...{ send: false, listen: false, request: true, handle: false, see: false, admin: true },
  });
  assert.equal(own.permissions(ANONYMOUS, "ipcd").admin, false);
  const secrets: Partial<AccessRules>[] = [
    { all: { see: { allow: ["token:ops"] } } },
    { globs: [{ channels: ["secret.*"], table: { see: { allow: ["token:ops"] } } }] },
    { channels: new Map([["secret", { see: { allow: ["token:ops"] } }]]) },
    { channels: new Map([["secret", { see: { deny: ["name:*"] } }]]) },
  ];
  for (const rules of secrets) {
    assert.equal(policy(rules).permissions(ANONYMOUS, "ipcd").listen, false);
    const sees_all = rules.channels?.get("secret")?.see?.deny === undefined;
    assert.equal(policy(rules).permissions(who("ops"), "ipcd").listen, sees_all);
  }
});

Deno.test("permissionsOf() several policies is what each of them allows", () => {
  for (const action of CHANNEL_ACTIONS) {
    const [one, other] = [
      policy({ all: { [action]: { deny: ["name:a"] } } }),
      policy({ all: { see: { allow: ["name:a"] } } }),
    ];
    for (const policies of [[one, other], [other, one]]) {
      const may = permissionsOf(policies, who(undefined, "a"), "c");
      for (const each of CHANNEL_ACTIONS) assert.equal(may[each], each !== action, each);
      assert.equal(permissionsOf(policies, who(undefined, "b"), "c").see, false);
    }
    assert.equal(permissionsOf([one], ANONYMOUS, "c"), one.permissions(ANONYMOUS, "c"));
  }
});

Deno.test("forbidden() says who may not do what where", () => {
  const rows: [AccessAction | "open", string, Identity, string][] = [
    ["listen", "c", ANONYMOUS, 'a client without a token may not listen on channel "c": a rule denies it'],
    ["send", "c", who("ci", "b"), 'token "ci" called "b" may not send on channel "c": a rule denies it'],
    [
      "handle",
      "c",
      who(undefined, "b", 7),
      'a client called "b" of user 7 without a token may not handle on channel "c"',
    ],
    ["open", "c", who("ci"), 'token "ci" may not do anything on channel "c"'],
    ["admin", "ipcd", who("ci"), 'token "ci" may not administer the broker'],
    ["send", "ipcd", ANONYMOUS, `events on "ipcd" are the broker's own`],
  ];
  for (const [action, channel, identity, words] of rows) {
    const error = forbidden(action, channel, identity);
    assert.equal(error.reason, "FORBIDDEN");
    assert(error.message.startsWith(words), error.message);
  }
});

const names = fc.constantFrom("a", "b", "ab", "constructor", "__proto__");
const subjects = fc.oneof(
  fc.constant("*"),
  fc.tuple(fc.constantFrom("token", "name"), fc.constantFrom("a", "b", "a*", "*", "[!a]*", "?")).map((it) =>
    it.join(":")
  ),
  fc.tuple(fc.constantFrom("uid", "gid"), fc.nat(3)).map((it) => it.join(":")),
);
const list = fc.array(subjects, { maxLength: 3 });
const lists = fc.record({ allow: fc.option(list, { nil: undefined }), deny: fc.option(list, { nil: undefined }) });
const table: fc.Arbitrary<AccessTable> = fc.dictionary(fc.constantFrom(...CHANNEL_ACTIONS), lists);
const channels = fc.constantFrom("c", "cd", "d");
const rules: fc.Arbitrary<AccessRules> = fc.record({
  all: table,
  globs: fc.array(fc.record({ channels: fc.array(fc.constantFrom("c*", "d", "*"), { maxLength: 2 }), table }), {
    maxLength: 3,
  }),
  channels: fc.dictionary(channels, table).map((tables) => new Map(Object.entries(tables))),
});
const identity = fc.record({
  token: fc.option(names, { nil: undefined }),
  name: fc.oneof(names, fc.constant("")),
  credentials: fc.option(
    fc.record({ pid: fc.nat(), uid: fc.nat(3), gid: fc.nat(3), groups: fc.array(fc.nat(3), { maxLength: 2 }) }),
    { nil: undefined },
  ),
});
const action = fc.constantFrom(...CHANNEL_ACTIONS);

/** With one more subject in a list of one kind of table. */
function withSubject(
  given: AccessRules,
  where: "all" | "glob" | "own",
  channel: string,
  action: AccessAction,
  change: (lists: AccessLists) => AccessLists,
): AccessRules {
  const changed = (table: AccessTable = {}): AccessTable => ({ ...table, [action]: change({ ...table[action] }) });
  if (where === "all") return { ...given, all: changed(given.all) };
  if (where === "glob") return { ...given, globs: [...given.globs, { channels: [channel], table: changed() }] };
  return { ...given, channels: new Map([...given.channels, [channel, changed(given.channels.get(channel))]]) };
}

Deno.test("Policy.permissions(): a deny that fits always wins, wherever it stands and whatever else is said", () => {
  fc.assert(fc.property(
    ...[
      rules,
      identity,
      channels,
      action,
      fc.constantFrom("all", "glob", "own") as fc.Arbitrary<"all" | "glob" | "own">,
    ],
    (rules, identity, channel, action, where) => {
      const denied = withSubject(rules, where, channel, action, (lists) => ({
        ...lists,
        deny: [...lists.deny ?? [], "*"],
      }));
      assert.equal(new Policy(denied).permissions(identity, channel)[action], false);
    },
  ));
});

Deno.test("Policy.permissions(): one deny more never allows anything", () => {
  fc.assert(fc.property(
    ...[
      rules,
      identity,
      channels,
      action,
      fc.constantFrom("all", "glob", "own") as fc.Arbitrary<"all" | "glob" | "own">,
    ],
    subjects,
    (rules, identity, channel, action, where, subject) => {
      const more = withSubject(rules, where, channel, action, (lists) => ({
        ...lists,
        deny: [...lists.deny ?? [], subject],
      }));
      const before = new Policy(rules).permissions(identity, channel),
        after = new Policy(more).permissions(identity, channel);
      for (const one of CHANNEL_ACTIONS) assert(before[one] || !after[one], one);
    },
  ));
});

Deno.test("Policy.permissions(): an empty allow list of a channel allows nobody there, and everybody as before elsewhere", () => {
  fc.assert(fc.property(rules, identity, channels, action, (rules, identity, channel, action) => {
    const empty = new Policy(withSubject(rules, "own", channel, action, (lists) => ({ ...lists, allow: [] })));
    assert.equal(empty.permissions(identity, channel)[action], false);
    assert.deepEqual(empty.permissions(identity, "other"), new Policy(rules).permissions(identity, "other"));
  }));
});

Deno.test("Policy.permissions(): what nobody is denied and no list allows to some, everybody may", () => {
  fc.assert(fc.property(identity, channels, action, (identity, channel, action) => {
    const others = Object.fromEntries(
      CHANNEL_ACTIONS.filter((one) => one !== action).map((one) => [one, { allow: [] }]),
    );
    assert.equal(policy({ all: others }).permissions(identity, channel)[action], true);
  }));
});
