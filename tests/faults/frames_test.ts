/**
 * Frames as no client writes them: lengths that lie, frames that are cut, types and flags that do not exist, what nests
 * without end. The broker says what is wrong, grows by nothing, and nobody else notices.
 *
 * @module
 */
import assert from "node:assert/strict";
import { control } from "../../client/mod.ts";
import { RawClient } from "../../daemon/testing.ts";
import {
  decodeError,
  encodeBody,
  encodeFrame,
  encodeRoles,
  FRAME_TYPES,
  type FrameType,
  HEADER_BYTES,
  PREFACE,
} from "../../protocol/mod.ts";
import { joined } from "../../protocol/joined.ts";
import { Sandbox } from "../e2e/harness.ts";
import { pause, within } from "../e2e/wait.ts";
import { Raw } from "../interop/raw.ts";
import { startCanaries } from "./canaries.ts";
import { helloBytes } from "./crowd.ts";
import { figure, mib } from "./figures.ts";

const MIB = 1024 * 1024;
const MESSAGE_BYTES_MAX = MIB;
const LIMITED = { IPC_MAX_MESSAGE: `${MESSAGE_BYTES_MAX}` };
/** How much a broker may grow while all this goes on. It has just been started, and takes 10 MiB for the
 * canaries alone. */
const GROWN_BYTES_MAX = 32 * MIB;
const BYTE_MS = 10;
const DEPTH = 100_000;
const HELLO_LINE = '{"ipc":1,"type":"hello"}\n';

/** Every type that a client may send, as a client would send it. */
const FRAMES: readonly [name: string, frame: Uint8Array<ArrayBuffer>][] = [
  ["EVENT", encodeFrame({ type: FRAME_TYPES.EVENT, headers: encodeBody({ of: "cut" }), payload: bytes("cut") })],
  ["a direct EVENT", encodeFrame({ type: FRAME_TYPES.EVENT, target: 1, payload: bytes("cut") })],
  ["REQUEST", encodeFrame({ type: FRAME_TYPES.REQUEST, id: 1, headers: encodeBody({}), payload: bytes("cut") })],
  ["REPLY", encodeFrame({ type: FRAME_TYPES.REPLY, id: 1, target: 1, payload: bytes("cut") })],
  ["CANCEL", encodeFrame({ type: FRAME_TYPES.CANCEL, id: 1 })],
  ["ROLES", encodeFrame({ type: FRAME_TYPES.ROLES, flags: 3, id: 1, payload: encodeRoles({ listen: true }) })],
  ["ACK", encodeFrame({ type: FRAME_TYPES.ACK, id: 1 })],
  ["PING", encodeFrame({ type: FRAME_TYPES.PING, id: 1, payload: bytes("cut") })],
  ["PONG", encodeFrame({ type: FRAME_TYPES.PONG, id: 1 })],
  ["BYE", encodeFrame({ type: FRAME_TYPES.BYE, flags: 3, payload: encodeBody({}) })],
];
/** By type: the flags that it may have beside the two bits of the encoding, as docs/wire.md lists them. */
const FLAGS_OF: ReadonlyMap<number, number> = new Map<number, number>([
  [FRAME_TYPES.ROLES, 0],
  [FRAME_TYPES.EVENT, 0x24],
  [FRAME_TYPES.REQUEST, 0x40],
  [FRAME_TYPES.REPLY, 0x18],
  [FRAME_TYPES.CANCEL, 0],
  [FRAME_TYPES.ACK, 0],
  [FRAME_TYPES.PING, 0],
  [FRAME_TYPES.PONG, 0],
  [FRAME_TYPES.BYE, 0],
]);

