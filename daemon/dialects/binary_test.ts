import assert from "node:assert/strict";
import fc from "fast-check";
import { seed } from "../../tests/random.ts";
import { FLAGS, OFFSET } from "../../protocol/frame.ts";
import { HANDSHAKE_BYTES_MAX, HANDSHAKES_MAX } from "../../protocol/limits.ts";
import {
  decodeError,
  decodePosition,
  encodeBody,
  encodeFrame,
  encodeHello,
  FRAME_TYPES,
  type FrameType,
  PREFACE,
} from "../../protocol/mod.ts";
import { controlRequest, RawClient, startTestBroker, type TestBroker } from "../testing.ts";

const { HELLO, WELCOME, ROLES, EVENT, REQUEST, REPLY, CANCEL, ACK, GAP, PRESENCE, ERROR, PING, PONG, BYE } =
  FRAME_TYPES;

const text = (value: string) => new TextEncoder().encode(value);
const u32 = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);
const hello = (payload: Uint8Array<ArrayBuffer>) => encodeFrame({ type: HELLO, flags: 3, payload });

/** A header whose fields need not fit each other. */
function header(length: number, type: number, flags = 0, headers = 0): Uint8Array<ArrayBuffer> {
  const bytes = encodeFrame({ type: type as FrameType, flags }), view = new DataView(bytes.buffer);
  view.setUint32(OFFSET.length, length, true);
  view.setUint16(OFFSET.headers, headers, true);
  return bytes;
}

/** An array in an array in an array: one byte a level. */
function nested(levels: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(levels + 2).fill(0x91);
  body.set([0x81, 0xa1, 0x78]); // {"x": [[[...
  body[levels + 1] = 0xc0;
  return body;
}

/** Two clients that notice if anything is wrong with the broker. */
class Witness {
  #sent = 0;

  private constructor(readonly listener: RawClient, readonly publisher: RawClient) {}

  static async join(test: TestBroker): Promise<Witness> {
    const listener = await RawClient.join(test.socket_dir, "c", { listen: true });
    return new Witness(listener, await RawClient.join(test.socket_dir, "c"));
  }

