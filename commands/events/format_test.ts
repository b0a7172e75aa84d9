import assert from "node:assert/strict";
import { ENCODINGS, FLAGS } from "../../protocol/frame.ts";
import { encodeBody } from "../../protocol/msgpack.ts";
import { structuredCodec } from "../../protocol/structured_clone.ts";
import { type EventFormat, jsonFormat, payloadFormat } from "./format.ts";
import { CONTEXT, event, run } from "../testing.ts";
import { StructuredNeeded } from "../payload_text.ts";

function printed(format: EventFormat, frames: Uint8Array<ArrayBuffer>, most = Infinity, context = CONTEXT): string {
  const { bytes } = format(frames, most, context);
  return new TextDecoder().decode(bytes);
}

Deno.test("payloadFormat() prints payloads as they are, each with its terminator", () => {
  const long = "long ".repeat(50);
  const frames = run(event("a"), event(""), event("b\n"), event(long), event("h", { headers: encodeBody({ k: "v" }) }));
  assert.equal(printed(payloadFormat("\n", false), frames), `a\n\nb\n\n${long}\nh\n`);
  assert.equal(printed(payloadFormat("\0", false), frames), `a\0\0b\n\0${long}\0h\0`);
  assert.equal(printed(payloadFormat("", true), frames), `ab\n${long}h`);
  const bytes = new Uint8Array([0, 255, 10]);
  assert.deepEqual(
    payloadFormat("", true)(run(event(bytes, { flags: ENCODINGS.BYTES })), 1, CONTEXT).bytes,
    bytes,
  );
});

Deno.test("payloadFormat() stops after as many events as are wanted", () => {
  const format = payloadFormat("\n", false), frames = run(event("a"), event("b"), event("c"));
  assert.equal(format(frames, 2, CONTEXT).count, 2);
  assert.equal(printed(format, frames, 2), "a\nb\n");
  assert.equal(format(frames, Infinity, CONTEXT).count, 3);
});

Deno.test("payloadFormat() prints structured payloads as JSON, and asks for the codec first", () => {
  const payload = structuredCodec.encode(new Map([["at", new Date(0)]])) as Uint8Array<ArrayBuffer>;
  const frames = run(event("a"), event(payload, { flags: ENCODINGS.STRUCTURED }), event("b"));
  const format = payloadFormat("\n", false);
  assert.throws(() => format(frames, 9, { ...CONTEXT, structured: undefined }), StructuredNeeded);
  assert.equal(printed(format, frames), 'a\n{"at":"1970-01-01T00:00:00.000Z"}\nb\n');
});

Deno.test("jsonFormat() prints one object a line with all there is to know", () => {
  const frames = run(
    event("text\n", { headers: encodeBody({ k: 1 }) }),
    event('{"big": 12345678901234567890,\n"x": 1}', { flags: ENCODINGS.JSON | FLAGS.RETAIN, source: 1 }),
    event(new Uint8Array([0xff]), { flags: ENCODINGS.BYTES, id: 0, aux: 0 }),
    event(new Uint8Array([0xff]), { flags: ENCODINGS.TEXT }),
    event("{broken", { flags: ENCODINGS.JSON }),
  );
  const lines = printed(jsonFormat("\n"), frames).trimEnd().split("\n");
  assert.equal(lines.length, 5);
  const { time, ...first } = JSON.parse(lines[0]!);
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  assert.deepEqual(first, {
    type: "event",
    channel: "deploys",
    seq: 2 ** 32 + 3,
    source: 7,
    name: "bo\u001bb",
    headers: { k: 1 },
    data: "text\n",
  });
  assert.ok(!lines[0]!.includes("\u001b"), "control characters are escaped");
  assert.ok(lines[1]!.endsWith(',"retained":true,"data":{"big": 12345678901234567890, "x": 1}}'), lines[1]);
  assert.equal(JSON.parse(lines[2]!).seq, 0);
  // What is not what its sender said is shown as bytes.
  for (const line of lines.slice(2)) assert.equal(JSON.parse(line).data.encoding, "base64");
});
