/**
 * The profile that `--profile` or `IPC_PROFILE` names, for a command: what it says of the way to the broker stands in for
 * variables that are not set. What else it sets, the configuration reads by itself.
 *
 * @module
 */
import { CONNECTION_VARIABLES, type ConnectionKey, readConnection } from "../config/profiles.ts";
import type { Io } from "./io.ts";

/** @throws {ConfigError} If there is no such profile, or it cannot be used. */
export async function withProfile(io: Io): Promise<Io> {
  const connection = await readConnection({ cwd: io.cwd(), env: io.env }), values = new Map<string, string>();
  for (const [key, value] of Object.entries(connection)) values.set(CONNECTION_VARIABLES[key as ConnectionKey], value);
  return { ...io, env: (name) => io.env(name) || values.get(name) };
}
