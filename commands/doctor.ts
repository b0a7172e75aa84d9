/**
 * `ipc doctor`: looks for what keeps programs from talking, or lets in who should not be, and says what to do about it.
 *
 * @module
 */
import { ConfigError } from "../config/errors.ts";
import type { Settings } from "../config/settings.ts";
import { checkBroker, checkDescriptors } from "./doctor/broker.ts";
import { checkLockDirectory, checkSocketDirectory } from "./doctor/directory.ts";
import { type Finding, findingsText, type Patient } from "./doctor/finding.ts";
import { checkSockets, removeStale } from "./doctor/sockets.ts";
import { checkTmpfiles } from "./doctor/tmpfiles.ts";
import { EXIT } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { notice } from "./notice.ts";
import { settingsOf } from "./settings.ts";
import { argumentParser, parseArguments, type Verb } from "./verb.ts";

/** Options of `ipc doctor`. */
export interface DoctorOptions {
  /** Remove what can safely be removed. */
  fix: boolean;
  json: boolean;
}

export const verb: Verb<DoctorOptions> = { parse: parseDoctor, run: runDoctor };

export function parseDoctor(argv: readonly string[]): DoctorOptions {
  const parser = argumentParser(
    "doctor",
    "Look for what is wrong with sockets, broker and configuration, and say what to do. Leaves with 1 if there is a problem.",
  )
    .option("--fix", "remove sockets of this user that nobody listens on, if no broker runs")
    .option("--json", "one JSON object a line");
  const { options } = parseArguments(parser, argv);
  return { fix: options.fix ?? false, json: options.json ?? false };
}

/** @returns 0 if there is no problem, or none is left; 1 otherwise. */
export async function runDoctor({ fix, json }: DoctorOptions, io: Io): Promise<number> {
  let findings = await examine(io);
  if (fix) findings = await repair(findings, io);
  const problems = findings.filter(({ level }) => level === "problem").length;
  if (json) {
    io.stdout.write(findings.map(({ removable: _, ...finding }) => `${JSON.stringify(finding)}\n`).join(""));
  } else io.stdout.write(`${findingsText(findings)}${problems === 0 ? "no problems found\n" : ""}`);
  return problems === 0 ? EXIT.OK : EXIT.NEGATIVE;
}

/** All that is found. A configuration that cannot be used hides what depends on it. */
async function examine(io: Io): Promise<Finding[]> {
  let settings: Settings;
  try {
    settings = await settingsOf(io);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ where, message }) => ({
      finding: "configuration",
      level: "problem",
      what: `${where}: ${message}`,
      fix: "put it right; until then every command leaves with 78, and a broker that runs keeps what it had",
    }));
  }
  const patient = patientOf(settings, io), findings: Finding[] = [];
  findings.push(...checkSocketDirectory(patient), ...checkLockDirectory(patient));
  for await (const finding of checkSockets(patient)) findings.push(finding);
  for await (const finding of checkBroker(patient)) findings.push(finding);
  findings.push(...await checkDescriptors(Deno.pid), ...checkTmpfiles(settings.socket_dir));
  return findings;
}

function patientOf(settings: Settings, io: Io): Patient {
  const uid = Deno.uid() ?? 0;
  return { settings, io, uid, own_broker: settings.broker_uid === undefined || settings.broker_uid === uid };
}

/** What is left. */
async function repair(findings: readonly Finding[], io: Io): Promise<Finding[]> {
  if (!findings.some(({ removable }) => removable)) return [...findings];
  const removed = await removeStale(findings, patientOf(await settingsOf(io), io));
  for (const { path } of removed) notice(io.stderr, `removed ${path}`);
  return findings.filter((finding) => !removed.has(finding));
}
