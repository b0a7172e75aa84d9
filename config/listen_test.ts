import { readListenSecrets } from "./listen_secrets.ts";
import { ConfigError } from "./errors.ts";
import type { ListenSettings } from "./settings.ts";
import { assertFails, assertHolds, assertIs, assertJson, machine } from "./testing.ts";

const PROJECT = "home/project/ipc.toml", USER = "home/.config/ipc/config.toml";
const HASH = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"

Deno.test("[[listen]] is an address, and what else a table says, paths relative to its file", async () => {
  using place = machine();
  const file = place.write(
    PROJECT,
    `
[[listen]]
tcp = "127.0.0.1:7410"

[[listen]]
tcp = "[::1]:49152"
name = "deploys from outside"
channel = "deploys"
tls = { cert = "tls/cert.pem", key = "/etc/ipc/key.pem" }
token_file = "tokens"
`,
  );
  const { settings, sources } = await place.load();
  const nothing = { channel: undefined, tls: undefined, token_file: undefined };
  assertJson(settings.listen, [
    { name: "127.0.0.1:7410", hostname: "127.0.0.1", port: 7410, ...nothing },
    {
      name: "deploys from outside",
      hostname: "::1",
      port: 49152,
      channel: "deploys",
      tls: { cert: `${place.cwd}/tls/cert.pem`, key: "/etc/ipc/key.pem" },
      token_file: `${place.cwd}/tokens`,
    },
  ]);
  assertIs(sources.get("listen"), file);
  // A port leads to a channel that is always there.
  assertJson(settings.channels.get("deploys"), settings.defaults);
});

Deno.test("[[listen]] of the file that wins stands for all", async () => {
  using place = machine();
  place.write(USER, '[[listen]]\ntcp = "127.0.0.1:1"\nchannel = "hidden"\n[channels.c]\nqueue = "64KiB"');
  place.write(PROJECT, '[[listen]]\ntcp = "localhost:2"\nchannel = "c"');
  const { settings } = await place.load();
  assertJson(settings.listen.map(({ name }) => name), ["localhost:2"]);
  assertJson([...settings.channels.keys()], ["c"]);
  assertIs(settings.channels.get("c")!.queue_bytes, 65_536);
  place.write(PROJECT, "listen = []");
  assertJson((await place.load()).settings.listen, []);
});

Deno.test("[[listen]] outside of the loopback needs TLS and tokens", async () => {
  using place = machine();
  const addresses = ["0.0.0.0:1", "[::]:1", "192.168.1.2:1", "example.org:1", "localhost.example.org:1", "128.0.0.1:1"];
  const tls = 'tls = { cert = "/c", key = "/k" }', token = 'token_file = "/t"';
  for (const address of addresses) {
    for (const [more, missing] of [["", "tls and token_file"], [tls, "token_file"], [token, "tls"]] as const) {
      place.write(PROJECT, `[[listen]]\ntcp = "${address}"\n${more}`);
      const message = await place.refused();
      assertHolds(message, `listen[0].tcp = "${address}" is not a loopback address, so others can reach it`);
      assertHolds(message, `set ${missing} too`);
    }
    place.write(PROJECT, `[[listen]]\ntcp = "${address}"\n${tls}\n${token}`);
    assertIs((await place.load()).settings.listen.length, 1);
  }
  for (const address of ["127.0.0.1:0", "127.8.9.10:1", "[::1]:65535", "localhost:1", "LOCALHOST:1"]) {
    place.write(PROJECT, `[[listen]]\ntcp = "${address}"`);
    assertIs((await place.load()).settings.listen.length, 1);
  }
});

