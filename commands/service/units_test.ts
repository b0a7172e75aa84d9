import assert from "node:assert/strict";
import { testSettings } from "../../daemon/testing.ts";
import type { ListenSettings } from "../../config/settings.ts";
import { MARK, type ServicePlan, tmpfilesRule, unitFiles } from "./units.ts";

const PLAN: ServicePlan = {
  scope: "system",
  program: "/usr/local/bin/ipc",
  systemd_version: 252,
  settings: testSettings("/tmp"),
  groups: ["ipc"],
  socket_group: "ipc",
  env: new Map(),
};

function textOf(name: string, change: Partial<ServicePlan> = {}): string {
  const file = unitFiles({ ...PLAN, ...change }).find((file) => file.name === name);
  assert.ok(file, `there is no ${name}`);
  return file.text;
}

const listenAt = (hostname: string, port: number): ListenSettings => ({
  name: hostname,
  hostname,
  port,
  channel: undefined,
  tls: undefined,
  token_file: undefined,
});

Deno.test("unitFiles() waits for a reload where systemd can, and sends the signal where it cannot", () => {
  const reloads = (systemd_version: number) =>
    textOf("ipcd.service", { systemd_version }).split("\n").filter((line) => /^(Type|ExecReload)=/.test(line));
  const check = "ExecReload=/usr/local/bin/ipc config check";
  assert.deepEqual(reloads(252), ["Type=notify", check, "ExecReload=/bin/kill -HUP $MAINPID"]);
  assert.deepEqual(reloads(253), ["Type=notify-reload", check]);
});

Deno.test("unitFiles() writes the unit of a user", () => {
  const settings = testSettings("/tmp");
  const user = { scope: "user", groups: [], socket_group: undefined, settings } as const;
  assert.equal(
    textOf("ipcd.service", user),
    `${MARK}

[Unit]
Description=ipc broker
Requires=ipcd.socket
After=ipcd.socket

[Service]
Type=notify
ExecStart=/usr/local/bin/ipc daemon run
# systemctl reload is to fail if the configuration is wrong, which a notification cannot say.
ExecReload=/usr/local/bin/ipc config check
ExecReload=/bin/kill -HUP $MAINPID
NotifyAccess=main
# A stopped process takes no other signal.
WatchdogSec=15s
WatchdogSignal=SIGKILL
Restart=on-failure
# Wrong usage, denied, wrong configuration: the same would happen again.
RestartPreventExitStatus=64 77 78
TimeoutStopSec=13s
LimitNOFILE=65536
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX
SystemCallArchitectures=native
# Sockets are given to groups by chown. No MemoryDenyWriteExecute: V8 compiles while it runs.
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @keyring
SystemCallFilter=@chown
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
`,
  );
  assert.equal(
    textOf("ipcd.socket", user),
    `${MARK}

[Unit]
Description=control socket of the ipc broker

[Socket]
ListenStream=/tmp/.deno.ipcd.socket
FileDescriptorName=ipcd
SocketMode=0600
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`,
  );
});

Deno.test("unitFiles() gives the socket the mode and group of ipcd, and the broker the groups that it needs", () => {
  const settings = testSettings("/tmp", { socket_mode: 0o660 });
  const text = textOf("ipcd.socket", { settings });
  assert.match(text, /^SocketMode=0660\nSocketGroup=ipc$/m);
  const service = textOf("ipcd.service", { groups: ["ipc", "deploy", "ops"] });
  assert.match(service, /^User=ipc\nGroup=ipc\nSupplementaryGroups=deploy ops$/m);
  assert.doesNotMatch(textOf("ipcd.service"), /SupplementaryGroups/);
});

Deno.test("unitFiles() leaves the broker more time to end than it takes", () => {
  const settings = testSettings("/tmp");
  settings.drain_timeout_ms = 60_500;
  assert.match(textOf("ipcd.service", { settings }), /^TimeoutStopSec=66s$/m);
  settings.drain_timeout_ms = Infinity;
  assert.match(textOf("ipcd.service", { settings }), /^TimeoutStopSec=infinity$/m);
});

Deno.test("unitFiles() quotes what systemd would take apart", () => {
  const settings = testSettings('/srv/100% "sockets"');
  const text = textOf("ipcd.service", {
    settings,
    program: "/opt/my ipc/bin/ipc",
    env: new Map([["IPC_CONFIG", "/etc/my config.toml"], ["IPC_SOCKET_DIR", "/srv"]]),
  });
  assert.match(text, /^ExecStart="\/opt\/my ipc\/bin\/ipc" daemon run$/m);
  assert.match(text, /^Environment="IPC_CONFIG=\/etc\/my config.toml"\nEnvironment=IPC_SOCKET_DIR=\/srv$/m);
  assert.match(text, /^ReadWritePaths="\/srv\/100%% \\"sockets\\""$/m);
  assert.match(textOf("ipcd.socket", { settings }), /^ListenStream=\/srv\/100%% "sockets"\/\.deno\.ipcd\.socket$/m);
  assert.equal(tmpfilesRule(testSettings("/tmp")), `${MARK}\nx /tmp/.deno.*.socket\n`);
});

Deno.test("unitFiles() opens TCP for [[listen]], and no more than it asks for", () => {
  const drop_in = (...listen: ListenSettings[]) =>
    textOf("ipcd.service.d/tcp.conf", { settings: { ...testSettings("/tmp"), listen } });
  const near = drop_in(listenAt("127.0.0.1", 7410), listenAt("::1", 0), listenAt("localhost", 7411));
  assert.match(near, /^RestrictAddressFamilies=AF_INET AF_INET6\nPrivateNetwork=no\nIPAddressAllow=localhost\n$/m);
  assert.match(drop_in(listenAt("127.0.0.1", 7410), listenAt("0.0.0.0", 7411)), /^IPAddressDeny=\n$/m);
  assert.match(drop_in(listenAt("localhost", 443)), /^AmbientCapabilities=CAP_NET_BIND_SERVICE$/m);
  assert.equal(unitFiles(PLAN).length, 2);
  // A user's manager takes nothing else away.
  const user = textOf("ipcd.service.d/tcp.conf", {
    scope: "user",
    settings: { ...PLAN.settings, listen: [listenAt("::1", 1)] },
  });
  assert.match(user, /\[\[listen\]\]\.\nRestrictAddressFamilies=AF_INET AF_INET6\n$/);
});
