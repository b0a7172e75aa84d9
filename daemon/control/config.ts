import type { ControlContext } from "./context.ts";

/** `config`: the settings in force. */
export function config(context: ControlContext) {
  return context.config();
}
