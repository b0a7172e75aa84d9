/**
 * What no honest client sends, in every dialect: the broker answers with the documented error, and nobody else notices.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect } from "../../client/mod.ts";
import { controlRequest } from "../../daemon/testing.ts";
import { decodeError, decodeFrame, encodeFrame, encodeHello, FRAME_TYPES, PREFACE } from "../../protocol/mod.ts";
import { joined } from "../../protocol/joined.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, within } from "../e2e/wait.ts";
import { Canary } from "./canary.ts";
import { Raw } from "./raw.ts";

const MIB = 1024 * 1024;
/** What the broker is told. Small, so that over the limit is soon reached. */
const LIMITED = { IPC_MAX_MESSAGE: "1MiB", IPC_QUEUE: "1MiB", IPC_STALL_TIMEOUT: "500ms" };
/** How much is sent where the limit is 1 MiB, and how much the broker may grow by it: far less. */
const FLOOD_BYTES = 96 * MIB, GROWN_BYTES_MAX = 16 * MIB;
const HELLO = '{"ipc":1,"type":"hello","listen":false}\n';

/** What is sent, and how the broker's last words begin. Nothing: it closes without a word. */
const REFUSED: readonly [
  what: string,
  sent: string | Uint8Array<ArrayBuffer>,
  reason: string | undefined,
  words?: RegExp,
][] = [
  ["a first line that is broken JSON", '{"ipc":1,"type":"hello",}\n', "PROTOCOL", /is not JSON/],
  ["a first line that is no hello", '{"ipc":1,"type":"event","data":1}\n', "PROTOCOL", /must be of type "hello"/],
  ["a hello of another version", '{"ipc":2,"type":"hello"}\n', "PROTOCOL", /version 2/],
  [
    "a hello for another channel",
    '{"ipc":1,"type":"hello","channel":"other"}\n',
    "CHANNEL_NAME",
    /"jobs", not of "other"/,
  ],
  [
    "a hello with a role of the wrong type",
    '{"ipc":1,"type":"hello","listen":"yes"}\n',
    "PROTOCOL",
    /"listen" must be a boolean/,
  ],
  [
    "a hello with a name that is too long",
    `{"ipc":1,"type":"hello","name":"${"n".repeat(65)}"}\n`,
    "PROTOCOL",
    /65 bytes/,
  ],
  ["a hello over 16 KiB", `{"ipc":1,"type":"hello","name":"${"n".repeat(20_000)}"}\n`, "TOO_LARGE", /hello of/],
  [
    "a hello over 16 KiB without an end",
    `{"ipc":1,"type":"hello","name":"${"n".repeat(20_000)}`,
    "TOO_LARGE",
    /hello of/,
  ],
  ["a line that is broken JSON", `${HELLO}{"type":"event","data":}\n`, "PROTOCOL", /is not JSON/],
  ["a line that is no object", `${HELLO}["event"]\n`, "PROTOCOL", /must be a JSON object/],
  [
    "a line that is no UTF-8",
    new Uint8Array([...bytes(`${HELLO}{"type":"event","data":"`), 0xff, ...bytes('"}\n')]),
    "PROTOCOL",
    /UTF-8/,
  ],
  [
    "a role that nests as deep as a line may",
    `${HELLO}{"type":"roles","id":1,"listen":${"[".repeat(64)}1${"]".repeat(64)}}\n`,
    "PROTOCOL",
    /"listen" must be one value/,
  ],
  ["a line without a type", `${HELLO}{"data":1}\n`, "PROTOCOL", /"type" must be/],
  ["a line of an unknown type", `${HELLO}{"type":"shout"}\n`, "PROTOCOL", /"shout" has no place here/],
  ["a second hello", `${HELLO}${HELLO}`, "PROTOCOL", /"hello" has no place here/],
  ["a request without an id", `${HELLO}{"type":"request"}\n`, "PROTOCOL", /needs an "id"/],
  ["an id over 32 bits", `${HELLO}{"type":"request","id":4294967296}\n`, "PROTOCOL", /"id" must be a whole number/],
  ["an id below zero", `${HELLO}{"type":"request","id":-1}\n`, "PROTOCOL", /"id" must be a whole number/],
  ["a reply for nobody", `${HELLO}{"type":"reply","id":1}\n`, "PROTOCOL", /needs a "target"/],
  [
    "a reply with a strange status",
    `${HELLO}{"type":"reply","id":1,"target":1,"status":256}\n`,
    "PROTOCOL",
    /"status"/,
  ],
  [
    "data that nests too deep",
    `${HELLO}{"type":"event","data":${"[".repeat(65)}${"]".repeat(65)}}\n`,
    "PROTOCOL",
    /nests deeper/,
  ],
  [
    "data over the limit",
    `${HELLO}{"type":"event","data":"${"d".repeat(MIB + 1)}"}\n`,
    "TOO_LARGE",
    /limit is 1048576/,
  ],
  ["a text line over the limit", `${"t".repeat(MIB + 1)}\n`, "TOO_LARGE", /limit is 1048576/],
  ["a frame of an unknown type", joined([hello(), encodeFrame({ type: 0x7f as never })]), "PROTOCOL", /0x7f/],
  ["a frame shorter than its header", joined([hello(), new Uint8Array(24)]), "PROTOCOL", /type 0x00/],
  ["a frame over the limit", joined([hello(), header(2 * MIB)]), "TOO_LARGE", /limit is 1048576/],
  [
    "a first frame that is no HELLO",
    joined([PREFACE, encodeFrame({ type: FRAME_TYPES.PING })]),
    "PROTOCOL",
    /must be HELLO/,
  ],
  ["a HELLO for another channel", hello({ channel: "other" }), "CHANNEL_NAME", /"jobs", not of "other"/],
  ...Array.from({ length: 7 }, (_, at): [string, Uint8Array<ArrayBuffer>, string] => {
    const preface = PREFACE.slice(0, at + 2);
    preface[at + 1]! ^= 0x40;
    return [`a preface that is wrong at byte ${at + 1}`, preface, "PROTOCOL"];
  }),
];

