import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { checkAdmin, type ControlContext, type Params } from "./context.ts";

/** `drain`: delivers what was accepted, then ends the broker. */
export function drain(context: ControlContext, _params: Params, asker: Client<Peer>) {
  checkAdmin(context, asker);
  context.drain("asked to by a client");
  return { draining: true };
}
