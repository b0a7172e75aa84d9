/**
 * The control channel `ipcd`: requests of `{"method": ..., "params": {...}}`, answered in plain JSON, in every dialect.
 *
 * @module
 */
import { CONTROL_BYTES_MAX } from "../../protocol/limits.ts";
import { IpcError } from "../../protocol/errors.ts";
import { decodeFrame, encodingOf, ENCODINGS, type Frame } from "../../protocol/frame.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { channel } from "./channel.ts";
import { channels } from "./channels.ts";
import { clients } from "./clients.ts";
import { config } from "./config.ts";
import { type ControlContext, type Method, type Params, STREAMS } from "./context.ts";
import { drain } from "./drain.ts";
import { kick } from "./kick.ts";
import { barrier, lock } from "./lock.ts";
import { monitor } from "./monitor.ts";
import { open } from "./open.ts";
import { ping } from "./ping.ts";
import { reload } from "./reload.ts";
import { answer, fail } from "./reply.ts";
import { stats } from "./stats.ts";

const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>(
  Object.entries({
    barrier,
    channel,
    channels,
    clients,
    config,
    drain,
    kick,
    lock,
    monitor,
    open,
    ping,
    reload,
    stats,
  }),
);

/** Makes the function that answers a REQUEST on the control channel. */
export function control(context: ControlContext): (client: Client<Peer>, frame: Uint8Array<ArrayBuffer>) => void {
  return (client, bytes) => {
    const frame = decodeFrame(bytes), id = frame.id;
    client.channel.requests++;
    client.bytes_in += bytes.length;
    // The frame is a view of a read buffer, so it is decoded before anything waits.
    let result: unknown;
    try {
      const { method, params } = parse(frame);
      result = method(context, params, client, id);
    } catch (error) {
      return fail(client, id, error);
    }
    if (result === STREAMS) return;
    if (result instanceof Promise) {
      result.then((value) => answer(client, id, value), (error) => fail(client, id, error));
    } else answer(client, id, result);
  };
}

function parse(frame: Frame): { method: Method; params: Params } {
  if (frame.payload.length > CONTROL_BYTES_MAX) {
    throw new IpcError("TOO_LARGE", `control request of ${frame.payload.length} bytes, limit is ${CONTROL_BYTES_MAX}`);
  }
  if (encodingOf(frame.flags) === ENCODINGS.STRUCTURED) {
    throw new IpcError("SERIALIZATION", "a control request must be JSON");
  }
  let request: unknown;
  try {
    request = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(frame.payload));
  } catch {
    throw new IpcError("SERIALIZATION", 'a control request must be JSON: {"method": "...", "params": {...}}');
  }
  if (!isRecord(request) || !Object.hasOwn(request, "method") || typeof request["method"] !== "string") {
    throw new IpcError("PROTOCOL", 'a control request must be {"method": "...", "params": {...}}');
  }
  const method = METHODS.get(request["method"]);
  if (method === undefined) {
    const known = [...METHODS.keys()].join(", ");
    throw new IpcError("PROTOCOL", `no control method ${JSON.stringify(request["method"])}; there are ${known}`);
  }
  const params = Object.hasOwn(request, "params") ? request["params"] : {};
  if (!isRecord(params)) throw new IpcError("PROTOCOL", '"params" must be an object');
  return { method, params };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