Deno.test("broker refuses what is malformed with the documented error, and nobody else notices", async (t) => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker(LIMITED);
  {
    await using _canary = await Canary.on("jobs", sandbox.socket_dir);
    const path = sandbox.socket("jobs");
    using brace = await Raw.connect(path);
    await brace.send("{");
    for (const [what, sent, reason, words] of REFUSED) {
      await t.step(what, async () => {
        using client = await Raw.connect(path);
        await client.send(sent);
        const [said, why] = lastWords(await client.end());
        assert.equal(said, reason, why);
        if (words !== undefined) assert.match(why, words);
      });
    }
    for (let length = 1; length < PREFACE.length; length++) {
      await t.step(`a preface that ends behind ${length} bytes`, async () => {
        using client = await Raw.connect(path);
        await client.send(PREFACE.subarray(0, length));
        await client.halfClose();
        assert.equal((await client.end()).length, 0);
      });
    }
    await t.step("a payload that is not base64 is an error, and the client goes on", async () => {
      using client = await Raw.connect(path);
      await client.send(`${HELLO}{"type":"event","id":1,"encoding":"base64","data":"?"}\n{"type":"ping","id":2}\n`);
      const [, error, pong] = await client.lines(3);
      assert.match(error!, /^\{"type":"error","id":1,"code":7003,"reason":"SERIALIZATION"/);
      assert.equal(pong, '{"type":"pong","id":2}');
    });
    await t.step("an object without ipc:1 is a text", async () => {
      await using listener = await connect("jobs", sandbox);
      const texts: unknown[] = [];
      listener.listen(({ data }) => typeof data === "string" && texts.push(data));
      await listener.flush();
      using client = await Raw.connect(path);
      await client.send('{"ipc":"one"}\n{ without an end\n');
      await client.halfClose();
      await client.end();
      await listener.flush();
      assert.deepEqual(texts, ['{"ipc":"one"}', "{ without an end"]);
    });
    await t.step("a brace and nothing more is sent away after 5 s", async () => {
      assert.equal(lastWords(await brace.end())[0], "TIMEOUT");
    });
  }
  await eventually(async () => await clients(sandbox) === 0, "somebody is still connected");
  assert(broker.running);
});

