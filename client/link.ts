/**
 * A link is a connection that has been through its handshake: preface and HELLO went out, WELCOME came back.
 *
 * @module
 */
import { decodeError, decodeWelcome, encodeHello, type Hello, type Welcome } from "../protocol/bodies.ts";
import { IpcError } from "../protocol/errors.ts";
import { encodeFrame, FRAME_TYPES, FROM_BROKER, PREFACE } from "../protocol/frame.ts";
import { MESSAGE_BYTES_DEFAULT } from "../protocol/limits.ts";
import { Scanner } from "../protocol/scanner.ts";
import { openSocket } from "./socket.ts";

/** See the module's head. */
export interface Link {
  conn: Deno.Conn;
  /** Holds what came behind WELCOME. */
  scanner: Scanner;
  welcome: Welcome;
}

/**
 * @param path The socket.
 * @param hello What to say.
 * @param signal Gives up; its reason is thrown.
 * @returns `undefined` if nobody listens there.
 * @throws {IpcError} What the broker answered instead of WELCOME, or what {@linkcode openSocket} throws.
 */
export async function openLink(
  path: string,
  hello: Hello,
  broker_uid: number | undefined,
  signal: AbortSignal,
): Promise<Link | undefined> {
  const conn = await openSocket(path, broker_uid, signal);
  if (conn === undefined) return undefined;
  if (signal.aborted) {
    conn.close();
    throw signal.reason;
  }
  const abort = (): void => conn.close();
  signal.addEventListener("abort", abort);
  try {
    const first = encodeFrame({ type: FRAME_TYPES.HELLO, payload: encodeHello(hello) });
    const opening = new Uint8Array(PREFACE.length + first.length);
    opening.set(PREFACE);
    opening.set(first, PREFACE.length);
    await writeAll(conn, opening);
    const scanner = new Scanner(FROM_BROKER, MESSAGE_BYTES_DEFAULT);
    const welcome = await readWelcome(conn, scanner, path);
    signal.removeEventListener("abort", abort);
    return { conn, scanner, welcome };
  } catch (error) {
    signal.removeEventListener("abort", abort);
    if (signal.aborted) throw signal.reason;
    conn.close();
    if (error instanceof IpcError) throw error;
    throw new IpcError("CHANNEL_RECV", `Cannot connect to ${JSON.stringify(path)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function readWelcome(conn: Deno.Conn, scanner: Scanner, path: string): Promise<Welcome> {
  for (;;) {
    const type = scanner.next();
    if (type === FRAME_TYPES.WELCOME) {
      const welcome = decodeWelcome(scanner.frame().payload);
      scanner.advance();
      // The broker's own answers (a list of all clients, say) are not bound to the channel's limit.
      scanner.message_bytes_max = Math.max(welcome.max_message, MESSAGE_BYTES_DEFAULT);
      return welcome;
    }
    if (type === FRAME_TYPES.BYE) throw decodeError(scanner.frame().payload);
    if (type !== 0) throw new IpcError("PROTOCOL", `the broker answered HELLO with a frame of type ${type}`);
    const got = await conn.read(scanner.space());
    if (got === null) {
      throw new IpcError("CHANNEL_RECV", `Cannot connect to ${JSON.stringify(path)}: the broker hung up on HELLO`);
    }
    scanner.filled(got);
  }
}

/** `conn.write` takes what fits; this writes all. */
export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let done = await conn.write(bytes);
  while (done < bytes.length) done += await conn.write(bytes.subarray(done));
}
