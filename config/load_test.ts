import { loadSettings, type RawValues } from "./load.ts";
import { KEYS, variableOf } from "./keys.ts";
import { assertHolds, assertIs, assertJson, machine } from "./testing.ts";

const USER = "home/.config/ipc/config.toml", SYSTEM = "etc/ipc/config.toml", PROJECT = "home/project/ipc.toml";

Deno.test("loadSettings() gives the defaults where nothing is configured", async () => {
  using place = machine();
  const { settings, sources, files } = await place.load();
  assertJson(settings, {
    socket_dir: "/tmp",
    defaults: {
      max_message_bytes: 16_777_216,
      queue_bytes: 8_388_608,
      history_bytes: 1_048_576,
      overflow: "block",
      stall_timeout_ms: 5000,
      request_timeout_ms: 30_000,
      socket_mode: 0o600,
    },
    dynamic_channels: true,
    channel_idle_ms: 60_000,
    idle_exit_ms: null, // Infinity, as JSON has it
    drain_timeout_ms: 8000,
    peer_credentials: false,
    memory_bytes: 1_073_741_824,
    quota: {
      defaults: { connections: 4096, queued_bytes: 268_435_456, requests: 16_384, channels: 1024 },
      tokens: {},
    },
    log: { level: "info", format: "text" },
    channels: {},
    listen: [],
    access: { required: false, all: {}, globs: [], channels: {} },
  });
  assertIs(settings.idle_exit_ms, Infinity);
  assertIs(settings.channels.size, 0);
  assertJson([...sources], KEYS.map((key) => [key, "default"]));
  assertJson(files, []);
  assertIs((await place.load({}, { os: "windows" })).settings.socket_dir, "C:/Windows/Temp");
});

Deno.test("loadSettings() takes each key from the first place that has it", async () => {
  using place = machine();
  const places: { name: string; value: string; add(value: string): void }[] = [];
  const variables: Record<string, string> = {};
  let defaults: RawValues = {};
  const from = (name: string, add: (value: string) => void) =>
    places.push({ name, value: `${(places.length + 1) * 8}KiB`, add });
  from("default", (queue) => defaults = { queue });
  from(`${place.root}/${SYSTEM}`, (value) => place.write(SYSTEM, `queue = "${value}"`));
  from(`${place.root}/${USER}`, (value) => place.write(USER, `queue = "${value}"`));
  from(`${place.root}/${PROJECT}`, (value) => place.write(PROJECT, `queue = "${value}"`));
  from("IPC_QUEUE", (value) => variables.IPC_QUEUE = value);
  for (const [at, { name, value, add }] of places.entries()) {
    add(value);
    const { settings, sources, files } = await place.load(variables, { defaults });
    assertIs(settings.defaults.queue_bytes, (at + 1) * 8192, name);
    assertIs(sources.get("queue"), name);
    assertIs(sources.get("history"), "default");
    assertJson(files, places.slice(1, Math.min(at + 1, 4)).map((file) => file.name).reverse());
  }
});

Deno.test("loadSettings() merges channels key by key, over what holds for all", async () => {
  using place = machine();
  const user = place.write(
    USER,
    'overflow = "drop"\n[channels.deploys]\nqueue = "64KiB"\nhistory = 0\n[channels.empty]',
  );
  const project = place.write(PROJECT, 'queue = "1MiB"\n[channels.deploys]\nhistory = "2MiB"');
  const { settings, sources } = await place.load();
  const deploys = settings.channels.get("deploys")!;
  assertJson([deploys.queue_bytes, deploys.history_bytes, deploys.overflow], [65_536, 2_097_152, "drop"]);
  assertJson(settings.channels.get("empty"), settings.defaults);
  assertIs(settings.defaults.queue_bytes, 1_048_576);
  assertIs(sources.get("channels.deploys.queue"), user);
  assertIs(sources.get("channels.deploys.history"), project);
  assertIs(sources.get("channels.empty"), user);
  assertIs(sources.has("channels.deploys.overflow"), false);
});

Deno.test("loadSettings() gives a token the quotas of its own, and for the rest those of all", async () => {
  using place = machine();
  const user = place.write(USER, "[quota]\nrequests = 5\n[quota.tokens.backup]\nconnections = 2\n[quota.tokens.web]");
  const project = place.write(
    PROJECT,
    '[quota.tokens.backup]\nqueued = "1GiB"\n[quota.tokens.__proto__]\nchannels = 1',
  );
  const { settings: { quota }, sources } = await place.load();
  assertJson(quota.tokens.get("backup"), { connections: 2, queued_bytes: 2 ** 30, requests: 5, channels: 1024 });
  assertJson(quota.tokens.get("web"), quota.defaults);
  assertIs(quota.tokens.get("__proto__")?.channels, 1);
  assertIs(sources.get("quota.requests"), user);
  assertIs(sources.get("quota.tokens.backup.connections"), user);
  assertIs(sources.get("quota.tokens.backup.queued"), project);
});