  /** An event still takes its way, and nothing else came. */
  async noticesNothing(): Promise<void> {
    const payload = text(`n${++this.#sent}`);
    await this.publisher.send(encodeFrame({ type: EVENT, flags: FLAGS.ACK, id: this.#sent, payload }));
    const event = await this.listener.next(), ack = await this.publisher.next();
    assert.deepEqual([event?.type, event?.id, event?.payload], [EVENT, this.#sent, payload]);
    assert.deepEqual([ack?.type, ack?.id, ack?.aux], [ACK, this.#sent, 1]);
  }

  close(): void {
    this.listener.close();
    this.publisher.close();
  }
}

/** Gives each input to a connection of its own, and looks at how that ends. */
async function ends(
  inputs: [what: string, reason: string | undefined, ...bytes: Uint8Array[]][],
  connect: (test: TestBroker) => Promise<RawClient>,
): Promise<void> {
  await using test = await startTestBroker();
  const witness = await Witness.join(test);
  for (const [what, reason, ...bytes] of inputs) {
    const client = await connect(test);
    await client.send(...bytes);
    assert.equal(await client.reasonOfEnd(), reason, what);
    await witness.noticesNothing();
  }
  const clients = await controlRequest(test.socket_dir, "clients", { channel: "c" }) as unknown[];
  assert.equal(clients.length, 2, "somebody was left behind");
  assert.deepEqual(test.log.filter((line) => line.startsWith("error")), []);
  witness.close();
}

Deno.test("binary: what does not open as it should ends in BYE", async () => {
  const wrong_version = PREFACE.slice(), wrong_zeros = PREFACE.slice();
  wrong_version[4] = 2, wrong_zeros[7] = 1;
  await ends([
    ["garbage behind 0x89", "PROTOCOL", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])],
    ["wrong version", "PROTOCOL", wrong_version],
    ["reserved bytes of the preface", "PROTOCOL", wrong_zeros],
    ["EVENT first", "PROTOCOL", PREFACE, encodeFrame({ type: EVENT })],
    ["PING first", "PROTOCOL", PREFACE, encodeFrame({ type: PING })],
    ["WELCOME first", "PROTOCOL", PREFACE, encodeFrame({ type: WELCOME })],
    ["no frame at all", "PROTOCOL", PREFACE, new Uint8Array(24).fill(0xff)],
  ], (test) => RawClient.connect(test.socket_dir, "c"));
});

Deno.test("binary: a HELLO that is wrong ends in BYE that says how", async () => {
  const deep = nested(100_000), many = new Uint8Array([0x81, 0xa1, 0x78, 0xdd, 0xff, 0xff, 0xff, 0xff]);
  const long = encodeFrame({ type: HELLO, headers: new Uint8Array(HANDSHAKE_BYTES_MAX), payload: encodeHello({}) });
  const body = (value: { [key: string]: string | number | boolean }) => hello(encodeBody(value));
  await ends([
    ["empty", "SERIALIZATION", PREFACE, hello(new Uint8Array())],
    ["no msgpack", "SERIALIZATION", PREFACE, hello(text("{}"))],
    ["cut", "SERIALIZATION", PREFACE, hello(encodeHello({ name: "abc" }).slice(0, -1))],
    ["bytes behind its end", "SERIALIZATION", PREFACE, hello(new Uint8Array([0x80, 0x80]))],
    ["2^32 items announced", "SERIALIZATION", PREFACE, hello(many)],
    ["nested 10,000 deep", "SERIALIZATION", PREFACE, hello(nested(10_000))],
    ["nested 100,000 deep", "TOO_LARGE", PREFACE, hello(deep).slice(0, HANDSHAKE_BYTES_MAX)],
    ["over 16 KiB, only announced", "TOO_LARGE", PREFACE, header(HANDSHAKE_BYTES_MAX + 1, HELLO)],
    ["over 16 KiB with its headers", "TOO_LARGE", PREFACE, long.slice(0, 100)],
    ["4 GiB announced", "TOO_LARGE", PREFACE, header(0xffff_ffff, HELLO)],
    ["listen is a number", "PROTOCOL", PREFACE, body({ listen: 1 })],
    ["unknown overflow", "PROTOCOL", PREFACE, body({ overflow: "wait" })],
    ["resume is text", "PROTOCOL", PREFACE, body({ listen: true, resume: "1" })],
    ["name of 65 bytes", "PROTOCOL", PREFACE, body({ name: "é".repeat(33) })],
    ["name with a line end", "PROTOCOL", PREFACE, body({ name: "a\nb" })],
    ["another channel's name", "CHANNEL_NAME", PREFACE, body({ channel: "d" })],
  ], (test) => RawClient.connect(test.socket_dir, "c"));
});

Deno.test("binary: HELLO with keys of a newer version, or with __proto__, is a HELLO", async () => {
  await using test = await startTestBroker();
  await controlRequest(test.socket_dir, "open", { channel: "c" });
  for (const extra of [{ from_the_future: { a: [1] } }, new Map([["__proto__", true], ["listen", true]])]) {
    const client = await RawClient.connect(test.socket_dir, "c");
    await client.send(PREFACE, hello(encodeBody(extra)));
    assert.equal((await client.next())?.type, WELCOME);
    client.close();
  }
});

Deno.test("binary: after WELCOME, what is no frame or none that a client may send ends in BYE", async () => {
  const from_broker = [WELCOME, GAP, PRESENCE, ERROR].map((type) =>
    [`type ${type}`, "PROTOCOL", encodeFrame({ type })] as [string, string, Uint8Array]
  );
  const reserved = [0x00, 0x04, 0x18, 0x2e, 0x30, 0x7f, 0x80, 0xff].map((type) =>
    [`type ${type}`, "PROTOCOL", header(24, type)] as [string, string, Uint8Array]
  );
  await ends([
    ...from_broker,
    ...reserved,
    ["a second HELLO", "PROTOCOL", hello(encodeHello({}))],
    ["reserved flag", "PROTOCOL", header(24, EVENT, 0x80)],
    ["a flag of another type", "PROTOCOL", header(24, REQUEST, FLAGS.RETAIN)],
    ["length 0", "PROTOCOL", header(0, EVENT)],
    ["length 23", "PROTOCOL", header(23, EVENT)],
    ["headers longer than the frame", "PROTOCOL", header(100, EVENT, 0, 77)],
    ["headers of 65535 bytes in an empty frame", "PROTOCOL", header(24, REQUEST, 0, 0xffff)],
    ["message over max_message, only announced", "TOO_LARGE", header(24 + 16 * 1024 * 1024 + 1, EVENT)],
    ["4 GiB announced", "TOO_LARGE", header(0xffff_ffff, REPLY)],
    ["text", "PROTOCOL", text("hello, is there anybody? I am a text client.\n")],
    ["garbage behind good frames", "PROTOCOL", encodeFrame({ type: PING }), new Uint8Array(50).fill(0xee)],
  ], (test) => RawClient.join(test.socket_dir, "c"));
});

Deno.test("binary: random bytes end a connection, and nothing else", async () => {
  await using test = await startTestBroker();
  const witness = await Witness.join(test);
  for (const bytes of fc.sample(fc.uint8Array({ minLength: 24, maxLength: 300 }), { seed, numRuns: 60 })) {
    // A reserved bit, so that it cannot be a frame by chance.
    bytes[OFFSET.flags]! |= 0x80;
    const client = await RawClient.join(test.socket_dir, "c");
    await client.send(bytes);
    assert.match(await client.reasonOfEnd() ?? "", /^PROTOCOL$|^TOO_LARGE$/, `seed ${seed}`);
    await witness.noticesNothing();
  }
  witness.close();
});

Deno.test("binary: what a frame says in vain is left, or answered with ERROR, and the connection goes on", async () => {
  await using test = await startTestBroker();
  const witness = await Witness.join(test), client = await RawClient.join(test.socket_dir, "c");
  const id = 9, target = 4_000_000_000;
  const cases: [string, string | undefined, Uint8Array][] = [
    ["REPLY to nobody", undefined, encodeFrame({ type: REPLY, target, id })],
    ["REPLY to nothing", undefined, encodeFrame({ type: REPLY, target: witness.listener.welcome!.client, id })],
    ["CANCEL of nothing", undefined, encodeFrame({ type: CANCEL, id })],
    ["ACK of nothing", undefined, encodeFrame({ type: ACK, id })],
    ["PONG to nothing", undefined, encodeFrame({ type: PONG, id })],
    ["EVENT to nobody", "CLIENT_NOT_FOUND", encodeFrame({ type: EVENT, target, id })],
    [
      "ROLES nested 100,000 deep",
      "SERIALIZATION",
      encodeFrame({ type: ROLES, flags: 3, id, payload: nested(100_000) }),
    ],
    ["ROLES that are none", "SERIALIZATION", encodeFrame({ type: ROLES, id, payload: text("listen") })],
    ["ROLES of a wrong type", "PROTOCOL", encodeFrame({ type: ROLES, id, payload: encodeBody({ listen: "yes" }) })],
  ];
  for (const [what, reason, frame] of cases) {
    await client.send(frame, encodeFrame({ type: PING, id: 1, aux: 2, payload: text("echo") }));
    if (reason !== undefined) {
      const error = await client.next();
      assert.deepEqual([error?.type, error?.id, decodeError(error!.payload).reason], [ERROR, id, reason], what);
    }
    const pong = await client.next();
    assert.deepEqual([pong?.type, pong?.id, pong?.aux, pong?.payload], [PONG, 1, 2, text("echo")], what);
    await witness.noticesNothing();
  }
  client.close(), witness.close();
});

Deno.test("binary: ROLES are answered with the position from which on events come", async () => {
  await using test = await startTestBroker();
  const witness = await Witness.join(test), client = await RawClient.join(test.socket_dir, "c");
  await witness.noticesNothing();
  await client.send(encodeFrame({ type: ROLES, flags: 3, id: 3, payload: encodeBody({ listen: true }) }));
  const ack = await client.next();
  assert.deepEqual([ack?.type, ack?.id], [ACK, 3]);
  assert.deepEqual(decodePosition(ack!.payload), { epoch: client.welcome!.epoch, seq: 1 });
  await witness.publisher.send(encodeFrame({ type: EVENT }));
  assert.equal((await client.next())?.id, 2);
  client.close(), witness.close();
});

Deno.test("binary: nobody but the broker sends events on ipcd, or handles requests there", async () => {
  await using test = await startTestBroker();
  const listener = await RawClient.join(test.socket_dir, "ipcd", { listen: true });
  const forger = await RawClient.join(test.socket_dir, "ipcd");
  for (const target of [0, listener.welcome!.client]) {
    await forger.send(
      encodeFrame({ type: EVENT, flags: FLAGS.ACK, target, id: 4, payload: text('{"event":"drain"}') }),
    );
    const error = await forger.next();
    assert.deepEqual([error?.type, error?.id, decodeError(error!.payload).reason], [ERROR, 4, "FORBIDDEN"]);
  }
  const handler = await RawClient.connect(test.socket_dir, "ipcd");
  await handler.send(PREFACE, hello(encodeHello({ handle: true })));
  assert.equal(await handler.reasonOfEnd(), "FORBIDDEN");
  const clients = await controlRequest(test.socket_dir, "clients") as { client: number }[];
  assert.equal(clients.length, 3, "listener, forger and who asks");
  forger.close();
  const events = [];
  while (events.at(-1) !== `left ${forger.welcome!.client}`) {
    const event = JSON.parse(new TextDecoder().decode((await listener.until(EVENT)).payload));
    events.push(event.event === "client_left" ? `left ${event.client}` : event.event);
  }
  assert(!events.includes("drain"));
  listener.close();
});

Deno.test("binary: a client that is cut off in the middle of a frame leaves, and nobody gets half of it", async () => {
  await using test = await startTestBroker();
  const witness = await Witness.join(test), frame = encodeFrame({ type: EVENT, payload: new Uint8Array(100_000) });
  for (const bytes of [1, 23, 24, 25, 50_000, frame.length - 1]) {
    const client = await RawClient.join(test.socket_dir, "c");
    await client.send(frame.subarray(0, bytes));
    client.close();
    await witness.noticesNothing();
  }
  witness.close();
});

Deno.test("binary: frames arrive the same whole, byte by byte and many at a time", async () => {
  await using test = await startTestBroker();
  const witness = await Witness.join(test), client = await RawClient.connect(test.socket_dir, "c");
  const opening = [...PREFACE, ...hello(encodeHello({ name: "slow" })), ...encodeFrame({ type: PING, id: 5 })];
  for (const byte of opening) await client.send(new Uint8Array([byte]));
  assert.equal((await client.next())?.type, WELCOME);
  assert.equal((await client.next())?.id, 5);
  const frames: Uint8Array[] = [];
  for (let n = 0; n < 500; n++) frames.push(encodeFrame({ type: n % 3 === 0 ? PING : EVENT, id: 0, payload: u32(n) }));
  await client.send(new Uint8Array(await new Blob(frames as Uint8Array<ArrayBuffer>[]).arrayBuffer()));
  for (let n = 0; n < 500; n++) {
    const frame = await (n % 3 === 0 ? client : witness.listener).next();
    assert.deepEqual([frame?.type, frame?.payload], [n % 3 === 0 ? PONG : EVENT, u32(n)]);
  }
  client.close(), witness.close();
});

Deno.test("binary: BYE closes the connection when what is queued is written", async () => {
  await using test = await startTestBroker();
  const witness = await Witness.join(test), client = await RawClient.join(test.socket_dir, "c");
  await client.send(encodeFrame({ type: PING, id: 6 }), encodeFrame({ type: BYE }), encodeFrame({ type: PING, id: 7 }));
  assert.equal((await client.next())?.id, 6);
  assert.equal(await client.reasonOfEnd(), undefined);
  await witness.noticesNothing();
  witness.close();
});

Deno.test("binary: of 65 connections without HELLO the oldest gives way, and an honest client gets in", async () => {
  await using test = await startTestBroker();
  const witness = await Witness.join(test), silent: RawClient[] = [];
  for (let n = 0; n < HANDSHAKES_MAX; n++) {
    const client = await RawClient.connect(test.socket_dir, "c");
    await client.send(PREFACE.subarray(0, 1)); // one that says nothing at all is a text client soon
    silent.push(client);
  }
  const honest = await RawClient.join(test.socket_dir, "c");
  assert.equal(await silent[0]!.reasonOfEnd(), "OVERLOADED");
  await witness.noticesNothing();
  const { refused } = await controlRequest(test.socket_dir, "stats") as { refused: number };
  assert(refused >= 1, `${refused}`);
  for (const client of [honest, ...silent]) client.close();
  witness.close();
});

Deno.test("binary: who leaves before its HELLO gives its place up at once", async () => {
  await using test = await startTestBroker();
  await controlRequest(test.socket_dir, "open", { channel: "c" });
  for (let n = 0; n < 2 * HANDSHAKES_MAX; n++) {
    const client = await RawClient.connect(test.socket_dir, "c");
    if (n % 3 !== 0) await client.send(n % 3 === 1 ? PREFACE : PREFACE.subarray(0, 3));
    client.close();
  }
  (await RawClient.join(test.socket_dir, "c")).close();
  const { refused } = await controlRequest(test.socket_dir, "stats") as { refused: number };
  assert.equal(refused, 0);
});

Deno.test("binary: who has not said HELLO within 5 s is told TIMEOUT, however far it came", async () => {
  await using test = await startTestBroker();
  const witness = await Witness.join(test), whole = [...PREFACE, ...hello(encodeHello({ name: "late" }))];
  const started_ms = performance.now();
  const silent = await Promise.all([1, 4, 8, 20, whole.length - 1].map(async (bytes) => {
    const client = await RawClient.connect(test.socket_dir, "c");
    await client.send(new Uint8Array(whole.slice(0, bytes)));
    return client;
  }));
  for (const client of silent) assert.equal(await client.reasonOfEnd(), "TIMEOUT");
  assert(performance.now() - started_ms >= 5_000);
  await witness.noticesNothing();
  witness.close();
});

Deno.test("binary: a client that does not read is closed with SLOW_CONSUMER, and its publisher goes on", async () => {
  await using test = await startTestBroker({ queue_bytes: 100_000, stall_timeout_ms: 600, history_bytes: 0 });
  const stopped = await RawClient.join(test.socket_dir, "c", { listen: true });
  const listener = await RawClient.join(test.socket_dir, "c", { listen: true });
  const publisher = await RawClient.join(test.socket_dir, "c"), payload = new Uint8Array(50_000);
  const count = 40,
    received = (async () => {
      for (let n = 1; n <= count; n++) assert.equal((await listener.until(EVENT)).id, n);
    })();
  for (let n = 0; n < count; n++) await publisher.send(encodeFrame({ type: EVENT, payload }));
  await received;
  assert.equal(await stopped.reasonOfEnd(), "SLOW_CONSUMER");
  listener.close(), publisher.close();
});

Deno.test("binary: a message larger than every queue arrives", async () => {
  await using test = await startTestBroker({ queue_bytes: 10_000 });
  const listener = await RawClient.join(test.socket_dir, "c", { listen: true });
  const publisher = await RawClient.join(test.socket_dir, "c", { listen: true });
  const payload = crypto.getRandomValues(new Uint8Array(60_000)), large = new Uint8Array(4_000_000);
  for (let at = 0; at < large.length; at += payload.length) large.set(payload.subarray(0, large.length - at), at);
  const sent = publisher.send(encodeFrame({ type: EVENT, payload: large }), encodeFrame({ type: PING, id: 8 }));
  for (const client of [listener, publisher]) assert.deepEqual((await client.until(EVENT)).payload, large);
  await sent;
  assert.equal((await publisher.next())?.id, 8);
  listener.close(), publisher.close();
});
