/**
 * The systemd units of the broker, as text. Nothing here looks at the machine or writes to it.
 *
 * @module
 */
import type { Settings } from "../../config/settings.ts";
import { CONTROL_CHANNEL } from "../../protocol/channel_name.ts";
import { socketPath } from "../../protocol/socket_path.ts";

/** Whose manager runs the broker. */
export type Scope = "system" | "user";

/** The user and group that the system's broker runs as, and the group of those who may talk to it. */
export const SERVICE_USER = "ipc";
export const SERVICE = "ipcd.service";
export const SOCKET = "ipcd.socket";

/** The first line of every file that `ipc service install` wrote, and that `uninstall` may remove. */
export const MARK = "# Written by ipc service install; ipc service uninstall removes it.";

/** From this version on systemd waits for a reload to be done. */
const NOTIFY_RELOAD_VERSION = 253;
/** How much longer than its own limit a broker may take to end. */
const STOP_MARGIN_MS = 5_000;

/** All that the units depend on. */
export interface ServicePlan {
  scope: Scope;
  /** The installed launcher. */
  program: string;
  /** As `systemctl --version` says. */
  systemd_version: number;
  settings: Settings;
  /** Groups, by name, that the system's broker gives sockets to. */
  groups: readonly string[];
  /** The group of the control socket; `undefined` leaves it to the one that binds it. */
  socket_group: string | undefined;
  /** Variables that say where the configuration is. */
  env: ReadonlyMap<string, string>;
}

/** A file to be written. */
export interface UnitFile {
  /** Its path below the directory that its kind of file belongs into. */
  name: string;
  text: string;
}

/** The units, with drop-ins; they belong into the scope's directory for units. */
export function unitFiles(plan: ServicePlan): UnitFile[] {
  const files = [{ name: SERVICE, text: serviceUnit(plan) }, { name: SOCKET, text: socketUnit(plan) }];
  if (plan.settings.listen.length > 0) files.push({ name: `${SERVICE}.d/tcp.conf`, text: tcpDropIn(plan) });
  return files;
}

function serviceUnit(plan: ServicePlan): string {
  const { scope, settings, systemd_version } = plan;
  const waits = systemd_version >= NOTIFY_RELOAD_VERSION;
  return unit({
    Unit: ["Description=ipc broker", `Requires=${SOCKET}`, `After=${SOCKET}`],
    Service: [
      `Type=${waits ? "notify-reload" : "notify"}`,
      `ExecStart=${word(plan.program)} daemon run`,
      "# systemctl reload is to fail if the configuration is wrong, which a notification cannot say.",
      `ExecReload=${word(plan.program)} config check`,
      ...(waits ? [] : ["ExecReload=/bin/kill -HUP $MAINPID"]),
      "NotifyAccess=main",
      "# A stopped process takes no other signal.",
      "WatchdogSec=15s",
      "WatchdogSignal=SIGKILL",
      "Restart=on-failure",
      "# Wrong usage, denied, wrong configuration: the same would happen again.",
      "RestartPreventExitStatus=64 77 78",
      `TimeoutStopSec=${stopTimeout(settings)}`,
      "LimitNOFILE=65536",
      ...[...plan.env].map(([name, value]) => `Environment=${word(`${name}=${value}`)}`),
      ...(scope === "system" ? systemLines(plan) : []),
      ...(scope === "system" ? SYSTEM_HARDENING : HARDENING),
    ],
    Install: [`WantedBy=${scope === "system" ? "multi-user.target" : "default.target"}`],
  });
}

function socketUnit({ scope, settings, socket_group }: ServicePlan): string {
  const { socket_mode } = settings.channels.get(CONTROL_CHANNEL) ?? settings.defaults;
  return unit({
    Unit: ["Description=control socket of the ipc broker"],
    Socket: [
      `ListenStream=${escape(socketPath(settings.socket_dir, CONTROL_CHANNEL))}`,
      `FileDescriptorName=${CONTROL_CHANNEL}`,
      `SocketMode=0${socket_mode.toString(8)}`,
      ...(socket_group === undefined ? [] : [`SocketGroup=${socket_group}`]),
      ...(scope === "system" ? ["DirectoryMode=0755"] : []),
      "RemoveOnStop=yes",
    ],
    Install: ["WantedBy=sockets.target"],
  });
}

