import assert from "node:assert/strict";
import { ENCODINGS, FLAGS } from "../../protocol/frame.ts";
import { encodeBody } from "../../protocol/msgpack.ts";
import { eachFrame } from "../events/frames.ts";
import { Failure } from "../exit_codes.ts";
import { RecordFrames, type RecordOptions } from "./records.ts";

const PLAIN: RecordOptions = {
  separator: 10,
  encoding: "auto",
  headers: new Uint8Array(0),
  target: 0,
  retain: false,
  message_bytes_max: 1_000_000,
};

/** Feeds pieces as a pipe would, and gives the payloads that came out. */
async function framed(pieces: readonly Uint8Array[], options: Partial<RecordOptions> = {}): Promise<Uint8Array[]> {
  const payloads: Uint8Array[] = [];
  let counted = 0;
  const records = new RecordFrames({ ...PLAIN, ...options }, (frames, count) => {
    counted += count;
    for (const { payload } of eachFrame(frames)) payloads.push(payload);
  });
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const space = records.space(), part = piece.subarray(at, at + space.length);
      space.set(part);
      at += part.length;
      await records.filled(part.length);
    }
  }
  await records.finish();
  assert.equal(counted, payloads.length);
  assert.equal(records.records, payloads.length);
  return payloads;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function texts(payloads: readonly Uint8Array[]): string[] {
  return payloads.map((payload) => new TextDecoder().decode(payload));
}

Deno.test("RecordFrames makes a message of each line, the last without its line feed too", async () => {
  for (
    const [input, expected] of [
      ["", []],
      ["a", ["a"]],
      ["a\n", ["a"]],
      ["a\nb", ["a", "b"]],
      ["\n", [""]],
      ["\n\na\n\n", ["", "", "a", ""]],
      ["a\r\nb\r\n", ["a\r", "b\r"]],
      ["nul\0inside\n", ["nul\0inside"]],
      [`${"x".repeat(127)}\n${"y".repeat(128)}\n${"z".repeat(129)}\n`, [
        "x".repeat(127),
        "y".repeat(128),
        "z".repeat(129),
      ]],
    ] as const
  ) assert.deepEqual(texts(await framed([bytes(input)])), expected, JSON.stringify(input));
});

Deno.test("RecordFrames ends records at NUL bytes with that separator", async () => {
  assert.deepEqual(texts(await framed([bytes("a\nb\0\0c")], { separator: 0 })), ["a\nb", "", "c"]);
});

Deno.test("RecordFrames does not care where the input is cut", async () => {
  const input = bytes(`one\n\n${"long ".repeat(30)}\nthree\nñandú\nlast`);
  const whole = texts(await framed([input]));
  assert.equal(whole.length, 6);
  for (let cut = 0; cut <= input.length; cut++) {
    assert.deepEqual(texts(await framed([input.subarray(0, cut), input.subarray(cut)])), whole, `cut at ${cut}`);
  }
  assert.deepEqual(texts(await framed([...input].map((byte) => new Uint8Array([byte])))), whole, "byte by byte");
});

Deno.test("RecordFrames takes records longer than its buffer, and a million short ones", async () => {
  const long = "x".repeat(900_000);
  assert.deepEqual(texts(await framed([bytes(`a\n${long}\nb\n${long}`)])), ["a", long, "b", long]);
  const numbers = Array.from({ length: 300_000 }, (_, number) => String(number));
  assert.deepEqual(texts(await framed([bytes(numbers.join("\n"))])), numbers);
});

Deno.test("RecordFrames refuses a record over the limit, after those before it", async () => {
  for (const message_bytes_max of [10, 300_000]) {
    for (const end of ["\n", ""]) {
      const payloads: Uint8Array[] = [];
      const records = new RecordFrames({ ...PLAIN, message_bytes_max }, (frames) => {
        for (const { payload } of eachFrame(frames)) payloads.push(payload);
      });
      const input = bytes(`fits\n${"x".repeat(message_bytes_max + 1)}${end}`);
      await assert.rejects(async () => {
        for (let at = 0; at < input.length;) {
          const space = records.space(), part = input.subarray(at, at + space.length);
          space.set(part);
          at += part.length;
          await records.filled(part.length);
        }
        await records.finish();
      }, (error: unknown) => error instanceof Failure && error.code === 65 && error.message.startsWith("record 2 "));
      assert.deepEqual(texts(payloads), ["fits"]);
    }
  }
});

Deno.test("RecordFrames marks each record with its encoding, headers, target and retention", async () => {
  const headers = encodeBody({ a: "b" }), frames: { flags: number; target: number; headers: Uint8Array }[] = [];
  const records = new RecordFrames({ ...PLAIN, headers, target: 7, retain: true }, (block) => {
    for (const frame of eachFrame(block)) frames.push(frame);
  });
  const input = new Uint8Array([...bytes("text\n"), 0xff, 10, ...bytes("ñ\n"), ...bytes("y".repeat(100)), 10]);
  records.space().set(input);
  await records.filled(input.length);
  const { TEXT, BYTES } = ENCODINGS;
  assert.deepEqual(frames.map(({ flags }) => flags & FLAGS.ENCODING), [TEXT, BYTES, TEXT, TEXT]);
  for (const frame of frames) {
    assert.equal(frame.target, 7);
    assert.deepEqual(frame.headers, headers);
    assert.ok((frame.flags & FLAGS.RETAIN) !== 0);
  }
});

Deno.test("RecordFrames checks each record that is said to be JSON or text", async () => {
  assert.deepEqual(texts(await framed([bytes('{"a":1}\n[]\n')], { encoding: "json" })), ['{"a":1}', "[]"]);
  await assert.rejects(framed([bytes("1\n{x\n")], { encoding: "json" }), /record 2 is not JSON/);
  await assert.rejects(
    framed([new Uint8Array([65, 10, 0xff, 10])], { encoding: "text" }),
    /record 2 is not valid UTF-8/,
  );
});
