import { IpcError } from "../../protocol/errors.ts";
import type { Client } from "../registry.ts";
import type { Peer } from "../router/mod.ts";
import { checkAdmin, clientParam, type ControlContext, optionalTextParam, type Params } from "./context.ts";

/** `kick {client, reason?}`: closes a client's connection; it is told why. */
export function kick(context: ControlContext, params: Params, asker: Client<Peer>) {
  checkAdmin(context, asker);
  const client = clientParam(context, params), reason = optionalTextParam(params, "reason");
  const why = reason === undefined ? "" : `: ${reason}`;
  context.router.leave(client, new IpcError("FORBIDDEN", `client ${client.id} was closed by an operator${why}`));
  return { client: client.id };
}
