import { checkChannelName } from "../../protocol/channel_name.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { type ControlContext, type Params, textParam } from "./context.ts";

/** `open {channel}`: makes sure that a channel has a socket. */
export async function open(context: ControlContext, params: Params, asker: Client<Peer>) {
  const name = checkChannelName(textParam(params, "channel"));
  context.router.checkOpening(asker.identity, name);
  const channel = await context.open(name, asker);
  return { channel: channel.name, path: context.path(channel.name), epoch: channel.epoch, dynamic: channel.dynamic };
}
