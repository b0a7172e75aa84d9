import assert from "node:assert/strict";
import { encodeFrame, ENCODINGS, FRAME_TYPES } from "../../protocol/frame.ts";
import { eventually } from "../../tests/e2e/wait.ts";
import { controlRequest, RawClient, startTestBroker, type TestBroker } from "../testing.ts";
import { LineClient } from "./testing.ts";

const { EVENT } = FRAME_TYPES;
const MIB = 1024 * 1024;
const encode = (text: string) => new TextEncoder().encode(text);

async function held(test: TestBroker): Promise<number> {
  return (await controlRequest(test.socket_dir, "stats") as { memory: { held_bytes: number } }).memory.held_bytes;
}

/** So many of JSON lines and as many of text, who listen on a channel. */
async function listeners(test: TestBroker, count: number, channel: string): Promise<LineClient[]> {
  const clients = [];
  for (let n = 0; n < count; n++) {
    clients.push(await LineClient.join(test, { listen: true }, channel), await LineClient.dial(test, channel));
  }
  const all = async () =>
    (await controlRequest(test.socket_dir, "channel", { channel }) as { listeners: number }).listeners;
  await eventually(async () => await all() === 2 * count, "who says nothing does not listen");
  return clients;
}

Deno.test("wordsOf() gives each listener its own run, whatever else is said at the same time", async () => {
  await using test = await startTestBroker();
  const channels = ["one", "two"], rounds = 20;
  const said = (channel: string, round: number, at: number) => `${channel}-${round}-${at}-${"x".repeat(at * 700)}`;
  const there = await Promise.all(channels.map((channel) => listeners(test, 3, channel)));
  await Promise.all(channels.map(async (channel) => {
    using publisher = await RawClient.join(test.socket_dir, channel);
    for (let round = 0; round < rounds; round++) {
      const frames = Array.from({ length: 10 }, (_, at) => {
        return encodeFrame({ type: EVENT, flags: ENCODINGS.TEXT, payload: encode(said(channel, round, at)) });
      });
      await publisher.send(...frames);
    }
  }));
  for (const [at, clients] of there.entries()) {
    for (const [index, client] of clients.entries()) {
      for (let event = 0; event < 10 * rounds; event++) {
        const expected = said(channels[at]!, Math.floor(event / 10), event % 10), line = (await client.line())!;
        const { data, seq } = index % 2 === 1 ? { data: line, seq: event + 1 } : JSON.parse(line);
        assert.deepEqual([seq, data], [event + 1, expected]);
      }
      client[Symbol.dispose]();
    }
  }
});

Deno.test("wordsOf() holds a message once for all who are written to in the same words", async () => {
  await using test = await startTestBroker({ history_bytes: 0, stall_timeout_ms: Infinity });
  const clients = await listeners(test, 8, "c"), before = await held(test);
  using publisher = await RawClient.join(test.socket_dir, "c");
  await publisher.send(encodeFrame({ type: EVENT, payload: new Uint8Array(3 * MIB) }));
  await eventually(async () => await held(test) > before + 7 * MIB, "nothing waits for them");
  assert(await held(test) < before + 20 * MIB);
  const base64 = "A".repeat(4 * MIB);
  for (const client of clients) {
    assert.equal(JSON.parse((await client.line())!).data, base64);
    client[Symbol.dispose]();
  }
});
