/**
 * Text: lines in, lines out, for `nc`, `socat` and whoever has a socket and no protocol.
 *
 * A message is a line, or what came before half-close; from a client that has never sent a newline it is also what came
 * before a pause. If the channel has a handler it is a request, otherwise an event. Requests are made one at a time, the
 * next when the reply has come, because nothing in a reply would say which request it answers. Meanwhile a little is read
 * ahead, so that the end of the input is seen: from then on events would only stand between the replies, and none come.
 *
 * A client does not get its own events back: who types a line sees it already.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { encodeFrame, ENCODINGS, FRAME_TYPES } from "../../protocol/frame.ts";
import { ID_MAX, TEXT_LONG_BYTES, TEXT_LONG_PAUSE_MS, TEXT_PAUSE_MS } from "../../protocol/limits.ts";
import type { Connection } from "../transport/connection.ts";
import { type Door, endAfter, join } from "./entrance.ts";
import { isUtf8 } from "./json_scan.ts";
import { LineReader } from "./line_reader.ts";
import { refuse, takeFrame } from "./frames.ts";
import { loadConversion } from "./payloads.ts";
import { publish } from "./publishing.ts";
import type { Service } from "./service.ts";
import { TextLanguage } from "./text_out.ts";
import { TranslatingPeer } from "./translating_peer.ts";

/** How much is read ahead while a request waits for its reply. */
const AHEAD_BYTES = 64 * 1024;

/** What browsers and scanners say first; and what may become that, as far as it has come. */
const HTTP = /^\S+ \S+ HTTP\/\d/, HTTP_CUT = /^\S+ (?:[/*]|https?:)\S*(?: [HTP/]*)?$/;
/** What may still become HTTP after this much is taken for it. */
const HTTP_LINE_BYTES = 16 * 1024;
const LF = 0x0a;

/**
 * Makes a connection a text client, which listens.
 *
 * @param silent Whether it has said nothing yet. Then it is there for the events: the retained one comes first.
 * @returns `undefined` if it ended meanwhile.
 */
export async function joinText(
  connection: Connection,
  door: Door,
  service: Service,
  silent: boolean,
): Promise<TranslatingPeer | undefined> {
  await loadConversion();
  const peer = new TranslatingPeer(connection, service.router, new TextLanguage());
  if (!await join(peer, "text", door, { echo: false }, service)) return undefined;
  const { client, router } = peer, { channel } = client;
  // Who asks the broker something is not to find its own arrival before the reply.
  const wanted = silent || channel !== router.control, listen = wanted && client.may.listen;
  router.roles(client, { listen }, true, silent ? undefined : channel.seq);
  if (silent && !listen) refuse(client, 0, router.refusal(client, "listen"));
  return peer;
}

/**
 * Serves one connection until it ends.
 *
 * @param connection What it has said stands in the scanner.
 * @param present If it has joined already, as a silent listener.
 */
export async function serveText(
  connection: Connection,
  door: Door,
  service: Service,
  present?: TranslatingPeer,
): Promise<void> {
  let peer = present;
  const farewell = peer?.language.farewell ?? new TextLanguage().farewell;
  connection.farewell = farewell;
  try {
    if (door.public) await refuseHttp(connection);
    peer ??= await joinText(connection, door, service, false);
    if (peer === undefined) return;
    await new TextReader(peer).run();
    if (connection.open) await peer.finish();
  } catch (error) {
    endAfter(error, connection, peer, service, farewell);
  }
}

/**
 * A page in a browser can make any local port listen to its requests. It chooses how long their first line is, and so
 * where the first read cuts it: that line is waited for.
 *
 * @throws {IpcError} PROTOCOL
 */
async function refuseHttp(connection: Connection): Promise<void> {
  for (;;) {
    const { bytes, start, end } = connection.scanner, line_end = bytes.indexOf(LF, start);
    const is_whole = line_end >= 0 && line_end < end, length = (is_whole ? line_end : end) - start;
    const line = new TextDecoder().decode(bytes.subarray(start, start + Math.min(length, HTTP_LINE_BYTES)));
    const may_become = HTTP_CUT.test(line) && (!is_whole || length > HTTP_LINE_BYTES);
    if (HTTP.test(line) || may_become && length >= HTTP_LINE_BYTES) {
      throw new IpcError("PROTOCOL", "HTTP is not spoken here");
    }
    if (!may_become || !await connection.readWithin(TEXT_PAUSE_MS)) return;
  }
}

/** Takes the messages of one client, in order. */
class TextReader {
  readonly #peer: TranslatingPeer;
  readonly #connection: Connection;
  readonly #lines: LineReader;
  #ended = false;
  #has_sent_newline = false;
  #last_id = 0;

  constructor(peer: TranslatingPeer) {
    this.#peer = peer;
    this.#connection = peer.connection;
    this.#lines = new LineReader(peer.connection, () => peer.connection.scanner.message_bytes_max);
  }

  /** Resolves when all is said and answered, or the connection is closed. */
  async run(): Promise<void> {
    while (this.#connection.open) {
      if (this.#lines.take()) this.#has_sent_newline = true;
      else if (this.#ended) {
        if (!this.#lines.rest()) return;
      } else {
        const got = await this.#read();
        if (got !== undefined) {
          this.#ended = !got;
          continue;
        }
        this.#lines.rest();
      }
      await this.#message(this.#lines.bytes);
    }
  }

  /** @returns `undefined` after a pause that ends a message. */
  #read(): Promise<boolean | undefined> {
    const held_bytes = this.#lines.held_bytes;
    if (this.#has_sent_newline || held_bytes === 0) return this.#connection.read();
    return this.#connection.readWithin(held_bytes < TEXT_LONG_BYTES ? TEXT_PAUSE_MS : TEXT_LONG_PAUSE_MS);
  }

  async #message(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { client, router } = this.#peer, encoding = isUtf8(bytes) ? ENCODINGS.TEXT : ENCODINGS.BYTES;
    const { channel } = client, is_request = channel.handlers.length > 0 || channel === router.control;
    if (!is_request) {
      const frame = encodeFrame({ type: FRAME_TYPES.EVENT, flags: encoding, payload: bytes });
      // While the broker is going away this waits for the end: what is not accepted stays untaken.
      if (!await publish(this.#peer, frame) && this.#connection.open) await takeFrame(this.#peer, frame);
      return;
    }
    if (router.draining) return await this.#connection.closed;
    const id = this.#last_id = this.#last_id % ID_MAX + 1;
    this.#peer.asks(id);
    router.request(client, encodeFrame({ type: FRAME_TYPES.REQUEST, flags: encoding, id, payload: bytes }));
    await this.#answer();
  }

  /** Waits for the reply, and reads a little ahead. */
  async #answer(): Promise<void> {
    for (let answered; (answered = this.#peer.answered()) !== undefined && this.#connection.open;) {
      if (this.#ended || this.#lines.held_bytes >= AHEAD_BYTES) await answered;
      else if (await this.#connection.readUnless(answered) === false) {
        this.#ended = true;
        const { client, router } = this.#peer;
        if (client.listen) router.roles(client, { listen: false }, false);
      }
    }
  }
}
