import assert from "node:assert/strict";
import { Correlation } from "./correlation.ts";

Deno.test("Correlation.next() wraps at 32 bits, past 0 and what is in use", () => {
  const ids = new Correlation((id) => id === 1 || id === 2, 0xffff_fffd);
  assert.deepEqual([ids.next(), ids.next(), ids.next(), ids.next()], [0xffff_fffe, 0xffff_ffff, 3, 4]);
});
