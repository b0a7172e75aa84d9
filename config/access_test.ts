import { ConfigError } from "./errors.ts";
import { assertFails, assertHolds, assertIs, assertJson, machine } from "./testing.ts";
import { readTokens } from "./tokens.ts";

const PROJECT = "home/project/ipc.toml", USER = "home/.config/ipc/config.toml", SYSTEM = "etc/ipc/config.toml";
const HASH = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"

Deno.test("[access] is lists by action, for all channels, for globs and for one", async () => {
  using place = machine();
  const file = place.write(
    PROJECT,
    `
[access]
token_file = "secret/tokens"
send = { allow = ["token:ci-*", "name:a b"], deny = ["*"] }

[access.admin]
allow = []

[[access.rules]]
channels = ["logs.*", "one"]
listen = { allow = ["uid:0", "gid:4294967294"] }

[[access.rules]]
channels = []
see = { deny = ["name:[!a-z]*"] }

[channels.deploys]
queue = "64KiB"
[channels.deploys.access]
handle = { deny = ["token:x"] }

[channels.ipcd.access]
see = { allow = ["*"] }
`,
  );
  const { settings, sources } = await place.load({ IPC_PEER_CREDENTIALS: "true" });
  const { channels, ...access } = settings.access;
  assertJson(access, {
    required: false,
    token_file: `${place.cwd}/secret/tokens`,
    all: { send: { allow: ["token:ci-*", "name:a b"], deny: ["*"] }, admin: { allow: [] } },
    globs: [
      { channels: ["logs.*", "one"], table: { listen: { allow: ["uid:0", "gid:4294967294"] } } },
      { channels: [], table: { see: { deny: ["name:[!a-z]*"] } } },
    ],
  });
  assertJson([...channels], [["deploys", { handle: { deny: ["token:x"] } }], ["ipcd", { see: { allow: ["*"] } }]]);
  assertJson([...settings.channels.keys()], ["deploys"]);
  assertIs(settings.channels.get("deploys")!.queue_bytes, 65_536);
  assertIs(sources.get("access"), file);
});

Deno.test("[access] of the first file that has any stands for all, but for required", async () => {
  using place = machine();
  place.write(
    SYSTEM,
    '[access]\nrequired = true\nsend = { allow = ["token:a"] }\n[channels.c.access]\nsee = { allow = [] }',
  );
  place.write(USER, 'queue = "64KiB"');
  assertJson((await place.load()).settings.access.all, { send: { allow: ["token:a"] } });
  place.write(PROJECT, '[channels.d.access]\nlisten = { deny = ["name:x"] }');
  const { settings } = await place.load();
  assertJson(settings.access.all, {});
  assertJson([...settings.access.channels.keys()], ["d"]);
  assertJson([...settings.channels.keys()], ["c", "d"]);
  assertIs(settings.access.required, true);
  place.write(PROJECT, "[access]\nrequired = false");
  assertJson((await place.load()).settings.access.all, { send: { allow: ["token:a"] } });
});

Deno.test("access.required refuses a configuration without rules, wherever it is said", async () => {
  using place = machine();
  const part = "access.required is true, and there is no rule";
  assertHolds(await place.refused({ IPC_ACCESS_REQUIRED: "true" }), `IPC_ACCESS_REQUIRED: ${part}`);
  for (const text of ["", '[access]\ntoken_file = "t"', "[[access.rules]]\nchannels = []", "[channels.c.access]"]) {
    place.write(PROJECT, text);
    assertHolds(await place.refused({ IPC_ACCESS_REQUIRED: "true" }), part);
  }
  assertHolds(await place.refused({ IPC_ACCESS_REQUIRED: "yes" }), "allowed is true or false");
  place.write(PROJECT, "[access]\nrequired = true\n[channels.c.access]\nsend = { allow = [] }");
  assertIs((await place.load()).settings.access.required, true);
  // A file cannot take back what the environment says.
  place.write(PROJECT, "[access]\nrequired = false");
  assertHolds(await place.refused({ IPC_ACCESS_REQUIRED: "true" }), part);
});

