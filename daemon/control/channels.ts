import { channelGlob } from "../../protocol/channel_name.ts";
import { type ControlContext, optionalTextParam, type Params } from "./context.ts";
import { describeChannel } from "./describe.ts";

/** `channels {glob?}`: the open channels, by name. */
export function channels(context: ControlContext, params: Params) {
  const matches = channelGlob(optionalTextParam(params, "glob") ?? "*");
  return [...context.router.registry.channels.values()]
    .filter((channel) => matches(channel.name))
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .map((channel) => describeChannel(context, channel));
}
