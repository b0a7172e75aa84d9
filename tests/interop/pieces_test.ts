/**
 * However the kernel cuts what a client says, it is the same: every dialect, cut in two at every byte, and byte by byte.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect } from "../../client/mod.ts";
import { startTestBroker } from "../../daemon/testing.ts";
import { encodeFrame, encodeHello, FRAME_TYPES, PREFACE, socketPath } from "../../protocol/mod.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { Raw } from "./raw.ts";

const encoder = new TextEncoder();
/** Long enough that the broker reads the pieces apart; that it does not matter is what is tested. */
const BETWEEN_PIECES_MS = 3;
const AT_ONCE = 16;

/** What is said, from which byte on it is cut, and which events come of it. */
const SAID: readonly [dialect: string, said: Uint8Array, from: number, events: readonly unknown[]][] = [
  // Before its first newline a pause may end a text.
  ["text", encoder.encode("x\ngrün\r\n\n€"), 3, ["x", "grün", "", "€"]],
  [
    "JSON lines",
    encoder.encode('{"ipc":1,"type":"hello"}\r\n{"type":"event","data":{"ü":"€"}}\n\n{"type":"event","data":"zwei"}'),
    1,
    [{ "ü": "€" }, "zwei"],
  ],
  ["Simple IPC", encoder.encode('\u0000{"ü":"€"}'), 1, [{ "ü": "€" }]],
  [
    "binary",
    Uint8Array.from([
      ...PREFACE,
      ...encodeFrame({ type: FRAME_TYPES.HELLO, payload: encodeHello({ name: "grün" }) }),
      ...encodeFrame({ type: FRAME_TYPES.EVENT, flags: 1, payload: encoder.encode("€") }),
      ...encodeFrame({ type: FRAME_TYPES.EVENT, flags: 2, payload: encoder.encode("[1]") }),
    ]),
    1,
    ["€", [1]],
  ],
];

for (const [dialect, said, from, events] of SAID) {
  Deno.test(`${dialect}: what is said in pieces is what is said whole`, async () => {
    await using broker = await startTestBroker();
    await using channel = await connect("jobs", broker);
    const heard = new Map<number, unknown[]>();
    channel.listen(({ source, data }) => {
      const all = heard.get(source);
      if (all === undefined) heard.set(source, [data]);
      else all.push(data);
    });
    await channel.flush();
    const path = socketPath(broker.socket_dir, "jobs");
    const say = async (pieces: readonly Uint8Array[]) => {
      using client = await Raw.connect(path);
      for (const [at, piece] of pieces.entries()) {
        if (at > 0) await pause(BETWEEN_PIECES_MS);
        await client.send(piece);
      }
      await client.halfClose();
      await client.end();
    };
    const ways = [[said], [
      said.subarray(0, from),
      ...Array.from(said.subarray(from), (byte) => new Uint8Array([byte])),
    ]];
    for (let at = from; at < said.length; at++) ways.push([said.subarray(0, at), said.subarray(at)]);
    for (let at = 0; at < ways.length; at += AT_ONCE) await Promise.all(ways.slice(at, at + AT_ONCE).map(say));
    await eventually(() => heard.size === ways.length, () => `${heard.size} of ${ways.length} were heard`);
    await channel.flush();
    for (const all of heard.values()) assert.deepEqual(all, events);
  });
}
