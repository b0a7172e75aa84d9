/**
 * Locks, semaphores and barriers as methods.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { checkChannelName } from "../../protocol/channel_name.ts";
import { FLAGS } from "../../protocol/frame.ts";
import { COORDINATED_MAX } from "../../protocol/limits.ts";
import type { Channel, Client } from "../registry.ts";
import type { Ticket } from "../router/coordination.ts";
import type { Peer } from "../router/mod.ts";
import { channelParam, type ControlContext, type Params, STREAMS } from "./context.ts";
import { answer, fail as failWith } from "./reply.ts";

/** `lock {channel, places?, wait?}`: holds one of so many places until it is cancelled, waiting for it in turn. */
export function lock(context: ControlContext, params: Params, asker: Client<Peer>, id: number) {
  const places = countParam(params, "places", 1), waits = flagParam(params, "wait", true);
  return coordinate(context, params, asker, id, (ticket, channel) => {
    context.router.coordination.lock(ticket, channel, places, waits);
  });
}

/** `barrier {channel, parties}`: waits until so many are there. */
export function barrier(context: ControlContext, params: Params, asker: Client<Peer>, id: number) {
  const parties = countParam(params, "parties");
  return coordinate(context, params, asker, id, (ticket, channel) => {
    context.router.coordination.barrier(ticket, channel, parties);
  });
}

function coordinate(
  context: ControlContext,
  params: Params,
  asker: Client<Peer>,
  id: number,
  enter: (ticket: Ticket, channel: Channel<Peer>) => void,
): typeof STREAMS {
  const { router } = context, name = checkChannelName(channelParam(params));
  // It gathers the parts of a reply until the last one has come.
  if (asker.dialect === "simple_ipc") throw new IpcError("PROTOCOL", "Simple IPC takes no reply that goes on");
  router.checkCoordination(asker, name);
  const ticket = router.coordination.announce(asker, id, {
    part: (state) => answer(asker, id, state, FLAGS.MORE),
    end: (state) => answer(asker, id, state),
    fail: (error) => failWith(asker, id, error),
  });
  if (ticket === undefined) return STREAMS;
  const fail = (error: unknown): void => {
    const known = error instanceof IpcError ? error : new IpcError("HANDLER_ERROR", String(error));
    router.coordination.fail(ticket, known);
  };
  const go = (channel: Channel<Peer>): void => {
    if (!router.coordination.isOpen(ticket)) return;
    try {
      // Both may have changed while the channel was opened.
      router.checkCoordination(asker, name);
      if (router.registry.channels.get(name) !== channel) {
        throw new IpcError("CHANNEL_NOT_FOUND", `channel "${name}" was closed`);
      }
      enter(ticket, channel);
    } catch (error) {
      fail(error);
    }
  };
  try {
    context.open(name, asker).then(go, fail);
  } catch (error) {
    fail(error);
  }
  return STREAMS;
}

/** @throws {IpcError} PROTOCOL if it is no number from 1 up, or missing without a `fallback`. */
function countParam(params: Params, key: string, fallback?: number): number {
  const value = Object.hasOwn(params, key) ? params[key] : fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= COORDINATED_MAX) return value;
  throw new IpcError("PROTOCOL", `parameter "${key}" must be a whole number from 1 to ${COORDINATED_MAX}`);
}

/** @throws {IpcError} PROTOCOL if it is there and neither true nor false. */
function flagParam(params: Params, key: string, fallback: boolean): boolean {
  const value = Object.hasOwn(params, key) ? params[key] : fallback;
  if (typeof value !== "boolean") throw new IpcError("PROTOCOL", `parameter "${key}" must be true or false`);
  return value;
}