/** Broken off by systemd, a broker could not deliver what it has accepted. */
function stopTimeout({ drain_timeout_ms }: Settings): string {
  return drain_timeout_ms === Infinity ? "infinity" : `${Math.ceil((drain_timeout_ms + STOP_MARGIN_MS) / 1000)}s`;
}

function systemLines({ settings, groups }: ServicePlan): string[] {
  const others = groups.filter((group) => group !== SERVICE_USER);
  return [
    `User=${SERVICE_USER}`,
    `Group=${SERVICE_USER}`,
    ...(others.length === 0 ? [] : [`SupplementaryGroups=${others.join(" ")}`]),
    "# For the lock.",
    "RuntimeDirectory=ipc",
    "RuntimeDirectoryMode=0700",
    "RuntimeDirectoryPreserve=restart",
    "# For compiled code.",
    "CacheDirectory=ipc",
    "CacheDirectoryMode=0700",
    "Environment=DENO_DIR=%C/ipc HOME=%C/ipc",
    "# The sockets stand where everybody sees them, so no PrivateTmp.",
    "ProtectSystem=strict",
    `ReadWritePaths=${word(settings.socket_dir)}`,
  ];
}

/** What a user's own manager can do, too. Namespaces it cannot make, or only one of users, where all others are nobody. */
const HARDENING: readonly string[] = [
  "UMask=0077",
  "NoNewPrivileges=yes",
  "LockPersonality=yes",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "RestrictAddressFamilies=AF_UNIX",
  "SystemCallArchitectures=native",
  "# Sockets are given to groups by chown. No MemoryDenyWriteExecute: V8 compiles while it runs.",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged @resources @keyring",
  "SystemCallFilter=@chown",
  "SystemCallErrorNumber=EPERM",
];

const SYSTEM_HARDENING: readonly string[] = [
  ...HARDENING,
  "CapabilityBoundingSet=",
  "DevicePolicy=closed",
  "IPAddressDeny=any",
  "KeyringMode=private",
  "PrivateDevices=yes",
  "PrivateIPC=yes",
  "PrivateNetwork=yes",
  "ProcSubset=pid",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHome=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectProc=invisible",
  "RemoveIPC=yes",
];

/** Opens for `[[listen]]` what the unit closes, and no more than that. */
function tcpDropIn({ scope, settings: { listen } }: ServicePlan): string {
  const lines = ["# The configuration has [[listen]].", "RestrictAddressFamilies=AF_INET AF_INET6"];
  if (scope === "system") {
    const far = listen.some(({ hostname }) => !isLoopback(hostname));
    lines.push("PrivateNetwork=no", far ? "IPAddressDeny=" : "IPAddressAllow=localhost");
    if (listen.some(({ port }) => port > 0 && port < 1024)) {
      lines.push("AmbientCapabilities=CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE");
    }
  }
  return unit({ Service: lines });
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Keeps systemd-tmpfiles from removing the sockets. It spares those on which somebody listens, but looks for them in its
 * own network namespace, and the system's broker has another.
 */
export function tmpfilesRule({ socket_dir }: Settings): string {
  return `${MARK}\nx ${word(socketPath(socket_dir, CONTROL_CHANNEL).replace(`.${CONTROL_CHANNEL}.`, ".*."))}\n`;
}

/** The account that the system's broker runs as. */
export const SYSUSERS = `${MARK}\nu ${SERVICE_USER} - "ipc broker"\n`;

/** What the machine's configuration says where there is none: who may connect, and whose sockets clients trust. */
export const SYSTEM_CONFIG = `${MARK}
# Once it is changed it stays.

# Whose sockets commands and libraries trust, besides root's and their own user's.
broker_user = "${SERVICE_USER}"

# Who may connect: the members of a group. "usermod -aG ${SERVICE_USER} NAME" makes one.
mode = "0660"
group = "${SERVICE_USER}"
`;

function unit(sections: Record<string, readonly string[]>): string {
  const texts = Object.entries(sections).map(([name, lines]) => `[${name}]\n${lines.join("\n")}\n`);
  return `${MARK}\n\n${texts.join("\n")}`;
}

/** One word of a line that is split into words. */
function word(text: string): string {
  const escaped = escape(text);
  return /^[\w@%+=:,.*/-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** `%` begins a specifier. */
function escape(text: string): string {
  return text.replaceAll("%", "%%");
}
