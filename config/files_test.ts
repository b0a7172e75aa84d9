import { ConfigError } from "./errors.ts";
import { readFile, stateDirectory } from "./files.ts";
import { assertFails, assertHolds, assertIs, assertJson, machine } from "./testing.ts";

const PROJECT = "home/project/ipc.toml";
const root_only = { ignore: Deno.build.os === "windows" || Deno.uid() !== 0 };
const not_root = { ignore: Deno.build.os === "windows" || Deno.uid() === 0 };

Deno.test("findFiles() looks for the project's file upwards, as far as the home directory", async () => {
  using place = machine();
  const from = async (cwd: string) => (await place.load({}, { cwd })).files;
  place.write("ipc.toml", "");
  assertJson(await from(`${place.cwd}/src`), []);
  assertJson(await from(place.root), [`${place.root}/ipc.toml`]);
  const home = place.write("home/ipc.toml", "");
  assertJson(await from(`${place.cwd}/src`), [home]);
  const project = place.write(PROJECT, "");
  for (const cwd of [`${place.cwd}/src`, place.cwd, `${place.cwd}/`]) assertJson(await from(cwd), [project]);
  const nearest = place.write("home/project/src/ipc.toml", "");
  assertJson(await from(`${place.cwd}/src`), [nearest]);
  assertJson(await from(`${place.cwd}/gone/deeper`), [project]);
});

Deno.test("findFiles() follows XDG_CONFIG_HOME, if it is absolute", async () => {
  using place = machine();
  const standard = place.write("home/.config/ipc/config.toml", "");
  const other = place.write("other/ipc/config.toml", "");
  assertJson((await place.load()).files, [standard]);
  assertJson((await place.load({ XDG_CONFIG_HOME: `${place.root}/other` })).files, [other]);
  assertJson((await place.load({ XDG_CONFIG_HOME: "other" })).files, [standard]);
  assertJson((await place.load({ HOME: "" })).files, []);
});

Deno.test("findFiles() reads only the file that was named", async () => {
  using place = machine();
  place.write("home/.config/ipc/config.toml", "zzz = 1");
  place.write("etc/ipc/config.toml", "zzz = 1");
  place.write(PROJECT, "zzz = 1");
  const named = place.write("home/project/other.toml", "queue = 8192");
  for (const config_file of [named, "other.toml"]) {
    const { files, settings } = await place.load({ IPC_CONFIG: "/nowhere" }, { config_file });
    assertIs(settings.defaults.queue_bytes, 8192);
    assertIs(files.length, 1);
  }
  assertIs((await place.load({ IPC_CONFIG: "other.toml" })).sources.get("queue"), named);
  assertIs((await place.load({ IPC_CONFIG: "/dev/null" })).settings.defaults.queue_bytes, 8_388_608);
  assertHolds(
    await place.refused({ IPC_CONFIG: "gone.toml" }),
    `${place.cwd}/gone.toml: cannot be read: it does not exist`,
  );
  assertHolds(await place.refused({ IPC_CONFIG: "" }), "unknown key zzz");
});

Deno.test("readFile() says why a file cannot be used", async () => {
  using place = machine();
  const cases: [string, () => void][] = [
    ["it is a directory, not a file", () => Deno.mkdirSync(`${place.root}/${PROJECT}`)],
    ["it is not UTF-8", () => place.write(PROJECT, new Uint8Array([0x61, 0xff, 0xfe]))],
    ["it is 1048577 bytes, limit is 1048576", () => place.write(PROJECT, "#".repeat(1_048_577))],
  ];
  for (const [part, make] of cases) {
    make();
    assertHolds(await place.refused(), `${place.root}/${PROJECT}: cannot be read: ${part}`);
    Deno.removeSync(`${place.root}/${PROJECT}`);
  }
  assertFails(
    () => readFile({ path: `${place.root}/gone`, found: true }),
    ConfigError,
    "gone: cannot be read: it does not",
  );
});

Deno.test("readFile() does not wait for the writer of a FIFO", { ignore: Deno.build.os === "windows" }, async () => {
  using place = machine();
  await new Deno.Command("mkfifo", { args: ["-m", "644", `${place.root}/${PROJECT}`] }).output();
  assertHolds(await place.refused(), "it is not a regular file");
});

Deno.test("readFile() passes over a byte order mark and CR LF", async () => {
  using place = machine();
  place.write(PROJECT, '\uFEFFqueue = 8192\r\n[log]\r\nlevel = "debug"\r\n');
  const { settings } = await place.load();
  assertJson([settings.defaults.queue_bytes, settings.log.level], [8192, "debug"]);
});

Deno.test("readFile() refuses what everybody may write to", { ignore: Deno.build.os === "windows" }, async () => {
  using place = machine();
  const path = place.write("home/project/it's.toml", "queue = 8192", 0o666);
  const fix = `chmod o-w '${path.replace("'", "'\\''")}'`;
  assertHolds(await place.refused({ IPC_CONFIG: path }), fix);
  place.write("home/.config/ipc/config.toml", "queue = 8192", 0o602);
  assertHolds(await place.refused(), "everybody may write to it");
  place.write("home/.config/ipc/config.toml", "queue = 8192", 0o664);
  await place.load();
});

Deno.test("readFile() refuses a stranger's file that nobody named", root_only, async () => {
  using place = machine();
  const path = place.write(PROJECT, "queue = 8192");
  Deno.chownSync(path, 12_345, 12_345);
  assertHolds(await place.refused(), `it belongs to user 12345, neither to you nor to root`);
  assertIs((await place.load({}, { config_file: path })).settings.defaults.queue_bytes, 8192);
});

Deno.test("readFile() says that a file may not be read", not_root, async () => {
  using place = machine();
  const path = place.write(PROJECT, "queue = 8192", 0o200);
  assertHolds(await place.refused(), `${path}: cannot be read: permission denied`);
});

Deno.test("findFiles() passes over directories that are closed to it", not_root, async () => {
  using place = machine();
  place.write("etc/ipc/config.toml", "zzz = 1");
  Deno.chmodSync(`${place.root}/etc/ipc`, 0);
  assertJson((await place.load()).files, []);
  Deno.chmodSync(`${place.root}/etc/ipc`, 0o700);
});

Deno.test("stateDirectory() is the first of the four that is set", () => {
  const cases: [Record<string, string>, string][] = [
    [{ RUNTIME_DIRECTORY: "/run/ipc:/run/b", XDG_RUNTIME_DIR: "/x" }, "/run/ipc"],
    [{ XDG_RUNTIME_DIR: "/run/user/7", XDG_STATE_HOME: "/s", HOME: "/h" }, "/run/user/7/ipc"],
    [{ XDG_RUNTIME_DIR: "relative", XDG_STATE_HOME: "/s", HOME: "/h" }, "/s/ipc"],
    [{ HOME: "/h" }, "/h/.local/state/ipc"],
  ];
  for (const [variables, expected] of cases) {
    assertIs(stateDirectory((name) => new Map(Object.entries(variables)).get(name)), expected);
  }
  assertFails(() => stateDirectory(() => undefined), ConfigError, "set XDG_RUNTIME_DIR, XDG_STATE_HOME or HOME");
});
