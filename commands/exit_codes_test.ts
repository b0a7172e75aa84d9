import assert from "node:assert/strict";
import { ERROR_CODES, type ErrorName, IpcError } from "../protocol/errors.ts";
import { describeError, EXIT, exitCodeOf, Failure } from "./exit_codes.ts";

Deno.test("exitCodeOf() knows every error of the protocol", () => {
  const expected: Record<ErrorName, number> = {
    CHANNEL_NAME: 64,
    SERIALIZATION: 65,
    SCHEMA: 65,
    TOO_LARGE: 65,
    CHANNEL_NOT_FOUND: 69,
    CLIENT_NOT_FOUND: 69,
    NO_HANDLER: 69,
    HANDLER_GONE: 69,
    CANCELLED: 69,
    SHUTDOWN: 69,
    CHANNEL_SEND: 69,
    CHANNEL_RECV: 69,
    OVERLOADED: 75,
    SLOW_CONSUMER: 75,
    PROTOCOL: 76,
    UNAUTHORIZED: 77,
    FORBIDDEN: 77,
    TIMEOUT: 124,
    HANDLER_ERROR: 1,
    GAP: 1,
  };
  for (const name of Object.keys(ERROR_CODES) as ErrorName[]) {
    assert.equal(exitCodeOf(new IpcError(name, "")), expected[name], name);
  }
});

Deno.test("exitCodeOf() takes an unknown number for a newer protocol, and anything else for a bug", () => {
  assert.equal(exitCodeOf(new IpcError(7999, "")), EXIT.PROTOCOL);
  assert.equal(exitCodeOf(new TypeError("x is undefined")), EXIT.BUG);
  assert.equal(exitCodeOf(new Failure(EXIT.TIMEOUT, "")), EXIT.TIMEOUT);
});

Deno.test("describeError() gives a bug with its stack, and no other error", () => {
  assert.equal(describeError(new IpcError("TIMEOUT", "no reply")), "no reply");
  assert.match(describeError(new TypeError("x is undefined")), /bug in ipc[^]*x is undefined\n +at /);
});
