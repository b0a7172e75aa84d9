import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { channelParam, checkSight, type ControlContext, type Params } from "./context.ts";
import { describeBarrier, describeChannel, describeClient, describeLock } from "./describe.ts";

/** `channel {channel}`: everything about one channel. */
export function channel(context: ControlContext, params: Params, asker: Client<Peer>) {
  const name = channelParam(params);
  checkSight(context, asker, name);
  const channel = context.router.registry.channel(name);
  return {
    ...describeChannel(context, channel),
    epoch: channel.epoch,
    settings: channel.rules,
    history: {
      from_seq: channel.history.first,
      to_seq: channel.history.first === 0 ? 0 : channel.seq,
      bytes: channel.history.held_bytes,
    },
    retained: channel.retained !== undefined,
    quiet_ms: channel.quiet_ms,
    publishers_waiting: channel.turns.length,
    lock: describeLock(context, channel),
    barrier: describeBarrier(context, channel),
    client_list: [...channel.clients].map((client) => describeClient(context, client)),
  };
}
