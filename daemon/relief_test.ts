import assert from "node:assert/strict";
import { sha256 } from "../client/testing.ts";
import type { QuotaSettings, Settings } from "../config/settings.ts";
import { FLAGS } from "../protocol/frame.ts";
import { encodeFrame, encodeHello, type Frame, FRAME_TYPES, type Hello, PREFACE } from "../protocol/mod.ts";
import { decodeError } from "../protocol/bodies.ts";
import { HEADER_BYTES } from "../protocol/limits.ts";
import { eventually } from "../tests/e2e/wait.ts";
import { LineClient, simpleIpc } from "./dialects/testing.ts";
import { controlRequest, RawClient, startTestBroker, type TestBroker } from "./testing.ts";

const { BYE, EVENT, HELLO, PING, PONG, REPLY, REQUEST, WELCOME } = FRAME_TYPES;
const encode = (text: string) => new TextEncoder().encode(text);
const MIB = 1024 * 1024;
const QUOTA: QuotaSettings = { connections: 3, queued_bytes: 300_000, requests: 2, channels: 2 };

/** A broker where holders of the tokens "greedy" and "modest" come in by TCP, with {@linkcode QUOTA}; what waits for the modest is no matter. */
async function start(quota: Partial<QuotaSettings> = {}, reload?: (settings: Settings) => Settings) {
  const names = ["greedy", "modest"],
    tokens = await Promise.all(
      names.map(async (name) => ({ name, sha256: await sha256(name) })),
    );
  let settings!: Settings;
  const test = await startTestBroker(
    { history_bytes: 0 },
    (given) =>
      settings = {
        ...given,
        channel_idle_ms: 1,
        quota: {
          defaults: given.quota.defaults,
          tokens: new Map([
            ["greedy", { ...QUOTA, ...quota }],
            ["modest", { ...QUOTA, ...quota, queued_bytes: 64 * MIB }],
          ]),
        },
        listen: [{ name: "l", hostname: "127.0.0.1", port: 0, channel: undefined, tls: undefined, token_file: "t" }],
      },
    () => Promise.resolve(reload!(settings)),
    () => ({ tls: undefined, tokens }),
  );
  const { listen } = await controlRequest(test.socket_dir, "stats") as { listen: { port: number }[] };
  return Object.assign(test, { port: listen[0]!.port });
}

type Test = Awaited<ReturnType<typeof start>>;

async function knock(test: Test, token: string, hello: Hello = {}): Promise<{ client: RawClient; first: Frame }> {
  const client = RawClient.over(await Deno.connect({ port: test.port }));
  const payload = encodeHello({ channel: "c", token, ...hello });
  await client.send(PREFACE, encodeFrame({ type: HELLO, flags: 3, payload }));
  return { client, first: (await client.next())! };
}

async function join(test: Test, token: string, hello: Hello = {}): Promise<RawClient> {
  const { client, first } = await knock(test, token, hello);
  assert.equal(first.type, WELCOME);
  return client;
}

async function refused(test: Test, token: string, hello: Hello = {}): Promise<string> {
  const { client, first } = await knock(test, token, hello);
  client.close();
  assert.equal(first.type, BYE);
  const error = decodeError(first.payload);
  return `${error.reason} ${error.message}`;
}

async function answers(client: RawClient): Promise<void> {
  await client.send(encodeFrame({ type: PING }));
  await client.until(PONG);
}

async function overloads(test: TestBroker): Promise<Record<string, number>> {
  return (await controlRequest(test.socket_dir, "stats") as { overloaded: Record<string, number> }).overloaded;
}

Deno.test("quota.connections: one more is told OVERLOADED at HELLO, who left made room, and others are let in", async () => {
  await using test = await start();
  const clients = [await join(test, "greedy"), await join(test, "greedy"), await join(test, "greedy")];
  const why = 'OVERLOADED token "greedy" has 3 connections open, limit is 3 (quota.connections)';
  for (let n = 0; n < 5; n++) assert.equal(await refused(test, "greedy"), why);
  clients.push(await join(test, "modest"));
  for (const client of clients) await answers(client);
  assert.deepEqual(await overloads(test), { connections: 5 });
  assert.equal(test.log.filter((line) => line.includes("too much is asked")).length, 1);
  const { refused_for } = await controlRequest(test.socket_dir, "stats") as { refused_for: unknown };
  assert.deepEqual(refused_for, { OVERLOADED: 5 });
  clients[0]!.close();
  await eventually(async () => {
    const { client, first } = await knock(test, "greedy");
    client.close();
    return first.type === WELCOME;
  }, "it is not let in");
  for (const client of clients) client.close();
});

