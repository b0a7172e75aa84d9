import assert from "node:assert/strict";
import { FLAGS } from "../../protocol/frame.ts";
import { encodeBody, encodeFrame, FRAME_TYPES } from "../../protocol/mod.ts";
import { structuredCodec } from "../../protocol/structured_clone.ts";
import { controlRequest, startTestBroker } from "../testing.ts";
import { joinBinary, LineClient } from "./testing.ts";
import { pause } from "../../tests/e2e/wait.ts";

const { EVENT, REPLY, REQUEST } = FRAME_TYPES;
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("JSON lines: hello is answered by welcome, whatever else it says", async () => {
  await using test = await startTestBroker();
  using client = await LineClient.connect(test);
  await client.send('{ "name":"p", "from_the_future":[{}], "__proto__":{"listen":1}, "type":"hello", "ipc":1 }\r\n');
  const { epoch, server, features, ...rest } = await client.json();
  assert.deepEqual(rest, { type: "welcome", client: 2, channel: "c", seq: 0, max_message: 16_777_216 });
  assert.match(String(epoch), /^[0-9a-f]{16}$/);
  assert.deepEqual(server, { name: "ipcd", version: "0.0.0-test" });
  assert(Array.isArray(features));
  const [row] = await controlRequest(test.socket_dir, "clients", { channel: "c" }) as Record<string, unknown>[];
  assert.equal(row!["dialect"], "json_lines");
  assert.equal(row!["name"], "p");
  assert.equal(row!["listen"], false);
});

Deno.test("JSON lines: a hello without a line end is one after a pause, in however many pieces it came", async () => {
  await using test = await startTestBroker();
  for (
    const pieces of [['{"ipc":1,"type":"hello"}'], ['{"ipc":1,', '"type":"hello"}'], [
      "{",
      '"ipc":1,"type":"hello"',
      "}",
    ]]
  ) {
    using client = await LineClient.connect(test);
    for (const piece of pieces) {
      await client.send(piece);
      await pause(80);
    }
    assert.equal((await client.json())["type"], "welcome");
    await client.say({ type: "ping", id: 3 });
    assert.deepEqual(await client.json(), { type: "pong", id: 3 });
  }
});

Deno.test("JSON lines: events with ack, direct, retained, with headers, numbers as they were written", async () => {
  await using test = await startTestBroker();
  using a = await LineClient.join(test, { listen: true }),
    b = await LineClient.join(test, { listen: true, echo: false });
  await b.say({ type: "event", id: 1, ack: true, data: { rev: "a1b2" } });
  assert.deepEqual(await a.json(), { type: "event", seq: 1, source: b.welcome["client"], data: { rev: "a1b2" } });
  assert.deepEqual(await b.json(), { type: "ack", id: 1, listeners: 1 });
  await b.send('{"type":"event","headers":{"__proto__":1,"n":[1.5]},"data":[12345678901234567890, 1.0, 1e400]}\n');
  assert.equal(
    await a.line(),
    `{"type":"event","seq":2,"source":${b.welcome["client"]},"headers":{"__proto__":1,"n":[1.5]},` +
      '"data":[12345678901234567890, 1.0, 1e400]}',
  );
  await b.say({ type: "event", target: a.welcome["client"], data: null, id: 2, ack: true });
  assert.deepEqual(await a.json(), {
    type: "event",
    target: a.welcome["client"],
    source: b.welcome["client"],
    data: null,
  });
  assert.deepEqual(await b.json(), { type: "ack", id: 2, listeners: 1 });
  await b.say({ type: "event", target: 999, id: 3, data: 1 });
  const error = await b.json();
  assert.deepEqual([error["type"], error["id"], error["code"], error["reason"]], [
    "error",
    3,
    7002,
    "CLIENT_NOT_FOUND",
  ]);
  await b.say({ type: "event", retain: true, data: "kept" });
  assert.deepEqual((await a.json())["retain"], undefined);
  using late = await LineClient.join(test, { listen: true });
  const kept = await late.json();
  assert.deepEqual([kept["seq"], kept["retain"], kept["data"]], [3, true, "kept"]);
  await b.say({ type: "event", retain: true });
  assert.deepEqual((await late.json())["data"], "");
  using later = await LineClient.join(test, { listen: true });
  await later.hearsNothing(50);
});

