/**
 * Tells JSON lines from text: both may begin with `{`, and the whole first line decides.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { HANDSHAKE_BYTES_MAX, NESTING_MAX, TEXT_PAUSE_MS } from "../../protocol/limits.ts";
import type { Connection } from "../transport/connection.ts";
import { JSON_LINES } from "./json_lines_out.ts";
import { JsonError, scanJson } from "./json_scan.ts";

/** What a line says that wants to be a hello, even if it is no JSON: then it must not become everybody's message. */
const HELLO_BEGINS = /^\{\s*"ipc"\s*:/;

/**
 * Reads until it is clear what a connection speaks whose first byte is `{`.
 *
 * @returns Whether it is JSON lines; the first line stands in the scanner. `undefined` if the connection has ended.
 * @throws {IpcError} PROTOCOL or TOO_LARGE for what begins like a hello and is none.
 */
export async function speaksJsonLines(connection: Connection): Promise<boolean | undefined> {
  const { scanner } = connection;
  connection.farewell = JSON_LINES.farewell;
  for (let ended = false, paused = false;;) {
    const { bytes, start, end } = scanner, line_end = bytes.indexOf(0x0a, start), held_bytes = end - start;
    if (line_end >= 0 && line_end < end) return isHello(bytes.subarray(start, line_end));
    if (ended) return isHello(bytes.subarray(start, end));
    if (held_bytes > HANDSHAKE_BYTES_MAX) return isHello(bytes.subarray(start, end));
    // From a client that ends no line, what came before a pause is one; but half an object is not.
    if (paused && !isCut(bytes, start, end)) return isHello(bytes.subarray(start, end));
    const got: boolean | undefined = paused ? await connection.read() : await connection.readWithin(TEXT_PAUSE_MS);
    if (!connection.open) return undefined;
    paused = got === undefined;
    ended = got === false;
  }
}

function isHello(line: Uint8Array<ArrayBuffer>): boolean {
  let version: string | undefined;
  try {
    if (line.length > HANDSHAKE_BYTES_MAX) {
      throw new IpcError("TOO_LARGE", `hello of ${line.length} bytes or more, limit is ${HANDSHAKE_BYTES_MAX}`);
    }
    scanJson(line, 0, line.length, NESTING_MAX, (name, start, end) => {
      if (name === "ipc") version = new TextDecoder().decode(line.subarray(start, end));
    });
  } catch (error) {
    if (!HELLO_BEGINS.test(new TextDecoder().decode(line.subarray(0, 64)))) return false;
    if (error instanceof JsonError) throw new IpcError("PROTOCOL", `the first line is not JSON: it ${error.message}`);
    throw error;
  }
  if (version !== undefined && version !== "1" && /^\d+$/.test(version)) {
    throw new IpcError("PROTOCOL", `version ${version} of the protocol is not spoken here, version 1 is`);
  }
  return version === "1";
}

/** Whether more has to come for it to be JSON. */
function isCut(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
  try {
    scanJson(bytes, start, end, NESTING_MAX);
    return false;
  } catch (error) {
    return error instanceof JsonError && error.cut;
  }
}
