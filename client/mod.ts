/**
 * The client library of `ipc`: what a program imports to talk to others on this machine.
 *
 * @example Tell everybody, and listen
 * ```ts no-run
 * import { connect } from "./mod.ts";
 *
 * await using deploys = await connect("deploys", { name: "example" });
 * using _listener = deploys.listen(({ data, seq }) => console.log(seq, data));
 * await deploys.broadcast({ rev: "a1b2" });
 * await deploys.flush(); // the broker has it
 * ```
 *
 * @example Ask, and answer
 * ```ts no-run
 * import { connect } from "./mod.ts";
 *
 * await using service = await connect("words");
 * service.handle(({ data }) => String(data).split(/\s+/).length);
 *
 * await using client = await connect("words");
 * console.log(await client.invoke("how many words", { timeout_ms: 5000 }));
 * ```
 *
 * It needs `--allow-read`, `--allow-write` and `--allow-net` for the sockets, and `--allow-sys=uid` to see that they
 * are this user's. With `--allow-env=IPC_SOCKET_DIR` it finds them elsewhere than in `/tmp`.
 *
 * @module
 */
export { Channel, type ClientInfo, connect } from "./channel.ts";
export { control, type ControlOptions } from "./control.ts";
export type { Disposer } from "./disposer.ts";
export type { Handler } from "./handlers.ts";
export type { IncomingRequest } from "./incoming_request.ts";
export { type Headers, type HeadersInit, Message } from "./message.ts";
export type { DisconnectedNotice, ErrorNotice, GapNotice, Notice, ReconnectedNotice } from "./notice.ts";
export type * from "./options.ts";
export type { Reply } from "./reply.ts";
export type { Overflow, Position, Presence } from "../protocol/bodies.ts";
export { ENCODINGS } from "../protocol/frame.ts";
export { ERROR_CODES, type ErrorName, IpcError } from "../protocol/errors.ts";