Deno.test("[access] refuses the whole file for one wrong line, and names it", async () => {
  using place = machine();
  const good = '[access]\nlisten = { allow = ["*"] }\n';
  const cases: [toml: string, part: string][] = [
    [`${good}snd = { allow = [] }`, "unknown key access.snd: did you mean send?"],
    [`${good}send = { alow = [] }`, "unknown key access.send.alow: did you mean allow?"],
    [`${good}send = {}`, "access.send says nothing: write { allow = [...], deny = [...] }"],
    [`${good}send = ["*"]`, 'access.send = ["*"] is not a table'],
    [`${good}send = { allow = "*" }`, 'access.send.allow = "*" is not a list: allowed are "*", "token:NAME"'],
    [`${good}send = { deny = ["*", "everybody", 7] }`, 'access.send.deny cannot hold "everybody", 7: allowed are "*"'],
    [`${good}send = { allow = ["tokn:a"] }`, 'cannot hold "tokn:a"'],
    [`${good}send = { allow = ["token:"] }`, 'cannot hold "token:"'],
    [`${good}send = { allow = ["token:a b"] }`, 'cannot hold "token:a b"'],
    [`${good}send = { allow = ["token:[a"] }`, 'cannot hold "token:[a"'],
    [`${good}send = { allow = ["uid:root"] }`, 'cannot hold "uid:root"'],
    [`${good}send = { allow = ["uid:-1", "gid:01", "uid:4294967295"] }`, '"uid:-1", "gid:01", "uid:4294967295"'],
    [`${good}send = { allow = ["__proto__"] }`, 'cannot hold "__proto__"'],
    [`${good}__proto__ = { allow = [] }`, "unknown key access.__proto__"],
    [`${good}token_file = 1`, "access.token_file = 1 cannot be used: allowed is the path of a file"],
    [`${good}rules = 1`, "access.rules = 1 is not a list of tables"],
    [`${good}[[access.rules]]\nsend = { allow = [] }`, "access.rules[0].channels is missing: allowed are names"],
    [`${good}[[access.rules]]\nchannels = ["a/b"]`, 'access.rules[0].channels cannot hold "a/b"'],
    [
      `${good}[[access.rules]]\nchannels = ["a"]\nadmin = { allow = [] }`,
      "access.rules[0].admin is no matter of single",
    ],
    [`${good}[[access.rules]]\nchanels = ["a"]`, "unknown key access.rules[0].chanels: did you mean channels?"],
    [`${good}[channels.c.access]\nadmin = { allow = [] }`, "channels.c.access.admin is no matter of single channels"],
    [`${good}[channels.c.access]\ntoken_file = "t"`, "unknown key channels.c.access.token_file"],
    [`${good}[channels.c]\naccess = true`, "channels.c.access = true is not a table"],
    [`${good}[channels.c]\nacess = {}`, "did you mean access?"],
    [`${good}[channels.ipcd.access]\nsnd = {}`, "unknown key channels.ipcd.access.snd"],
    [`${good}[acess]`, "unknown key acess: did you mean access?"],
    [`${good}send = { allow = ["*"] `, "not TOML"],
    [`${good}send = { allow = ["uid:1"] }`, 'rules for "uid:" and "gid:" need peer_credentials = true'],
    [`${good}[channels.c.access]\nsee = { deny = ["gid:1"] }`, 'rules for "uid:" and "gid:" need peer_credentials'],
  ];
  for (const [toml, part] of cases) {
    place.write(PROJECT, toml);
    assertHolds(await place.refused(), part);
  }
});

Deno.test("[access] is not read from a file that its group may write to, or everybody", async () => {
  using place = machine();
  const rules = '[access]\nsend = { allow = ["*"] }';
  for (const mode of [0o660, 0o664, 0o620]) {
    const path = place.write(PROJECT, rules, mode);
    assertHolds(
      await place.refused(),
      `${path}: cannot be read: it says who may do what, and its group may write to it`,
    );
  }
  place.write(PROJECT, rules, 0o646);
  assertHolds(await place.refused(), "everybody may write to it");
  place.write(PROJECT, "queue = 5000", 0o664);
  assertIs((await place.load()).settings.defaults.queue_bytes, 5000);
});

Deno.test("readTokens() reads names and hashes, or refuses the file whole and shows none of it", () => {
  using place = machine();
  const read = (text: string, mode = 0o600) => readTokens(place.write("tokens", text, mode));
  assertJson(read(`# a comment\n\n a:${HASH}\r\na:${"0".repeat(64)}\n__proto__:${HASH.toUpperCase()}`), [
    { name: "a", sha256: HASH },
    { name: "a", sha256: "0".repeat(64) },
    { name: "__proto__", sha256: HASH },
  ]);
  assertJson(read("# nobody any more\n"), []);
  const refuses = (text: string, part: string, mode?: number) => assertFails(() => read(text, mode), ConfigError, part);
  refuses("", "tokens: cannot be used: it is empty");
  refuses(" \n\n", "it is empty");
  refuses(`a:${HASH}\nb:my-password\n`, 'tokens:2: cannot be used: it is not "name:hash"');
  refuses(`a:${HASH}x`, "tokens:1:");
  refuses(`a b:${HASH}`, "tokens:1:");
  refuses(`a:${HASH}`, "everybody may write to it", 0o602);
  refuses(`a:${HASH}`, "its group may write to it", 0o660);
  assertFails(() => readTokens(`${place.root}/none`), ConfigError, "it does not exist");
  try {
    read("a:my-password");
  } catch (error) {
    assertIs((error as Error).message.includes("my-password"), false, "the token is shown");
  }
});
