import { type ControlContext, optionalTextParam, type Params } from "./context.ts";
import { describeClient } from "./describe.ts";

/** `clients {channel?}`: who is connected. */
export function clients(context: ControlContext, params: Params) {
  const registry = context.router.registry, name = optionalTextParam(params, "channel");
  const clients = name === undefined ? registry.clients.values() : registry.channel(name).clients;
  return [...clients].map((client) => describeClient(context, client));
}
