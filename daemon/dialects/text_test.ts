import assert from "node:assert/strict";
import { FLAGS } from "../../protocol/frame.ts";
import { encodeBody, encodeError, encodeFrame, type Frame, FRAME_TYPES, IpcError } from "../../protocol/mod.ts";
import { structuredCodec } from "../../protocol/structured_clone.ts";
import { controlRequest, type RawClient, startTestBroker, type TestBroker } from "../testing.ts";
import { joinBinary, LineClient } from "./testing.ts";
import { eventually, pause } from "../../tests/e2e/wait.ts";

const { EVENT, REPLY, REQUEST } = FRAME_TYPES;
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Encoding and payload of the next event. */
async function event(client: RawClient): Promise<[encoding: number, payload: string]> {
  const { flags, payload } = await client.until(EVENT);
  return [flags & FLAGS.ENCODING, decode(payload)];
}

async function isThere(test: TestBroker, clients: number): Promise<void> {
  await eventually(async () => {
    const found = await controlRequest(test.socket_dir, "channel", { channel: "c" }) as { clients: number };
    return found.clients === clients;
  }, `there are not ${clients} clients`);
}

const reply = (to: Frame, payload: string | Uint8Array<ArrayBuffer>, more: Partial<Frame> = {}) =>
  encodeFrame({
    type: REPLY,
    flags: 1,
    target: to.source,
    id: to.id,
    payload: typeof payload === "string" ? encode(payload) : payload,
    ...more,
  });

Deno.test("text: a message is a line, or what stands before half-close, and not its line end", async () => {
  await using test = await startTestBroker();
  using listener = await joinBinary(test, { listen: true }), client = await LineClient.connect(test);
  await client.send("one\r\n\n{\ntwo\rthree\n");
  await client.send(new Uint8Array([0xff, 0x0a]));
  await client.send("rest\r");
  await client.halfClose();
  const expected = [[1, "one"], [1, ""], [1, "{"], [1, "two\rthree"], [0, "\ufffd"], [1, "rest\r"]];
  for (const message of expected) assert.deepEqual(await event(listener), message);
  assert.equal((await client.rest()).length, 0, "it got its own events back");
  await isThere(test, 1);
});

Deno.test("text: without a newline, what comes before a pause is a message; after one it is not", async () => {
  await using test = await startTestBroker();
  using listener = await joinBinary(test, { listen: true }), client = await LineClient.connect(test);
  await client.send("{a");
  assert.deepEqual(await event(listener), [1, "{a"]);
  await client.send("b");
  assert.deepEqual(await event(listener), [1, "b"]);
  await client.send("c\nd");
  assert.deepEqual(await event(listener), [1, "c"]);
  await pause(120);
  await client.send("e\n");
  assert.deepEqual(await event(listener), [1, "de"]);
});

Deno.test("text: a long message without a newline may come with pauses", async () => {
  await using test = await startTestBroker();
  using listener = await joinBinary(test, { listen: true }), client = await LineClient.connect(test);
  const half = "h".repeat(70_000);
  await client.send(half);
  await pause(150);
  await client.send(half);
  await client.halfClose();
  assert.equal((await event(listener))[1], half + half);
});

Deno.test("text: events come as lines: text as it is, JSON on one line, bytes in base64", async () => {
  await using test = await startTestBroker();
  using sender = await joinBinary(test), client = await LineClient.connect(test);
  await client.send("I am here\n");
  await isThere(test, 2);
  const events: [encoding: number, payload: Uint8Array<ArrayBuffer>, line: string][] = [
    [1, encode("grün"), "grün"],
    [1, encode("ends\n"), "ends"],
    [1, encode(""), ""],
    [2, encode('{\n"a": 1\r\n}'), '{ "a": 1  }'],
    [0, new Uint8Array([1, 2]), '{"encoding":"base64","data":"AQI="}'],
    [3, structuredCodec.encode(new Map([["a", new Set([1])]])), '{"a":[1]}'],
  ];
  for (const [encoding, payload, line] of events) {
    await sender.send(encodeFrame({ type: EVENT, flags: encoding, payload }));
    assert.equal(await client.line(), line);
  }
  const [row] = (await controlRequest(test.socket_dir, "clients", { channel: "c" }) as Record<string, unknown>[])
    .filter(({ dialect }) => dialect === "text");
  await sender.send(encodeFrame({ type: EVENT, flags: 1, target: Number(row!["client"]), payload: encode("psst") }));
  assert.equal(await client.line(), "psst");
});

