/**
 * JSON lines: everything that the binary dialect has, for programs that have JSON and sockets and nothing else. Each line
 * is read as a frame and each frame written as a line; what they do is said in `frames.ts`, once for both.
 *
 * @module
 */
import { JSON_ENVELOPE_BYTES_MAX } from "../../protocol/limits.ts";
import { FRAME_TYPES, OFFSET } from "../../protocol/frame.ts";
import type { IpcError } from "../../protocol/errors.ts";
import type { Connection } from "../transport/connection.ts";
import { replyFrame } from "../router/requests.ts";
import { type Door, endAfter, welcome } from "./entrance.ts";
import { refuse, takeFrame, takesRun } from "./frames.ts";
import { frameOfLine, helloOfLine } from "./json_lines_in.ts";
import { JSON_LINES } from "./json_lines_out.ts";
import { LineReader } from "./line_reader.ts";
import { isJson, loadConversion } from "./payloads.ts";
import { held, publish } from "./publishing.ts";
import type { Service } from "./service.ts";
import { TranslatingPeer } from "./translating_peer.ts";

/**
 * Serves one connection until it ends.
 *
 * @param connection Its first line has come, and is JSON of this dialect. It stands in the scanner.
 */
export async function serveJsonLines(connection: Connection, door: Door, service: Service): Promise<void> {
  connection.farewell = JSON_LINES.farewell;
  let peer: TranslatingPeer | undefined;
  try {
    await loadConversion();
    const reader = new LineReader(connection, () => lineBytesMax(connection.scanner.message_bytes_max));
    // Its end may be missing: then it is all that has come.
    if (!reader.take()) reader.rest();
    const hello = helloOfLine(reader.bytes);
    peer = new TranslatingPeer(connection, service.router, JSON_LINES);
    if (!await welcome(peer, "json_lines", door, hello, service)) return;
    do {
      while (connection.open && reader.take()) {
        if (reader.end > reader.start && !isBlank(reader.bytes)) await takeLine(peer, reader.bytes);
      }
    } while (await connection.read());
    // It has said goodbye, or the broker has.
    if (!connection.open) return service.router.leave(peer.client);
    // Of a client that was cut off, half a line may stand here.
    if (reader.rest() && isJson(reader.bytes)) await takeLine(peer, reader.bytes);
    await peer.finish();
  } catch (error) {
    endAfter(error, connection, peer, service, JSON_LINES.farewell);
  }
}

/** Bytes take four characters for three in base64. */
function lineBytesMax(message_bytes_max: number): number {
  return Math.ceil(message_bytes_max / 3) * 4 + JSON_ENVELOPE_BYTES_MAX;
}

async function takeLine(peer: TranslatingPeer, line: Uint8Array<ArrayBuffer>): Promise<void> {
  const { connection, client } = peer;
  const read = frameOfLine(line, connection.scanner.message_bytes_max);
  if ("error" in read) return answerError(peer, read.type, read.id, read.error);
  const frame = read.frame, target = new DataView(frame.buffer).getUint32(OFFSET.target, true);
  if (read.type === FRAME_TYPES.EVENT && target === 0 && takesRun(peer)) {
    if (await publish(peer, frame) || !connection.open) return;
  }
  if (read.type === FRAME_TYPES.REQUEST && !client.requests.has(read.id)) peer.asks(read.id);
  for (let wait; (wait = takeFrame(peer, frame)) !== undefined && connection.open;) {
    await held(connection, frame, wait);
    if (!connection.open) return;
  }
}

function answerError(peer: TranslatingPeer, type: number, id: number, error: IpcError): void {
  if (type === FRAME_TYPES.REQUEST) peer.pushFrames(replyFrame(id, error));
  else refuse(peer.client, id, error);
}

function isBlank(line: Uint8Array<ArrayBuffer>): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09);
}
