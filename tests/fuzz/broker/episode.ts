/**
 * What some clients do to a broker, each on a connection of its own and all at once: what they say, in which pieces, when
 * they pause, whether they read, how they end.
 *
 * @module
 */
import { encodeHello, type Overflow } from "../../../protocol/bodies.ts";
import { encodeFrame, FLAGS, FRAME_TYPES, type FrameType, PREFACE, RULES } from "../../../protocol/frame.ts";
import { frame, frames, GOLDEN } from "../grammar/frames.ts";
import { line } from "../grammar/json.ts";
import { joined, mutated } from "../mutate.ts";
import { type Choices, Random } from "../random.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One thing that a client does. */
export type Step =
  | { do: "send"; hex: string }
  | { do: "pause"; ms: number }
  | { do: "half-close" };

/** What one client does. */
export interface Part {
  channel: string;
  dialect: "frames" | "json" | "text" | "simple" | "noise";
  /** Whether it reads what the broker says. */
  reads: boolean;
  steps: Step[];
  /** If all that it says is right it ends with a PING of this id, which must be answered. */
  ping?: number;
  /** How long it stays when it has done everything; then it is gone without a word. */
  stays_ms: number;
}

/** See the module's head. */
export interface Episode {
  number: number;
  parts: Part[];
}

/** Channels by what happens on them to a listener that is slow. */
export const CHANNELS: Readonly<Record<string, Overflow>> = { jobs: "block", drops: "drop", cuts: "disconnect" };

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
const PAUSES_MS = [1, 1, 2, 5, 20, 60, 250];
const encoder = new TextEncoder();

/** An episode; the same for the same seed and number. */
export function episodeOf(seed: string, number: number): Episode {
  const choices = new Random(`${seed} broker ${number}`);
  return { number, parts: choices.many(1 + choices.size(9), () => part(choices)) };
}

function part(choices: Choices): Part {
  const channel = choices.oneIn(7) ? "ipcd" : choices.pick(Object.keys(CHANNELS));
  const dialect = choices.pick(["frames", "frames", "frames", "json", "json", "text", "simple", "noise"] as const);
  const is_right = choices.oneIn(3) && channel === "jobs" && (dialect === "frames" || dialect === "json");
  const ping = is_right ? 1 + choices.below(1e6) : undefined;
  const said = SAYINGS[dialect](choices, channel, ping);
  const wrong = !is_right && choices.oneIn(3) && channel !== "ipcd",
    all = wrong ? mutated(said, choices, GOLDEN) : said;
  const steps = inPieces(all, choices, ping !== undefined);
  if (dialect === "simple" || ping === undefined && choices.oneIn(4)) steps.push({ do: "half-close" });
  const stays_ms = ping !== undefined || choices.oneIn(3) ? choices.size(100) : choices.size(10);
  return { channel, dialect, reads: ping !== undefined || !choices.oneIn(4), steps, stays_ms, ...ping && { ping } };
}

const SAYINGS: Record<Part["dialect"], (choices: Choices, channel: string, ping: number | undefined) => Bytes> = {
  frames(choices, channel, ping) {
    const preface = ping === undefined && choices.oneIn(30) ? PREFACE.slice(0, choices.below(9)) : PREFACE;
    const hello = encodeFrame({ type: FRAME_TYPES.HELLO, flags: 3, payload: encodeHello(roles(choices)) });
    const begin = joined(preface, ping === undefined && choices.oneIn(20) ? choices.pick(GOLDEN) : hello);
    if (channel === "ipcd") return joined(begin, ...choices.many(choices.size(9), () => request(choices)));
    if (ping === undefined) return joined(begin, frames(choices, choices.oneIn(9) ? 200 : 20));
    const right = choices.many(choices.size(40), () => rightFrame(choices));
    return joined(begin, ...right, encodeFrame({ type: FRAME_TYPES.PING, id: ping, aux: 7 }));
  },
  json(choices, channel, ping) {
    const hello = `${JSON.stringify({ ipc: 1, type: "hello", ...roles(choices) })}\n`;
    const end = choices.pick(["\n", "\n", "\r\n", "\n\n"]);
    const lines = choices.many(choices.size(20), () => {
      if (channel === "ipcd") return encoder.encode(`{"type":"request","id":1,"data":${choices.pick(ORDERS)}}${end}`);
      if (ping === undefined) return joined(line(choices), encoder.encode(end));
      return encoder.encode(`${rightLine(choices)}${end}`);
    });
    const last = ping === undefined ? "" : `{"type":"ping","id":${ping}}\n`;
    return joined(encoder.encode(hello), ...lines, encoder.encode(last));
  },
  text(choices, channel) {
    if (channel === "ipcd") return encoder.encode(`${choices.pick(ORDERS)}${choices.pick(["\n", ""])}`);
    const one = () => joined(words(choices), encoder.encode(choices.pick(["\n", "\n", "\r\n", ""])));
    return joined(
      encoder.encode(choices.pick(["x", "{", " ", "GET / HTTP/1.1\r\n"])),
      ...choices.many(choices.size(12), one),
    );
  },
  simple(choices, channel) {
    const body = channel === "ipcd"
      ? encoder.encode(choices.pick(ORDERS))
      : choices.oneIn(2)
      ? line(choices)
      : words(choices);
    return joined(new Uint8Array([choices.below(2)]), body);
  },
  noise: (choices) => choices.bytes(choices.size(choices.oneIn(9) ? 20_000 : 300)),
};

function roles(choices: Choices): Record<string, unknown> {
  const hello: Record<string, unknown> = {};
  for (const role of ["listen", "handle", "presence"]) if (choices.oneIn(2)) hello[role] = true;
  if (choices.oneIn(3)) hello["echo"] = false;
  if (choices.oneIn(3)) hello["name"] = choices.pick(["a", "__proto__", "constructor", "ünï"]);
  if (choices.oneIn(4)) hello["overflow"] = choices.pick(["drop", "disconnect"]);
  if (choices.oneIn(6)) hello["resume"] = { epoch: "0", seq: choices.below(1000) };
  return hello;
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

/** As it leaves the client: whole, in some pieces, in single bytes, with pauses between. */
function inPieces(bytes: Bytes, choices: Choices, at_once: boolean): Step[] {
  const steps: Step[] = [], whole = choices.oneIn(2), most = choices.oneIn(8) ? 1 : Math.max(1, bytes.length);
  // The broker would take who is silent at first for a listener.
  if (!at_once && choices.oneIn(15)) steps.push({ do: "pause", ms: 260 });
  for (let at = 0, pieces = 0; at < bytes.length; pieces++) {
    const end = whole || pieces > 40 ? bytes.length : Math.min(bytes.length, at + 1 + choices.size(most));
    steps.push({ do: "send", hex: bytes.subarray(at, end).toHex() });
    at = end;
    if (at < bytes.length && choices.oneIn(3)) steps.push({ do: "pause", ms: at_once ? 1 : choices.pick(PAUSES_MS) });
  }
  return steps;
}
