import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { checkAdmin, type ControlContext, type Params } from "./context.ts";

/** `reload`: reads the configuration again; if it is wrong, nothing changes and the reply says what is. */
export async function reload(context: ControlContext, _params: Params, asker: Client<Peer>) {
  checkAdmin(context, asker);
  await context.reload();
  return { reloaded: true };
}
