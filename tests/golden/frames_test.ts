/**
 * The bytes of frames.txt, both ways: what we write is exactly what stands there, and what stands there is read as what it
 * is said to be. Who changes one of them changes the wire.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  decodeBody,
  decodeError,
  decodeFrame,
  decodeGap,
  decodeHello,
  decodePosition,
  decodePresence,
  decodeRoles,
  decodeWelcome,
  encodeBody,
  encodeError,
  encodeFrame,
  encodeGap,
  encodeHello,
  encodePayload,
  encodePosition,
  encodePresence,
  encodeRoles,
  encodeWelcome,
  ENCODINGS,
  FLAGS,
  type Frame,
  FRAME_TYPES,
  type FrameType,
  FROM_BROKER,
  FROM_CLIENT,
  IpcError,
  PREFACE,
  RULES,
  Scanner,
} from "../../protocol/mod.ts";
import { structuredCodec } from "../../protocol/structured_clone.ts";
import { readGolden } from "./golden.ts";

const golden = readGolden();

/** A frame by what its payload means, and how that is written and read. */
interface Case {
  type: FrameType;
  from: number;
  flags?: number;
  source?: number;
  target?: number;
  id?: number;
  aux?: number;
  headers?: Record<string, string>;
  payload?: Uint8Array<ArrayBuffer>;
  body?: unknown;
  decode?: (payload: Uint8Array<ArrayBuffer>) => unknown;
}

const T = FRAME_TYPES;
const { BYTES, TEXT, JSON: JSON_TEXT, STRUCTURED } = ENCODINGS;
const NO_HANDLER = new IpcError("NO_HANDLER", "no handler on deploys");
const BAD = new IpcError("SCHEMA", "no", { data: { at: "rev" } });

/** A body with its codec beside it. */
function body<Body>(
  value: Body,
  encode: (body: Body) => Uint8Array<ArrayBuffer>,
  decode: (payload: Uint8Array) => unknown,
) {
  return { payload: encode(value), body: value, decode };
}

function message(data: unknown, encoding: number) {
  const payload = encodePayload(data, structuredCodec);
  assert.equal(payload.encoding, encoding);
  return { payload: payload.bytes };
}