Deno.test("JSON lines: requests, streamed replies, errors with data, cancel, deadline, all", async () => {
  await using test = await startTestBroker();
  using handler = await LineClient.join(test, { handle: true }), asker = await LineClient.join(test);
  const source = asker.welcome["client"], other = handler.welcome["client"];
  await asker.say({ type: "request", id: 7, timeout_ms: 1234.5, headers: { a: 1 }, data: "status" });
  assert.deepEqual(await handler.json(), {
    type: "request",
    source,
    id: 7,
    timeout_ms: 1235,
    headers: { a: 1 },
    data: "status",
  });
  await handler.say(
    { type: "reply", target: source, id: 7, more: true, data: 1, headers: { stream: "stderr" } },
    { type: "reply", target: source, id: 7, status: 3, data: [2] },
  );
  assert.deepEqual(await asker.json(), {
    type: "reply",
    id: 7,
    source: other,
    status: 0,
    more: true,
    headers: { stream: "stderr" },
    data: 1,
  });
  assert.deepEqual(await asker.json(), { type: "reply", id: 7, source: other, status: 3, data: [2] });
  await asker.say({ type: "request", id: 8 });
  await handler.json();
  await handler.say({ type: "reply", target: source, id: 8, error: { message: "disk full", data: { free: 0 } } });
  assert.deepEqual(await asker.json(), {
    type: "reply",
    id: 8,
    source: other,
    status: 7008,
    error: { code: 7008, reason: "HANDLER_ERROR", message: "disk full", data: { free: 0 } },
  });
  await asker.say({ type: "request", id: 9, data: 0 }, { type: "cancel", id: 9 });
  await handler.json();
  assert.deepEqual(await handler.json(), { type: "cancel", source, id: 9 });
  assert.deepEqual(((await asker.json())["error"] as { reason: string }).reason, "CANCELLED");
  await asker.say({ type: "request", id: 10, timeout_ms: 30, data: 0 });
  assert.deepEqual(((await asker.json())["error"] as { reason: string }).reason, "TIMEOUT");
  await handler.json(), await handler.json();
  await asker.say({ type: "request", id: 11, all: true, data: 0 });
  assert.equal((await handler.json())["all"], true);
  await handler.say({ type: "reply", target: source, id: 11, data: "me" });
  assert.deepEqual(await asker.json(), { type: "reply", id: 11, source: other, status: 0, more: true, data: "me" });
  assert.deepEqual(await asker.json(), { type: "reply", id: 11, source: 0, status: 0, handlers: 1 });
  await asker.say({ type: "request", id: 12, data: 0 }, { type: "request", id: 12, data: 0 });
  assert.deepEqual((await asker.json())["reason"], "PROTOCOL");
});

Deno.test("JSON lines: roles, presence, and what follows the position that was seen", async () => {
  await using test = await startTestBroker();
  using a = await LineClient.join(test, { presence: true, name: "a" });
  assert.equal((await a.json())["client"], a.welcome["client"]);
  using b = await LineClient.join(test, { name: "b" });
  const joined = { type: "presence", client: b.welcome["client"], name: "b", handle: false };
  assert.deepEqual(await a.json(), { ...joined, event: "join", listen: false });
  await b.say({ type: "roles", id: 5, listen: true });
  assert.deepEqual(await b.json(), { type: "ack", id: 5, epoch: b.welcome["epoch"], seq: 0 });
  assert.deepEqual(await a.json(), { ...joined, event: "roles", listen: true });
  await b.say({ type: "roles", id: 6, listen: "yes" });
  assert.equal((await b.json())["reason"], "PROTOCOL");
  for (let n = 1; n <= 5; n++) await b.say({ type: "event", data: n });
  for (let n = 1; n <= 5; n++) assert.equal((await b.json())["data"], n);
  using back = await LineClient.join(test, { listen: true, resume: { epoch: b.welcome["epoch"], seq: 3 } });
  assert.deepEqual([(await back.json())["data"], (await back.json())["data"]], [4, 5]);
});

