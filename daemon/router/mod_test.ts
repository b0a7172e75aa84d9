import assert from "node:assert/strict";
import { IpcError } from "../../protocol/errors.ts";
import { Policy } from "../access.ts";
import { TestClient, TestRouter } from "./testing.ts";

const refused = (reason: string) => (error: IpcError) => error instanceof IpcError && error.reason === reason;

Deno.test("Router.join() refuses the handler's role on the control channel, and keeps nothing of the client", () => {
  const test = new TestRouter(), control = test.router.control = test.router.open("ipcd", false, test.channel.rules);
  assert.throws(() => new TestClient(test.router, control, { handle: true }), refused("FORBIDDEN"));
  assert.deepEqual([test.router.registry.clients.size, control.clients.size, test.refused.length], [0, 0, 0]);
  const client = new TestClient(test.router, control, { listen: true });
  assert.throws(() => test.router.roles(client.client, { handle: true, presence: true }, false), refused("FORBIDDEN"));
  assert.deepEqual([client.client.handle, client.client.presence, client.client.listen], [false, false, true]);
});

Deno.test("Router.join() refuses a client whose channel was closed while it was on its way", () => {
  const test = new TestRouter();
  test.router.close(test.channel, new IpcError("CHANNEL_NOT_FOUND", "closed"));
  const successor = test.router.open("c", true, test.channel.rules);
  assert.throws(() => test.join(), refused("CHANNEL_NOT_FOUND"));
  assert.notEqual(successor.epoch, test.channel.epoch);
  new TestClient(test.router, successor, {});
  assert.equal(test.router.registry.clients.size, 1);
});

Deno.test("Router.join() refuses everybody once the broker is going away", () => {
  const test = new TestRouter();
  test.router.draining = true;
  assert.throws(() => test.join(), refused("SHUTDOWN"));
});

Deno.test("Router.join() gives each client an id that was never given before", () => {
  const test = new TestRouter(), ids = new Set<number>();
  for (let n = 0; n < 100; n++) {
    const client = test.join();
    ids.add(client.id);
    test.router.leave(client.client);
  }
  assert.equal(ids.size, 100);
  assert(!ids.has(0));
});

Deno.test("Router.leave() takes a client out of everything, once", () => {
  const test = new TestRouter(), client = test.join({ listen: true, handle: true, presence: true });
  test.now_ms = 42;
  test.router.leave(client.client);
  test.router.leave(client.client, new IpcError("TIMEOUT", "again"));
  const { clients, listeners, handlers, watchers, idle_since_ms } = test.channel;
  assert.deepEqual([clients.size, listeners.size, handlers.length, watchers.size, idle_since_ms], [0, 0, 0, 0, 42]);
  assert.deepEqual(test.left, ["1 by itself"]);
  assert.equal(client.why(), undefined);
});

Deno.test("Router.close() closes everybody on the channel, and nobody else", () => {
  const test = new TestRouter(), [a, b] = [test.join(), test.join()];
  const other = new TestClient(test.router, test.router.open("d", true, test.channel.rules), {});
  test.router.close(test.channel, new IpcError("SHUTDOWN", "going"));
  assert.deepEqual([a.why(), b.why(), other.why()], ["SHUTDOWN", "SHUTDOWN", undefined]);
  assert.deepEqual([...test.router.registry.channels.keys()], ["d"]);
});

Deno.test("Router.roles() changes what is said and leaves the rest", () => {
  const test = new TestRouter(), { client } = test.join({ listen: true, handle: true });
  test.router.roles(client, { handle: false, overflow: "drop" }, false);
  assert.deepEqual([client.listen, client.handle, client.presence, client.policy], [true, false, false, "drop"]);
  test.router.roles(client, { listen: true, handle: true }, false);
  test.router.roles(client, { listen: true, handle: true }, false);
  assert.deepEqual([test.channel.listeners.size, test.channel.handlers.length], [1, 1]);
});

Deno.test("Router.expect() lets in only whom the rules in force and the coming ones allow, until enforce()", () => {
  const test = new TestRouter(),
    denying = (name: string) =>
      new Policy({ all: { listen: { deny: [`name:${name}`] } }, globs: [], channels: new Map() });
  const listens = (name: string): boolean => {
    try {
      test.router.leave(test.join({ name, listen: true }).client);
      return true;
    } catch (error) {
      assert(refused("FORBIDDEN")(error as IpcError));
      return false;
    }
  };
  test.router.enforce(denying("a"));
  test.router.expect(denying("b"));
  assert.deepEqual(["a", "b", "c"].map(listens), [false, false, true]);
  test.router.enforce(denying("b"));
  assert.deepEqual(["a", "b", "c"].map(listens), [true, false, true]);
});