const CASES: Record<string, Case> = {
  hello_empty: { type: T.HELLO, from: FROM_CLIENT, ...body({}, encodeHello, decodeHello) },
  hello: {
    type: T.HELLO,
    from: FROM_CLIENT,
    ...body(
      { name: "backup", pid: 4711, listen: true, echo: false, token: "s3cret", overflow: "drop" } as const,
      encodeHello,
      decodeHello,
    ),
  },
  hello_resume: {
    type: T.HELLO,
    from: FROM_CLIENT,
    ...body({ listen: true, resume: { epoch: "k3f", seq: 41 } }, encodeHello, decodeHello),
  },
  welcome: {
    type: T.WELCOME,
    from: FROM_BROKER,
    ...body(
      {
        client: 7,
        channel: "deploys",
        epoch: "k3f",
        seq: 4_294_967_296,
        max_message: 16_777_216,
        server: { name: "ipcd", version: "0.1.0" },
        features: ["structured"],
      },
      encodeWelcome,
      decodeWelcome,
    ),
  },
  roles: {
    type: T.ROLES,
    from: FROM_CLIENT,
    id: 2,
    ...body({ listen: false, handle: true }, encodeRoles, decodeRoles),
  },
  event_text: { type: T.EVENT, from: FROM_CLIENT, flags: TEXT, ...message("hi", TEXT) },
  event_bytes_ack: {
    type: T.EVENT,
    from: FROM_CLIENT,
    flags: BYTES | FLAGS.ACK,
    id: 3,
    ...message(new Uint8Array([0, 1, 255]), BYTES),
  },
  event_json_headers: {
    type: T.EVENT,
    from: FROM_CLIENT,
    flags: JSON_TEXT,
    headers: { trace: "a1" },
    ...message({ rev: "a1b2" }, JSON_TEXT),
  },
  event_structured: {
    type: T.EVENT,
    from: FROM_CLIENT,
    flags: STRUCTURED,
    ...message(new Map<string, unknown>([["at", new Date(1000)], ["n", 100n]]), STRUCTURED),
  },
  event_retain: { type: T.EVENT, from: FROM_CLIENT, flags: TEXT | FLAGS.RETAIN, ...message("up", TEXT) },
  event_direct: { type: T.EVENT, from: FROM_CLIENT, flags: TEXT, target: 9, ...message("psst", TEXT) },
  event_delivered: { type: T.EVENT, from: FROM_BROKER, flags: TEXT, source: 7, id: 5, aux: 1, ...message("hi", TEXT) },
  request: { type: T.REQUEST, from: FROM_CLIENT, flags: TEXT, id: 4, aux: 5000, ...message("status", TEXT) },
  request_all: { type: T.REQUEST, from: FROM_CLIENT, flags: JSON_TEXT | FLAGS.ALL, id: 5, ...message(null, JSON_TEXT) },
  request_delivered: {
    type: T.REQUEST,
    from: FROM_BROKER,
    flags: TEXT,
    source: 7,
    id: 4,
    aux: 5000,
    ...message("status", TEXT),
  },
  reply_to_broker: { type: T.REPLY, from: FROM_CLIENT, flags: TEXT, target: 7, id: 4, ...message("ok", TEXT) },
  reply: { type: T.REPLY, from: FROM_BROKER, flags: TEXT, source: 8, id: 4, ...message("ok", TEXT) },
  reply_more_stderr: {
    type: T.REPLY,
    from: FROM_BROKER,
    flags: TEXT | FLAGS.MORE,
    source: 8,
    id: 4,
    headers: { stream: "stderr" },
    ...message("wc: x\n", TEXT),
  },
  reply_exit_status: { type: T.REPLY, from: FROM_BROKER, source: 8, id: 4, aux: 1 },
  reply_error: {
    type: T.REPLY,
    from: FROM_BROKER,
    flags: STRUCTURED | FLAGS.ERROR,
    id: 4,
    aux: 7004,
    ...body(NO_HANDLER, encodeError, decodeError),
  },
  cancel: { type: T.CANCEL, from: FROM_CLIENT, id: 4 },
  cancel_delivered: { type: T.CANCEL, from: FROM_BROKER, source: 7, id: 4 },
  ack_event: { type: T.ACK, from: FROM_BROKER, id: 3, aux: 2 },
  ack_roles: {
    type: T.ACK,
    from: FROM_BROKER,
    id: 2,
    ...body({ epoch: "k3f", seq: 41 }, encodePosition, decodePosition),
  },
  gap: { type: T.GAP, from: FROM_BROKER, ...body({ from: 42, to: 300, reason: "history" }, encodeGap, decodeGap) },
  presence_join: {
    type: T.PRESENCE,
    from: FROM_BROKER,
    ...body(
      { event: "join", client: 9, name: "web", listen: true, handle: false } as const,
      encodePresence,
      decodePresence,
    ),
  },
  presence_leave: {
    type: T.PRESENCE,
    from: FROM_BROKER,
    ...body(
      { event: "leave", client: 9, name: "web", listen: false, handle: false, reason: "SLOW_CONSUMER" } as const,
      encodePresence,
      decodePresence,
    ),
  },
  error: { type: T.ERROR, from: FROM_BROKER, id: 3, ...body(BAD, encodeError, decodeError) },
  ping: { type: T.PING, from: FROM_CLIENT, id: 1, aux: 2, payload: new Uint8Array([0x70]) },
  pong: { type: T.PONG, from: FROM_BROKER, id: 1, aux: 2, payload: new Uint8Array([0x70]) },
  bye: {
    type: T.BYE,
    from: FROM_BROKER,
    ...body(new IpcError("SHUTDOWN", "broker is going away"), encodeError, decodeError),
  },
};

function encode({ from: _from, body: _body, decode: _decode, headers, ...frame }: Case): Uint8Array<ArrayBuffer> {
  return encodeFrame(headers === undefined ? frame : { ...frame, headers: encodeBody(headers) });
}

Deno.test("frames.txt has every case with a meaning, and every type that there is", () => {
  assert.deepEqual([...golden.keys()], ["preface", ...Object.keys(CASES)]);
  for (const [name, { meaning }] of golden) assert.ok(meaning.length > 10, `${name} has no meaning`);
  const types = new Set(Object.values(CASES).map(({ type }) => type));
  assert.deepEqual([...types].sort(), Object.values(FRAME_TYPES).sort());
  assert.deepEqual(golden.get("preface")!.bytes, PREFACE);
});

for (const [name, one] of Object.entries(CASES)) {
  Deno.test(`frames.txt ${name} is what is written and read`, () => {
    const { bytes } = golden.get(name)!;
    assert.equal(encode(one).toHex(), bytes.toHex());
    assert.ok(RULES[one.type]! >>> 8 & one.from);
    const scanner = new Scanner(one.from as 1 | 2, 1000);
    scanner.space().set(bytes);
    scanner.filled(bytes.length);
    assert.equal(scanner.next(), one.type);
    assert.equal(scanner.frame_bytes, bytes.length);
    const frame: Frame = decodeFrame(bytes);
    const { type, flags = 0, source = 0, target = 0, id = 0, aux = 0 } = one;
    const headers = one.headers === undefined ? new Uint8Array(0) : encodeBody(one.headers);
    assert.deepEqual(frame, {
      type,
      flags,
      source,
      target,
      id,
      aux,
      headers,
      payload: one.payload ?? new Uint8Array(0),
    });
    if (one.headers !== undefined) assert.deepEqual(Object.fromEntries(decodeBody(frame.headers)), one.headers);
    if (one.decode !== undefined) {
      const read = one.decode(frame.payload);
      if (!(one.body instanceof IpcError)) assert.deepEqual(read, one.body);
      else assert.equal(encodeError(read as IpcError).toHex(), encodeError(one.body).toHex());
    }
  });
}
