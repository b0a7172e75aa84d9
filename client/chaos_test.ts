import assert from "node:assert/strict";
import { startTestBroker } from "../daemon/testing.ts";
import { seed } from "../tests/random.ts";
import { connect } from "./mod.ts";
import { Wire } from "./testing.ts";
import { eventually, pause } from "../tests/e2e/wait.ts";

const EVENTS = 12_000;

/** Numbers from 0 to 1, the same ones for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0) / 2 ** 32;
}

Deno.test("Channel loses nothing in silence while its connections are cut anywhere", async (test) => {
  await test.step(`seed ${seed} (IPC_TEST_SEED=${seed} replays it)`, async () => {
    const random = randomNumbers(seed);
    await using broker = await startTestBroker({ history_bytes: 300_000, queue_bytes: 300_000 });
    await using up = await Wire.lay(broker.socket_dir, "chaos");
    await using down = await Wire.lay(broker.socket_dir, "chaos");
    await using publisher = await connect("chaos", { socket_dir: up.socket_dir, open: false, queue_bytes: 200_000 });
    await using listener = await connect("chaos", { socket_dir: down.socket_dir, open: false, queue_bytes: 200_000 });
    const seen: { seq: number; number: number }[] = [];
    let missing = 0, in_doubt = 0, working = true;
    listener.listen(({ seq, data }) => {
      seen.push({ seq, number: numberOf(data) });
      return random() < 0.01 ? pause(1) : undefined;
    }, { ongap: ({ from, to }) => missing += to! - from + 1 });
    await listener.flush();
    const cutting = (async () => {
      while (working) {
        await pause(random() * 20);
        const wire = random() < 0.5 ? up : down;
        wire.held = random() < 0.3;
        if (wire.held) await pause(random() * 10);
        wire.cut();
        wire.held = false;
      }
    })();
    const flush = async (): Promise<boolean> => {
      try {
        await publisher.flush();
        return true;
      } catch (error) {
        in_doubt += (error as { data: { events: number } }).data.events;
        return false;
      }
    };
    for (let n = 0; n < EVENTS; n++) {
      await publisher.broadcast(random() < 0.1 ? bytesOf(n, 4 + random() * random() * 60_000) : n);
      if (random() < 0.002) await flush();
    }
    working = false;
    await cutting;
    while (!await flush());
    await publisher.broadcast(EVENTS, { ack: true });
    await eventually(() => seen.at(-1)?.number === EVENTS, "the last event");
    for (let at = 1; at < seen.length; at++) {
      assert.ok(seen[at]!.seq > seen[at - 1]!.seq, `event ${seen[at]!.seq} came after ${seen[at - 1]!.seq}`);
      assert.ok(seen[at]!.number > seen[at - 1]!.number, `${seen[at]!.number} came after ${seen[at - 1]!.number}`);
    }
    const accepted = seen.at(-1)!.seq;
    assert.equal(seen.length + missing, accepted, "an event is neither there nor said to be missing");
    assert.ok(EVENTS + 1 - accepted <= in_doubt, `${EVENTS + 1 - accepted} never arrived, ${in_doubt} were in doubt`);
  });
});

function bytesOf(n: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

function numberOf(data: unknown): number {
  return data instanceof Uint8Array ? new DataView(data.buffer, data.byteOffset).getUint32(0) : data as number;
}
