import assert from "node:assert/strict";
import { decodeFrame, FLAGS } from "../../protocol/frame.ts";
import { Failure } from "../exit_codes.ts";
import { fillTemplate, madeMessages, type MadeOptions } from "./made.ts";
import { memoryIo } from "../testing.ts";

const OPTIONS: MadeOptions = {
  channel: "x",
  message: undefined,
  file: "-",
  records: "whole",
  encoding: "auto",
  headers: new Map(),
  wait_ms: undefined,
  name: "me",
  template: true,
  count: 1,
  every_ms: undefined,
};

/** The messages that come of some input, each with the flags of its frame. */
async function made(stdin: string | Uint8Array, more: Partial<MadeOptions>, sent = 0): Promise<[string, number][]> {
  const messages: [string, number][] = [];
  let asked = 0;
  await madeMessages(
    { ...OPTIONS, ...more },
    { headers: new Uint8Array(0), target: 0, retain: false, message_bytes_max: 60 },
    memoryIo({ stdin: [stdin] }),
    (frames, count) => {
      assert.equal(count, 1);
      const { payload, flags } = decodeFrame(frames, 0);
      messages.push([new TextDecoder().decode(payload), flags & FLAGS.ENCODING]);
    },
    { bytes: 0 },
    () => Promise.resolve(void asked++),
  );
  assert.equal(asked, sent);
  return messages;
}

function failure(code: number, message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Failure, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  };
}

Deno.test("fillTemplate() fills in what it knows, each time anew", () => {
  assert.equal(fillTemplate("{{n}} of {{ n }}", 7), "7 of 7");
  assert.equal(fillTemplate('{"a":{"n":{{n}}}}', 7), '{"a":{"n":7}}');
  assert.equal(fillTemplate("{n} { {n} } {{n", 7), "{n} { {n} } {{n");
  const [one, other] = fillTemplate("{{uuid}} {{uuid}}", 1).split(" ");
  assert.match(one!, /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  assert.notEqual(one, other);
  const before_ms = Date.now(), text = fillTemplate("{{time}}", 1);
  assert.equal(new Date(text).toISOString(), text);
  assert.ok(Date.parse(text) >= before_ms && Date.parse(text) <= Date.now());
});

Deno.test("fillTemplate() refuses what it does not know, as wrong usage", () => {
  for (const text of ["{{x}}", "{{N}}", "{{}}", "a {{n}} {{n+1}}"]) {
    assert.throws(() => fillTemplate(text, 1), failure(64, /has \{\{.*can be filled in is {{n}}, {{time}}, {{uuid}}$/));
  }
});

Deno.test("madeMessages() repeats a message, and reads it once", async () => {
  assert.deepEqual(await made("a\n", { count: 3, template: false }), [["a\n", 1], ["a\n", 1], ["a\n", 1]]);
  assert.deepEqual(await made(new Uint8Array([0x7b]), { count: 2, template: false, encoding: "bytes" }), [
    ["{", 0],
    ["{", 0],
  ]);
  const before_ms = performance.now();
  assert.deepEqual(await made("{{n}}", { count: 3, every_ms: 30 }, 3), [["1", 1], ["2", 1], ["3", 1]]);
  assert.ok(performance.now() - before_ms >= 55);
});

Deno.test("madeMessages() fills in records, and looks at what they are afterwards", async () => {
  assert.deepEqual(await made("a{{n}}\nb{{n}}\nc", { records: "lines" }), [["a1", 1], ["b2", 1], ["c", 1]]);
  assert.deepEqual(await made('[{{n}}]\0"{{n}}"', { records: "null", encoding: "json" }), [["[1]", 2], ['"2"', 2]]);
  await assert.rejects(
    made("1\n{{uuid}}\n", { records: "lines", encoding: "json" }),
    failure(65, /^record 2 is not JSON/),
  );
  await assert.rejects(made("{{uuid}}{{uuid}}", {}), failure(65, /^message of 72 bytes is too long, limit is 60/));
  await assert.rejects(made(new Uint8Array([0xff]), {}), failure(65, /^message is not valid UTF-8/));
  await assert.rejects(made("{{x}}\n", { records: "lines" }), failure(64, /{{x}}/));
});
