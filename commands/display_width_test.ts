import assert from "node:assert/strict";
import { beginningOf, displayWidth } from "./display_width.ts";

const encoder = new TextEncoder();

Deno.test("displayWidth() counts the columns of a terminal", () => {
  for (
    const [text, columns] of [
      ["", 0],
      ["deploys", 7],
      ["naïve", 5],
      ["東京", 4],
      ["ｆｕｌｌ", 8],
      ["한국어", 6],
      ["e\u0301", 1],
      ["\u200bx\u200d", 1],
      ["🚀✅", 4],
      ["\u{1f1e9}\u{1f1ea}", 2],
      ["\u{20000}", 2],
      ["a\u001b\n\u0085b", 2],
    ] as const
  ) assert.equal(displayWidth(text), columns, JSON.stringify(text));
});

Deno.test("beginningOf() cuts no character in two, and keeps what is put on the last", () => {
  const cut = (text: string, columns: number) => {
    const bytes = encoder.encode(text), { bytes: length, columns: taken } = beginningOf(bytes, columns);
    return [new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length)), taken];
  };
  assert.deepEqual(cut("東京都", 5), ["東京", 4]);
  assert.deepEqual(cut("e\u0301te\u0301", 1), ["e\u0301", 1]);
  assert.deepEqual(cut("🚀🚀", 3), ["🚀", 2]);
  assert.deepEqual(cut("abc", Infinity), ["abc", 3]);
  assert.deepEqual(cut("abc", 0), ["", 0]);
  assert.deepEqual(cut("\0\0a\0\0", 1), ["\0\0a", 1]);
  assert.deepEqual(cut("\u0301\0", 0), ["", 0]);
});

Deno.test("beginningOf() counts a byte that is no part of a character as a column", () => {
  for (
    const bytes of [
      [0xff, 0xfe],
      [0x80, 0x80],
      [0xc0, 0xaf],
      [0xe2, 0x82],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x80, 0x80, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe2, 0x41],
    ]
  ) {
    assert.deepEqual(beginningOf(new Uint8Array(bytes), 99), { bytes: bytes.length, columns: bytes.length });
    assert.deepEqual(beginningOf(new Uint8Array(bytes), 1), { bytes: 1, columns: 1 });
  }
});