Deno.test("[[listen]] that is wrong is refused, with what is allowed", async () => {
  using place = machine();
  const cases: [toml: string, part: string][] = [
    ["listen = 1", "is not a list of tables: write [[listen]]"],
    ["listen = [1]", "is not a list of tables"],
    ["[listen]\ntcp = 1", "is not a list of tables"],
    ["[[listen]]", "listen[0].tcp is missing: allowed is host:port"],
    ["[[listen]]\ntcp = 7410", "listen[0].tcp = 7410 cannot be used: allowed is host:port"],
    ['[[listen]]\ntcp = ":7410"', "cannot be used"],
    ['[[listen]]\ntcp = "127.0.0.1"', "cannot be used"],
    ['[[listen]]\ntcp = "127.0.0.1:65536"', "cannot be used"],
    ['[[listen]]\ntcp = "::1:7410"', "cannot be used"],
    ['[[listen]]\ntcp = "127.0.0.1:1"\nchanel = "c"', "unknown key listen[0].chanel: did you mean channel?"],
    [
      '[[listen]]\ntcp = "127.0.0.1:1"\ntls = { cert = "c", kye = "k" }',
      "unknown key listen[0].tls.kye: did you mean key?",
    ],
    ['[[listen]]\ntcp = "127.0.0.1:1"\ntls = { cert = "c" }', "listen[0].tls.key is missing"],
    ['[[listen]]\ntcp = "127.0.0.1:1"\ntls = true', "is not a table"],
    ['[[listen]]\ntcp = "127.0.0.1:1"\ntoken_file = ""', "listen[0].token_file"],
    ['[[listen]]\ntcp = "127.0.0.1:1"\nname = 1', "listen[0].name = 1 cannot be used: allowed is text"],
    ['[[listen]]\ntcp = "127.0.0.1:1"\nchannel = "a/b"', "is not a channel name"],
    ['[[listen]]\ntcp = "127.0.0.1:1"\nchannel = "ipcd"', "is the broker's own"],
    ['[[listen]]\ntcp = "127.0.0.1:1"\n[[listen]]\ntcp = "127.0.0.1:1"', "is there already"],
    ['[[listn]]\ntcp = "127.0.0.1:1"', "did you mean listen?"],
    ["[log]\nlisten = 1", "listen belongs at the top of the file"],
  ];
  for (const [toml, part] of cases) {
    place.write(PROJECT, toml);
    assertHolds(await place.refused(), part);
  }
});

Deno.test("readListenSecrets() reads certificate, key and tokens, and says what is wrong with each", () => {
  using place = machine();
  const pem = (what: string) => `-----BEGIN ${what}-----\nAA==\n-----END ${what}-----\n`;
  const cert = place.write("cert.pem", pem("CERTIFICATE")), key = place.write("key.pem", pem("EC PRIVATE KEY"), 0o640);
  const token_file = place.write("tokens", `# who may come\n\nbackup:${HASH}\r\n ci:${HASH.toUpperCase()}\n`);
  const listen: ListenSettings = {
    name: "l",
    hostname: "127.0.0.1",
    port: 1,
    channel: undefined,
    tls: { cert, key },
    token_file,
  };
  assertJson(readListenSecrets(listen), {
    tls: { cert: pem("CERTIFICATE"), key: pem("EC PRIVATE KEY") },
    tokens: [{ name: "backup", sha256: HASH }, { name: "ci", sha256: HASH }],
  });
  assertJson(readListenSecrets({ ...listen, tls: undefined, token_file: undefined }), {});
  const refuses = (more: Partial<ListenSettings>, part: string) =>
    assertFails(() => readListenSecrets({ ...listen, ...more }), ConfigError, part);
  refuses({ tls: { cert: `${place.root}/none`, key } }, "it does not exist");
  refuses({ tls: { cert: key, key } }, "it holds no certificate in PEM");
  refuses({ tls: { cert, key: cert } }, "it is a secret, and everybody may read it. chmod o=");
  refuses({ tls: { cert, key: place.write("no.pem", "hello", 0o600) } }, "it holds no private key in PEM");
  refuses({ token_file: place.write("empty", "# nobody\n") }, "it holds no token");
  refuses({ token_file: place.write("open", `a:${HASH}`, 0o646) }, "everybody may write to it");
  const plain = place.write("plain", `a:${HASH}\nb:my-password\n`);
  refuses({ token_file: plain }, `${plain}:2: cannot be used: it is not "name:hash"`);
  try {
    readListenSecrets({ ...listen, token_file: plain });
  } catch (error) {
    assertIs((error as Error).message.includes("my-password"), false, "the token is shown");
  }
});
