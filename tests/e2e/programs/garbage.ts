/**
 * Writes what no honest client would, over many connections, from "go" to its end. Tells "ready"; obeys
 * "report", with how many connections it has had.
 *
 * @module
 */
import { encodeFrame, encodeHello, FRAME_TYPES, PREFACE } from "../../../protocol/mod.ts";
import { joined } from "../../../protocol/joined.ts";
import { given, obey, tell } from "./program.ts";

const { path, at_once } = given<{ path: string; at_once: number }>();
const LIFE_MS = 10;
const HELLO = joined([PREFACE, encodeFrame({ type: FRAME_TYPES.HELLO, payload: encodeHello({ listen: true }) })]);

/** What a connection says. Behind the handshake there is a broker that trusts more. */
const SAYINGS: (() => Uint8Array<ArrayBuffer>)[] = [
  () => random(1 + Math.random() * 65_536),
  () => joined([PREFACE, random(4096)]),
  () => joined([HELLO, random(65_536)]),
  () => joined([HELLO, frame(0x10, 0xffff_ffff)]),
  () => joined([HELLO, frame(0x10, 1 << 24)]),
  () => joined([HELLO, frame(Math.random() * 256, Math.random() * 4096), random(8192)]),
  () =>
    joined([HELLO, ...Array.from({ length: 64 }, () => frame([0x11, 0x12, 0x13, 0x14, 0x20][random(1)[0]! % 5]!, 24))]),
  () => joined([PREFACE, frame(0x01, 0xffff_ffff)]),
  () => joined([HELLO, HELLO]),
  () => PREFACE,
  () => new Uint8Array(0),
];

let connections = 0;
tell("ready");
await obey({
  go: () => {
    for (let each = 0; each < at_once; each++) void speak();
  },
  report: () => tell("report", { connections }),
});

async function speak(): Promise<void> {
  for (;;) {
    try {
      const conn = await Deno.connect({ transport: "unix", path });
      connections++;
      const over = setTimeout(() => conn.close(), LIFE_MS * Math.random());
      try {
        const saying = SAYINGS[connections % SAYINGS.length]!();
        for (let at = 0; at < saying.length;) at += await conn.write(saying.subarray(at));
        const into = new Uint8Array(4096);
        while (await conn.read(into) !== null);
        clearTimeout(over);
        conn.close();
      } finally {
        clearTimeout(over);
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

function frame(type: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(24), view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint8(4, type);
  return bytes;
}

function random(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}
