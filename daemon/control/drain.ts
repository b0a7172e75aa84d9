import type { ControlContext } from "./context.ts";

/** `drain`: delivers what was accepted, then ends the broker. */
export function drain(context: ControlContext) {
  context.drain("asked to by a client");
  return { draining: true };
}
