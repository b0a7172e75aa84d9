import assert from "node:assert/strict";
import fc from "fast-check";
import { COORDINATED_MAX } from "../../protocol/limits.ts";
import { IpcError } from "../../protocol/errors.ts";
import { checkRandomly } from "../../tests/random.ts";
import { UNLIMITED } from "../quota.ts";
import { Coordination, type Ticket } from "./coordination.ts";
import { type TestClient, TestRouter } from "./testing.ts";

/** A router, and what everybody was told, in words. */
function setup() {
  const test = new TestRouter(), { router, channel } = test, said: string[] = [];
  const join = () => {
    const client = test.join();
    client.client.account.quota = { ...UNLIMITED };
    return client;
  };
  const announce = ({ client }: TestClient, id: number, hurt: () => void = () => {}): Ticket => {
    const tell = (state: unknown, fence?: number): void =>
      void said.push(`${client.id}/${id} ${fence ? "held" : state}`);
    return router.coordination.announce(client, id, {
      part: (state) => {
        const { state: word, fence } = state as { state: string; fence?: number };
        tell(word, fence);
        if (fence !== undefined) hurt();
      },
      end: (state) => tell((state as { state: string }).state),
      fail: (error) => tell(error.reason),
    })!;
  };
  const lock = (client: TestClient, id: number, places = 1, hurt?: () => void): Ticket => {
    const ticket = announce(client, id, hurt);
    try {
      router.coordination.lock(ticket, channel, places, true);
    } catch (error) {
      router.coordination.fail(ticket, error as IpcError);
    }
    return ticket;
  };
  const told = () => said.splice(0);
  return { test, router, channel, join, announce, lock, told };
}

Deno.test("Coordination: who leaves with a lock and a place in the queue leaves both to others, and owes nothing", () => {
  const { router, channel, join, lock, told } = setup(), [a, b] = [join(), join()];
  lock(a, 1);
  lock(a, 2);
  lock(b, 1);
  lock(a, 3);
  assert.deepEqual(told(), ["1/1 held", "1/2 waiting", "2/1 waiting", "1/3 waiting"]);
  assert.equal(a.client.account.requests, 3);
  assert.deepEqual(a.client.asked_bytes, 3 * b.client.asked_bytes);
  assert(b.client.asked_bytes > 0);
  router.leave(a.client);
  assert.deepEqual(told(), ["2/1 held"]);
  assert.deepEqual([a.client.account.requests, b.client.account.requests], [0, 1]);
  router.leave(b.client);
  assert.deepEqual([a.client.asked_bytes, b.client.asked_bytes], [0, 0]);
  assert.deepEqual([router.coordination.uses(channel), router.coordination.gateOf(channel)], [false, undefined]);
});

Deno.test("Coordination: an id that is in use is refused without ending what is open under it", async () => {
  const { router, join, lock, announce, told } = setup(), a = join();
  const first = lock(a, 7);
  assert.equal(announce(a, 7), undefined);
  assert.deepEqual(await a.told(), ["error 7 PROTOCOL"]);
  assert.equal(router.coordination.isOpen(first), true);
  router.coordination.cancel(a.client, 8);
  router.coordination.cancel(a.client, 7);
  router.coordination.cancel(a.client, 7);
  assert.deepEqual(told(), ["1/7 held", "1/7 CANCELLED"]);
});

Deno.test("Coordination: what is cancelled before its channel is open never holds", () => {
  const { router, join, announce, told } = setup(), a = join(), ticket = announce(a, 1);
  router.coordination.cancel(a.client, 1);
  assert.equal(router.coordination.isOpen(ticket), false);
  router.coordination.fail(ticket, new IpcError("SHUTDOWN", "again"));
  assert.deepEqual([told(), a.client.account.requests], [["1/1 CANCELLED"], 0]);
});

