/**
 * Where the sockets stand, for a program that does not say.
 *
 * @module
 */
import { defaultSocketDirectory } from "../protocol/socket_path.ts";

/** @param chosen What the caller said, if anything. */
export function socketDirectory(chosen: string | undefined): string {
  return chosen ?? fromEnvironment() ?? defaultSocketDirectory(Deno.build.os);
}

/** A program that may not read the environment gets the default instead of a question at its terminal. */
function fromEnvironment(): string | undefined {
  if (Deno.permissions.querySync({ name: "env", variable: "IPC_SOCKET_DIR" }).state !== "granted") return undefined;
  return Deno.env.get("IPC_SOCKET_DIR") || undefined;
}