Deno.test("quota.channels: one more is refused to clients of that token, and what closes makes room", async () => {
  await using test = await start({ connections: 100 });
  const first = await join(test, "greedy", { channel: "one" }), second = await join(test, "greedy", { channel: "two" });
  const why = 'OVERLOADED token "greedy" has 2 channels open that it has opened, limit is 2 (quota.channels)';
  assert.equal(await refused(test, "greedy", { channel: "three" }), why);
  const asks = await join(test, "greedy", { channel: "ipcd" });
  const payload = encode('{"method":"open","params":{"channel":"four"}}');
  await asks.send(encodeFrame({ type: REQUEST, flags: 2, id: 1, payload }));
  const reply = decodeError((await asks.until(REPLY)).payload);
  assert.equal(JSON.stringify([reply.reason, reply.data]), '["OVERLOADED",{"quota":"channels","limit":2}]');
  (await join(test, "modest", { channel: "three" })).close();
  // What is open already may be used.
  (await join(test, "greedy", { channel: "one" })).close();
  first.close();
  const opened = await eventually(async () => {
    const { client, first } = await knock(test, "greedy", { channel: "four" });
    if (first.type === WELCOME) return client;
    client.close();
    return undefined;
  }, "there is no room");
  for (const client of [second, asks, opened]) client.close();
});

Deno.test("quota.requests: one more is answered OVERLOADED at once, for all clients of the token together", async () => {
  await using test = await start();
  const handler = await join(test, "modest", { handle: true });
  const [one, two] = [await join(test, "greedy"), await join(test, "greedy")], other = await join(test, "modest");
  const ask = (client: RawClient, id: number) => client.send(encodeFrame({ type: REQUEST, id }));
  await ask(one, 1), await ask(two, 1);
  for (let n = 0; n < 2; n++) await handler.until(REQUEST);
  await ask(two, 2);
  const reply = await two.until(REPLY), error = decodeError(reply.payload);
  assert.deepEqual([reply.id, error.reason], [2, "OVERLOADED"]);
  assert.equal(error.message, 'token "greedy" has 2 requests open, limit is 2 (quota.requests)');
  await ask(other, 1);
  const asked = await handler.until(REQUEST);
  await handler.send(encodeFrame({ type: REPLY, target: asked.source, id: asked.id, payload: encode("yes") }));
  assert.equal(new TextDecoder().decode((await other.until(REPLY)).payload), "yes");
  for (const client of [handler, one, two, other]) client.close();
});

Deno.test("quota.queued: of the token's clients the one with most in its queue is closed; nobody else notices", async () => {
  await using test = await start();
  const full = await join(test, "greedy", { listen: true, name: "full" });
  const half = await join(test, "greedy", { name: "half" });
  const other = await join(test, "modest", { listen: true }), publisher = await join(test, "modest");
  const received = (async () => {
    for (let n = 1; n <= 300; n++) assert.equal((await other.until(EVENT)).id, n);
  })();
  const payload = new Uint8Array(60_000);
  for (let n = 0; n < 300; n++) await publisher.send(encodeFrame({ type: EVENT, payload }));
  await received;
  await answers(half);
  // It is cut off if it does not even take what was being written.
  assert(["SLOW_CONSUMER", undefined].includes(await full.reasonOfEnd()));
  assert((await overloads(test))["queued"]! >= 1);
  const line = test.log.find((line) => line.includes("closed a client that does not read"));
  assert.match(line ?? "", /token \\"greedy\\" has \d+ bytes queued, limit is 300000 \(quota.queued\)/);
  for (const client of [half, other, publisher]) client.close();
});

Deno.test("quota.queued: what several clients of a token wait for counts once, until it is too much for each", async () => {
  await using test = await start({ connections: 100 });
  const readers = await Promise.all(Array.from({ length: 10 }, () => join(test, "greedy", { listen: true })));
  const publisher = await join(test, "modest"), payload = new Uint8Array(250_000);
  for (let n = 1; n <= 3; n++) {
    await publisher.send(encodeFrame({ type: EVENT, payload }));
    for (const reader of readers) assert.equal((await reader.until(EVENT)).id, n);
  }
  assert.deepEqual(await overloads(test), {});
  // Now nobody reads.
  for (let n = 0; n < 40; n++) await publisher.send(encodeFrame({ type: EVENT, payload }));
  await answers(publisher);
  await eventually(async () => (await overloads(test))["queued"]! >= 1, "nobody is closed");
  for (const client of [...readers, publisher]) client.close();
});