Deno.test("text: where there is a handler a line is a request, one at a time, replies in order", async () => {
  await using test = await startTestBroker();
  using handler = await joinBinary(test, { handle: true }), client = await LineClient.connect(test);
  using other = await joinBinary(test, { handle: true });
  await client.send("a\nb\nc");
  await client.halfClose();
  const first = await handler.until(REQUEST);
  assert.deepEqual([decode(first.payload), first.flags], ["a", 1]);
  await pause(50);
  await handler.send(reply(first, "A"));
  // The other one is next in turn.
  const second = await other.until(REQUEST);
  await other.send(reply(second, encode('{"b":\n1}'), { flags: 2 }));
  const third = await handler.until(REQUEST);
  await handler.send(reply(third, "C\n"));
  assert.equal(decode(await client.rest()), 'A\n{"b": 1}\nC\n');
  await isThere(test, 2);
});

Deno.test("text: a streamed reply comes as it is written, without standard error, and ends with a line end", async () => {
  await using test = await startTestBroker();
  using handler = await joinBinary(test, { handle: true }), client = await LineClient.connect(test);
  const more = (to: Frame, text: string, headers = {}) =>
    reply(to, text, {
      flags: 1 | FLAGS.MORE,
      ...Object.keys(headers).length > 0 ? { headers: encodeBody(headers) } : {},
    });
  const cases: [what: string, answer: (to: Frame) => Uint8Array[], lines: string[]][] = [
    ["parts", (to) => [more(to, "a"), more(to, "b\nc"), reply(to, "")], ["ab", "c"]],
    ["the last with text", (to) => [more(to, "a"), reply(to, "b")], ["ab"]],
    ["standard error", (to) => [more(to, "warning\n", { stream: "stderr" }), reply(to, "out\n")], ["out"]],
    ["JSON behind text", (to) => [more(to, "a"), reply(to, "{}", { flags: 2 | FLAGS.MORE }), reply(to, "")], [
      "a",
      "{}",
    ]],
    ["nothing", (to) => [reply(to, "")], [""]],
    ["a status", (to) => [reply(to, "half", { aux: 3 })], ["half", "error: HANDLER_ERROR exit status 3"]],
    ["a status alone", (to) => [reply(to, "", { aux: 1 })], ["error: HANDLER_ERROR exit status 1"]],
    ["an error", (to) => [
      more(to, "half"),
      reply(to, encodeError(new IpcError("TIMEOUT", "too\r\nlate")), { flags: 3 | FLAGS.ERROR, aux: 7006 }),
    ], ["half", "error: TIMEOUT too late"]],
    ["an unknown error", (to) => [
      reply(to, encodeError(new IpcError(9_999, "what")), { flags: 3 | FLAGS.ERROR, aux: 9_999 }),
    ], ["error: 9999 what"]],
  ];
  for (const [what, answer, lines] of cases) {
    await client.send(`${what}\n`);
    await handler.send(...answer(await handler.until(REQUEST)));
    for (const line of lines) assert.equal(await client.line(), line, what);
  }
});

Deno.test("text: an event between the parts of a reply begins a line of its own", async () => {
  await using test = await startTestBroker();
  using handler = await joinBinary(test, { handle: true, listen: true }), client = await LineClient.connect(test);
  await client.send("go\n");
  const asked = await handler.until(REQUEST);
  await handler.send(
    reply(asked, "half", { flags: 1 | FLAGS.MORE }),
    encodeFrame({ type: EVENT, flags: 1, payload: encode("event") }),
    reply(asked, "rest"),
  );
  for (const line of ["half", "event", "rest"]) assert.equal(await client.line(), line);
});

Deno.test("text: after half-close no event stands before the reply that is waited for", async () => {
  await using test = await startTestBroker();
  using handler = await joinBinary(test, { handle: true }), client = await LineClient.connect(test);
  await client.send("status\n");
  const asked = await handler.until(REQUEST);
  await client.halfClose();
  await eventually(async () => {
    const { listeners } = await controlRequest(test.socket_dir, "channel", { channel: "c" }) as { listeners: number };
    return listeners === 0;
  }, "it listens still");
  await handler.send(encodeFrame({ type: EVENT, flags: 1, payload: encode("noise") }), reply(asked, "fine"));
  assert.equal(decode(await client.rest()), "fine\n");
});

Deno.test("text: after half-close a large reply arrives whole, however slowly it is read", async () => {
  await using test = await startTestBroker({ queue_bytes: 100_000 });
  using handler = await joinBinary(test, { handle: true }), client = await LineClient.connect(test);
  await client.send("all");
  await client.halfClose();
  const asked = await handler.until(REQUEST), text = "0123456789".repeat(500_000);
  await handler.send(reply(asked, text));
  await pause(200);
  assert.equal(decode(await client.rest()), `${text}\n`);
  await isThere(test, 1);
});

