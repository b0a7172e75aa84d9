/**
 * Starts a broker in the background: for `ipc listen` and `ipc handle` where none runs, and for `ipc daemon start`.
 *
 * Two listeners may come at the same time and start two brokers. The lock lets one of them run and the other end; what
 * counts is not which broker was started here, but that one answers.
 *
 * @module
 */
import { stateDirectory } from "../config/files.ts";
import type { Settings } from "../config/settings.ts";
import { IpcError } from "../protocol/errors.ts";
import { isBundle } from "./build_info.ts";
import { LOCAL_VARIABLES } from "./broker_options.ts";
import { brokerAnswers } from "./connection.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { lockHolder } from "./lock_holder.ts";
import { notice } from "./notice.ts";
import { brokerPermissions, RUN_FLAGS } from "./permissions.ts";

/** A broker that was started because somebody listened ends after this long without clients. */
const AUTOSTARTED_IDLE_EXIT = "10m";
/** How long a broker may take until it answers. One that is going away may have to be waited for. */
const START_MS_MAX = 20_000;
/** Where none has answered although the one that was started has ended, the next try comes after this. */
const RETRY_MS = 250;
const POLL_MS = 10;
/** A log that has grown to this is started anew. */
const LOG_BYTES_MAX = 1024 * 1024;
/** How much of its log is shown when a broker could not be started. */
const SHOWN_LINES = 10;

/** Starts a broker that ends itself when nobody needs it. @throws {Failure} If none answers in time. */
export async function startBrokerFor(settings: Settings, io: Io): Promise<void> {
  await startBroker(settings, ["--idle-exit-default", AUTOSTARTED_IDLE_EXIT], io);
}

/**
 * Starts a broker that outlives this process, and waits until one answers.
 *
 * @param options For `ipc daemon run`.
 * @throws {Failure} If none answers in time, with the last lines of its log.
 */
export async function startBroker(settings: Settings, options: readonly string[], io: Io): Promise<void> {
  const { log, before_bytes } = await openLog(io);
  const deadline = performance.now() + START_MS_MAX;
  const command = brokerCommand(settings);
  let broker = spawnBroker(command, options, log, io);
  while (!await brokerAnswers(settings)) {
    if (performance.now() >= deadline) {
      throw cannotStart(`none answers after ${START_MS_MAX / 1000} s`, log, before_bytes);
    }
    if (broker.ended !== undefined && performance.now() - broker.ended.at_ms >= RETRY_MS) {
      // It may have lost against another one that is still starting, or is on its way out.
      if (await lockHolder(settings, io) === undefined) {
        throw cannotStart(`it left with ${broker.ended.code}`, log, before_bytes);
      }
      broker = spawnBroker(command, options, log, io);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  notice(io.stderr, `started a broker, its log is ${log}`);
}

interface StartedBroker {
  /** When and how it ended, if it has. */
  ended: { code: number; at_ms: number } | undefined;
}

/** In a session of its own, so that neither Ctrl-C nor a closed terminal reaches it. */
function spawnBroker(command: readonly string[], options: readonly string[], log: string, io: Io): StartedBroker {
  // An empty one is an unset one; what an option has beaten would still be in the environment.
  const named = [...LOCAL_VARIABLES, "RUNTIME_DIRECTORY"].map((name) => [name, io.env(name) ?? ""]);
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'log=$1; shift; exec "$@" 2>>"$log"', "sh", log, ...command, "daemon", "run", ...options],
    env: Object.fromEntries(named),
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  child.unref();
  const broker: StartedBroker = { ended: undefined };
  child.status.then(({ code }) => broker.ended = { code, at_ms: performance.now() });
  return broker;
}

/** Whoever runs this program runs the broker too; its permissions are fewer where the program is a bundle. */
function brokerCommand(settings: Settings): string[] {
  const program = new URL(Deno.mainModule).pathname;
  const flags = isBundle() ? [...RUN_FLAGS, ...brokerPermissions(settings)] : ["--allow-all"];
  return [Deno.execPath(), "run", ...flags, decodeURIComponent(program)];
}

/** Makes sure that there is a log. @throws {Failure} If there cannot be one. */
async function openLog(io: Io): Promise<{ log: string; before_bytes: number }> {
  const { makeStateDirectory } = await import("../daemon/lock.ts");
  const directory = stateDirectory(io.env), log = `${directory}/ipcd.log`;
  try {
    makeStateDirectory(directory);
    const before_bytes = startLog(log);
    Deno.openSync(log, { append: true, create: true }).close();
    return { log, before_bytes };
  } catch (error) {
    if (error instanceof IpcError) throw error;
    throw new Failure(
      EXIT.UNAVAILABLE,
      `cannot start a broker: cannot write its log "${log}": ${(error as Error).message}. ` +
        "Set XDG_RUNTIME_DIR to a directory of yours",
      { cause: error },
    );
  }
}

/** Empties a log that has grown too long. @returns How many bytes are in it. */
function startLog(path: string): number {
  try {
    const { size } = Deno.statSync(path);
    if (size < LOG_BYTES_MAX) return size;
    Deno.truncateSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return 0;
}

function cannotStart(why: string, log: string, from_bytes: number): Failure {
  let lines: string[] = [];
  try {
    const text = new TextDecoder().decode(Deno.readFileSync(log).subarray(from_bytes));
    lines = text.trimEnd().split("\n").slice(-SHOWN_LINES);
  } catch { /* what it said is not known */ }
  const said = lines.map((line) => `\n  ${line}`).join("");
  return new Failure(
    EXIT.UNAVAILABLE,
    `cannot start a broker: ${why}. Its log, ${log}, ends with${said || " nothing"}`,
  );
}
