import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { checkSight, type ControlContext, optionalTextParam, type Params } from "./context.ts";
import { describeClient } from "./describe.ts";

/** `clients {channel?}`: who is connected, to the channels that the asker may see. */
export function clients(context: ControlContext, params: Params, asker: Client<Peer>) {
  const { router } = context, name = optionalTextParam(params, "channel");
  if (name === undefined) {
    return [...router.registry.channels.values()]
      .filter((channel) => channel.clients.size > 0 && router.maySee(asker.identity, channel.name))
      .flatMap(({ clients }) => [...clients])
      .sort((a, b) => a.id - b.id)
      .map((client) => describeClient(context, client));
  }
  checkSight(context, asker, name);
  return [...router.registry.channel(name).clients].map((client) => describeClient(context, client));
}
