import { checkChannelName } from "../../protocol/channel_name.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { channelParam, type ControlContext, type Params } from "./context.ts";

/** `open {channel}`: makes sure that a channel has a socket. */
export async function open(context: ControlContext, params: Params, asker: Client<Peer>) {
  const name = checkChannelName(channelParam(params));
  context.router.checkOpening(asker.identity, name);
  const channel = await context.open(name, asker);
  return { channel: channel.name, path: context.path(channel.name), epoch: channel.epoch, dynamic: channel.dynamic };
}
