import assert from "node:assert/strict";
import { FLAGS } from "../../protocol/frame.ts";
import { encodeBody, encodeError, encodeFrame, type Frame, FRAME_TYPES, IpcError } from "../../protocol/mod.ts";
import { structuredCodec } from "../../protocol/structured_clone.ts";
import { eventually, pause } from "../../tests/e2e/wait.ts";
import { controlRequest, startTestBroker, type TestBroker } from "../testing.ts";
import { joinBinary, LineClient, simpleIpc } from "./testing.ts";

const { EVENT, REPLY, REQUEST } = FRAME_TYPES;
const encode = (text: string) => new TextEncoder().encode(text);
const json = (text: string) => Uint8Array.from([0, ...encode(text)]);
const NOTHING = new Uint8Array(0);

async function refused(test: TestBroker): Promise<number> {
  return (await controlRequest(test.socket_dir, "stats") as { refused: number }).refused;
}

const part = (to: Frame, flags: number, payload: Uint8Array<ArrayBuffer> = NOTHING, more: Partial<Frame> = {}) =>
  encodeFrame({ type: REPLY, flags, target: to.source, id: to.id, payload, ...more });

Deno.test("Simple IPC: what is broadcast is an event, and the broker closes without a byte", async () => {
  await using test = await startTestBroker();
  using listener = await joinBinary(test, { listen: true });
  const cases: [flag: number, body: string | Uint8Array, encoding: number, payload: Uint8Array][] = [
    [0, '{"a": 12345678901234567890}', 2, encode('{"a": 12345678901234567890}')],
    [0, '"grün"', 1, encode("grün")],
    [1, new Uint8Array([0, 0xff]), 0, new Uint8Array([0, 0xff])],
    [1, "", 0, NOTHING],
    [0, "", 2, encode("null")],
  ];
  for (const [flag, body, encoding, payload] of cases) {
    assert.equal((await simpleIpc(test, flag, body)).length, 0);
    const event = await listener.until(EVENT);
    assert.deepEqual([event.flags & FLAGS.ENCODING, event.payload], [encoding, payload]);
  }
  assert.equal(await refused(test), 0);
});

Deno.test("Simple IPC: a reply keeps its meaning, in one piece or in many", async () => {
  await using test = await startTestBroker();
  using handler = await joinBinary(test, { handle: true });
  const more = FLAGS.MORE, bytes = new Uint8Array([0xff, 0]);
  const stderr = { headers: encodeBody({ stream: "stderr" }) };
  const cases: [what: string, answer: (to: Frame) => Uint8Array[], reply: Uint8Array][] = [
    ["text", (to) => [part(to, 1, encode('ü"'))], json('"ü\\""')],
    ["JSON", (to) => [part(to, 2, encode("{\n}"))], json("{ }")],
    ["bytes", (to) => [part(to, 0, bytes)], Uint8Array.from([1, 0xff, 0])],
    ["nothing", (to) => [part(to, 0)], new Uint8Array([1])],
    ["structured", (to) => [part(to, 3, structuredCodec.encode(new Set([1])))], json("[1]")],
    ["undefined", (to) => [part(to, 3, structuredCodec.encode(undefined))], json("null")],
    ["parts of text", (to) => [part(to, 1 | more, encode("a")), part(to, 1, encode("b"))], json('"ab"')],
    [
      "parts, some bytes",
      (to) => [part(to, 1 | more, encode("a")), part(to, 0, bytes)],
      Uint8Array.from([1, 97, 0xff, 0]),
    ],
    [
      "parts, some JSON",
      (to) => [part(to, 2 | more, encode("{}")), part(to, 0, bytes)],
      json('[{},{"encoding":"base64","data":"/wA="}]'),
    ],
    ["one part", (to) => [part(to, 2 | more, encode("[1]")), part(to, 1)], json("[1]")],
    [
      "standard error",
      (to) => [part(to, 1 | more, encode("warning"), stderr), part(to, 1, encode("ok"))],
      json('"ok"'),
    ],
    ["a status", (to) => [part(to, 1, encode("out"), { aux: 3 })], json('"out"')],
  ];
  for (const [what, answer, expected] of cases) {
    const reply = simpleIpc(test, 0, '"ask"');
    await handler.send(...answer(await handler.until(REQUEST)));
    assert.deepEqual(await reply, expected, what);
  }
});

