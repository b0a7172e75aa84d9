import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { checkAdmin, type ControlContext, type Params } from "./context.ts";

/** `config`: the settings in force. */
export function config(context: ControlContext, _params: Params, asker: Client<Peer>) {
  checkAdmin(context, asker);
  return context.config();
}