Deno.test("broker says what is wrong with a frame, and nobody else notices", async (t) => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker(LIMITED), path = sandbox.socket("jobs");
  await control("open", { channel: "jobs" }, sandbox);
  await using canaries = await startCanaries(sandbox);
  const before_bytes = broker.memoryBytes();
  using listener = await member(path, { listen: true });
  const client = listener.welcome!.client;
  let count = 0;

  await t.step("a first frame that announces 100 MB", async () => {
    for (const headers of [0, 65_535]) {
      for (const type of [FRAME_TYPES.HELLO, FRAME_TYPES.EVENT]) {
        count++;
        assert.equal(await answer(path, PREFACE, header(100_000_000, type, 0, headers)), "TOO_LARGE");
      }
    }
  });

  await t.step("a hundred messages of the limit's length of which nothing comes", async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => member(path)));
    await Promise.all(all.map((one) => one.send(header(HEADER_BYTES + MESSAGE_BYTES_MAX))));
    await pause(100);
    for (const one of all) one.close();
    count += all.length;
  });

  const LENGTHS: readonly [length: number, reason: string][] = [
    [0, "PROTOCOL"],
    [1, "PROTOCOL"],
    [HEADER_BYTES - 1, "PROTOCOL"],
    [HEADER_BYTES + MESSAGE_BYTES_MAX + 1, "TOO_LARGE"],
    [2 ** 31 - 1, "TOO_LARGE"],
    [2 ** 31, "TOO_LARGE"],
    [2 ** 32 - 1, "TOO_LARGE"],
  ];
  for (const [length, reason] of LENGTHS) {
    await t.step(`a length of ${length}`, async () => {
      for (const type of FLAGS_OF.keys()) {
        count++;
        assert.equal(await answer(path, helloBytes(), header(length, type)), reason, `type ${type}`);
      }
      count++;
      assert.equal(await answer(path, PREFACE, header(length, FRAME_TYPES.HELLO)), reason, "HELLO");
    });
  }
  await t.step("a headers block that is longer than its frame", async () => {
    for (const headers of [1, 65_535]) {
      count++;
      assert.equal(await answer(path, helloBytes(), header(HEADER_BYTES, FRAME_TYPES.EVENT, 0, headers)), "PROTOCOL");
    }
  });
  await t.step("a message of exactly the limit, with and without the longest headers block", async () => {
    using sender = await member(path);
    for (const headers of [0, 65_535]) {
      count++;
      const frame = new Uint8Array(HEADER_BYTES + headers + MESSAGE_BYTES_MAX);
      frame.set(header(frame.length, FRAME_TYPES.EVENT, 0, headers));
      const [event] = await Promise.all([listener.until(FRAME_TYPES.EVENT), sender.send(frame)]);
      assert.equal(event.payload.length, MESSAGE_BYTES_MAX);
    }
  });

  await t.step("every frame cut at every byte", async () => {
    for (const [name, frame] of [...FRAMES, ["HELLO", helloBytes({ name: "cut" })] as const]) {
      const cuts = Array.from({ length: frame.length - 1 }, (_, at) => at + 1);
      for (let from = 0; from < cuts.length; from += 32) {
        await Promise.all(
          cuts.slice(from, from + 32).map(async (cut) => {
            using one = name === "HELLO" ? RawClient.over(await dial(path)) : await member(path);
            await one.send(frame.subarray(0, cut));
            if (cut % 2 === 0) return; // gone without a word
            await (one.conn as Deno.UnixConn).closeWrite();
            assert.equal(await one.reasonOfEnd(), undefined, `${name} cut at ${cut}`);
          }),
        );
      }
      count += cuts.length;
    }
  });

  await t.step("byte by byte, one every 10 ms", async () => {
    const session = [helloBytes({ name: "slow", handle: true }), ...FRAMES.slice(0, -1).map(([, frame]) => frame)];
    session[2] = encodeFrame({ type: FRAME_TYPES.EVENT, target: client, payload: bytes("direct") });
    const slowly = async (conn: { send(piece: Uint8Array): Promise<unknown> }, all: Uint8Array): Promise<void> => {
      for (const byte of all) {
        await conn.send(new Uint8Array([byte]));
        await pause(BYTE_MS);
      }
    };
    const frames = async (): Promise<void> => {
      using slow = RawClient.over(await dial(path));
      const told: number[] = [];
      const reading = (async () => {
        for (let frame; (frame = await slow.next()) !== undefined;) told.push(frame.type);
      })();
      for (const frame of session) await slowly(slow, frame);
      await slow.send(encodeFrame({ type: FRAME_TYPES.BYE, flags: 3, payload: encodeBody({}) }));
      await within(reading, "the broker does not close");
      const { WELCOME, REQUEST, CANCEL, REPLY, ACK, PONG } = FRAME_TYPES;
      // It handles its own request, cancels it, and so is asked, told of the cancel, and given the broker's reply.
      assert.deepEqual(told.slice(0, 2), [WELCOME, REQUEST]);
      assert.deepEqual(told.filter((type) => type === ACK || type === PONG), [ACK, PONG]);
      assert(told.includes(CANCEL) || told.includes(REPLY), `${told}`);
    };
    const lines = async (): Promise<void> => {
      using slow = await Raw.connect(path);
      await slowly(slow, bytes(`${HELLO_LINE}{"type":"event","id":1,"ack":true,"data":"slow line"}\n`));
      const [, ack] = await slow.lines(2);
      assert.match(ack!, /^\{"type":"ack","id":1,"listeners":\d+\}$/);
    };
    const heard: string[] = [];
    const hearing = (async () => {
      while (heard.length < 3) heard.push(new TextDecoder().decode((await listener.until(FRAME_TYPES.EVENT)).payload));
    })();
    await Promise.all([frames(), lines(), within(hearing, () => `the listener has only heard ${heard}`)]);
    assert.deepEqual(heard.toSorted(), ["cut", "direct", "slow line"]);
    count += session.length;
  });

  await t.step("every reserved type, and every type that only the broker sends", async () => {
    for (let type = 0; type < 256; type++) {
      if (FLAGS_OF.has(type)) continue;
      count++;
      assert.equal(await answer(path, helloBytes(), header(HEADER_BYTES, type)), "PROTOCOL", `type ${type}`);
    }
  });
  await t.step("every flag that a type does not have", async () => {
    for (const [type, flags] of FLAGS_OF) {
      for (let bit = 4; bit < 256; bit *= 2) {
        if ((flags & bit) !== 0) continue;
        count++;
        assert.equal(await answer(path, helloBytes(), header(HEADER_BYTES, type, bit)), "PROTOCOL", `${type}: ${bit}`);
      }
    }
  });

  await t.step(`nesting of ${DEPTH}`, async () => {
    for (const [what, sent, expected] of nested()) {
      count++;
      using one = await Raw.connect(path);
      await one.send(sent);
      await one.halfClose();
      assert.equal(lastReason(await one.end()), expected, what);
    }
    // What it only passes on it passes on, and does not look into.
    for (const flags of [2, 3]) {
      count++;
      const payload = flags === 2 ? bytes(deep("[", "1", "]")) : new Uint8Array([...nest(0x91), 1]);
      using lines = await Raw.connect(path);
      await lines.send(HELLO_LINE.replace("}", ',"listen":true}'));
      await lines.lines(1);
      using sender = await member(path);
      const [event, line] = await Promise.all([
        listener.until(FRAME_TYPES.EVENT),
        lines.lines(2),
        sender.send(encodeFrame({ type: FRAME_TYPES.EVENT, flags, payload })),
      ]);
      assert.deepEqual(event.payload, payload);
      assert.match(line[1]!, /"encoding":"(base64|structured)"/);
    }
    using ipcd = await Raw.connect(sandbox.socket("ipcd"));
    count++;
    await ipcd.send(`{"method":${deep("[", "1", "]").slice(0, 60_000)}\n`);
    await ipcd.halfClose();
    assert.match(new TextDecoder().decode(await ipcd.end()), /^error: /);
  });

  const grown_bytes = broker.memoryBytes() - before_bytes, peak_bytes = broker.memoryPeakBytes() - before_bytes;
  const report = await canaries.stop();
  figure(
    2,
    `${count} wrong, cut, slow and endless frames`,
    `memory +${mib(grown_bytes)}, at its peak +${mib(peak_bytes)}`,
    `<= ${mib(GROWN_BYTES_MAX)}`,
  );
  figure(2, "the others meanwhile", `${report}`, "nothing lost");
  report.assertFaultless();
  assert(peak_bytes <= GROWN_BYTES_MAX, `the broker has grown by ${mib(peak_bytes)}`);
  assert(broker.running);
});

