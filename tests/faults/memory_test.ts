import assert from "node:assert/strict";
import { control } from "../../client/mod.ts";
import { RawClient } from "../../daemon/testing.ts";
import { encodeFrame, FLAGS, FRAME_TYPES } from "../../protocol/frame.ts";
import { HEADER_BYTES } from "../../protocol/limits.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, pause } from "../e2e/wait.ts";
import { startCanaries } from "./canaries.ts";
import { figure, mib } from "./figures.ts";

const MIB = 1024 * 1024;
const MEMORY_BYTES = 128 * MIB;
/** What the process has beside what is held: itself, a quarter of the limit, and what was read before it was looked at. */
const OVERHEAD_BYTES = (96 + 32 + 32) * MIB;
const { ERROR, EVENT, PING, PONG, REQUEST } = FRAME_TYPES;

interface Stats {
  overloaded: { memory?: number };
  slow_consumers: number;
  memory: { held_bytes: number };
}

Deno.test("memory: a hundred listeners that never read, and messages never finished, do not get more than the limit", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker({
    IPC_MEMORY: `${MEMORY_BYTES}`,
    IPC_QUEUE: "16MiB",
    IPC_STALL_TIMEOUT: "10m",
  });
  const { socket_dir } = sandbox;
  const stats = () => control("stats", {}, { socket_dir }) as Promise<Stats>;
  await using canaries = await startCanaries(sandbox);
  const resting_bytes = broker.memoryBytes();
  const listeners = await Promise.all(
    Array.from({ length: 100 }, () => RawClient.join(socket_dir, "stuck", { listen: true })),
  );
  let most_bytes = 0, held_bytes = 0;
  const look = async () => {
    most_bytes = Math.max(most_bytes, broker.memoryBytes());
    held_bytes = Math.max(held_bytes, (await stats()).memory.held_bytes);
  };
  // Each gets messages of its own, of which none shares memory with another's.
  const publisher = await RawClient.join(socket_dir, "stuck"), payload = new Uint8Array(MIB);
  const refused = (async () => {
    let count = 0;
    for (let frame; (frame = await publisher.next()) !== undefined && frame.type !== PONG;) {
      if (frame.type === ERROR) count++;
    }
    return count;
  })();
  for (let round = 0; round < 6; round++) {
    for (const { welcome } of listeners) {
      await publisher.send(encodeFrame({ type: EVENT, target: welcome!.client, payload }));
    }
    await look();
  }
  await publisher.send(encodeFrame({ type: PING }));
  await refused;
  const after_queues = await stats();
  // Messages that are announced as 12 MiB, of which all but the end comes.
  const unfinished = await Promise.all(Array.from({ length: 40 }, () => RawClient.join(socket_dir, "unfinished")));
  const head = new Uint8Array(HEADER_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, HEADER_BYTES + 12 * MIB, true);
  view.setUint8(4, EVENT);
  await Promise.all(unfinished.map(async (client) => {
    await client.send(head).catch(() => {});
    for (let sent = 0; sent < 11; sent++) {
      await client.send(payload).catch(() => {});
      await pause(5);
    }
  }));
  await look();
  const after = await stats(), report = await canaries.stop();
  report.assertFaultless();
  assert(after_queues.slow_consumers > 0 && after_queues.overloaded.memory! > 0, JSON.stringify(after_queues));
  assert(after.overloaded.memory! > after_queues.overloaded.memory!, JSON.stringify(after));
  assert(held_bytes <= MEMORY_BYTES + 33 * MIB, `${held_bytes} bytes are held`);
  assert(most_bytes <= MEMORY_BYTES + OVERHEAD_BYTES, `${most_bytes} bytes, ${resting_bytes} at rest`);
  figure(
    4,
    "memory = 128MiB, 100 listeners that never read, 600 MiB for them, 40 messages never finished",
    `${mib(most_bytes)} at most, ${mib(resting_bytes)} before; ${after.overloaded.memory} closed; canaries faultless`,
    `at most ${mib(MEMORY_BYTES + OVERHEAD_BYTES)}`,
  );
  for (const client of [...listeners, ...unfinished, publisher]) client.close();
});

Deno.test("memory: one message for a hundred who are written to in other words, or asked by it, is held once", async () => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker({ IPC_MEMORY: `${MEMORY_BYTES}`, IPC_STALL_TIMEOUT: "10m" });
  const { socket_dir } = sandbox, payload = new Uint8Array(15 * MIB);
  const stats = () => control("stats", {}, { socket_dir }) as Promise<Stats>;
  await using canaries = await startCanaries(sandbox);
  const publisher = await RawClient.join(socket_dir, "heard"), asker = await RawClient.join(socket_dir, "asked");
  const dial = (channel: string) => Deno.connect({ transport: "unix", path: sandbox.socket(channel) });
  const hello = (role: string) => new TextEncoder().encode(`{"ipc":1,"type":"hello","${role}":true}\n`);
  const conns: Deno.Conn[] = [];
  for (let n = 0; n < 50; n++) {
    // Of text, of JSON lines, and of JSON lines on another channel.
    const [text, lines, handler] = [await dial("heard"), await dial("heard"), await dial("asked")];
    await lines.write(hello("listen"));
    await handler.write(hello("handle"));
    conns.push(text, lines, handler);
  }
  const count = async (channel: string, of: "listeners" | "handlers") =>
    (await control("channel", { channel }, { socket_dir }) as Record<typeof of, number>)[of];
  await eventually(async () => await count("heard", "listeners") === 100, "not all listen");
  await eventually(async () => await count("asked", "handlers") === 50, "not all handle");
  await publisher.send(encodeFrame({ type: EVENT, payload }), encodeFrame({ type: PING }));
  await publisher.until(PONG);
  await asker.send(encodeFrame({ type: REQUEST, flags: FLAGS.ALL, id: 1, payload }), encodeFrame({ type: PING }));
  await asker.until(PONG);
  const { overloaded, slow_consumers } = await stats();
  (await canaries.stop()).assertFaultless();
  const most_bytes = broker.memoryPeakBytes();
  assert.deepEqual([overloaded.memory, slow_consumers], [undefined, 0]);
  assert(most_bytes <= 3 * MEMORY_BYTES, `${most_bytes} bytes`);
  figure(
    4,
    "memory = 128MiB, 15 MiB of bytes to 100 listeners of text and JSON lines, and to 50 handlers of JSON lines",
    `${mib(most_bytes)} at most; nobody closed; canaries faultless`,
    `at most ${mib(3 * MEMORY_BYTES)}`,
  );
  for (const client of [...conns, publisher, asker]) client.close();
});