Deno.test("JSON lines: who comes back after more than is kept is told which events are gone", async () => {
  await using test = await startTestBroker({ history_bytes: 1024 });
  using client = await LineClient.join(test);
  const epoch = client.welcome["epoch"];
  for (let n = 1; n <= 100; n++) await client.say({ type: "event", data: "x".repeat(50) });
  await client.say({ type: "event", id: 1, ack: true, data: "last" });
  await client.json();
  using back = await LineClient.join(test, { listen: true, resume: { epoch, seq: 10 } });
  const gap = await back.json(), next = await back.json();
  assert.deepEqual([gap["type"], gap["from"], gap["reason"]], ["gap", 11, "history"]);
  assert.equal(next["seq"], Number(gap["to"]) + 1);
});

Deno.test("JSON lines: a listener that drops is told by a gap line, and the sequence has no other hole", async () => {
  await using test = await startTestBroker({ queue_bytes: 50_000 });
  using slow = await LineClient.join(test, { listen: true, overflow: "drop" }), publisher = await joinBinary(test);
  const payload = encode("x".repeat(5_000)), count = 2_000;
  for (let n = 0; n < count; n++) await publisher.send(encodeFrame({ type: EVENT, flags: 1, payload }));
  let seq = 0, gaps = 0;
  while (seq < count) {
    const line = await slow.json();
    if (line["type"] === "gap") {
      assert.equal(line["from"], seq + 1);
      assert.equal(line["reason"], "overflow");
      seq = Number(line["to"]);
      gaps++;
    } else assert.equal(line["seq"], ++seq);
  }
  assert(gaps > 0, "nothing was dropped");
});

Deno.test("JSON lines: payloads keep their meaning from and to frames", async () => {
  await using test = await startTestBroker();
  using lines = await LineClient.join(test, { listen: true, echo: false }),
    frames = await joinBinary(test, { listen: true, echo: false });
  const map = structuredCodec.encode(new Map<string, unknown>([["at", new Date(0)], ["n", 2n ** 70n]]));
  const from_frames: [encoding: number, payload: Uint8Array<ArrayBuffer>, json: Record<string, unknown>][] = [
    [0, new Uint8Array([0, 255]), { encoding: "base64", data: "AP8=" }],
    [1, encode('ü"\n'), { data: 'ü"\n' }],
    [1, new Uint8Array([0xff]), { encoding: "base64", data: "/w==" }],
    [2, encode('{\r\n "a": [1]\n}'), { data: { a: [1] } }],
    [2, encode('{"a":'), { encoding: "base64", data: "eyJhIjo=" }],
    [2, encode("[".repeat(65) + "]".repeat(65)), {
      encoding: "base64",
      data: encode("[".repeat(65) + "]".repeat(65)).toBase64(),
    }],
    [3, map, { data: { at: "1970-01-01T00:00:00.000Z", n: String(2n ** 70n) } }],
    [3, new Uint8Array([0xc1]), { encoding: "structured", data: "wQ==" }],
  ];
  for (const [encoding, payload, json] of from_frames) {
    await frames.send(encodeFrame({ type: EVENT, flags: encoding, payload }));
    const { type: _type, seq: _seq, source: _source, ...message } = await lines.json();
    assert.deepEqual(message, json);
  }
  const to_frames: [json: string, encoding: number, payload: string][] = [
    ['"data":"ü\\n"', 1, "ü\n"],
    ['"data":"\\ud800"', 2, '"\\ud800"'],
    ['"data": {"a" : 1}', 2, '{"a" : 1}'],
    ['"data":null', 2, "null"],
    ['"data":"AP8=","encoding":"base64"', 0, "\u0000\ufffd"],
    ['"id":0', 0, ""],
  ];
  for (const [json, encoding, payload] of to_frames) {
    await lines.send(`{"type":"event",${json}}\n`);
    const event = await frames.until(EVENT);
    assert.deepEqual([event.flags & FLAGS.ENCODING, decode(event.payload)], [encoding, payload], json);
  }
});

Deno.test("JSON lines: a small structured payload that would be gigabytes as JSON is passed on as it is", async () => {
  await using test = await startTestBroker();
  using lines = await LineClient.join(test, { listen: true });
  using frames = await joinBinary(test);
  const name = "n".repeat(4_000);
  const payload = structuredCodec.encode(Array.from({ length: 200_000 }, () => ({ [name]: 0 })));
  assert(payload.length < 1_000_000, `${payload.length}`);
  await frames.send(encodeFrame({ type: EVENT, flags: 3, payload }));
  const { encoding, data } = await lines.json();
  assert.equal(encoding, "structured");
  assert.deepEqual(Uint8Array.fromBase64(String(data)), payload);
});

