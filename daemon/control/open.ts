import { checkChannelName } from "../../protocol/channel_name.ts";
import { type ControlContext, type Params, textParam } from "./context.ts";

/** `open {channel}`: makes sure that a channel has a socket. */
export async function open(context: ControlContext, params: Params) {
  const channel = await context.open(checkChannelName(textParam(params, "channel")));
  return { channel: channel.name, path: context.path(channel.name), epoch: channel.epoch, dynamic: channel.dynamic };
}