Deno.test("loadSettings() refuses sizes in which the largest message has no room, naming both", async () => {
  using place = machine();
  const path = place.write(PROJECT, '[channels.big]\nmax_message = "512MiB"\n[quota.tokens.a]\nqueued = "8MiB"');
  const message = await place.refused();
  for (
    const part of [
      `${path}: memory = "1GiB" is too little for channels.big.max_message = "512MiB": at least 4 times that is needed`,
      `${path}: quota.queued = "256MiB" is too little for channels.big.max_message`,
      `${path}: quota.tokens.a.queued = "8MiB" is too little for channels.big.max_message`,
    ]
  ) assertHolds(message, part);
  assertHolds(await place.refused({ IPC_MEMORY: "32MiB" }, { config_file: "/dev/null" }), "IPC_MEMORY: memory = ");
});

Deno.test("loadSettings() has a variable for every key", async () => {
  using place = machine();
  const texts: Required<Record<(typeof KEYS)[number], string>> = {
    socket_dir: "/run/ipc/",
    max_message: "1MiB",
    queue: "8192",
    history: "0",
    overflow: "disconnect",
    stall_timeout: "500ms",
    request_timeout: "7",
    mode: "660",
    group: "20",
    dynamic_channels: "a*, b c",
    channel_idle: "0",
    idle_exit: "10m",
    drain_timeout: "1h",
    broker_user: "root",
    peer_credentials: "true",
    "access.required": "false",
    memory: "512MiB",
    "quota.connections": "10",
    "quota.queued": "32MiB",
    "quota.requests": "0",
    "quota.channels": " 3 ",
    "log.level": "debug",
    "log.format": "json",
  };
  const variables = Object.fromEntries(KEYS.map((key) => [variableOf(key), texts[key]]));
  const { settings, sources } = await place.load(variables);
  assertJson({ ...settings, channel_idle_ms: String(settings.channel_idle_ms) }, {
    socket_dir: "/run/ipc",
    defaults: {
      max_message_bytes: 1_048_576,
      queue_bytes: 8192,
      history_bytes: 0,
      overflow: "disconnect",
      stall_timeout_ms: 500,
      request_timeout_ms: 7000,
      socket_mode: 0o660,
      socket_gid: 20,
    },
    dynamic_channels: ["a*", "b", "c"],
    channel_idle_ms: "Infinity",
    idle_exit_ms: 600_000,
    drain_timeout_ms: 3_600_000,
    broker_uid: 0,
    peer_credentials: true,
    memory_bytes: 536_870_912,
    quota: {
      defaults: { connections: 10, queued_bytes: 33_554_432, requests: null, channels: 3 },
      tokens: {},
    },
    log: { level: "debug", format: "json" },
    channels: {},
    listen: [],
    access: { required: false, all: {}, globs: [], channels: {} },
  });
  assertJson([...sources.values()], Object.keys(variables));
  const defaults = { ...texts, dynamic_channels: ["a*", "b", "c"], peer_credentials: true, "access.required": false };
  assertJson((await place.load({}, { defaults })).settings, settings);
  assertIs(settings.quota.defaults.requests, Infinity);
  assertIs((await place.load({ IPC_DYNAMIC_CHANNELS: "false" })).settings.dynamic_channels, false);
  assertIs((await place.load({ IPC_QUEUE: "" })).settings.defaults.queue_bytes, 8_388_608);
});

Deno.test("loadSettings() looks at no variable that is not a setting", async () => {
  using place = machine();
  const names = ["AUTOSTART", "TOKEN_FILE", "CONNECT", "CHANNEL", "SEQ", "SOURCE", "SOURCE_NAME", "NONSENSE"];
  const { sources } = await place.load(Object.fromEntries(names.map((name) => [`IPC_${name}`, "?"])));
  assertJson([...new Set(sources.values())], ["default"]);
});