Deno.test("JSON lines: headers that nobody can read are left out, the message is not", async () => {
  await using test = await startTestBroker();
  using lines = await LineClient.join(test, { listen: true, handle: true });
  using frames = await joinBinary(test);
  await frames.send(encodeFrame({ type: EVENT, flags: 1, headers: new Uint8Array([0xc1]), payload: encode("a") }));
  assert.deepEqual(Object.keys(await lines.json()), ["type", "seq", "source", "data"]);
  await frames.send(
    encodeFrame({ type: REQUEST, id: 1, flags: 1, headers: encodeBody({ bytes: new Uint8Array([1]) }) }),
  );
  assert.deepEqual((await lines.json())["headers"], { bytes: { encoding: "base64", data: "AQ==" } });
  await lines.say({ type: "reply", target: frames.welcome!.client, id: 1, error: { code: 7777, message: "mine" } });
  assert.equal((await frames.until(REPLY)).aux, 7777);
});

Deno.test("JSON lines: on ipcd, control requests and events; nobody else sends there", async () => {
  await using test = await startTestBroker();
  using client = await LineClient.join(test, { listen: true, echo: false }, "ipcd");
  const joined = await client.json();
  assert.deepEqual((joined["data"] as { event: string }).event, "client_joined");
  await client.say({ type: "request", id: 1, data: { method: "ping" } }, { type: "event", id: 2, data: 1 });
  assert.deepEqual((await client.json())["data"], { pid: Deno.pid, version: "0.0.0-test" });
  assert.equal((await client.json())["reason"], "FORBIDDEN");
});

Deno.test("JSON lines: what is wrong with a payload is its sender's error alone", async () => {
  await using test = await startTestBroker();
  using client = await LineClient.join(test, { handle: true });
  const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`key${n}`, n]));
  await client.say(
    { type: "event", id: 1, encoding: "base64", data: "???" },
    { type: "request", id: 2, encoding: "base64", data: "a" },
    { type: "event", id: 3, encoding: "rot13", data: "a" },
    { type: "event", id: 4, headers: many, data: "a" },
    { type: "ping", id: 5 },
  );
  const told = [];
  for (let n = 0; n < 5; n++) told.push(await client.json());
  assert.deepEqual(told.map(({ type, id }) => `${type} ${id}`), ["error 1", "reply 2", "error 3", "error 4", "pong 5"]);
  assert.equal((told[1]!["error"] as { reason: string }).reason, "SERIALIZATION");
});

Deno.test("JSON lines: a client that is kicked, and a broker that ends, say bye", async () => {
  const test = await startTestBroker();
  using a = await LineClient.join(test), b = await LineClient.join(test);
  await controlRequest(test.socket_dir, "kick", { client: a.welcome["client"], reason: "test" });
  const bye = await a.json();
  assert.deepEqual([bye["type"], bye["code"], bye["reason"]], ["bye", 7011, "FORBIDDEN"]);
  assert.equal(await a.line(), undefined);
  await test[Symbol.asyncDispose]();
  assert.equal((await b.json())["reason"], "SHUTDOWN");
});

Deno.test("JSON lines: while the broker goes away nothing is accepted, replies that are waited for are", async () => {
  const test = await startTestBroker();
  using handler = await LineClient.join(test, { handle: true }), asker = await LineClient.join(test);
  await asker.say({ type: "request", id: 1, data: "q" });
  await handler.json();
  const ended = test[Symbol.asyncDispose]();
  await pause(50);
  await handler.say(
    { type: "event", id: 2, ack: true, data: "not any more" },
    { type: "request", id: 3, data: "nor this" },
    { type: "reply", target: asker.welcome["client"], id: 1, data: "in time" },
  );
  assert.deepEqual((await handler.json())["reason"], "SHUTDOWN");
  assert.deepEqual(((await handler.json())["error"] as { reason: string }).reason, "SHUTDOWN");
  assert.equal((await asker.json())["data"], "in time");
  await ended;
});