Deno.test("broker takes no more memory than the limit for a line without end", async (t) => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker(LIMITED);
  await using _canary = await Canary.on("jobs", sandbox.socket_dir);
  const endless: [what: string, begin: string][] = [
    ["JSON lines", `${HELLO}{"type":"event","data":"`],
    ["text", "text"],
    ["text that begins with a brace", "{ "],
    ["Simple IPC", "\u0001"],
  ];
  for (const [what, begin] of endless) {
    await t.step(what, async () => {
      const before_bytes = broker.memoryPeakBytes();
      using client = await Raw.connect(sandbox.socket("jobs"));
      const ended = client.end();
      await client.send(begin);
      const piece = new Uint8Array(MIB).fill(0x78);
      let sent_bytes = 0;
      while (sent_bytes < FLOOD_BYTES && await client.send(piece)) sent_bytes += piece.length;
      await within(ended, "the broker goes on reading");
      assert(sent_bytes < FLOOD_BYTES, "the broker has read everything");
      if (what !== "Simple IPC") assert.equal(lastWords(client.heard)[0], "TOO_LARGE");
      const grown_bytes = broker.memoryPeakBytes() - before_bytes;
      assert(grown_bytes < GROWN_BYTES_MAX, `the broker has grown by ${grown_bytes / MIB} MiB`);
    });
  }
});

Deno.test("broker closes a text client that never reads, and the others lose nothing", async () => {
  await using sandbox = new Sandbox();
  await sandbox.broker(LIMITED);
  await using control = await connect("ipcd", sandbox);
  await using events = control.events();
  await control.flush();
  await using _canary = await Canary.on("jobs", sandbox.socket_dir);
  using silent = await Raw.connect(sandbox.socket("jobs"));
  await silent.send("hello\n");
  await eventually(async () => await clients(sandbox) === 3, "the text client has not joined");
  await using publisher = await connect("jobs", sandbox);
  const text = "x".repeat(64 * 1024);
  for (let count = 0; count < 128; count++) await publisher.broadcast(text);
  await within(publisher.flush(), "the publisher is held up for ever");
  for await (const { data } of events) {
    const event = data as { event: string; client: number };
    if (event.event !== "slow_consumer") continue;
    assert(event.client > 0);
    break;
  }
  await eventually(async () => await clients(sandbox) === 3, "the text client is still there");
});

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function hello(keys: Parameters<typeof encodeHello>[0] = {}): Uint8Array<ArrayBuffer> {
  return joined([PREFACE, encodeFrame({ type: FRAME_TYPES.HELLO, payload: encodeHello(keys) })]);
}

/** Of an event with a payload of so many bytes, which never come. */
function header(payload_bytes: number): Uint8Array<ArrayBuffer> {
  const frame = encodeFrame({ type: FRAME_TYPES.EVENT });
  new DataView(frame.buffer).setUint32(0, frame.length + payload_bytes, true);
  return frame;
}

/** The reason for which the broker closed, in whatever it speaks, and its message. */
function lastWords(heard: Uint8Array<ArrayBuffer>): [reason: string | undefined, message: string] {
  const text = new TextDecoder().decode(heard), last = text.trimEnd().split("\n").at(-1)!;
  const line = /^error: ([A-Z_]+) (.*)$/.exec(last);
  if (line !== null) return [line[1]!, line[2]!];
  if (last.startsWith('{"type":"bye"')) {
    const { reason, message } = JSON.parse(last);
    return [reason, message];
  }
  for (let at = 0; at + 24 <= heard.length;) {
    const frame = decodeFrame(heard, at);
    if (frame.type === FRAME_TYPES.BYE) {
      const { reason, message } = decodeError(frame.payload);
      return [reason, message];
    }
    at += new DataView(heard.buffer).getUint32(at, true);
  }
  return [undefined, text];
}

/** Clients on the channel. */
async function clients({ socket_dir }: Sandbox): Promise<number> {
  return (await controlRequest(socket_dir, "channel", { channel: "jobs" }) as { clients: number }).clients;
}
