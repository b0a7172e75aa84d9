import type { ControlContext } from "./context.ts";

/** `reload`: reads the configuration again; if it is wrong, nothing changes and the reply says what is. */
export async function reload(context: ControlContext) {
  await context.reload();
  return { reloaded: true };
}