Deno.test("text: on ipcd a line is a control request, and who asks does not hear of its own arrival", async () => {
  await using test = await startTestBroker();
  using client = await LineClient.connect(test, "ipcd");
  await client.send('{"method":"ping"}\nnonsense\n');
  await client.halfClose();
  const [pong, error, ...rest] = decode(await client.rest()).split("\n");
  assert.deepEqual(JSON.parse(pong!), { pid: Deno.pid, version: "0.0.0-test" });
  assert.match(error!, /^error: SERIALIZATION /);
  assert.deepEqual(rest, [""]);
});

Deno.test("text: who says nothing for 200 ms listens, gets the retained event, and may still be any dialect", async () => {
  await using test = await startTestBroker();
  using sender = await joinBinary(test);
  await sender.send(encodeFrame({ type: EVENT, flags: 1 | FLAGS.RETAIN, payload: encode("kept") }));
  const silent = await Promise.all([1, 2, 3, 4].map(() => LineClient.connect(test)));
  for (const client of silent) assert.equal(await client.line(), "kept");
  await isThere(test, 5);
  const [text, json, simple, late] = silent as [LineClient, LineClient, LineClient, LineClient];
  using listener = await joinBinary(test, { listen: true });
  await listener.until(EVENT);
  await text.send("hello\n");
  assert.deepEqual(await event(listener), [1, "hello"]);
  assert.equal(await json.line(), "hello");
  assert.equal((await json.hello({ name: "late" }))["seq"], 2);
  await simple.send(new Uint8Array([1, 7]));
  await simple.halfClose();
  assert.deepEqual(await event(listener), [0, "\u0007"]);
  for (const line of ["hello", '{"encoding":"base64","data":"Bw=="}']) assert.equal(await late.line(), line);
  await late.send("{ is text");
  assert.deepEqual(await event(listener), [1, "{ is text"]);
  for (const client of silent) client[Symbol.dispose]();
  await isThere(test, 2);
});

Deno.test("text: silent listeners are no strangers, so any number of them can be there", async () => {
  await using test = await startTestBroker();
  const silent: LineClient[] = [];
  for (let n = 0; n < 130; n++) {
    silent.push(await LineClient.connect(test));
    if (n % 60 === 59) await pause(250);
  }
  await isThere(test, 130);
  using sender = await joinBinary(test);
  await sender.send(encodeFrame({ type: EVENT, flags: 1, payload: encode("all") }));
  for (const client of silent) assert.equal(await client.line(), "all");
  for (const client of silent) client[Symbol.dispose]();
});

Deno.test("text: a client that never reads is closed, and is told why if it reads at last", async () => {
  await using test = await startTestBroker({ queue_bytes: 50_000, stall_timeout_ms: 600, history_bytes: 0 });
  using stopped = await LineClient.connect(test), publisher = await joinBinary(test, { listen: true });
  await stopped.send("hi\n");
  assert.deepEqual(await event(publisher), [1, "hi"]);
  const payload = encode("x".repeat(20_000));
  for (let n = 0; n < 40; n++) {
    await publisher.send(encodeFrame({ type: EVENT, flags: 1, payload }));
    await publisher.until(EVENT);
  }
  await isThere(test, 1);
  assert.match(decode(await stopped.rest()).split("\n").at(-2)!, /^(x*)?error: SLOW_CONSUMER |^x+$/);
});

Deno.test("text: a listener that drops is told which events", async () => {
  await using test = await startTestBroker({ queue_bytes: 50_000, overflow: "drop" });
  using slow = await LineClient.connect(test), publisher = await joinBinary(test);
  await slow.send("hi\n");
  await isThere(test, 2);
  const count = 2_000;
  for (let n = 2; n <= count; n++) {
    await publisher.send(encodeFrame({ type: EVENT, flags: 1, payload: encode(`${n} ${"x".repeat(5_000)}`) }));
  }
  let seq = 1, gaps = 0;
  while (seq < count) {
    const line = (await slow.line())!, gap = /^error: GAP events (\d+) to (\d+) were missed \(overflow\)$/.exec(line);
    if (gap === null) assert.equal(Number.parseInt(line), ++seq);
    else {
      assert.equal(Number(gap[1]), seq + 1);
      seq = Number(gap[2]);
      gaps++;
    }
  }
  assert(gaps > 0, "nothing was dropped");
});

Deno.test("text: a line over the limit is refused, and the connection closed", async () => {
  await using test = await startTestBroker({ max_message_bytes: 1_000 });
  using listener = await joinBinary(test, { listen: true }), client = await LineClient.connect(test);
  await client.send(`${"y".repeat(1_000)}\n${"x".repeat(1_001)}`);
  assert.equal((await event(listener))[1].length, 1_000);
  assert.equal(decode(await client.rest()), "error: TOO_LARGE line of 1001 bytes or more, limit is 1000\n");
});
