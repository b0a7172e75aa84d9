/**
 * What the clients of an episode say, dialect by dialect: mostly what an honest client would.
 *
 * @module
 */
import { encodeHello } from "../../../protocol/bodies.ts";
import { encodeFrame, FLAGS, FRAME_TYPES, type FrameType, PREFACE, RULES } from "../../../protocol/frame.ts";
import { encodeBody } from "../../../protocol/msgpack.ts";
import { joined } from "../../../protocol/joined.ts";
import { frame, frames, GOLDEN } from "../grammar/frames.ts";
import { line } from "../grammar/json.ts";
import type { Choices } from "../random.ts";
import type { Part } from "./episode.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What is to be known of a client. */
export interface About {
  channel: string;
  /** Everything is to be right, with a PING of this id at the end. */
  ping: number | undefined;
  /** Whether it says which channel it wants. */
  names_channel: boolean;
}

/** What only a client that keeps to the rules sends. */
const RIGHT_TYPES: readonly FrameType[] = [
  FRAME_TYPES.EVENT,
  FRAME_TYPES.EVENT,
  FRAME_TYPES.REQUEST,
  FRAME_TYPES.REPLY,
  FRAME_TYPES.CANCEL,
  FRAME_TYPES.ROLES,
  FRAME_TYPES.PING,
];
/** Never what ends the broker, and what closes a client only where it is nobody's. */
const ORDERS = [
  '{"method":"ping"}',
  '{"method":"stats"}',
  '{"method":"config"}',
  '{"method":"channels","params":{"glob":"*[a-z]?"}}',
  '{"method":"channels","params":{"glob":"["}}',
  '{"method":"channel","params":{"channel":"jobs"}}',
  '{"method":"clients","params":{"channel":"drops"}}',
  '{"method":"clients"}',
  '{"method":"open","params":{"channel":"made-1"}}',
  '{"method":"open","params":{"channel":"made-2"}}',
  '{"method":"open","params":{"channel":"../x"}}',
  '{"method":"open","params":{"__proto__":{"channel":"jobs"}}}',
  '{"method":"reload"}',
  '{"method":"kick","params":{"client":4294967295}}',
  '{"method":"__proto__"}',
  '{"method":"toString","params":{}}',
];
const encoder = new TextEncoder();

/** What a client of each dialect says. */
export const SAYINGS: Record<Part["dialect"], (choices: Choices, about: About) => Bytes> = {
  frames(choices, { channel, ping, names_channel }) {
    const preface = ping === undefined && choices.oneIn(30) ? PREFACE.slice(0, choices.below(9)) : PREFACE;
    const hello = encodeFrame({
      type: FRAME_TYPES.HELLO,
      flags: 3,
      payload: encodeHello(roles(choices, names_channel ? channel : undefined, ping)),
    });
    const begin = joined([preface, ping === undefined && choices.oneIn(20) ? choices.pick(GOLDEN) : hello]);
    if (channel === "ipcd") return joined([begin, ...choices.many(choices.size(9), () => request(choices))]);
    if (ping === undefined) return joined([begin, frames(choices, choices.oneIn(9) ? 200 : 20)]);
    const right = choices.many(choices.size(40), () => rightFrame(choices));
    return joined([begin, ...right, encodeFrame({ type: FRAME_TYPES.PING, id: ping, aux: 7 })]);
  },
  json(choices, { channel, ping, names_channel }) {
    const hello = `${
      JSON.stringify({ ipc: 1, type: "hello", ...roles(choices, names_channel ? channel : undefined, ping) })
    }\n`;
    const end = choices.pick(["\n", "\n", "\r\n", "\n\n"]);
    const lines = choices.many(choices.size(20), () => {
      if (channel === "ipcd") return encoder.encode(`{"type":"request","id":1,"data":${choices.pick(ORDERS)}}${end}`);
      if (ping === undefined && choices.oneIn(8)) return joined([line(choices), encoder.encode(end)]);
      return encoder.encode(`${rightLine(choices)}${end}`);
    });
    const last = ping === undefined ? "" : `{"type":"ping","id":${ping}}\n`;
    return joined([encoder.encode(hello), ...lines, encoder.encode(last)]);
  },
  text(choices, { channel }) {
    if (channel === "ipcd") return encoder.encode(`${choices.pick(ORDERS)}${choices.pick(["\n", ""])}`);
    const one = () => joined([words(choices), encoder.encode(choices.pick(["\n", "\n", "\r\n", ""]))]);
    return joined([
      encoder.encode(choices.pick(["x", "{", " ", "GET / HTTP/1.1\r\n"])),
      ...choices.many(choices.size(12), one),
    ]);
  },
  simple(choices, { channel }) {
    const body = channel === "ipcd"
      ? encoder.encode(choices.pick(ORDERS))
      : choices.oneIn(2)
      ? line(choices)
      : words(choices);
    return joined([new Uint8Array([choices.below(2)]), body]);
  },
  noise: (choices) => choices.bytes(choices.size(choices.oneIn(9) ? 20_000 : 300)),
};

