import { accountId, accountName, checkGroups } from "./accounts.ts";
import { ConfigError } from "./errors.ts";
import { assertFails, assertHolds, assertIs, machine } from "./testing.ts";

const unix = { ignore: Deno.build.os === "windows" };

Deno.test("accountId() knows names and numbers, and no others", unix, () => {
  assertIs(accountId("user", "root"), 0);
  assertIs(accountId("group", "daemon"), accountId("group", String(accountId("group", "daemon"))));
  assertIs(accountId("user", "4294967294"), 4_294_967_294);
  // chown(2) would take it for "leave as it is".
  assertIs(accountId("user", "4294967295"), undefined);
  assertIs(accountId("user", "nobody-of-that-name"), undefined);
  assertIs(accountName("user", 0), "root");
  assertIs(accountName("group", 4_000_000_000), "4000000000");
});

Deno.test("loadSettings() reads mode, group and broker_user, for all and per channel", unix, async () => {
  using place = machine();
  const daemon = accountId("group", "daemon");
  place.write(
    "etc/ipc/config.toml",
    `
    mode = "0660"
    group = "daemon"
    broker_user = "root"
    [channels.a]
    [channels.b]
    mode = 0o666
    [channels.c]
    mode = "600"
    [channels.d]
    group = "4242"`,
  );
  const { settings } = await place.load();
  const of = (name: string) => {
    const { socket_mode, socket_gid } = settings.channels.get(name) ?? settings.defaults;
    return `${socket_mode.toString(8)} ${socket_gid}`;
  };
  assertIs(settings.broker_uid, 0);
  assertIs(of("all"), `660 ${daemon}`);
  assertIs(of("a"), `660 ${daemon}`);
  assertIs(of("b"), `666 ${daemon}`);
  assertIs(of("c"), `600 ${daemon}`);
  assertIs(of("d"), "660 4242");
});

Deno.test("loadSettings() refuses modes that a socket has no use for", unix, async () => {
  using place = machine();
  for (const mode of ["0700", "4660", "0640", "0606", "0060", "rw", "660 ", "0"]) {
    assertHolds(
      await place.refused({ IPC_MODE: mode }),
      `IPC_MODE: mode = "${mode}" cannot be used: allowed is "0600"`,
    );
  }
  const file = place.write("home/project/ipc.toml", "mode = 660\n"); // as decimal, which is something else
  assertHolds(await place.refused(), `${file}: mode = 660 cannot be used: allowed is "0600"`);
});

Deno.test("loadSettings() names accounts that do not exist, and groups that nothing lets in", unix, async () => {
  using place = machine();
  const group = await place.refused({ IPC_GROUP: "no-such-group", IPC_MODE: "0660" });
  assertHolds(group, 'IPC_GROUP: group = "no-such-group" cannot be used: /etc/group has no such group');
  assertHolds(await place.refused({ IPC_BROKER_USER: "no-such-user" }), "/etc/passwd has no such user");
  assertHolds(await place.refused({ IPC_GROUP: "../x", IPC_MODE: "0660" }), "allowed is the name of a group");
  assertHolds(await place.refused({ IPC_GROUP: "daemon" }), 'set mode = "0660" with it');
  place.write("home/project/ipc.toml", `group = "daemon"\n[channels.a]\nmode = "0660"\n`);
  await place.load();
  place.write("home/project/ipc.toml", `mode = "0660"\n[channels.a]\nmode = "0600"\ngroup = "daemon"\n`);
  assertHolds(await place.refused(), 'channels.a.group = "daemon" lets nobody in');
});

Deno.test("loadSettings() refuses peer_credentials where it cannot be done", async () => {
  using place = machine();
  assertIs((await place.load({ IPC_PEER_CREDENTIALS: "true" })).settings.peer_credentials, true);
  const message = await place.refused({ IPC_PEER_CREDENTIALS: "true" }, { os: "darwin" });
  assertHolds(message, "IPC_PEER_CREDENTIALS: peer_credentials = true cannot be used: only Linux");
});

Deno.test("checkGroups() says which group this process may give nothing to, and what to do", unix, async () => {
  using place = machine();
  const { settings } = await place.load({ IPC_MODE: "0660", IPC_GROUP: "daemon" });
  const directory = `${place.root}/state`;
  if (Deno.uid() === 0) {
    checkGroups(settings, directory);
    assertIs([...Deno.readDirSync(directory)].length, 0);
  } else assertFails(() => checkGroups(settings, directory), ConfigError, "usermod -aG daemon");
});
