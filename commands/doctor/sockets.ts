/**
 * What stands in the socket directory under the names of channels.
 *
 * @module
 */
import { accountName } from "../../config/accounts.ts";
import { quote, stateDirectory } from "../../config/files.ts";
import type { ChannelSettings } from "../../config/settings.ts";
import { kindText } from "../../client/socket.ts";
import { CONTROL_CHANNEL } from "../../protocol/channel_name.ts";
import { channelOfSocket } from "../../protocol/socket_path.ts";
import { lockHolder } from "../lock_holder.ts";
import { type Finding, type Patient, userText } from "./finding.ts";

/** Looks at each. */
export async function* checkSockets(patient: Patient): AsyncGenerator<Finding> {
  const { socket_dir } = patient.settings, directory = socket_dir.replace(/(?<=.)\/$/, "");
  let names: string[];
  try {
    names = [...Deno.readDirSync(socket_dir)].map(({ name }) => name).sort();
  } catch {
    return; // what is wrong with the directory is said elsewhere
  }
  for (const name of names) {
    const channel = channelOfSocket(name);
    if (channel === undefined) continue;
    const path = `${directory}/${name}`;
    const info = lookAt(path);
    if (info !== undefined) yield* checkSocket(patient, channel, path, info);
  }
}

/** @returns `undefined` if it is gone meanwhile. */
function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch {
    return undefined;
  }
}

async function* checkSocket(
  patient: Patient,
  channel: string,
  path: string,
  info: Deno.FileInfo,
): AsyncGenerator<Finding> {
  const { settings, uid } = patient, owner = userText(info.uid);
  // Somebody else's channel with a name that nobody here needs harms nobody.
  const needed = channel === CONTROL_CHANNEL || settings.channels.has(channel);
  if (!info.isSocket) {
    const remove = `rm ${info.isDirectory ? "-r " : ""}${quote(path)}`;
    yield {
      finding: "wrong_kind",
      level: "problem",
      path,
      what: `${path} is ${kindText(info)} of ${owner}, not a socket: channel ${channel} cannot be opened`,
      fix: info.uid === uid || uid === 0 ? `once you know what it is: ${remove}` : `have ${owner} or root: ${remove}`,
    };
    return;
  }
  if (info.uid !== 0 && info.uid !== uid && info.uid !== settings.broker_uid) {
    yield {
      finding: "foreign_owner",
      level: needed ? "problem" : "note",
      path,
      what: `${path} belongs to ${owner}, whom ipc does not trust: nothing is sent there`,
      fix: `if that user runs the broker, set broker_user = "${accountName("user", info.uid ?? 0)}"; ` +
        `else have it removed, or set another socket_dir`,
    };
    return;
  }
  const state = await tryConnect(path);
  if (state === "refused") yield await stale(patient, channel, path, info);
  else if (state === "denied") yield shutOut(path, info);
  else yield* checkMode(patient, channel, path, info);
}

async function tryConnect(path: string): Promise<"live" | "refused" | "denied"> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return "live";
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return "refused";
    return error instanceof Deno.errors.PermissionDenied ? "denied" : "live";
  }
}

async function stale(
  { settings, io, uid }: Patient,
  channel: string,
  path: string,
  info: Deno.FileInfo,
): Promise<Finding> {
  const finding = { finding: "stale_socket", level: "problem", path, what: `nobody listens on ${path}` } as const;
  if (info.uid !== uid) {
    return { ...finding, fix: `start the broker of ${userText(info.uid)}, or have it removed: rm ${quote(path)}` };
  }
  if (await lockHolder(settings, io) === undefined) return { ...finding, fix: "ipc doctor --fix", removable: true };
  return {
    ...finding,
    level: "note",
    fix: `none is needed: the broker takes it over for who uses channel ${channel} next`,
  };
}

function shutOut(path: string, { mode, uid, gid }: Deno.FileInfo): Finding {
  const bits = (mode ?? 0) & 0o777, group = accountName("group", gid ?? 0);
  return {
    finding: "shut_out",
    level: "problem",
    path,
    what: `${path} has mode 0${bits.toString(8)} and belongs to ${
      userText(uid)
    } and group ${group}: this user may not connect`,
    fix: (bits & 0o060) === 0o060
      ? `as root: usermod -aG ${group} ${accountName("user", Deno.uid() ?? 0)}; then log in again`
      : `in the broker's configuration: mode = "0660" and group = "<one of yours>"; then ipc daemon reload`,
  };
}

/** Of sockets of this user's own broker; what others want is not known here. */
function* checkMode(
  { settings, uid }: Patient,
  channel: string,
  path: string,
  info: Deno.FileInfo,
): Generator<Finding> {
  if (info.uid !== uid) return;
  const { socket_mode, socket_gid }: ChannelSettings = settings.channels.get(channel) ?? settings.defaults;
  const bits = (info.mode ?? 0) & 0o777, wanted = `0${socket_mode.toString(8)}`;
  if (bits !== socket_mode || (socket_gid !== undefined && info.gid !== socket_gid)) {
    const group = socket_gid === undefined ? "" : ` and group ${accountName("group", socket_gid)}`;
    yield {
      finding: "mode_differs",
      level: "problem",
      path,
      what: `${path} has mode 0${bits.toString(8)} and group ${accountName("group", info.gid ?? 0)}, ` +
        `the configuration says mode ${wanted}${group}`,
      fix: "ipc daemon reload, or ipc daemon restart if somebody has changed it by hand",
    };
  } else if ((bits & 0o006) !== 0) {
    yield {
      finding: "open_to_all",
      level: "note",
      path,
      what: `every user of this machine may connect to ${path}: the configuration says so`,
      fix: `mode = "0660" and a group, or access rules`,
    };
  }
}

/**
 * Removes sockets that nobody listens on, as a broker would that starts: holding its lock, so that none is about to listen
 * there, and only what is a socket, this user's own and refuses a connect.
 *
 * @returns Those that were removed.
 */
export async function removeStale(findings: readonly Finding[], { settings, io, uid }: Patient): Promise<Set<Finding>> {
  const removed = new Set<Finding>(), removable = findings.filter((finding) => finding.removable);
  if (removable.length === 0) return removed;
  const { Lock } = await import("../../daemon/lock.ts");
  const lock = await Lock.take(stateDirectory(io.env), settings.socket_dir, "doctor");
  try {
    for (const finding of removable) {
      const info = lookAt(finding.path!);
      if (!info?.isSocket || info.uid !== uid || await tryConnect(finding.path!) !== "refused") continue;
      Deno.removeSync(finding.path!);
      removed.add(finding);
    }
  } finally {
    lock.release();
  }
  return removed;
}