Deno.test("quota: what a reload changes holds for those who are there", async () => {
  await using test = await start({}, (settings) => ({
    ...settings,
    quota: { ...settings.quota, tokens: new Map([["greedy", { ...QUOTA, connections: 1 }]]) },
  }));
  const client = await join(test, "greedy");
  await test.broker.reload();
  assert.match(await refused(test, "greedy"), /limit is 1 \(quota.connections\)/);
  await answers(client);
  client.close();
});

/** A broker of its own with little memory; the pool is the process's, so there is only one. */
async function small(history_bytes = 0) {
  const test = await startTestBroker(
    { history_bytes, queue_bytes: 8 * MIB, stall_timeout_ms: Infinity },
    (settings) => ({ ...settings, memory_bytes: 16 * MIB }),
  );
  const held = async () => {
    const { memory } = await controlRequest(test.socket_dir, "stats") as { memory: { held_bytes: number } };
    return memory.held_bytes;
  };
  return Object.assign(test, { held });
}

Deno.test("memory: whoever holds most is closed, for its queue or for a message it does not finish; nobody else notices", async () => {
  await using test = await small();
  const stuck = await RawClient.join(test.socket_dir, "c", { listen: true, name: "stuck" });
  const modest = await RawClient.join(test.socket_dir, "c", { listen: true, name: "modest" });
  const publisher = await RawClient.join(test.socket_dir, "c"), payload = new Uint8Array(MIB);
  const direct = (to: RawClient) => publisher.send(encodeFrame({ type: EVENT, target: to.welcome!.client, payload }));
  for (let n = 0; n < 7; n++) await direct(stuck);
  await direct(modest);
  // Takes the 16 MiB that 12 MiB grow to.
  const unfinished = await RawClient.join(test.socket_dir, "c", { name: "unfinished" });
  const whole = encodeFrame({ type: EVENT, payload: new Uint8Array(12 * MIB) });
  await unfinished.send(whole.subarray(0, 11 * MIB)).catch(() => {});
  assert(["OVERLOADED", "SLOW_CONSUMER"].includes(await unfinished.reasonOfEnd() ?? "OVERLOADED"));
  assert.equal((await modest.until(EVENT)).payload.length, MIB);
  await answers(publisher);
  await answers(modest);
  assert((await overloads(test))["memory"]! >= 1);
  assert(await test.held() <= 16 * MIB);
  const lines = test.log.filter((line) => line.includes("too much is asked"));
  assert.match(lines.join(), /bytes are held in all, limit is 16777216 \(memory\), and/);
  for (const client of [stuck, modest, publisher]) client.close();
});

Deno.test("memory: histories are shortened before somebody who holds less is closed, and a client that comes back is told", async () => {
  await using test = await small(4 * MIB);
  const payload = new Uint8Array(100_000), epochs: [string, string][] = [];
  const listener = await RawClient.join(test.socket_dir, "quiet", { listen: true });
  for (let n = 0; n < 8; n++) {
    const channel = `c${n}`, publisher = await RawClient.join(test.socket_dir, channel);
    // 2.4 MiB in each, 19 MiB in all.
    for (let sent = 0; sent < 24; sent++) await publisher.send(encodeFrame({ type: EVENT, payload }));
    await answers(publisher);
    epochs.push([channel, publisher.welcome!.epoch]);
    publisher.close();
  }
  assert(await test.held() <= 16 * MIB);
  await answers(listener);
  assert.deepEqual(await overloads(test), {});
  let told = 0;
  for (const [channel, epoch] of epochs) {
    const back = await RawClient.join(test.socket_dir, channel, { listen: true, resume: { epoch, seq: 1 } });
    await back.send(encodeFrame({ type: PING }));
    if (await back.firstIs(FRAME_TYPES.GAP)) told++;
    back.close();
  }
  assert(told >= 1 && told < 8, `${told}`);
  listener.close();
});

Deno.test("memory: what channels retain goes if it is over a quarter, rather than anybody who is there, and that is logged", async () => {
  await using test = await small();
  const payload = new Uint8Array(3 * MIB), clients: RawClient[] = [];
  for (let n = 0; n < 7; n++) {
    const client = await RawClient.join(test.socket_dir, `c${n}`);
    await client.send(encodeFrame({ type: EVENT, flags: FLAGS.RETAIN, payload }));
    await answers(client);
    clients.push(client);
  }
  assert(await test.held() <= 16 * MIB);
  assert(test.log.some((line) => line.includes("dropped a retained event to free memory")));
  for (const client of clients) await answers(client);
  for (const client of clients) client.close();
});

