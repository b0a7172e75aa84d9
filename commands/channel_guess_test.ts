import assert from "node:assert/strict";
import { type ErrorName, IpcError } from "../protocol/errors.ts";
import { withChannelGuess } from "./channel_guess.ts";
import { memoryIo } from "./testing.ts";

Deno.test("withChannelGuess() names the channel where a connection broke or a handler went", async () => {
  for (
    const [reason, message, said] of [
      ["CHANNEL_RECV", "the broker hung up", 'channel x: the broker hung up. "ipc ping" says whether'],
      ["CHANNEL_RECV", 'channel "x" is lost', 'channel "x" is lost. "ipc ping"'],
      ["CHANNEL_RECV", "Cannot connect to tcp://x", "Cannot connect to tcp://x"],
      ["HANDLER_GONE", "the handler was stopped", "channel x: the handler was stopped"],
      ["TIMEOUT", "no reply", "no reply"],
    ] as readonly [ErrorName, string, string][]
  ) {
    const told = await withChannelGuess(new IpcError(reason, message), { channel: "x" }, memoryIo()) as IpcError;
    assert.equal(told.reason, reason);
    assert.ok(told.message.startsWith(said), told.message);
  }
});
