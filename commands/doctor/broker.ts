/**
 * The broker: whether one runs and answers, is of this version, and has descriptors enough.
 *
 * @module
 */
import { control, IpcError } from "../../client/mod.ts";
import { CONTROL_CHANNEL } from "../../protocol/channel_name.ts";
import { socketPath } from "../../protocol/socket_path.ts";
import { brokerOptions } from "../broker_options.ts";
import { buildInfo } from "../build_info.ts";
import { autostartWanted } from "../connection.ts";
import { lockHolder } from "../lock_holder.ts";
import type { Finding, Patient } from "./finding.ts";
import type { Stats } from "../stats/metrics.ts";

/** A broker that takes longer than this hangs, as far as anybody who waits for it is concerned. */
const ANSWER_MS = 3_000;
/** A client and a channel take a descriptor each; 30 or so are the process's own. */
const DESCRIPTORS_MIN = 1_024;
/** From here on it is time to do something. */
const FULL = 0.8;

/** Looks at it. */
export async function* checkBroker(patient: Patient): AsyncGenerator<Finding> {
  const where = { ...brokerOptions(patient.io, patient.settings), name: "ipc doctor", timeout_ms: ANSWER_MS };
  let stats: Stats;
  try {
    stats = await control("stats", {}, where) as Stats;
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    yield* checkSilence(patient, error);
    return;
  }
  yield* checkVersion(stats);
  yield* await checkDescriptors(stats.pid, stats);
}

async function* checkSilence({ settings, io, own_broker }: Patient, error: IpcError): AsyncGenerator<Finding> {
  // What stands in its place is said by the look at the sockets.
  if (error.reason === "FORBIDDEN") return;
  if (error.reason === "UNAUTHORIZED") {
    yield {
      finding: "unauthorized",
      level: "problem",
      what: `the broker does not answer this user's questions: ${error.message}`,
      fix: "show a token that its rules let in: --token-file",
    };
    return;
  }
  const holder = own_broker ? await lockHolder(settings, io) : undefined;
  const pid = holder === undefined || holder.pid === 0 ? "a broker" : `the broker with pid ${holder.pid}`;
  const path = socketPath(settings.socket_dir, CONTROL_CHANNEL);
  if (holder !== undefined && !isThere(path)) {
    yield {
      finding: "socket_gone",
      level: "problem",
      path,
      what: `${pid} runs, and there is nothing at ${path}: somebody has removed it`,
      fix: "none is needed if it is there in a second: the broker binds it again. Else: ipc daemon restart",
    };
  } else if (holder !== undefined) {
    yield {
      finding: "broker_hung",
      level: "problem",
      what: `${pid} runs and does not answer: ${error.message}`,
      fix: holder.pid === 0
        ? "find out which process it is, and end it"
        : `if it is stopped: kill -CONT ${holder.pid}; else ipc daemon restart, and if it does not end: kill -9 ${holder.pid}`,
    };
  } else if (!own_broker) {
    yield {
      finding: "no_broker",
      level: "problem",
      what: `no broker answers in ${settings.socket_dir}`,
      fix: "have whoever runs it start it",
    };
  } else if (autostartWanted(true, io)) {
    yield {
      finding: "no_broker",
      level: "note",
      what: "no broker runs; send and request would leave with 69",
      fix: "none is needed: ipc listen and ipc handle start one. To start one now: ipc daemon start",
    };
  } else {
    yield {
      finding: "no_broker",
      level: "problem",
      what: "no broker runs, and IPC_AUTOSTART says that none is to be started on demand",
      fix: "ipc daemon start, or unset IPC_AUTOSTART",
    };
  }
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

async function* checkVersion({ version, pid }: Stats): AsyncGenerator<Finding> {
  const own = (await buildInfo()).version;
  if (own === version) return;
  yield {
    finding: "version_skew",
    level: "problem",
    what: `the broker with pid ${pid} is version ${version}, this ipc is ${own}`,
    fix: "ipc daemon restart, or restart its service: what was installed is used from then on",
  };
}

/**
 * Looks at how many descriptors a process may have.
 *
 * @param pid Whose.
 * @param used What a broker has in use, if it is one.
 */
export async function checkDescriptors(pid: number, used?: Pick<Stats, "channels" | "clients">): Promise<Finding[]> {
  const limit = await descriptorLimit(pid);
  if (limit === undefined) return [];
  const whose = used === undefined ? "a process that this user starts" : `the broker with pid ${pid}`;
  const fix = "ulimit -n 65536 before it is started, LimitNOFILE= in its unit, or nofile in /etc/security/limits.conf";
  const in_use = used === undefined ? 0 : used.channels + used.clients;
  if (limit < DESCRIPTORS_MIN) {
    const what = `${whose} may have ${limit} descriptors, one for each client and each channel`;
    return [{ finding: "few_descriptors", level: "problem", what, fix }];
  }
  if (in_use < FULL * limit) return [];
  const what = `${whose} has ${used!.clients} clients and ${used!.channels} channels, of ${limit} descriptors in all`;
  return [{ finding: "few_descriptors", level: "problem", what, fix }];
}

/**
 * Deno may read this file only if it may do everything, so another program does. A shell that starts this command or a
 * broker gives it the soft limit, which Deno raises to the hard one.
 */
async function descriptorLimit(pid: number): Promise<number | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const { stdout } = await new Deno.Command("/bin/cat", { args: [`/proc/${pid}/limits`], stderr: "null" }).output();
    const limit = /^Max open files +(\d+)/m.exec(new TextDecoder().decode(stdout))?.[1];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined; // no such program here, or not allowed to run it
  }
}