Deno.test("memory: what is gathered of a reply counts: who has most of it gathered is closed, and nobody else notices", async () => {
  await using test = await small();
  const handler = await RawClient.join(test.socket_dir, "c", { handle: true }), payload = new Uint8Array(MIB);
  const ask = async (): Promise<[reply: Promise<Uint8Array>, asked: Frame]> => {
    return [simpleIpc(test, 0, "1"), await handler.until(REQUEST)];
  };
  const answer = ([, { source, id }]: Awaited<ReturnType<typeof ask>>, bytes: Uint8Array<ArrayBuffer>, flags = 0) =>
    handler.send(encodeFrame({ type: REPLY, flags, target: source, id, payload: bytes }));
  const modest = await ask(), greedy = [await ask(), await ask(), await ask(), await ask()];
  await answer(modest, payload, FLAGS.MORE);
  const before = await test.held();
  for (let n = 0; n < 3; n++) await answer(greedy[0]!, payload, FLAGS.MORE);
  await answers(handler);
  assert(await test.held() >= before + 3 * MIB);
  for (let n = 0; n < 5; n++) for (const one of greedy) await answer(one, payload, FLAGS.MORE);
  await answers(handler);
  assert(await test.held() <= 16 * MIB);
  assert((await overloads(test))["memory"]! >= 1);
  assert(test.log.some((line) => line.includes("of them are messages that are not finished")));
  await answer(modest, new Uint8Array(1));
  assert.equal((await modest[0]).length, 1 + MIB + 1);
  for (const one of greedy) await answer(one, new Uint8Array(1));
  const lengths = (await Promise.all(greedy.map(([reply]) => reply))).map(({ length }) => length);
  assert(lengths.includes(0), String(lengths));
  handler.close();
});

Deno.test("memory: a message that waits for its turn counts until it is passed on", async () => {
  await using test = await small();
  const stuck = await RawClient.join(test.socket_dir, "c", { listen: true }), payload = new Uint8Array(7 * MIB);
  const publisher = await RawClient.join(test.socket_dir, "c");
  await publisher.send(encodeFrame({ type: EVENT, payload }));
  await answers(publisher);
  const before = await test.held();
  using waiting = await LineClient.join(test);
  await waiting.say({ type: "event", data: "x".repeat(2 * MIB), ack: true, id: 1 });
  // The line as it came, and the message in it.
  await eventually(async () => await test.held() >= before + 4 * MIB, "it does not count");
  assert.equal((await stuck.until(EVENT)).payload.length, 7 * MIB);
  assert.equal((await waiting.json())["type"], "ack");
  assert.equal((await stuck.until(EVENT)).payload.length, 2 * MIB);
  await eventually(async () => await test.held() < before, "it counts for ever");
  for (const client of [stuck, publisher]) client.close();
});

Deno.test("memory: requests that are never answered count: who has most of them open is closed, and nobody else notices", async () => {
  await using test = await small();
  const handler = await RawClient.join(test.socket_dir, "c", { handle: true });
  const modest = await RawClient.join(test.socket_dir, "c"), before = await test.held();
  await modest.send(encodeFrame({ type: REQUEST, id: 1, payload: encode("modest") }));
  let asked: Frame;
  const served = (async () => {
    for (let frame; (frame = await handler.next()) !== undefined && frame.type !== BYE;) {
      if (frame.payload.length > 0) asked = frame;
    }
  })();
  const count = 13_000, frames = new Uint8Array(count * HEADER_BYTES);
  for (let id = 1; id <= count; id++) frames.set(encodeFrame({ type: REQUEST, id }), (id - 1) * HEADER_BYTES);
  const greedy = await Promise.all([1, 2, 3].map(() => RawClient.join(test.socket_dir, "c")));
  await greedy[0]!.send(frames);
  await answers(greedy[0]!);
  assert(await test.held() >= before + count * 400);
  for (const client of greedy.slice(1)) await client.send(frames);
  await eventually(async () => (await overloads(test))["memory"]! >= 1, "nobody is closed");
  assert(await test.held() <= 16 * MIB);
  assert(test.log.some((line) => line.includes("of them are requests that it has open")));
  await answers(modest);
  await handler.send(encodeFrame({ type: REPLY, target: asked!.source, id: asked!.id, payload: encode("yes") }));
  assert.equal(new TextDecoder().decode((await modest.until(REPLY)).payload), "yes");
  for (const client of [...greedy, modest]) client.close();
  await eventually(async () => await test.held() <= before + MIB, "what was asked counts for ever");
  handler.close();
  await served.catch(() => {});
});