Deno.test("Coordination: one that is lost in the moment of being let in passes the lock on", () => {
  const { router, join, lock, told } = setup(), [a, b, c] = [join(), join(), join()];
  lock(a, 1);
  lock(b, 1, 1, () => router.leave(b.client));
  lock(c, 1);
  router.coordination.cancel(a.client, 1);
  assert.deepEqual(told(), ["1/1 held", "2/1 waiting", "3/1 waiting", "1/1 CANCELLED", "2/1 held", "3/1 held"]);
});

Deno.test("Coordination: when the broker ends nobody is let in, and everybody is told", () => {
  const { router, channel, join, lock, announce, told } = setup(), [a, b] = [join(), join()];
  lock(a, 1);
  lock(b, 1);
  announce(b, 2);
  router.coordination.barrier(announce(a, 2), channel, 2);
  told();
  router.coordination.end(new IpcError("SHUTDOWN", "the broker is going away"));
  assert.deepEqual(told().sort(), ["1/1 SHUTDOWN", "1/2 SHUTDOWN", "2/1 SHUTDOWN", "2/2 SHUTDOWN"]);
  assert.equal(router.coordination.uses(channel), false);
});

Deno.test("Coordination refuses who is one too many in a queue", () => {
  const { test, join, lock, told } = setup(), a = join();
  for (let id = 0; id <= COORDINATED_MAX; id++) lock(a, id);
  told();
  lock(a, COORDINATED_MAX + 1);
  assert.deepEqual(told(), [`1/${COORDINATED_MAX + 1} OVERLOADED`]);
  assert.deepEqual(test.overloaded, [`queue: ${COORDINATED_MAX} wait for the lock of channel "c" already`]);
});

Deno.test("Coordination: never two hold what is one's, whoever comes, cancels, leaves and is refused", () => {
  const step = fc.record({
    does: fc.constantFrom("lock", "lock", "lock", "cancel", "leave"),
    who: fc.nat(3),
    id: fc.nat(5),
  });
  checkRandomly(fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 60 }), (places, steps) => {
    const { router, channel, join, lock } = setup(), clients = [join(), join(), join(), join()];
    const line: string[] = [];
    for (const { does, who, id } of steps) {
      const client = clients[who]!, name = `${client.id}/${id}`;
      if (does === "lock" && !line.includes(name)) {
        lock(client, id, places);
        line.push(name);
      } else if (does === "cancel") {
        router.coordination.cancel(client.client, id);
        if (line.includes(name)) line.splice(line.indexOf(name), 1);
      } else if (does === "leave") {
        router.leave(client.client);
        for (let at = line.length - 1; at >= 0; at--) if (line[at]!.startsWith(`${client.id}/`)) line.splice(at, 1);
        clients[who] = join();
      }
      const gate = router.coordination.gateOf(channel);
      const names = (tickets: Iterable<Ticket> = []) => [...tickets].map(({ client, id }) => `${client.id}/${id}`);
      assert.deepEqual(names(gate?.holders).sort(), line.slice(0, places).sort());
      assert.deepEqual(names(gate?.waiting), line.slice(places));
      // Of those who are in, who came in later has the higher one.
      let before = 0;
      for (const holder of gate?.holders ?? []) {
        assert(holder.fence > before);
        before = holder.fence;
      }
      assert.equal(clients.reduce((sum, { client }) => sum + client.account.requests, 0), line.length);
    }
  }));
});

Deno.test("Coordination gives fences that grow, also when the clock goes back and when two come in one millisecond", () => {
  const { join } = setup(), { client } = join(), { channel } = client, fences: number[] = [];
  let wall_ms = 1_800_000_000_000;
  const coordination = new Coordination(() => 0, () => wall_ms, () => {});
  for (const at_ms of [wall_ms, wall_ms, wall_ms - 3_600_000, wall_ms + 1]) {
    wall_ms = at_ms;
    const part = (state: unknown) => fences.push((state as { fence: number }).fence);
    coordination.lock(coordination.announce(client, 1, { part, end() {}, fail() {} })!, channel, 1, false);
    coordination.cancel(client, 1);
  }
  assert.deepEqual(fences, [18e14, 18e14 + 1, 18e14 + 2, 18e14 + 1000]);
});
