import assert from "node:assert/strict";
import { connect } from "../../client/mod.ts";
import { encodeFrame, encodeHello, FRAME_TYPES, PREFACE } from "../../protocol/mod.ts";
import { Raw } from "../interop/raw.ts";
import { Sandbox } from "./harness.ts";
import { pause } from "./wait.ts";

/** Who says nothing for 200 ms is a listener of text; the broker is stopped before that, and goes on after it. */
const BEFORE_MS = 60, STOPPED_MS = 250;
const ROUNDS = 5, CLIENTS = 20;
const HELLO = new Uint8Array([...PREFACE, ...encodeFrame({ type: FRAME_TYPES.HELLO, payload: encodeHello({}) })]);

Deno.test("broker that was stopped hears what was said meanwhile, before it takes anybody for silent", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker();
  await using keeper = await connect("jobs", sandbox);
  await keeper.broadcast("what a listener of text is told first", { retain: true, ack: true });
  for (let round = 0; round < ROUNDS; round++) {
    const clients: Raw[] = [];
    try {
      for (let left = CLIENTS; left > 0; left--) clients.push(await Raw.connect(sandbox.socket("jobs")));
      await pause(BEFORE_MS);
      broker.signal("SIGSTOP");
      for (const client of clients) await client.send(HELLO);
      await pause(STOPPED_MS);
      broker.signal("SIGCONT");
      for (const client of clients) {
        const heard = await client.until(({ length }) => length > 4);
        assert.equal(heard[4], FRAME_TYPES.WELCOME, `what was told is no WELCOME: ${client.text()}`);
      }
    } finally {
      broker.signal("SIGCONT");
      for (const client of clients) client[Symbol.dispose]();
    }
  }
});
