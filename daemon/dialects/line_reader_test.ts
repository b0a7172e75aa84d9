import assert from "node:assert/strict";
import { Connection } from "../transport/connection.ts";
import { LineReader } from "./line_reader.ts";

/** Reads pieces one by one; returns the lines, and the rest in brackets. */
async function lines(pieces: readonly (string | Uint8Array)[], limit = 1_000_000): Promise<string[]> {
  const left = pieces.map((piece) => typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  const connection = new Connection({
    read(into) {
      const piece = left.shift();
      if (piece === undefined) return Promise.resolve(null);
      const got = Math.min(piece.length, into.length);
      into.set(piece.subarray(0, got));
      if (got < piece.length) left.unshift(piece.subarray(got));
      return Promise.resolve(got);
    },
    write: (bytes) => Promise.resolve(bytes.length),
    close() {},
  }, 1_000);
  const reader = new LineReader(connection, () => limit), taken: string[] = [];
  try {
    do {
      while (reader.take()) taken.push(new TextDecoder().decode(reader.bytes));
    } while (await connection.read());
    if (reader.rest()) taken.push(`(${new TextDecoder().decode(reader.bytes)})`);
    return taken;
  } finally {
    connection.close();
  }
}

Deno.test("LineReader takes the same lines whole, byte by byte and in every two pieces", async () => {
  const text = "a\r\n\n\r\nß\rx\n" + "long ".repeat(700) + "\nrest\r", expected = await lines([text]);
  assert.deepEqual(expected.map((line) => line.slice(0, 8)), ["a", "", "", "ß\rx", "long lon", "(rest\r)"]);
  const bytes = new TextEncoder().encode(text);
  assert.deepEqual(await lines(Array.from(bytes, (byte) => new Uint8Array([byte]))), expected);
  for (let at = 1; at < bytes.length; at++) {
    assert.deepEqual(await lines([bytes.subarray(0, at), bytes.subarray(at)]), expected);
  }
});

Deno.test("LineReader does not take a line end that an older line has left in the memory", async () => {
  assert.deepEqual(await lines(["first\nsecond\n", "x", "y", "z\n"]), ["first", "second", "xyz"]);
  assert.deepEqual(await lines(["a\nb\n", "c"]), ["a", "b", "(c)"]);
});

Deno.test("LineReader refuses a line over the limit, complete or not, and takes one that just fits", async () => {
  const fits = "x".repeat(100);
  assert.deepEqual(await lines([`${fits}\n${fits}\r\n`, fits], 100), [fits, fits, `(${fits})`]);
  assert.deepEqual(await lines([`${fits}\r`, "\n"], 100), [fits]);
  for (const pieces of [[`${fits}x\n`], [`${fits}x`], [`ok\n${fits}`, "x"], [fits, "x\n"]]) {
    await assert.rejects(lines(pieces, 100), {
      reason: "TOO_LARGE",
      message: /line of 101 bytes or more, limit is 100/,
    });
  }
});