/** What nests too deep for the broker to look at, in each dialect, and the reason with which it ends. */
function nested(): [what: string, sent: Uint8Array<ArrayBuffer>, reason: string | undefined][] {
  const roles = encodeFrame({ type: FRAME_TYPES.ROLES, flags: 3, id: 1, payload: Uint8Array.from([...nest(0x91), 1]) });
  const hello = encodeFrame({ type: FRAME_TYPES.HELLO, flags: 3, payload: nest(0x91).slice(0, 16_000) });
  const json = deep("[", "1", "]"), objects = deep('{"a":', "1", "}");
  return [
    ["HELLO", joined([PREFACE, hello]), "SERIALIZATION"],
    ["ROLES", joined([helloBytes(), roles]), "SERIALIZATION"],
    ["a first line", bytes(`{"ipc":1,"type":"hello","name":${json.slice(0, 16_000)}\n`), "PROTOCOL"],
    ["data", bytes(`${HELLO_LINE}{"type":"event","data":${json}}\n`), "PROTOCOL"],
    ["data of objects", bytes(`${HELLO_LINE}{"type":"event","data":${objects}}\n`), "PROTOCOL"],
    ["headers", bytes(`${HELLO_LINE}{"type":"event","headers":${objects},"data":1}\n`), "PROTOCOL"],
    ["Simple IPC", joined([new Uint8Array([0]), bytes(json)]), undefined],
  ];
}

