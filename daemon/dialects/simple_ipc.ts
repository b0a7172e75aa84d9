/**
 * Simple IPC, as the clients of "Simple IPC for Deno" speak it: one flag byte (bit 0: 1 for bytes, 0 for JSON), the body,
 * half-close; and the reply the same way. One message a connection.
 *
 * If the channel has a handler it is a request; otherwise it is broadcast, and the broker closes without a byte. So it
 * does after an error, as that library does: there is no way to say why, so it is logged and counted.
 *
 * @module
 */
import { decodeError } from "../../protocol/bodies.ts";
import { IpcError } from "../../protocol/errors.ts";
import {
  encodeFrame,
  encodingOf,
  ENCODINGS,
  FLAGS,
  type Frame,
  FRAME_TYPES,
  type FrameType,
} from "../../protocol/frame.ts";
import type { EncodedPayload } from "../../protocol/payload.ts";
import type { Connection } from "../transport/connection.ts";
import { type Door, endAfter, join } from "./entrance.ts";
import { isJson, isStderr, loadConversion, payloadOfJson } from "./payloads.ts";
import { publish } from "./publishing.ts";
import type { Service } from "./service.ts";
import { GatheredReply } from "./simple_ipc_reply.ts";
import { type Language, TranslatingPeer } from "./translating_peer.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const BYTES_FLAG = 1;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

/**
 * Serves one connection until it ends.
 *
 * @param connection Its flag byte has come and stands in the scanner.
 */
export async function serveSimpleIpc(connection: Connection, door: Door, service: Service): Promise<void> {
  connection.farewell = () => NOTHING;
  const language = new SimpleLanguage(connection);
  let peer: TranslatingPeer | undefined;
  try {
    await loadConversion();
    peer = new TranslatingPeer(connection, service.router, language);
    if (!await join(peer, "simple_ipc", door, {}, service)) return;
    service.router.roles(peer.client, {}, true);
    await readAll(connection, peer.client.channel.rules.request_timeout_ms);
    if (!connection.open) return;
    await send(peer);
    if (language.error !== undefined) throw language.error;
    if (connection.open) await peer.finish();
  } catch (error) {
    // What has not joined is counted there.
    if (peer?.client !== undefined && error instanceof IpcError) service.refused(connection, error);
    endAfter(error, connection, peer, service, language.farewell);
  }
}

/** @throws {IpcError} TOO_LARGE, or TIMEOUT if nothing comes for as long as a request may take. */
async function readAll(connection: Connection, silence_ms: number): Promise<void> {
  const { scanner } = connection;
  for (;;) {
    const bytes = scanner.end - scanner.start - 1, limit = scanner.message_bytes_max;
    if (bytes > limit) throw new IpcError("TOO_LARGE", `message of ${bytes} bytes or more, limit is ${limit}`);
    const got = silence_ms === Infinity ? await connection.read() : await connection.readWithin(silence_ms);
    if (got === undefined) {
      throw new IpcError("TIMEOUT", `message of ${bytes} bytes did not go on for ${silence_ms} ms`);
    }
    if (!got) return;
  }
}

function takeBody({ scanner }: Connection): EncodedPayload {
  const body = scanner.bytes.slice(scanner.start + 1, scanner.end), flag = scanner.bytes[scanner.start]!;
  // Nothing more is read, and a reply may take its time.
  scanner.close();
  if ((flag & BYTES_FLAG) !== 0) return { encoding: ENCODINGS.BYTES, bytes: body };
  // What that library makes of `undefined`.
  if (body.length === 0) return { encoding: ENCODINGS.JSON, bytes: encoder.encode("null") };
  if (!isJson(body)) throw new IpcError("SERIALIZATION", `body of ${body.length} bytes is not JSON`);
  return payloadOfJson(body);
}

async function send(peer: TranslatingPeer): Promise<void> {
  const { client, connection, router } = peer, { channel } = client;
  if (channel.handlers.length > 0 || channel === router.control) {
    ask(peer, takeBody(connection));
    await peer.answered();
  } else {
    const accepted = await publish(peer, frameOf(FRAME_TYPES.EVENT, takeBody(connection)));
    if (accepted || !connection.open) return;
    throw client.may.send ? new IpcError("SHUTDOWN", "the broker is going away") : router.refusal(client, "send");
  }
}

/** Not a part of what waits for the reply: that would keep the message for as long. */
function ask(peer: TranslatingPeer, body: EncodedPayload): void {
  const { client, router } = peer;
  if (router.draining) throw new IpcError("SHUTDOWN", "the broker is going away");
  if (!client.may.request) throw router.refusal(client, "request");
  peer.asks(1);
  router.request(client, frameOf(FRAME_TYPES.REQUEST, body));
}

function frameOf(type: FrameType, { encoding, bytes }: EncodedPayload): Bytes {
  return encodeFrame({ type, flags: encoding, id: type === FRAME_TYPES.REQUEST ? 1 : 0, payload: bytes });
}

/** Writes the one reply. */
class SimpleLanguage implements Language {
  /** What came in the place of a reply. */
  error: IpcError | undefined;
  readonly #connection: Connection;
  readonly #gathered: GatheredReply;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#gathered = new GatheredReply(connection);
  }

  readonly words = undefined;

  /** It does not listen. */
  run(): Bytes {
    return NOTHING;
  }

  frame(frame: Frame): Bytes {
    if (frame.type !== FRAME_TYPES.REPLY || this.error !== undefined || !this.#connection.open) return NOTHING;
    try {
      return this.#reply(frame);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.error = error;
      this.#gathered.forget();
      return NOTHING;
    }
  }

  gap(): Bytes {
    return NOTHING;
  }

  farewell(): Bytes {
    return NOTHING;
  }

  #reply(frame: Frame): Bytes {
    const { flags, payload } = frame, encoding = encodingOf(flags);
    if ((flags & FLAGS.ERROR) !== 0) throw decodeError(payload);
    if ((flags & FLAGS.MORE) !== 0) {
      if (!isStderr(frame)) this.#gathered.add(encoding, payload);
      return NOTHING;
    }
    const reply = this.#gathered.end({ encoding, payload });
    this.#gathered.forget();
    return reply;
  }
}
