import assert from "node:assert/strict";
import { encodeFrame, ENCODINGS, FLAGS, FRAME_TYPES } from "../../protocol/frame.ts";
import { eventually } from "../../tests/e2e/wait.ts";
import { controlRequest, RawClient, startTestBroker, type TestBroker } from "../testing.ts";
import { LineClient } from "./testing.ts";

const { EVENT, REPLY, REQUEST } = FRAME_TYPES;
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

Deno.test("a request to all handlers is held once for all who are written to in the same words", async () => {
  await using test = await startTestBroker({ stall_timeout_ms: Infinity });
  const lines: LineClient[] = [], frames: RawClient[] = [];
  for (let n = 0; n < 8; n++) {
    lines.push(await LineClient.join(test, { handle: true }));
    frames.push(await RawClient.join(test.socket_dir, "c", { handle: true }));
  }
  using asker = await RawClient.join(test.socket_dir, "c");
  const before = await held(test), payload = new Uint8Array(3 * MIB).fill(7);
  await asker.send(encodeFrame({ type: REQUEST, flags: FLAGS.ALL, id: 5, payload }));
  await eventually(async () => await held(test) > before + 6 * MIB, "nothing waits for them");
  assert(await held(test) < before + 15 * MIB);
  const source = asker.welcome!.client, data = payload.toBase64();
  for (const client of lines) {
    const request = JSON.parse((await client.line())!);
    assert.deepEqual([request.type, request.source, request.id, request.data], ["request", source, 5, data]);
    await client.say({ type: "reply", target: source, id: 5, data: "lines" });
  }
  for (const client of frames) {
    const request = await client.until(REQUEST);
    assert.deepEqual([request.source, request.id, request.payload], [source, 5, payload]);
    await client.send(encodeFrame({ type: REPLY, target: source, id: 5, payload: encode("frames") }));
  }
  const said: string[] = [];
  while (said.length < 16) said.push(new TextDecoder().decode((await asker.until(REPLY)).payload));
  assert.deepEqual(said.toSorted(), [...Array(8).fill("frames"), ...Array(8).fill("lines")]);
  assert.equal((await asker.until(REPLY)).aux, 16);
  for (const client of lines) client[Symbol.dispose]();
  for (const client of frames) client.close();
});
