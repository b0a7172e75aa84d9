import assert from "node:assert/strict";
import { ERROR_CODES, errorName, IpcError } from "./errors.ts";

Deno.test("ERROR_CODES are numbered from 7000 without a gap, Forge's four first", () => {
  assert.deepEqual(Object.values(ERROR_CODES), Array.from({ length: 20 }, (_, at) => 7000 + at));
  assert.deepEqual(Object.keys(ERROR_CODES).slice(0, 4), [
    "CHANNEL_SEND",
    "CHANNEL_RECV",
    "CLIENT_NOT_FOUND",
    "SERIALIZATION",
  ]);
});

Deno.test("errorName() is the inverse of ERROR_CODES", () => {
  for (const [name, code] of Object.entries(ERROR_CODES)) assert.equal(errorName(code), name);
  assert.equal(errorName(6999), undefined);
});

Deno.test("IpcError takes a name or a number, known or not", () => {
  assert.equal(new IpcError("GAP", "x").code, 7019);
  assert.equal(new IpcError(7019, "x").reason, "GAP");
  assert.equal(new IpcError(1, "x").reason, "UNKNOWN");
  const cause = new Error("why"), error = new IpcError("TIMEOUT", "late", { data: 5, cause });
  assert.deepEqual([error.name, error.message, error.data, error.cause], ["IpcError", "late", 5, cause]);
  assert.equal("cause" in new IpcError("TIMEOUT", "late"), false);
});
