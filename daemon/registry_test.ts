import assert from "node:assert/strict";
import { NO_RULES } from "./access.ts";
import { ANONYMOUS } from "./identity.ts";
import type { IpcError } from "../protocol/errors.ts";
import { Channel, type ChannelRules, Client, Registry } from "./registry.ts";

const RULES: ChannelRules = {
  max_message_bytes: 1,
  queue_bytes: 1,
  history_bytes: 0,
  overflow: "block",
  stall_timeout_ms: 1,
  request_timeout_ms: 1,
};

const MAY = NO_RULES.permissions(ANONYMOUS, "c");

function setup(rules: Partial<ChannelRules> = {}) {
  const registry = new Registry<string>(), channel = new Channel<string>("c", "e", true, { ...RULES, ...rules });
  registry.channels.set("c", channel);
  const join = () => {
    const client = new Client(registry.nextId(), channel, "peer", "test", 0, {}, ANONYMOUS, MAY);
    registry.add(client);
    return client;
  };
  return { registry, channel, join };
}

Deno.test("Registry.channel() finds a channel, or says which is not open", () => {
  const { registry, channel } = setup();
  assert.equal(registry.channel("c"), channel);
  for (const name of ["d", "__proto__", 'quoted"\n']) {
    assert.throws(() => registry.channel(name), (error: IpcError) => {
      return error.reason === "CHANNEL_NOT_FOUND" && error.message.includes(JSON.stringify(name));
    });
  }
});

Deno.test("Registry.setRoles() keeps the channel's sets and the client's flags the same", () => {
  const { registry, channel, join } = setup(), [a, b] = [join(), join()];
  registry.setRoles(a, { listen: true, handle: true, presence: true, overflow: "drop" });
  registry.setRoles(b, { handle: true });
  registry.setRoles(b, { handle: true });
  assert.deepEqual([...channel.listeners, ...channel.watchers], [a, a]);
  assert.deepEqual(channel.handlers, [a, b]);
  registry.setRoles(a, { handle: false });
  assert.deepEqual(channel.handlers, [b]);
  assert(a.listen && a.presence && !a.handle);
  registry.setRoles(a, { handle: false });
  assert.deepEqual(channel.handlers, [b], "giving up what one has not takes it from nobody");
});

Deno.test("Channel begins with nobody, and who comes to one has come to no other", () => {
  const { registry, channel, join } = setup(), other = new Channel<string>("d", "e", true, RULES), client = join();
  registry.channels.set("d", other);
  registry.setRoles(client, { listen: true, presence: true });
  const one_more = join();
  registry.setRoles(one_more, { listen: false, presence: false });
  registry.remove(one_more);
  assert.deepEqual([[...channel.clients], [...channel.listeners], [...channel.watchers]], [[client], [client], [
    client,
  ]]);
  assert.deepEqual([other.clients.size, other.listeners.size, other.watchers.size], [0, 0, 0]);
});

Deno.test("Registry.remove() takes a client out of everything", () => {
  const { registry, channel, join } = setup(), client = join();
  registry.setRoles(client, { listen: true, handle: true, presence: true });
  registry.remove(client);
  assert.deepEqual(
    [
      registry.clients.size,
      channel.clients.size,
      channel.listeners.size,
      channel.handlers.length,
      channel.watchers.size,
    ],
    [0, 0, 0, 0, 0],
  );
});

Deno.test("Client.policy is the client's choice only where the channel says block", () => {
  for (const overflow of ["block", "disconnect", "drop"] as const) {
    const { registry, join } = setup({ overflow }), client = join();
    assert.equal(client.policy, overflow);
    for (const chosen of ["block", "disconnect", "drop"] as const) {
      registry.setRoles(client, { overflow: chosen });
      assert.equal(client.policy, overflow === "block" ? chosen : overflow);
    }
  }
});

Deno.test("Channel.seq counts on beyond 32 bits", () => {
  const { channel } = setup();
  assert.equal(channel.seq, 0);
  channel.sequence.low = 0, channel.sequence.high = 1;
  assert.equal(channel.seq, 0xffff_ffff);
  channel.sequence.low = 5;
  assert.equal(channel.seq, 0x1_0000_0004);
});

Deno.test("Channel.measureRate() comes near a steady rate, and back to exactly 0", () => {
  const { channel } = setup();
  for (let n = 0; n < 20; n++) {
    channel.events += 500;
    channel.measureRate(500);
  }
  assert(Math.abs(channel.rate_per_s - 1_000) < 1);
  for (let n = 0; n < 30; n++) channel.measureRate(500);
  assert.equal(channel.rate_per_s, 0);
});

Deno.test("Channel.quiet_ms never says more than how long there was no event", () => {
  const { channel } = setup();
  assert.equal(channel.quiet_ms, 0);
  // It was opened somewhere in the first interval.
  channel.measureRate(500);
  assert.equal(channel.quiet_ms, 0);
  channel.measureRate(500);
  channel.measureRate(500);
  assert.equal(channel.quiet_ms, 1000);
  channel.events++;
  assert.equal(channel.quiet_ms, 0);
  channel.measureRate(500);
  assert.equal(channel.quiet_ms, 0);
  channel.measureRate(500);
  assert.equal(channel.quiet_ms, 500);
});