Deno.test("loadSettings() names file, key, value and what is allowed", async () => {
  using place = machine();
  const path = `${place.root}/${PROJECT}`;
  const cases: [string, string][] = [
    ['queue = "8 megs"', `${path}: queue = "8 megs" cannot be used: allowed is a size from 4KiB to 1GiB`],
    ["queue = 1", "queue = 1 cannot be used: allowed is a size from 4KiB"],
    ["queue = 1.5", "queue = 1.5 cannot be used"],
    ["queue = true", "queue = true cannot be used: allowed is a size"],
    ["queue = []", "queue = [] cannot be used"],
    ["[queue]", "queue = a table cannot be used"],
    ["queue = 1979-05-27", "queue = 1979-05-27 cannot be used"],
    ["max_message = 0", "allowed is a size from 1B to 1GiB"],
    ["history = -1", "allowed is a size from 0B to 1GiB"],
    ['stall_timeout = "fast"', "allowed is a duration up to 24 days"],
    ["idle_exit = -5", "idle_exit = -5 cannot be used: allowed is a duration"],
    ["idle_exit = nan", "idle_exit = NaN cannot be used"],
    ['overflow = "wait"', 'overflow = "wait" cannot be used: allowed is "block", "disconnect" or "drop"'],
    ['[log]\nlevel = "warn"', 'log.level = "warn" cannot be used: allowed is "debug", "info", "warning" or "error"'],
    ["[log]\nformat = 1", 'log.format = 1 cannot be used: allowed is "text" or "json"'],
    ["log = 1", "log = 1 is not a table: write [log]"],
    ['socket_dir = "run/ipc"', 'socket_dir = "run/ipc" cannot be used: allowed is an absolute path'],
    ['socket_dir = "~/ipc"', "~ and variables are not expanded"],
    ['socket_dir = "/a\\u0000b"', "allowed is an absolute path"],
    [`socket_dir = "/${"d".repeat(100)}"`, `${path}: socket_dir: Cannot use socket`],
    ['dynamic_channels = "a*"', "allowed is true, false, or a list of channel names and globs"],
    ['dynamic_channels = ["logs/*"]', 'dynamic_channels = ["logs/*"] cannot be used'],
    ['dynamic_channels = ["[a"]', "cannot be used"],
    ["dynamic_channels = [1]", "cannot be used"],
    ['[channels.a]\noverflow = "wait"', 'channels.a.overflow = "wait" cannot be used'],
    ["channels = 1", "channels = 1 is not a table: write [channels.<name>]"],
    ["channels.a = 1", "channels.a = 1 is not a table: write [channels.a]"],
    ['[channels."a/b"]', '[channels."a/b"]: "a/b" is not a channel name: 1 to 64 letters'],
    ["[channels.ipcd]\nqueue = 0", "[channels.ipcd] is the broker's own channel and takes no settings but access"],
    ["channels.ipcd = 1", "[channels.ipcd] is the broker's own channel"],
    ["access = 1", "access = 1 is not a table: write [access]"],
    ['[access]\nrequired = "no"', 'access.required = "no" cannot be used: allowed is true or false'],
    [
      `socket_dir = "/${"d".repeat(60)}"\n[channels.${"c".repeat(40)}]`,
      `channels.${"c".repeat(40)}: Cannot use socket`,
    ],
    [`overflow = "${"x".repeat(200)}"`, `"${"x".repeat(76)}... cannot be used`],
  ];
  for (const [text, part] of cases) {
    place.write(PROJECT, text);
    assertHolds(await place.refused(), part);
  }
});

Deno.test("loadSettings() refuses unknown keys with a suggestion", async () => {
  using place = machine();
  const cases: [string, string][] = [
    ["quue = 1", "unknown key quue: did you mean queue?"],
    ["socket-dir = 1", "unknown key socket-dir: did you mean socket_dir?"],
    ["[chanels.a]", "unknown key chanels: did you mean channels?"],
    ["[log]\nlevle = 1", "unknown key log.levle: did you mean level?"],
    ["[log]\ncolour = 1", "unknown key log.colour: known here: level, format"],
    ["level = 1", "unknown key level: level belongs in [log]"],
    ["[quota]\nqueue = 1", "unknown key quota.queue: queue belongs at the top of the file"],
    ["[quota]\nrequest = 1", "unknown key quota.request: did you mean requests?"],
    ["[quota.tokens.a]\ntokens = 1", "unknown key quota.tokens.a.tokens: known here: connections, queued, requests"],
    ["requests = 1", "unknown key requests: requests belongs in [quota]"],
    ["quota = 1", "quota = 1 is not a table: write [quota]"],
    ["[quota]\ntokens = 1", "quota.tokens = 1 is not a table: write [quota.tokens.<name>]"],
    ["[quota.tokens]\na = 1", "quota.tokens.a = 1 is not a table: write [quota.tokens.a]"],
    ["[quota]\nrequests = 1.5", "quota.requests = 1.5 cannot be used: allowed is a whole number from 1 to 1000000000"],
    ["[quota.tokens.a]\nrequests = -1", "quota.tokens.a.requests = -1 cannot be used: allowed is a whole number"],
    ["[log]\nqueue = 1", "unknown key log.queue: queue belongs at the top of the file"],
    ["[channels.a]\nidle_exit = 1", "unknown key channels.a.idle_exit: idle_exit belongs at the top of the file"],
    ["[channels.a]\nquue = 1", "unknown key channels.a.quue: did you mean queue?"],
    ["zzz = 1", "unknown key zzz: known here: socket_dir, max_message"],
    ['"log.level" = 1', "unknown key log.level: log.level belongs in [log]"],
    ['"a\\nb" = 1', 'unknown key "a\\nb"'],
  ];
  for (const [text, part] of cases) {
    place.write(PROJECT, text);
    assertHolds(await place.refused(), part);
  }
});

