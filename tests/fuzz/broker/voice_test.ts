import assert from "node:assert/strict";
import { encodeError, encodeFrame, encodeWelcome, FRAME_TYPES, IpcError } from "../../../protocol/mod.ts";
import { joined } from "../../../protocol/joined.ts";
import { episodeOf } from "./episode.ts";
import { FrameVoice, LineVoice } from "./voice.ts";

const WELCOME = encodeFrame({
  type: FRAME_TYPES.WELCOME,
  payload: encodeWelcome({
    client: 7,
    channel: "jobs",
    epoch: "k3f",
    seq: 0,
    max_message: 1,
    server: { name: "ipcd", version: "1" },
    features: [],
  }),
});
const event = (id: number) => encodeFrame({ type: FRAME_TYPES.EVENT, id, source: 9 });
const BYE = encodeFrame({ type: FRAME_TYPES.BYE, payload: encodeError(new IpcError("PROTOCOL", "no")) });

function says(...frames: Uint8Array<ArrayBuffer>[]): FrameVoice {
  const voice = new FrameVoice(() => {});
  voice.take(joined(frames));
  return voice;
}

Deno.test("FrameVoice takes what a broker may say, and notes pongs, who was heard of and the last words", () => {
  const voice = says(WELCOME, event(1), event(3), encodeFrame({ type: FRAME_TYPES.PONG, id: 5 }), BYE);
  assert.deepEqual([[...voice.pongs], voice.heard_of, voice.farewell], [[5], 9, "IpcError: no"]);
  assert.equal(says(WELCOME).heard_of, 7);
  assert.equal(says(BYE).farewell, "IpcError: no");
});

Deno.test("FrameVoice refuses what a broker may not say", () => {
  assert.throws(() => says(event(1)), /before WELCOME/);
  assert.throws(() => says(WELCOME, WELCOME), /a second WELCOME/);
  assert.throws(() => says(WELCOME, event(2), event(2)), /event 2 comes behind event 2/);
  assert.throws(() => says(WELCOME, BYE, event(1)), /behind BYE/);
  assert.throws(() => says(encodeFrame({ type: FRAME_TYPES.HELLO })), /may not be sent here/);
  assert.throws(() => says(WELCOME, encodeFrame({ type: FRAME_TYPES.GAP })), /SERIALIZATION|ends early/);
});

Deno.test("LineVoice refuses lines that a broker does not say", () => {
  const line = (text: string) => new LineVoice().take(new TextEncoder().encode(text));
  line('{"type":"pong","id":1}\n{"type":"event","seq":1}\n{"type":"eve');
  assert.throws(() => line('{"type":"shout"}\n'), /a line of type shout/);
  assert.throws(() => line("hello\n"), SyntaxError);
  assert.throws(() => line('{"type":"event","seq":2}\n{"type":"event","seq":1}\n'), /event 1 comes behind event 2/);
});

Deno.test("episodeOf() makes the same episode for the same seed and number", () => {
  assert.deepEqual(episodeOf("s", 3), episodeOf("s", 3));
  assert.notDeepEqual(episodeOf("s", 3).parts, episodeOf("s", 4).parts);
});
