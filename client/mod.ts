/**
 * The client library of `ipc`.
 *
 * @module
 */
export { type Channel, type ClientInfo, connect, control, type Handler, type IncomingRequest } from "./channel.ts";
export type { Disposer } from "./disposer.ts";
export { Message } from "./message.ts";
export type { DisconnectedNotice, ErrorNotice, GapNotice, Notice, ReconnectedNotice } from "./notice.ts";
export type * from "./options.ts";
export type { Reply } from "./reply.ts";
export type { Overflow, Position, Presence } from "../protocol/bodies.ts";
export { ENCODINGS } from "../protocol/frame.ts";
export { ERROR_CODES, type ErrorName, IpcError } from "../protocol/errors.ts";
