/**
 * What a broker that runs does not change, however its configuration reads.
 *
 * @module
 */
import type { Settings } from "../config/settings.ts";
import { IpcError } from "../protocol/mod.ts";
import type { Policy } from "./access.ts";

/** @throws {IpcError} PROTOCOL if a reload would change it, saying what to do. */
export function checkReload(before: Settings, after: Settings, rules_before: Policy, rules_after: Policy): void {
  if (after.socket_dir !== before.socket_dir) {
    throw new IpcError(
      "PROTOCOL",
      `Cannot change socket_dir from "${before.socket_dir}" to "${after.socket_dir}" while running: ` +
        'use "ipc daemon restart"',
    );
  }
  if (after.peer_credentials !== before.peer_credentials) {
    throw new IpcError("PROTOCOL", 'Cannot change peer_credentials while running: use "ipc daemon restart"');
  }
  // A file that was cut off, or that is gone, looks as if everything were allowed.
  if (rules_after.is_empty && !rules_before.is_empty) {
    throw new IpcError(
      "PROTOCOL",
      "Cannot take back all access rules while running: the configuration has none any more. If that is meant, " +
        'use "ipc daemon restart"',
    );
  }
}
