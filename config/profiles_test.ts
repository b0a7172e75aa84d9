import { assertHolds, assertIs, assertJson, machine } from "./testing.ts";
import { profileNames, readConnection } from "./profiles.ts";

Deno.test("a profile wins over files, and variables win over it", async () => {
  using place = machine();
  place.write("home/project/ipc.toml", 'queue = "1MiB"\nhistory = "1MiB"\nlog.level = "debug"');
  const path = place.write("home/.config/ipc/profiles/prod.toml", 'queue = "2MiB"\nhistory = "2MiB"\n[channels.x]\n');
  const { values, sources, profile, channels } = await place.load({ IPC_PROFILE: "prod", IPC_HISTORY: "3MiB" });
  assertJson([values.queue, values.history, values["log.level"]], [2 << 20, 3 << 20, "debug"]);
  assertJson([sources.get("queue"), sources.get("history")], [path, "IPC_HISTORY"]);
  assertJson(profile, { name: "prod", path });
  assertIs(channels.has("x"), true);
  assertIs((await place.load()).profile, undefined);
});

Deno.test("a profile of the machine is found, and one's own wins over it", async () => {
  using place = machine();
  const shared = place.write("etc/ipc/profiles/prod.toml", "");
  assertIs((await place.load({ IPC_PROFILE: "prod" })).profile?.path, shared);
  const own = place.write("home/.config/ipc/profiles/prod.toml", "");
  assertIs((await place.load({ IPC_PROFILE: "prod" })).profile?.path, own);
  const named = place.write("other.toml", 'queue = "1MiB"');
  const { files } = await place.load({ IPC_PROFILE: "prod" }, { config_file: named });
  assertJson(files, [own, named]);
});

Deno.test("a profile that there is not is refused, with what was probably meant", async () => {
  using place = machine();
  assertHolds(await place.refused({ IPC_PROFILE: "prod" }), 'no profile "prod": there are none in ');
  place.write("home/.config/ipc/profiles/prod.toml", "");
  place.write("home/.config/ipc/profiles/notes.txt", "");
  assertHolds(await place.refused({ IPC_PROFILE: "prdo" }), 'no profile "prdo": did you mean prod?');
  assertHolds(await place.refused({ IPC_PROFILE: "zzzz" }), 'no profile "zzzz": there are prod');
  assertHolds(await place.refused({ IPC_PROFILE: "../profiles/prod" }), 'no profile "../profiles/prod"');
  const places = { cwd: "/", env: (name: string) => name === "HOME" ? place.home : undefined };
  assertJson(profileNames({ ...places, system_file: `${place.root}/etc/ipc/config.toml` }), ["prod"]);
});

Deno.test("a profile says which broker is meant; other files do not", async () => {
  using place = machine();
  const prod = 'connect = "tls://prod:7410"\nca = "prod.pem"\ntoken_file = "/t"\n';
  place.write("home/.config/ipc/profiles/prod.toml", prod);
  place.write("home/.config/ipc/profiles/bad.toml", "connect = 7410\nconect = 1\n");
  const env = new Map([["HOME", place.home], ["IPC_PROFILE", "prod"]]);
  assertJson(await readConnection({ cwd: place.cwd, env: (name) => env.get(name) }), {
    connect: "tls://prod:7410",
    ca: `${place.home}/.config/ipc/profiles/prod.pem`,
    token_file: "/t",
  });
  await place.load({ IPC_PROFILE: "prod" });
  const bad = await place.refused({ IPC_PROFILE: "bad" });
  assertHolds(bad, "connect = 7410 cannot be used: tcp://host:port or tls://host:port");
  assertHolds(bad, "unknown key conect: did you mean connect?");
  assertHolds(await place.refused({}, { config_file: place.write("c.toml", prod) }), "unknown key connect");
});

Deno.test("docs/configuration.md has a profile that loads", async () => {
  using place = machine();
  const page = await Deno.readTextFile(new URL("../docs/configuration.md", import.meta.url));
  const example = /### Profiles\n[^]*?```toml\n([^]*?)```/.exec(page)![1]!;
  place.write("home/.config/ipc/profiles/prod.toml", example);
  await place.load({ IPC_PROFILE: "prod" });
});
