/**
 * `ipc service install|uninstall|status|print`.
 *
 * @module
 */
import { accountName } from "../../config/accounts.ts";
import { loadSettings } from "../../config/load.ts";
import type { Settings } from "../../config/settings.ts";
import { CONTROL_CHANNEL } from "../../protocol/channel_name.ts";
import { LOCAL_VARIABLES } from "../broker_options.ts";
import { brokerAnswers } from "../connection.ts";
import { EXIT, Failure } from "../exit_codes.ts";
import type { Io } from "../io.ts";
import { notice } from "../notice.ts";
import type { ServiceOptions } from "../service.ts";
import { fileState, removeFiles, type ServiceFile, writeFiles } from "./files.ts";
import {
  checkReachable,
  installedProgram,
  isThere,
  type Ran,
  runProgram,
  type ServiceDirectories,
  serviceDirectories,
  Systemctl,
  systemdVersion,
} from "./host.ts";
import {
  type Scope,
  SERVICE,
  SERVICE_USER,
  type ServicePlan,
  SOCKET,
  SYSTEM_CONFIG,
  SYSUSERS,
  tmpfilesRule,
  unitFiles,
} from "./units.ts";
import { fieldsText } from "../table.ts";

/** What `CacheDirectory=` of the system's unit names. */
const CACHE = "/var/cache/ipc";

/** What everything here works on. */
interface Service {
  scope: Scope;
  directories: ServiceDirectories;
  systemctl: Systemctl;
  io: Io;
}

const ACTIONS: Readonly<
  Record<ServiceOptions["action"], (options: ServiceOptions, service: Service) => Promise<number>>
> = { install, uninstall, status, print };

/** Does one of them. @returns The exit code. */
export async function runServiceAction(options: ServiceOptions, io: Io): Promise<number> {
  if (Deno.build.os !== "linux") {
    throw new Failure(EXIT.UNAVAILABLE, `ipc service is for systemd, which ${Deno.build.os} does not have`);
  }
  const scope = options.scope ?? (Deno.uid() === 0 ? "system" : "user");
  const service = { scope, directories: serviceDirectories(scope, io), systemctl: new Systemctl(scope), io };
  return await ACTIONS[options.action](options, service);
}

async function install(_options: ServiceOptions, service: Service): Promise<number> {
  const { scope, systemctl, io } = service;
  const program = await installedProgram();
  await systemctl.check();
  checkRights(scope);
  if (scope === "system") await checkReachable(program);
  const plan = await planOf(service, program), files = filesOf(plan, service);
  const running = (await systemctl.ask("is-active", SOCKET)).success;
  // systemd would take the socket away from under it.
  if (!running && await brokerAnswers(plan.settings)) {
    throw new Failure(
      EXIT.UNAVAILABLE,
      `a broker runs already for "${plan.settings.socket_dir}". Stop it first: ipc daemon stop`,
    );
  }
  const written = writeFiles(files);
  for (const path of written) notice(io.stderr, `wrote ${path}`);
  if (scope === "system") await makeAccount(service);
  await systemctl.order("daemon-reload");
  await systemctl.order("enable", "--quiet", SOCKET, SERVICE);
  // One that could not start is given another chance: what was wrong may be right now.
  await systemctl.ask("reset-failed", SERVICE, SOCKET);
  // A broker that runs as it should is not disturbed.
  await systemctl.order(running && written.length > 0 ? "restart" : "start", SOCKET, SERVICE);
  notice(io.stderr, `${SERVICE} runs; its log: journalctl ${scope === "user" ? "--user " : ""}-u ${SERVICE}`);
  if (scope === "system") explainAccess((await planOf(service, program)).settings, io);
  else notice(io.stderr, 'it runs while this user is logged in; "loginctl enable-linger" keeps it running');
  return EXIT.OK;
}

/** Who may connect is the operator's to say, and clients have to know whose sockets they may trust. */
function explainAccess({ broker_uid, defaults }: Settings, io: Io): void {
  if (broker_uid === undefined) {
    notice(
      io.stderr,
      `commands do not trust its sockets yet: put broker_user = "${SERVICE_USER}" into /etc/ipc/config.toml`,
    );
  }
  if (defaults.socket_mode === 0o600) {
    notice(io.stderr, 'nobody but root may connect: put mode = "0660" and a group into /etc/ipc/config.toml');
  } else if (defaults.socket_gid !== undefined) {
    const group = accountName("group", defaults.socket_gid);
    notice(io.stderr, `members of group ${group} may connect: usermod -aG ${group} NAME, then log in again`);
  }
}

async function makeAccount({ directories }: Service): Promise<void> {
  const path = `${directories.sysusers}/ipc.conf`;
  const ran = await runProgram("systemd-sysusers", [path]);
  if (ran?.success) return;
  throw new Failure(
    EXIT.UNAVAILABLE,
    `cannot create user ${SERVICE_USER}: ${ran === undefined ? "there is no systemd-sysusers" : ran.stderr}. ` +
      `Create it by hand, useradd -r ${SERVICE_USER}, and run this again`,
  );
}

async function uninstall(_options: ServiceOptions, service: Service): Promise<number> {
  const { scope, directories, systemctl, io } = service;
  await systemctl.check();
  checkRights(scope);
  const files = ownFiles(service);
  await systemctl.ask("disable", "--now", "--quiet", SERVICE, SOCKET);
  const empty = [`${directories.units}/${SERVICE}.d`];
  if (scope === "system") {
    empty.push(directories.config!, directories.sysusers!);
    // Made by systemd, for compiled code. "systemctl clean" would do it, but only where there is D-Bus.
    if (await isThere(CACHE)) await Deno.remove(CACHE, { recursive: true });
  }
  const { removed, kept } = removeFiles(files, empty);
  await systemctl.order("daemon-reload");
  await systemctl.ask("reset-failed", SERVICE, SOCKET);
  for (const path of removed) notice(io.stderr, `removed ${path}`);
  for (const path of kept) notice(io.stderr, `kept ${path}: it is not as ipc service wrote it`);
  if (removed.length === 0) notice(io.stderr, "no service is installed");
  else if (scope === "system") {
    notice(io.stderr, `user and group ${SERVICE_USER} stay, as files may be theirs: userdel ${SERVICE_USER}`);
  }
  return EXIT.OK;
}