Deno.test("loadSettings() says on which line a file is not TOML", async () => {
  using place = machine();
  const path = place.write(PROJECT, 'history = 0\nqueue = 8MiB # "\n');
  const message = await place.refused();
  assertHolds(message, `${path}:2:`);
  assertHolds(message, 'a value with a unit needs quotes, as in "16MiB"');
  place.write(PROJECT, "queue = 1\nqueue = 2\n");
  assertHolds(await place.refused(), `${path}:2:1: not TOML: trying to redefine`);
});

Deno.test("loadSettings() lists all that is wrong, wherever it is", async () => {
  using place = machine();
  place.write(SYSTEM, "not toml");
  place.write(USER, "zzz = 1\nyyy = 1");
  place.write(PROJECT, "queue = false");
  const message = await place.refused({ IPC_OVERFLOW: "x" }, { defaults: { "log.level": "y" } });
  for (
    const part of [
      "not TOML",
      "key zzz",
      "key yyy",
      "queue = false",
      'IPC_OVERFLOW: overflow = "x"',
      'default: log.level = "y"',
    ]
  ) {
    assertHolds(message, part);
  }
});

Deno.test("loadSettings() takes __proto__ and constructor for ordinary names", async () => {
  using place = machine();
  for (const key of ["__proto__", "constructor", "toString"]) {
    place.write(PROJECT, `${key} = 1`);
    assertHolds(await place.refused(), `unknown key ${key}`);
    place.write(PROJECT, `[channels.a]\n${key} = 1`);
    assertHolds(await place.refused(), `unknown key channels.a.${key}`);
    place.write(PROJECT, `[log]\n${key} = 1`);
    assertHolds(await place.refused(), `unknown key log.${key}`);
    place.write(PROJECT, `[channels.${key}]\nqueue = 8192`);
    const { settings } = await place.load();
    assertIs(settings.channels.get(key)?.queue_bytes, 8192);
    assertIs(settings.channels.size, 1);
    assertIs(settings.defaults.queue_bytes, 8_388_608);
  }
  assertIs(Object.hasOwn(Object.prototype, "queue"), false);
});

Deno.test("loadSettings() loads neither TOML parser nor schema library where nothing is configured", async () => {
  using place = machine();
  // Without deno.json there is no import map: importing either fails.
  const main = place.write(
    "main.ts",
    `import { loadSettings } from ${JSON.stringify(import.meta.resolve("./load.ts"))};
    const env = (name: string) => name === Deno.args[0] ? Deno.args[1] : undefined;
    console.log((await loadSettings({ cwd: ${JSON.stringify(place.cwd)}, env })).settings.socket_dir);`,
  );
  const run = async (...args: string[]) => {
    const options = ["run", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--allow-read", "--allow-sys=uid"];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: [...options, main, ...args] }).output();
    return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
  };
  assertIs((await run())[0], "/tmp\n");
  assertHolds((await run("IPC_QUEUE", "1MiB"))[1], "valibot");
});

Deno.test("loadSettings() reads the file again on each call", async () => {
  using place = machine();
  const options = { cwd: place.cwd, env: () => undefined, config_file: place.write("c.toml", "queue = 8192") };
  assertIs((await loadSettings(options)).settings.defaults.queue_bytes, 8192);
  place.write("c.toml", "queue = 16384");
  assertIs((await loadSettings(options)).settings.defaults.queue_bytes, 16_384);
});

Deno.test("loadSettings() refuses to go on without a file that was read before", async () => {
  using place = machine();
  const project = place.write(PROJECT, 'queue = "1MiB"'), user = place.write(USER, 'history = "2MiB"');
  const { files } = await place.load();
  assertJson(files, [project, user]);
  assertJson((await place.load({}, { read_before: files })).files, files);
  Deno.removeSync(user);
  assertIs((await place.load()).settings.defaults.history_bytes, 1_048_576);
  assertHolds(
    await place.refused({}, { read_before: files }),
    `${user}: was read before, and cannot be found any more`,
  );
  place.write(USER, "");
  assertJson((await place.load({}, { read_before: files })).files, files);
  // Its directory, as a file.
  Deno.removeSync(`${place.home}/.config/ipc`, { recursive: true });
  place.write("home/.config/ipc", "");
  assertHolds(await place.refused({}, { read_before: files }), user);
});