function deep(open: string, inner: string, close: string): string {
  return open.repeat(DEPTH) + inner + close.repeat(DEPTH);
}

function nest(head: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(DEPTH).fill(head);
}

function dial(path: string): Promise<Deno.UnixConn> {
  return Deno.connect({ transport: "unix", path });
}

/** A client on the channel, which has had its WELCOME. */
async function member(path: string, hello: Parameters<typeof helloBytes>[0] = {}): Promise<RawClient> {
  const client = RawClient.over(await dial(path));
  await client.hello(hello);
  return client;
}

/** How the broker ends a connection on which this was sent. */
async function answer(path: string, ...sent: Uint8Array<ArrayBuffer>[]): Promise<string | undefined> {
  using client = RawClient.over(await dial(path));
  await client.send(joined(sent));
  return await within(client.reasonOfEnd(), "the broker does not close");
}

/** A header, of a frame of which nothing more comes. */
function header(
  length: number,
  type: number = FRAME_TYPES.EVENT,
  flags = 0,
  headers = 0,
): Uint8Array<ArrayBuffer> {
  const frame = encodeFrame({ type: type as FrameType, flags }), view = new DataView(frame.buffer);
  view.setUint32(0, length, true);
  view.setUint16(6, headers, true);
  return frame;
}

/** The last error that the broker told, in frames or lines. */
function lastReason(heard: Uint8Array<ArrayBuffer>): string | undefined {
  let reason = /"type":"(?:bye|error)".*"reason":"([A-Z_]+)"/.exec(new TextDecoder().decode(heard))?.[1];
  if (reason !== undefined) return reason;
  const view = new DataView(heard.buffer, heard.byteOffset, heard.length);
  for (let at = 0; at + HEADER_BYTES <= heard.length; at += view.getUint32(at, true)) {
    const type = heard[at + 4]!, payload = heard.subarray(at + HEADER_BYTES, at + view.getUint32(at, true));
    if (type === FRAME_TYPES.BYE || type === FRAME_TYPES.ERROR) reason = decodeError(payload).reason;
  }
  return reason;
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