/** In a line: what systemctl says may have several, for one that does not run here. */
function said({ stdout, stderr }: Ran): string {
  return (stdout || stderr).split("\n", 1)[0]!;
}

async function status({ json }: ServiceOptions, service: Service): Promise<number> {
  const { scope, systemctl, io } = service;
  const units: Record<string, { enabled: string; active: string }> = {};
  for (const name of [SERVICE, SOCKET]) {
    const [enabled, active] = [await systemctl.ask("is-enabled", name), await systemctl.ask("is-active", name)];
    units[name] = { enabled: said(enabled), active: said(active) };
  }
  const plan = await planOf(service, await installedProgram());
  const files = Object.fromEntries(filesOf(plan, service).map((file) => [file.path, fileState(file)]));
  for (const { path } of ownFiles(service)) {
    // What would not be written now, but is there.
    if (!(path in files) && await isThere(path)) files[path] = "different";
  }
  const installed = Object.values(files).every((state) => state === "as it should be");
  if (json) io.stdout.write(`${JSON.stringify({ scope, installed, units, files })}\n`);
  else {
    io.stdout.write(fieldsText([
      ...Object.entries(units).map(([name, { enabled, active }]) => [name, `${enabled}, ${active}`] as const),
      ...Object.entries(files),
    ]));
  }
  if (!installed && !Object.values(files).every((state) => state === "missing")) {
    notice(io.stderr, "not all is as it should be: ipc service install writes it anew");
  }
  return installed && units[SOCKET]!.active === "active" ? EXIT.OK : EXIT.NEGATIVE;
}

async function print(_options: ServiceOptions, service: Service): Promise<number> {
  const files = filesOf(await planOf(service, await installedProgram()), service);
  service.io.stdout.write(files.map(({ path, text }) => `# ${path}\n${text}`).join("\n"));
  return EXIT.OK;
}

/** All that would be written. */
function filesOf(plan: ServicePlan, { scope, directories }: Service): ServiceFile[] {
  const files: ServiceFile[] = unitFiles(plan).map(({ name, text }) => ({
    path: `${directories.units}/${name}`,
    text,
  }));
  if (scope === "system") {
    files.push({ path: `${directories.sysusers}/ipc.conf`, text: SYSUSERS });
    files.push({ path: `${directories.tmpfiles}/ipc.conf`, text: tmpfilesRule(plan.settings) });
    if (!plan.env.has("IPC_CONFIG")) {
      files.push({ path: `${directories.config}/config.toml`, text: SYSTEM_CONFIG, theirs: true });
    }
  }
  return files;
}

/** All that may have been written, whatever the configuration says now. */
function ownFiles({ scope, directories: { units, sysusers, tmpfiles, config } }: Service): ServiceFile[] {
  const files: ServiceFile[] = [SERVICE, SOCKET, `${SERVICE}.d/tcp.conf`].map((name) => ({
    path: `${units}/${name}`,
    text: "",
  }));
  if (scope === "system") {
    files.push({ path: `${sysusers}/ipc.conf`, text: "" }, { path: `${tmpfiles}/ipc.conf`, text: "" });
    files.push({ path: `${config}/config.toml`, text: SYSTEM_CONFIG, theirs: true });
  }
  return files;
}

/** What the units depend on. Nothing of this terminal counts that the service will not see. */
async function planOf({ scope, directories, io }: Service, program: string): Promise<ServicePlan> {
  const env = new Map<string, string>(), home = io.env("HOME");
  for (const name of [...LOCAL_VARIABLES, ...(scope === "user" ? ["XDG_CONFIG_HOME"] : [])]) {
    const value = io.env(name);
    if (value !== undefined && value !== "") env.set(name, value);
  }
  const named = env.get("IPC_CONFIG");
  if (named !== undefined && !named.startsWith("/")) env.set("IPC_CONFIG", `${io.cwd()}/${named}`);
  const all = new Map([...env, ...(scope === "user" && home ? [["HOME", home] as const] : [])]);
  const places = { cwd: scope === "user" ? home ?? "/" : "/", env: (name: string) => all.get(name) };
  const fresh = scope === "system" && named === undefined && !await isThere(`${directories.config}/config.toml`);
  const { settings } = await loadSettings(places);
  // The configuration that is about to be written names a group that is about to be made.
  if (fresh) settings.defaults = { ...settings.defaults, socket_mode: 0o660 };
  const rules = [settings.defaults, ...settings.channels.values()];
  const nameOf = (gid: number | undefined) => gid === undefined ? undefined : accountName("group", gid);
  const groups = new Set(rules.map(({ socket_gid }) => nameOf(socket_gid)).filter((name) => name !== undefined));
  return {
    scope,
    program,
    systemd_version: await systemdVersion(),
    settings,
    groups: [...groups],
    socket_group: fresh
      ? SERVICE_USER
      : nameOf((settings.channels.get(CONTROL_CHANNEL) ?? settings.defaults).socket_gid),
    env,
  };
}

function checkRights(scope: Scope): void {
  if (scope === "user" || Deno.uid() === 0) return;
  throw new Failure(EXIT.DENIED, "a service for the whole machine is root's to install: run this with sudo, or --user");
}
