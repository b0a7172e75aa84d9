import { channelGlob, CONTROL_CHANNEL } from "../../protocol/channel_name.ts";
import { IpcError } from "../../protocol/errors.ts";
import { MONITOR_PAYLOAD_BYTES, MONITOR_PAYLOAD_BYTES_MAX } from "../../protocol/limits.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { checkAdmin, type ControlContext, optionalTextParam, type Params, STREAMS } from "./context.ts";

/** `monitor {glob?, payload_bytes?}`: shows what passes, in parts of a reply that goes on until it is cancelled. */
export function monitor(context: ControlContext, params: Params, asker: Client<Peer>, id: number) {
  checkAdmin(context, asker);
  // It gathers the parts of a reply until the last one has come.
  if (asker.dialect === "simple_ipc") throw new IpcError("PROTOCOL", "Simple IPC takes no reply that goes on");
  const glob = optionalTextParam(params, "glob") ?? "*", matches = channelGlob(glob);
  const fits = (channel: string) => channel === CONTROL_CHANNEL ? glob === CONTROL_CHANNEL : matches(channel);
  context.router.monitors.start(asker, id, { fits, payload_bytes: payloadParam(params) });
  return STREAMS;
}

function payloadParam(params: Params): number {
  const value = Object.hasOwn(params, "payload_bytes") ? params["payload_bytes"] : undefined;
  if (value === undefined || value === null) return MONITOR_PAYLOAD_BYTES;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MONITOR_PAYLOAD_BYTES_MAX) {
    return value;
  }
  throw new IpcError(
    "PROTOCOL",
    `parameter "payload_bytes" must be a whole number from 0 to ${MONITOR_PAYLOAD_BYTES_MAX}`,
  );
}
