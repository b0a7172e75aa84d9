import assert from "node:assert/strict";
import { readMockAnswer } from "./answers.ts";

Deno.test("readMockAnswer() fits what is the same, what has all that is wanted, and text that fits a glob", () => {
  for (
    const [line, data, expected] of [
      ["{}", "whatever", true],
      ['{"is":"a"}', "a", true],
      ['{"is":"a"}', "ab", false],
      ['{"is":{"a":1}}', { a: 1 }, true],
      ['{"is":{"a":1}}', '{"a": 1}', true],
      ['{"is":"{\\"a\\": 1}"}', '{"a": 1}', true],
      ['{"is":{"a":1}}', { a: 1, b: 2 }, false],
      ['{"is":[1,2]}', [1, 2, 3], false],
      ['{"is":null}', null, true],
      ['{"is":1}', 1, true],
      ['{"is":1}', "1", true],
      ['{"is":{"encoding":"base64","data":"/w=="}}', new Uint8Array([255]), true],
      ['{"like":{"a":{"b":1}}}', { a: { b: 1, c: 2 }, d: 3 }, true],
      ['{"like":{"a":{"b":1}}}', { a: { c: 2 } }, false],
      ['{"like":{"a":1}}', new Map([["a", 1]]), true],
      ['{"like":[1]}', [1, 2], true],
      ['{"like":[2]}', [1, 2], false],
      ['{"like":{}}', [], false],
      ['{"like":{"toString":1}}', {}, false],
      ['{"like":{"__proto__":{}}}', {}, false],
      ['{"glob":"GET *"}', "GET /a\nb", true],
      ['{"glob":"GET *"}', "PUT /a", false],
      ['{"glob":"*"}', 7, false],
    ] as const
  ) assert.equal(readMockAnswer(line).fits(data), expected, `${line} ${JSON.stringify(data)}`);
});

Deno.test("readMockAnswer() reads the answer, and says what is wrong", () => {
  const { reply, status, stderr, delay_ms } = readMockAnswer(
    '{"reply":{"a":1},"status":3,"stderr":"e","delay":"1.5s"}',
  );
  assert.deepEqual({ reply, status, stderr, delay_ms }, { reply: { a: 1 }, status: 3, stderr: "e", delay_ms: 1500 });
  assert.equal(readMockAnswer("{}").reply, "");
  assert.equal(readMockAnswer('{"reply":null}').reply, null);
  assert.deepEqual(readMockAnswer('{"base64":"/w=="}').reply, new Uint8Array([255]));
  for (
    const [line, said] of [
      ["1", /not a JSON object/],
      ['{"replies":1}', /"replies" is unknown: there are is, like/],
      ['{"is":1,"like":1}', /both "is" and "like"/],
      ['{"glob":1}', /"glob" is 1/],
      ['{"glob":"[a"}', /without its/],
      ['{"reply":1,"base64":""}', /both "reply" and "base64"/],
      ['{"base64":"?"}', /not base64/],
      ['{"status":256}', /"status" is 256/],
      ['{"stderr":1}', /"stderr" is 1/],
      ['{"delay":"soon"}', /not a duration/],
      ['{"delay":"infinity"}', /"delay" is "infinity"/],
    ] as const
  ) assert.throws(() => readMockAnswer(line), said, line);
});
