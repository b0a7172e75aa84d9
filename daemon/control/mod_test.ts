import { CONTROL_BYTES_MAX } from "../../protocol/limits.ts";
import assert from "node:assert/strict";
import { decodeError, encodeFrame, type Encoding, ENCODINGS, FRAME_TYPES, type IpcError } from "../../protocol/mod.ts";
import { RawClient, startTestBroker } from "../testing.ts";
import { eventually } from "../../tests/e2e/wait.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** Asks over one connection; returns what came, or the error. */
class Asker {
  #id = 0;

  constructor(readonly client: RawClient) {}

  async ask(payload: Uint8Array<ArrayBuffer>, encoding: Encoding = ENCODINGS.JSON): Promise<unknown> {
    await this.client.send(encodeFrame({ type: FRAME_TYPES.REQUEST, flags: encoding, id: ++this.#id, payload }));
    const reply = await this.client.until(FRAME_TYPES.REPLY);
    assert.deepEqual([reply.id, reply.source, reply.target], [this.#id, 0, this.client.welcome!.client]);
    if (reply.aux === 0) return JSON.parse(new TextDecoder().decode(reply.payload));
    const error = decodeError(reply.payload);
    assert.equal(error.code, reply.aux);
    throw error;
  }

  method(method: string, params?: unknown): Promise<unknown> {
    return this.ask(text(JSON.stringify({ method, params })));
  }

  async refuses(reason: string, asked: Promise<unknown>, ...words: string[]): Promise<void> {
    await assert.rejects(asked, (error: IpcError) => {
      assert.equal(error.reason, reason);
      for (const word of words) assert(error.message.includes(word), error.message);
      return true;
    });
  }
}

async function setup(...options: Parameters<typeof startTestBroker>) {
  const test = await startTestBroker(...options), client = await RawClient.join(test.socket_dir, "ipcd");
  return {
    ...test,
    asker: new Asker(client),
    async [Symbol.asyncDispose]() {
      client.close();
      await test[Symbol.asyncDispose]();
    },
  };
}

Deno.test("control refuses what is no request of its own, and goes on", async () => {
  await using test = await setup();
  const { asker } = test;
  for (const payload of ["", "{", "hello", "\xff", '{"method":"ping"} x']) {
    await asker.refuses("SERIALIZATION", asker.ask(text(payload)), "must be JSON");
  }
  await asker.refuses("SERIALIZATION", asker.ask(new Uint8Array([0x7b, 0xff, 0x7d])));
  await asker.refuses("SERIALIZATION", asker.ask(new Uint8Array([0x80]), ENCODINGS.STRUCTURED), "must be JSON");
  for (const payload of ["null", "7", "[]", '"ping"', "{}", '{"method":7}', '{"method":null}']) {
    await asker.refuses("PROTOCOL", asker.ask(text(payload)), '"method"');
  }
  for (const params of [null, 7, "x", [1]]) {
    await asker.refuses("PROTOCOL", asker.method("ping", params), '"params" must be an object');
  }
  assert.deepEqual(await asker.method("ping"), { pid: Deno.pid, version: "0.0.0-test" });
  assert.deepEqual(await asker.ask(text('{"method":"ping"}'), ENCODINGS.TEXT), {
    pid: Deno.pid,
    version: "0.0.0-test",
  });
});

Deno.test("control names the methods that there are; names of objects' own are none", async () => {
  await using test = await setup();
  const { asker } = test;
  for (const method of ["pong", "", "__proto__", "constructor", "toString", "hasOwnProperty"]) {
    await asker.refuses("PROTOCOL", asker.method(method), JSON.stringify(method), "channels, clients, config, drain");
  }
  await asker.refuses("PROTOCOL", asker.ask(text('{"__proto__":{"method":"ping"}}')));
  await asker.refuses(
    "PROTOCOL",
    asker.ask(text('{"method":"channel","params":{"__proto__":{"channel":"ipcd"}}}')),
    "missing",
  );
});

Deno.test("control refuses a request over 64 KiB, and nesting that no parser likes", async () => {
  await using test = await setup();
  const { asker } = test;
  await asker.refuses("TOO_LARGE", asker.ask(text(" ".repeat(CONTROL_BYTES_MAX + 1))), String(CONTROL_BYTES_MAX + 1));
  const deep = `{"method":"ping","params":{"x":${"[".repeat(30_000)}${"]".repeat(30_000)}}}`;
  await asker.ask(text(deep)).catch((error: IpcError) => assert.equal(error.reason, "SERIALIZATION"));
  await asker.method("ping");
});

Deno.test("control open makes a channel once, and says why it makes none", async () => {
  await using test = await setup({}, (settings) => ({ ...settings, dynamic_channels: ["a*"] }));
  const { asker } = test;
  const first = await asker.method("open", { channel: "abc" });
  const { path, epoch } = first as { path: string; epoch: string };
  assert.deepEqual(first, { channel: "abc", path, epoch, dynamic: true });
  assert(Deno.lstatSync(path).isSocket);
  assert.deepEqual(await asker.method("open", { channel: "abc" }), first);
  await asker.refuses("CHANNEL_NOT_FOUND", asker.method("open", { channel: "b" }), '"b"', "dynamic_channels");
  for (const channel of ["", "../a", "a/b", ".a", "a".repeat(65), "a b", "a\n"]) {
    await asker.refuses("CHANNEL_NAME", asker.method("open", { channel }), JSON.stringify(channel));
  }
  await asker.refuses("PROTOCOL", asker.method("open"), '"channel" is missing');
  await asker.refuses("PROTOCOL", asker.method("open", { channel: 7 }), '"channel" must be text');
});

Deno.test("control open: of two who ask at once both get the same channel", async () => {
  await using test = await setup();
  const askers = await Promise.all(
    [1, 2, 3, 4].map(async () => new Asker(await RawClient.join(test.socket_dir, "ipcd"))),
  );
  const opened = await Promise.all(askers.map((asker) => asker.method("open", { channel: "__proto__" })));
  for (const result of opened) assert.deepEqual(result, opened[0]);
  for (const asker of askers) asker.client.close();
});

Deno.test("control channels, channel and clients tell what is there", async () => {
  await using test = await setup();
  const { asker, socket_dir } = test;
  const listener = await RawClient.join(socket_dir, "b.one", {
    listen: true,
    name: "backup",
    pid: 7,
    overflow: "drop",
  });
  const publisher = await RawClient.join(socket_dir, "b.one");
  await asker.method("open", { channel: "a" });
  await publisher.send(encodeFrame({ type: FRAME_TYPES.EVENT, flags: 0x20, payload: text("kept") }));
  await listener.until(FRAME_TYPES.EVENT);
  const channels = await asker.method("channels") as Record<string, unknown>[];
  assert.deepEqual(channels.map((channel) => channel["channel"]), ["a", "b.one", "ipcd"]);
  const some = await asker.method("channels", { glob: "b*" }) as Record<string, unknown>[];
  assert.equal(some.length, 1);
  assert.deepEqual(
    [some[0]!["clients"], some[0]!["listeners"], some[0]!["events"], some[0]!["seq"], some[0]!["bytes"]],
    [
      2,
      1,
      1,
      1,
      28,
    ],
  );
  assert.deepEqual(await asker.method("channels", { glob: "z*" }), []);
  await asker.refuses("CHANNEL_NAME", asker.method("channels", { glob: "*".repeat(257) }), "257");
  await asker.refuses("PROTOCOL", asker.method("channels", { glob: ["*"] }), '"glob" must be text');

  const channel = await asker.method("channel", { channel: "b.one" }) as Record<string, unknown>;
  assert.equal(channel["retained"], true);
  assert.deepEqual(channel["history"], { from_seq: 1, to_seq: 1, bytes: 28 });
  assert.equal((channel["client_list"] as unknown[]).length, 2);
  await asker.refuses("CHANNEL_NOT_FOUND", asker.method("channel", { channel: "nope" }), '"nope"');
  await asker.refuses("PROTOCOL", asker.method("channel", {}), "missing");

  const [first, second] = await asker.method("clients", { channel: "b.one" }) as Record<string, unknown>[];
  assert.deepEqual(
    [first!["name"], first!["pid"], first!["listen"], first!["overflow"], first!["events_out"], first!["dialect"]],
    ["backup", 7, true, "drop", 1, "binary"],
  );
  assert.deepEqual([second!["pid"], second!["overflow"], second!["events_in"], second!["bytes_in"]], [
    null,
    "block",
    1,
    28,
  ]);
  assert.equal((await asker.method("clients") as unknown[]).length, 3);
  await asker.refuses("CHANNEL_NOT_FOUND", asker.method("clients", { channel: "nope" }));
  listener.close(), publisher.close();
});

Deno.test("control stats counts what passed", async () => {
  await using test = await setup();
  const listener = await RawClient.join(test.socket_dir, "c", { listen: true });
  await listener.send(encodeFrame({ type: FRAME_TYPES.EVENT }), encodeFrame({ type: FRAME_TYPES.REQUEST, id: 1 }));
  await listener.until(FRAME_TYPES.REPLY);
  const stats = await test.asker.method("stats") as Record<string, number>;
  assert.deepEqual([stats["channels"], stats["clients"], stats["draining"]], [2, 2, false]);
  assert(stats["events"]! >= 1 && stats["requests"]! >= 2 && stats["uptime_ms"]! >= 0);
  for (const [key, value] of Object.entries(stats)) assert.notEqual(value, null, key);
  listener.close();
});

Deno.test("control stats: what was counted does not fall when a channel closes, and is there by reason", async () => {
  await using test = await setup({}, (settings) => ({ ...settings, channel_idle_ms: 1 }));
  const client = await RawClient.join(test.socket_dir, "c");
  await client.send(encodeFrame({ type: FRAME_TYPES.EVENT }), encodeFrame({ type: FRAME_TYPES.REQUEST, id: 1 }));
  await client.until(FRAME_TYPES.REPLY);
  const garbage = await RawClient.connect(test.socket_dir, "c");
  await garbage.send(new Uint8Array([0x89, 1, 2, 3, 4, 5, 6, 7]));
  assert.equal(await garbage.reasonOfEnd(), "PROTOCOL");
  const counted = async () => {
    const { channels, events, requests, bytes, connections, refused, refused_for } = await test.asker.method("stats") as // deno-lint-ignore no-explicit-any -- as it comes
    any;
    // What asks is counted, too.
    return { channels, events: events >= 1, requests: requests >= 2, bytes, connections, refused, refused_for };
  };
  const before = await counted();
  assert.deepEqual(before, {
    channels: 2,
    events: true,
    requests: true,
    bytes: before.bytes,
    connections: 4,
    refused: 1,
    refused_for: { PROTOCOL: 1 },
  });
  client.close();
  const after = await eventually(async () => {
    const now = await counted();
    return now.channels === 2 ? undefined : now;
  }, "the channel stays open");
  assert.deepEqual({ ...after, bytes: 0 }, { ...before, channels: 1, bytes: 0 });
  assert(after.bytes >= before.bytes);
});

Deno.test("control config gives the settings in force, no limit as null", async () => {
  await using test = await setup({ queue_bytes: 12_345 }, (settings) => ({
    ...settings,
    channels: new Map([["__proto__", settings.defaults]]),
  }));
  const config = await test.asker.method("config") as { defaults: { queue_bytes: number }; idle_exit_ms: null };
  assert.deepEqual([config.defaults.queue_bytes, config.idle_exit_ms], [12_345, null]);
  assert(Object.hasOwn((config as unknown as { channels: object }).channels, "__proto__"));
});

Deno.test("control kick closes one client, who is told why", async () => {
  await using test = await setup();
  const { asker } = test, client = await RawClient.join(test.socket_dir, "c"), id = client.welcome!.client;
  assert.deepEqual(await asker.method("kick", { client: id, reason: "maintenance" }), { client: id });
  const bye = await client.until(FRAME_TYPES.BYE);
  assert.match(decodeError(bye.payload).message, /closed by an operator: maintenance/);
  client.close();
  await asker.refuses("CLIENT_NOT_FOUND", asker.method("kick", { client: id }), String(id));
  for (const wrong of [undefined, "1", null, [id]]) {
    await asker.refuses("PROTOCOL", asker.method("kick", { client: wrong }), '"client" must be a number');
  }
});

Deno.test("control reload: without a configuration to read it is refused; a wrong one changes nothing", async () => {
  await using without = await setup();
  await without.asker.refuses("PROTOCOL", without.asker.method("reload"), "no configuration");
  await using test = await setup({ queue_bytes: 5_000 }, undefined, () => {
    throw new Error('ipc.toml: "queue" is wrong');
  });
  await test.asker.refuses("HANDLER_ERROR", test.asker.method("reload"), 'ipc.toml: "queue" is wrong');
  const config = await test.asker.method("config") as { defaults: { queue_bytes: number } };
  assert.equal(config.defaults.queue_bytes, 5_000);
});

Deno.test("control tells who listens to ipcd what happens, in order", async () => {
  await using test = await setup();
  const listener = await RawClient.join(test.socket_dir, "ipcd", { listen: true, name: "me" });
  const next = async () => JSON.parse(new TextDecoder().decode((await listener.until(FRAME_TYPES.EVENT)).payload));
  assert.deepEqual(await next(), { event: "client_joined", channel: "ipcd", client: 2, name: "me" });
  await test.asker.method("open", { channel: "c" });
  assert.deepEqual(await next(), { event: "channel_opened", channel: "c" });
  const client = await RawClient.join(test.socket_dir, "c", { name: "you" }), id = client.welcome!.client;
  // join() asks "open" first, which comes and goes on ipcd.
  let event;
  while ((event = await next()).name !== "you");
  assert.deepEqual(event, { event: "client_joined", channel: "c", client: id, name: "you" });
  await test.asker.method("kick", { client: id });
  while ((event = await next()).client !== id);
  assert.deepEqual(event, { event: "client_left", channel: "c", client: id, name: "you", reason: "FORBIDDEN" });
  client.close(), listener.close();
});

Deno.test("control gives who comes back what it has missed before the event of its coming", async () => {
  await using test = await startTestBroker();
  for (let count = 0; count < 3; count++) (await RawClient.join(test.socket_dir, "jobs")).close();
  using client = await RawClient.join(test.socket_dir, "ipcd", { listen: true, resume: { epoch: "another", seq: 9 } });
  const last = client.welcome!.seq + 1, seqs: number[] = [];
  while (seqs.at(-1) !== last) seqs.push((await client.until(FRAME_TYPES.EVENT)).id);
  assert.deepEqual(seqs, Array.from({ length: last }, (_, at) => at + 1));
});
