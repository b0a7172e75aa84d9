/**
 * What may have been meant, or what can be done. Looked for only when a command has failed because of its channel or of its
 * connection.
 *
 * @module
 */
import { IpcError } from "../client/mod.ts";
import { closest } from "../config/suggest.ts";
import { CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import type { ChannelLine } from "./channels.ts";
import { askBroker, noBroker } from "./connection.ts";
import type { Io } from "./io.ts";

/**
 * The error to report. If it says that a channel is not there or has no handler, and one of a similar name is and has, with
 * that name; that no broker runs, if that is why. If the connection has broken or the handler has gone, with the channel.
 *
 * @param options Those of the verb that failed.
 */
export async function withChannelGuess(error: unknown, options: unknown, io: Io): Promise<unknown> {
  const channel = (options as { channel?: unknown } | undefined)?.channel;
  if (!(error instanceof IpcError) || typeof channel !== "string") return error;
  if (error.reason === "CHANNEL_RECV" || error.reason === "HANDLER_GONE") {
    if (error.message.startsWith("Cannot ")) return error; // it says what already
    const named = [JSON.stringify(channel), `channel ${channel}`].some((text) => error.message.includes(text));
    const where = named ? "" : `channel ${channel}: `;
    const todo = error.reason === "HANDLER_GONE" ? "" : '. "ipc ping" says whether there is a broker again';
    return new IpcError(error.code, where + error.message + todo, { data: error.data, cause: error });
  }
  const unhandled = error.reason === "NO_HANDLER";
  if (!unhandled && error.reason !== "CHANNEL_NOT_FOUND") return error;
  let channels: ChannelLine[];
  try {
    channels = await askBroker("channels", {}, io) as ChannelLine[];
  } catch (asked) {
    // Of one that does not answer us, what failed first says more.
    return noBroker(asked) ? asked : error;
  }
  // A channel that nobody is on may be there only because its name was misspelt before.
  const likely = channels.filter(({ channel: name, clients, handlers, dynamic }) =>
    name !== channel && name !== CONTROL_CHANNEL && (unhandled ? handlers > 0 : clients > 0 || !dynamic)
  );
  const guess = closest(channel, likely.map(({ channel }) => channel));
  if (guess === undefined) return error;
  return new IpcError(error.code, `${error.message}\n(Did you mean ${guess}?)`, { data: error.data, cause: error });
}