Deno.test("Simple IPC: an error closes the connection without a byte, and is counted and logged", async () => {
  await using test = await startTestBroker({ max_message_bytes: 1_000, request_timeout_ms: 300 });
  using handler = await joinBinary(test, { handle: true });
  const error = encodeError(new IpcError("HANDLER_ERROR", "no"));
  const cases: [what: string, body: string, answer?: (to: Frame) => Uint8Array[]][] = [
    ["no JSON", "{"],
    ["not UTF-8 either", "\ufffd"],
    ["too large", `"${"x".repeat(1_000)}"`],
    ["an error", "1", (to) => [part(to, 3 | FLAGS.ERROR, error, { aux: 7008 })]],
    ["an error behind a part", "1", (to) => [part(to, 9, encode("a")), part(to, 19, error, { aux: 7008 })]],
    ["reply too large in all", "1", (to) => [part(to, 9, new Uint8Array(600)), part(to, 1, new Uint8Array(600))]],
    ["reply that cannot be written", "1", (to) => [part(to, 3, new Uint8Array([0xc1]))]],
    ["no reply", "1"],
  ];
  for (const [at, [what, body, answer]] of cases.entries()) {
    const reply = simpleIpc(test, 0, body);
    if (answer !== undefined) await handler.send(...answer(await handler.until(REQUEST)));
    assert.equal((await reply).length, 0, what);
    assert.equal(await refused(test), at + 1, what);
  }
  assert.equal(test.log.filter((line) => line.includes("refused a connection")).length, 1);
  assert.deepEqual(test.log.filter((line) => line.startsWith("error")), []);
});

Deno.test("Simple IPC: a reply may come in any number of pieces of text, and in 65,536 that are not", async () => {
  await using test = await startTestBroker({ queue_bytes: 64 * 1024 * 1024 });
  using handler = await joinBinary(test, { handle: true });
  const pieces = (to: Frame, count: number, flags: number, text: string) => {
    const one = part(to, flags | FLAGS.MORE, encode(text)), all = new Uint8Array(count * one.length);
    for (let at = 0; at < count; at++) all.set(one, at * one.length);
    return all;
  };
  const cases: [answer: (to: Frame) => Uint8Array[], reply: Uint8Array][] = [
    [(to) => [pieces(to, 70_000, 1, "ab"), part(to, 1, encode("c"))], json(`"${"ab".repeat(70_000)}c"`)],
    [
      (to) => [pieces(to, 70_000, 1, "ab"), part(to, 0, new Uint8Array([0xff]))],
      Uint8Array.from([1, ...encode("ab".repeat(70_000)), 0xff]),
    ],
    [(to) => [pieces(to, 65_535, 2, "1"), part(to, 1, encode("c"))], json(`[${"1,".repeat(65_535)}"c"]`)],
    [(to) => [pieces(to, 65_536, 2, "1"), part(to, 1, encode("c"))], NOTHING],
    [(to) => [pieces(to, 65_536, 1, "a"), part(to, 2, encode("1"))], NOTHING],
    [(to) => [part(to, 1 | FLAGS.MORE), part(to, 0)], json('""')],
  ];
  for (const [at, [answer, expected]] of cases.entries()) {
    const reply = simpleIpc(test, 0, '"ask"');
    await handler.send(...answer(await handler.until(REQUEST)));
    assert.deepEqual(await reply, expected, String(at));
  }
});

Deno.test("Simple IPC: who waits for a reply holds nothing of what was asked", async () => {
  await using test = await startTestBroker();
  const held = async () =>
    (await controlRequest(test.socket_dir, "stats") as { memory: { held_bytes: number } }).memory.held_bytes;
  using handler = await joinBinary(test, { handle: true });
  const before = await held(), reply = simpleIpc(test, 1, new Uint8Array(3_000_000));
  const asked = await handler.until(REQUEST);
  await eventually(async () => await held() < before + 500_000, "it holds its message");
  await handler.send(part(asked, 1, encode("ok")));
  assert.deepEqual(await reply, json('"ok"'));
});

Deno.test("Simple IPC: who does not go on is closed after as long as a request may take", async () => {
  await using test = await startTestBroker({ request_timeout_ms: 300 });
  using client = await LineClient.connect(test);
  await client.send(new Uint8Array([0, 0x22]));
  await pause(200);
  await client.send("x");
  await client.hearsNothing(200);
  assert.equal((await client.rest()).length, 0);
  assert.equal(await refused(test), 1);
});

Deno.test("Simple IPC: hundreds of clients at once are no strangers, and leave nothing behind", async () => {
  await using test = await startTestBroker();
  using listener = await joinBinary(test, { listen: true });
  const heard = (async () => {
    const seen = new Set<string>();
    while (seen.size < 400) seen.add(new TextDecoder().decode((await listener.until(EVENT)).payload));
  })();
  await Promise.all(Array.from({ length: 400 }, (_, n) => simpleIpc(test, 0, String(n), false)));
  await heard;
  assert.equal(await refused(test), 0);
  assert.equal((await controlRequest(test.socket_dir, "clients", { channel: "c" }) as unknown[]).length, 1);
});

Deno.test("Simple IPC: on ipcd a message is a control request", async () => {
  await using test = await startTestBroker();
  using client = await LineClient.connect(test, "ipcd");
  await client.send(json('{"method":"ping"}'));
  await client.halfClose();
  const reply = await client.rest();
  assert.equal(reply[0], 0);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(reply.subarray(1))), { pid: Deno.pid, version: "0.0.0-test" });
});