function roles(choices: Choices, channel: string | undefined, ping: number | undefined): Record<string, unknown> {
  const hello: Record<string, unknown> = channel === undefined ? {} : { channel };
  for (const role of ["listen", "handle", "presence"]) if (choices.oneIn(2)) hello[role] = true;
  if (choices.oneIn(3)) hello["echo"] = false;
  if (choices.oneIn(3)) hello["name"] = choices.pick(["a", "a", "__proto__", "constructor", "ünï"]);
  if (choices.oneIn(4)) hello["overflow"] = choices.pick(["drop", "disconnect"]);
  if (choices.oneIn(6)) hello["resume"] = { epoch: "0", seq: choices.below(1000) };
  if (ping !== undefined || !choices.oneIn(20)) return hello;
  return {
    ...hello,
    ...choices.pick([{ channel: "other" }, { name: "n".repeat(20_000) }, { listen: 1 }, { ipc: 2 }, { token: "x" }]),
  };
}

/** A frame that may be sent: taken from the generator, if it is right. */
function rightFrame(choices: Choices): Bytes {
  const type = choices.pick(RIGHT_TYPES);
  for (let tries = 0; tries < 4; tries++) {
    const bytes = frame(choices, [type]), view = new DataView(bytes.buffer);
    const is_whole = view.getUint32(0, true) === bytes.length && view.getUint16(6, true) <= bytes.length - 24;
    if (is_whole && bytes[4] === type && (bytes[5]! & 0x80) === 0) return withRightFlags(bytes);
  }
  return encodeFrame({ type: FRAME_TYPES.PONG });
}

function withRightFlags(bytes: Bytes): Bytes {
  bytes[5]! &= RULES[bytes[4]!]! & FLAGS.ENCODING;
  return bytes;
}

function rightLine(choices: Choices): string {
  const id = choices.below(50), data = JSON.stringify("x".repeat(choices.size(3000)));
  return choices.pick([
    `{"type":"event","data":${data}}`,
    `{"type":"event","data":${data},"id":${id},"ack":true}`,
    `{"type":"event","encoding":"base64","data":"AAH/","retain":true}`,
    `{"type":"request","id":${id},"data":${data},"timeout_ms":${choices.below(300)}}`,
    `{"type":"request","id":${id},"all":true,"data":null}`,
    `{"type":"reply","id":${id},"target":${choices.below(200)},"data":${data}}`,
    `{"type":"reply","id":${id},"target":${choices.below(200)},"more":true,"error":{"code":7008,"message":"no"}}`,
    `{"type":"event","id":${id},"encoding":"${choices.pick(["base64", "rot13"])}","data":"?"}`,
    `{"type":"request","id":${id},"encoding":"base64","data":"?"}`,
    `{"type":"cancel","id":${id}}`,
    `{"type":"roles","id":${id},"handle":${choices.oneIn(2)},"listen":${choices.oneIn(2)}}`,
    `{"type":"event","target":${choices.below(200)},"data":1,"headers":{"__proto__":1}}`,
  ]);
}

function request(choices: Choices): Bytes {
  const payload = encoder.encode(choices.pick(ORDERS));
  return encodeFrame({ type: FRAME_TYPES.REQUEST, flags: choices.below(4), id: choices.below(9), payload });
}

function words(choices: Choices): Bytes {
  return choices.oneIn(5) ? choices.bytes(choices.size(90)) : new Uint8Array(choices.size(2000)).fill(0x77);
}

/** A REPLY to whatever was asked: `target` and `id` are put in when it is known by whom. */
export function answer(choices: Choices): Bytes {
  const flags = choices.below(4) | choices.pick([0, 0, 0, FLAGS.MORE, FLAGS.MORE, FLAGS.ERROR]);
  const is_error = (flags & FLAGS.ERROR) !== 0,
    headers = choices.oneIn(4) ? encodeBody({ stream: "stderr" }) : undefined;
  const payload = is_error && !choices.oneIn(3) ? encodeBody({ code: 7008, message: "no" }) : words(choices);
  const aux = is_error ? 7008 : choices.pick([0, 0, 1, 255]);
  return encodeFrame({ type: FRAME_TYPES.REPLY, flags, aux, payload, ...headers && { headers } });
}

/** An EVENT, CANCEL or REPLY for one client; `target` is put in later. */
export function directFrame(choices: Choices): Bytes {
  const type = choices.pick([FRAME_TYPES.EVENT, FRAME_TYPES.EVENT, FRAME_TYPES.REPLY]);
  const flags = choices.below(4) | (type === FRAME_TYPES.EVENT ? choices.pick([0, FLAGS.ACK, FLAGS.RETAIN]) : 0);
  return encodeFrame({ type, flags, id: choices.below(9), payload: words(choices) });
}
