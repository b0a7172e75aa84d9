/**
 * Profiles: files with a name, `profiles/NAME.toml`, each of which says which broker is meant, and what else is different
 * then. Loaded only if one is chosen.
 *
 * @module
 */
import { isChannelName } from "../protocol/channel_name.ts";
import { ConfigError, type Problem, show } from "./errors.ts";
import { findFiles, type FoundFile, type Places, profileDirectories, readFile } from "./files.ts";
import { closest } from "./suggest.ts";

/** Keys that only a profile may have, and the variables that mean the same. */
export const CONNECTION_VARIABLES = {
  connect: "IPC_CONNECT",
  ca: "IPC_CA",
  token_file: "IPC_TOKEN_FILE",
} as const;

/** One of {@linkcode CONNECTION_VARIABLES}. */
export type ConnectionKey = keyof typeof CONNECTION_VARIABLES;

/** What a profile says about the way to its broker. */
export type Connection = { readonly [K in ConnectionKey]?: string };

/** The profile that is chosen, if one is. */
export function chosenProfile(places: Places): FoundFile | undefined {
  return findFiles(places).find(({ profile }) => profile !== undefined);
}

/** The names of all profiles that there are. */
export function profileNames(places: Places): string[] {
  const names = new Set<string>();
  for (const directory of profileDirectories(places)) {
    try {
      for (const { name } of Deno.readDirSync(directory)) {
        if (name.endsWith(".toml") && isChannelName(name.slice(0, -5))) names.add(name.slice(0, -5));
      }
    } catch { /* there is none, or it is closed to us */ }
  }
  return [...names].sort();
}

/** @throws {ConfigError} If there is no such profile, with what was probably meant. */
export function checkProfile({ path, profile }: FoundFile, places: Places): void {
  if (profile === undefined || (isChannelName(profile) && exists(path))) return;
  const known = profileNames(places), guess = closest(profile, known);
  const advice = guess !== undefined
    ? `did you mean ${guess}?`
    : known.length > 0
    ? `there are ${known.join(", ")}`
    : `there are none in ${profileDirectories(places).join(" and ")}`;
  throw new ConfigError([{ where: "--profile, IPC_PROFILE", message: `no profile ${show(profile)}: ${advice}` }]);
}

/** What the chosen profile says of the way to its broker. @throws {ConfigError} If it cannot be used. */
export async function readConnection(places: Places): Promise<Connection> {
  const file = chosenProfile(places);
  if (file === undefined) return {};
  checkProfile(file, places);
  const { readDocument } = await import("./document.ts");
  const { connection, problems } = readDocument(readFile(file), file.path, true);
  if (problems.length > 0) throw new ConfigError(problems);
  return connection;
}

/** Takes one key of a profile. Paths are relative to its file. */
export function connectionValue(key: ConnectionKey, raw: unknown, where: string): string | Problem {
  const allowed = key === "connect" ? "tcp://host:port or tls://host:port" : "a path";
  if (typeof raw !== "string" || raw === "" || (key === "connect" && !/^(tcp|tls):\/\/./.test(raw))) {
    return { where, key, message: `${key} = ${show(raw)} cannot be used: ${allowed}` };
  }
  return key === "connect" || raw.startsWith("/") ? raw : `${where.slice(0, where.lastIndexOf("/"))}/${raw}`;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
