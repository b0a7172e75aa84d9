/**
 * What `ipc doctor` finds: what is, and what can be done about it.
 *
 * @module
 */
import { accountName } from "../../config/accounts.ts";
import type { Settings } from "../../config/settings.ts";
import type { Io } from "../io.ts";

/** One thing that was found. */
export interface Finding {
  /** Which kind of thing; stable, for programs. */
  readonly finding: string;
  /** A `problem` keeps somebody from working, or lets in who should not be; a `note` is good to know. */
  readonly level: "problem" | "note";
  /** The file that it is about, if it is about one. */
  readonly path?: string;
  /** What is. */
  readonly what: string;
  /** What to do about it. */
  readonly fix: string;
  /** A socket that may be removed if no broker runs. */
  readonly removable?: true;
}

/** What the checks look at. */
export interface Patient {
  readonly settings: Settings;
  readonly io: Io;
  /** This user. */
  readonly uid: number;
  /** Whether it is this user who runs the broker, as far as the configuration says. */
  readonly own_broker: boolean;
}

/** Whose something is, for people. */
export function userText(uid: number | null): string {
  return uid === null ? "somebody" : `user ${accountName("user", uid)}`;
}

/** Findings as people read them, problems first. */
export function findingsText(findings: readonly Finding[]): string {
  const sorted = [...findings].sort((one, other) => Number(one.level === "note") - Number(other.level === "note"));
  return sorted.map(({ level, what, fix }) => `${level}: ${what}\n  fix: ${fix}\n`).join("");
}
