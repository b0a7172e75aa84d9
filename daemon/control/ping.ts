import type { ControlContext } from "./context.ts";

/** `ping`: whether the broker answers, and which it is. */
export function ping(context: ControlContext) {
  return { pid: Deno.pid, version: context.version };
}
