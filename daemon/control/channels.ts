import { channelGlob } from "../../protocol/channel_name.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { type ControlContext, optionalTextParam, type Params } from "./context.ts";
import { describeChannel } from "./describe.ts";

/** `channels {glob?}`: the open channels that the asker may see, by name. */
export function channels(context: ControlContext, params: Params, asker: Client<Peer>) {
  const matches = channelGlob(optionalTextParam(params, "glob") ?? "*"), { router } = context;
  return [...router.registry.channels.values()]
    .filter(({ name }) => matches(name) && router.maySee(asker.identity, name))
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .map((channel) => describeChannel(context, channel));
}
