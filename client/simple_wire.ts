/**
 * One message of Simple IPC: a flag byte (bit 0: 1 for bytes, 0 for JSON), the body, and the end of that direction of the
 * connection.
 *
 * @module
 */
import { decodeUtf8 } from "../protocol/utf8.ts";

const BYTES_FLAG = 1;
/** What is read at first. */
const READ_BYTES = 64 * 1024;

/** What such a connection can do. */
export interface SimpleConn {
  read(into: Uint8Array<ArrayBuffer>): Promise<number | null>;
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Ends this direction. */
  closeWrite(): Promise<void>;
}

/** Writes a message and ends this direction. `undefined` is an empty body, as `JSON.stringify` has nothing for it. */
export async function writeMessage(conn: SimpleConn, data: unknown): Promise<void> {
  const is_bytes = data instanceof Uint8Array;
  const body = is_bytes ? data : new TextEncoder().encode(JSON.stringify(data));
  const message = new Uint8Array(1 + body.length);
  message[0] = is_bytes ? BYTES_FLAG : 0;
  message.set(body, 1);
  for (let done = 0; done < message.length;) done += await conn.write(message.subarray(done));
  await conn.closeWrite();
}

/**
 * Reads a message to its end.
 *
 * @param bytes_max Limit of the body.
 * @returns `undefined` if there was not even a flag byte.
 * @throws {RangeError} If the body is over the limit.
 * @throws {SyntaxError} If it is to be JSON and is not.
 */
export async function readMessage(conn: SimpleConn, bytes_max: number): Promise<{ data: unknown } | undefined> {
  let bytes = new Uint8Array(READ_BYTES), end = 0;
  for (;;) {
    if (end > bytes_max + 1) throw new RangeError(`message of ${end - 1} bytes or more, limit is ${bytes_max}`);
    if (end === bytes.length) {
      const larger = new Uint8Array(2 * end);
      larger.set(bytes);
      bytes = larger;
    }
    const got = await conn.read(bytes.subarray(end));
    if (got === null) break;
    end += got;
  }
  if (end === 0) return undefined;
  const body = bytes.subarray(1, end);
  return { data: (bytes[0]! & BYTES_FLAG) !== 0 ? body : JSON.parse(decodeUtf8(body)) };
}
