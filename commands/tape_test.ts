import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { type Encoding, ENCODINGS, FLAGS, type Frame, FRAME_TYPES } from "../protocol/frame.ts";
import { encodeBody, type Plain } from "../protocol/msgpack.ts";
import { structuredCodec } from "../protocol/structured_clone.ts";
import { readTapeLine, tapeLine } from "./tape.ts";

const AT = new Date("2026-11-20T08:05:09.007Z"), NOTHING = new Uint8Array(0);
const utf8 = (text: string) => new TextEncoder().encode(text);

function frame(encoding: Encoding, payload: Uint8Array<ArrayBuffer>, headers = NOTHING, retained = false): Frame {
  const flags = encoding | (retained ? FLAGS.RETAIN : 0);
  return { type: FRAME_TYPES.EVENT, flags, headers, payload, source: 7, target: 0, id: 3, aux: 0 };
}

function line(of: Frame): string {
  return tapeLine(of, { channel: "x", nameOf: () => "some\none" }, AT);
}

/** What is written is a line, and reading it gives the same. */
function keeps(of: Frame): void {
  const text = line(of), read = readTapeLine(text);
  assert.ok(!text.includes("\n"));
  assert.ok(read !== undefined && "payload" in read);
  assert.equal(read.encoding, of.flags & FLAGS.ENCODING);
  assert.equal(read.retained, (of.flags & FLAGS.RETAIN) !== 0);
  assert.equal(read.channel, "x");
  assert.equal(read.time_ms, AT.getTime());
  assert.equal(Buffer.compare(read.payload, of.payload), 0);
  assert.equal(Buffer.compare(read.headers, of.headers), 0);
}

const plain = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string(),
    fc.double({ noNaN: true }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array() as fc.Arbitrary<Uint8Array<ArrayBuffer>>,
    fc.array(tie("value"), { maxLength: 3 }),
  ),
})).value;

Deno.test("readTapeLine() reads from tapeLine() any payload, of any encoding, and any headers, as they were", () => {
  const payload = fc.oneof(
    fc.uint8Array(),
    fc.string({ unit: "binary" }).map(utf8),
    fc.string().map(utf8),
    fc.json().map(utf8),
    fc.json().map((text) => utf8(` ${text}\r\n`)),
  ) as fc.Arbitrary<Uint8Array<ArrayBuffer>>;
  const headers = fc.oneof(
    fc.constant(NOTHING),
    fc.array(fc.tuple(fc.string(), plain), { minLength: 1, maxLength: 4 }).map((entries) =>
      encodeBody(new Map(entries))
    ),
  );
  const encodings = fc.constantFrom(...Object.values(ENCODINGS));
  fc.assert(fc.property(encodings, payload, headers, fc.boolean(), (...all) => keeps(frame(...all))), {
    numRuns: 2000,
  });
});

Deno.test("tapeLine() keeps what is large, empty, no UTF-8, unusual as JSON, or structured", () => {
  const large = new Uint8Array(16 * 1024 * 1024).map((_, at) => at * 31 >>> 3);
  for (const encoding of Object.values(ENCODINGS)) {
    for (
      const payload of [large, NOTHING, utf8("\ufeffa"), utf8("\n".repeat(1000)), utf8("1.0"), utf8('{"a":1,"a":2}')]
    ) {
      keeps(frame(encoding, payload));
    }
  }
  keeps(frame(ENCODINGS.TEXT, new Uint8Array(16 * 1024 * 1024).fill(10)));
  keeps(frame(ENCODINGS.JSON, utf8("[".repeat(100_000) + "]".repeat(100_000))));
  keeps(frame(ENCODINGS.JSON, utf8('{"__proto__":{"2":"\\ud800"}}')));
  keeps(frame(ENCODINGS.STRUCTURED, structuredCodec.encode(new Map<unknown, unknown>([[new Date(0), 1n]]))));
});

Deno.test("tapeLine() is for people, too, where nothing is lost by that", () => {
  const begin =
    '{"type":"event","time":"2026-11-20T08:05:09.007Z","channel":"x","seq":3,"source":7,"name":"some\\none",';
  for (
    const [of, end] of [
      [frame(ENCODINGS.TEXT, utf8("a\nb")), '"encoding":"text","data":"a\\nb"}'],
      [frame(ENCODINGS.JSON, utf8('{"a":[1]}')), '"encoding":"json","data":{"a":[1]}}'],
      [frame(ENCODINGS.JSON, utf8("[1, 2]")), '"encoding":"json","text":"[1, 2]"}'],
      [frame(ENCODINGS.BYTES, utf8("a")), '"encoding":"bytes","base64":"YQ=="}'],
      [
        frame(ENCODINGS.TEXT, utf8("a"), encodeBody({ k: "v" }), true),
        '"retained":true,"encoding":"text","headers":{"k":"v"},"data":"a"}',
      ],
    ] as const
  ) assert.equal(line(of), begin + end);
});

Deno.test("readTapeLine() reads what people write, passes over what is no event, and says what is wrong", () => {
  for (
    const [text, encoding, payload] of [
      ['{"channel":"x","data":"a"}', ENCODINGS.TEXT, "a"],
      ['{"channel":"x","data":{"a": 1}}', ENCODINGS.JSON, '{"a":1}'],
      ['{"channel":"x","encoding":"json","data":"a"}', ENCODINGS.JSON, '"a"'],
      ['{"channel":"x","base64":"YQ==","headers":{}}', ENCODINGS.BYTES, "a"],
    ] as const
  ) {
    const expected = {
      channel: "x",
      time_ms: undefined,
      encoding,
      payload: utf8(payload),
      headers: NOTHING,
      retained: false,
    };
    assert.deepEqual(readTapeLine(text), expected, text);
  }
  assert.equal(readTapeLine(" "), undefined);
  assert.equal(readTapeLine('{"type":"presence"}'), undefined);
  assert.deepEqual(readTapeLine('{"type":"gap","from":2,"to":5}'), { missed: 4 });
  assert.deepEqual(readTapeLine('{"type":"gap","from":2,"to":null}'), { missed: 0 });
  for (
    const [text, said] of [
      ["{", /not JSON/],
      ["[]", /not a JSON object/],
      ['{"type":"welcome"}', /"type" is "welcome"/],
      ['{"data":"a"}', /no "channel"/],
      ['{"channel":"x"}', /no payload/],
      ['{"channel":"x","data":"a","text":"a"}', /both "data" and "text"/],
      ['{"channel":"x","data":"a","time":"noon"}', /"time" is "noon"/],
      ['{"channel":"x","data":"a","retained":1}', /"retained" is 1/],
      ['{"channel":"x","data":"a","encoding":"utf16"}', /"encoding" is "utf16", not one of text, json/],
      ['{"channel":"x","data":"a","encoding":"bytes"}', /stands in "base64", not in "data"/],
      ['{"channel":"x","data":1,"encoding":"text"}', /"data" is 1, not a string/],
      ['{"channel":"x","data":"\\ud800"}', /half a character/],
      ['{"channel":"x","base64":"?"}', /"base64" is not base64/],
      ['{"channel":"x","data":"a","headers":[]}', /"headers" are \[\]/],
      ['{"channel":"x","data":"a","headers":{},"headers_base64":""}', /both "headers"/],
      ['{"channel":"x","data":"a","headers_base64":"YQ=="}', /headers cannot be read/],
      [`{"channel":"x","data":"a","headers":{"a":"${"a".repeat(65536)}"}}`, /limit is 65535/],
    ] as const
  ) assert.throws(() => readTapeLine(text), (error) => error instanceof RangeError && said.test(error.message), text);
});
