/**
 * The client library of `ipc`: what a program imports to talk to others on this machine.
 *
 * @example Tell everybody, and listen
 * ```ts
 * import { startTestBroker } from "../daemon/testing.ts"; // for others: ipc daemon start
 * import { connect } from "./mod.ts";
 *
 * await using broker = await startTestBroker();
 * await using deploys = await connect("deploys", { socket_dir: broker.socket_dir });
 *
 * using _listener = deploys.listen(({ seq, data }) => console.log(seq, data));
 * await deploys.broadcast({ rev: "a1b2" });
 * await deploys.flush(); // the broker has it
 * ```
 *
 * @example Somewhere else
 * ```ts no-check ignore
 * const deploys = await connect("tls://build.example:7411/deploys", { ca: await Deno.readTextFile("ca.pem"), token });
 * ```
 *
 * @example Answer, and ask
 * ```ts
 * import { startTestBroker } from "../daemon/testing.ts"; // for others: ipc daemon start
 * import { connect } from "./mod.ts";
 *
 * await using broker = await startTestBroker();
 * await using service = await connect("words", { socket_dir: broker.socket_dir });
 * service.handle(({ data }) => String(data).split(/\s+/).length);
 * await service.flush(); // the broker knows the handler
 *
 * await using client = await connect("words", { socket_dir: broker.socket_dir });
 * const words = await client.invoke("how many words", { timeout_ms: 5000 });
 * if (words !== 3) throw new Error("counted wrong");
 * ```
 *
 * In Deno it needs `--allow-read`, `--allow-write` and `--allow-net` for the sockets, and `--allow-sys=uid` to see that
 * they are this user's. With `--allow-env=IPC_SOCKET_DIR,IPC_CONNECT` it finds them elsewhere than in `/tmp`.
 *
 * @module
 */
export { Channel, type ClientInfo, connect } from "./channel.ts";
export { control, type ControlOptions } from "./control.ts";
export type { Disposer } from "./disposer.ts";
export type { Handler } from "./handlers.ts";
export type { IncomingRequest } from "./incoming_request.ts";
export { barrier, type BarrierOptions, Lock, lock, type LockOptions } from "./lock.ts";
export { type Headers, type HeadersInit, Message } from "./message.ts";
export type {
  DisconnectedNotice,
  ErrorNotice,
  FallbackNotice,
  GapNotice,
  Notice,
  ReconnectedNotice,
} from "./notice.ts";
export type * from "./options.ts";
export type { Reply } from "./reply.ts";
export type { Overflow, Position, Presence } from "../protocol/bodies.ts";
export { ENCODINGS } from "../protocol/frame.ts";
export { ERROR_CODES, type ErrorName, IpcError } from "../protocol/errors.ts";
