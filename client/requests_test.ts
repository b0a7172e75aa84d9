import assert from "node:assert/strict";
import { ENCODINGS } from "../protocol/frame.ts";
import { WrittenPayload } from "../protocol/payload.ts";
import { startTestBroker } from "../daemon/testing.ts";
import { connect, IpcError, type Reply } from "./mod.ts";
import { failure, numbers, reasonOf } from "./testing.ts";
import { eventually, pause } from "../tests/e2e/wait.ts";

Deno.test("Channel.invoke() gives what the handler returns", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using service = await connect("service", { socket_dir, handle: true });
  await using client = await connect("service", { socket_dir });
  service.handle(async ({ data, source, headers }) => {
    assert.equal(source, client.client);
    if (data === "wait") await pause(5);
    return headers.get("wrap") === true ? new Map([["wrapped", data]]) : data;
  });
  assert.equal(await client.invoke("x"), "x");
  assert.equal(await client.invoke("wait"), "wait");
  assert.deepEqual(await client.invoke({ a: 1 }, { headers: { wrap: true } }), new Map([["wrapped", { a: 1 }]]));
  assert.deepEqual(await client.invoke(new Uint8Array(200_000).fill(3)), new Uint8Array(200_000).fill(3));
  assert.equal(await client.invoke(undefined), undefined);
  assert.deepEqual(await Promise.all(numbers(2_000).map((n) => client.invoke(n))), numbers(2_000));
});

Deno.test("Channel.invoke() is rejected with the handler's code, or HANDLER_ERROR", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("throws", { socket_dir: broker.socket_dir });
  assert.match(await reasonOf(a.invoke("x")), /^NO_HANDLER/);
  a.handle(({ data }) => {
    if (data === "coded") throw new IpcError("SCHEMA", "not what was agreed", { data: { path: "/rev" } });
    if (data === "odd") throw new IpcError(7999, "odd", { data: () => {} });
    if (data === "function") return () => {};
    throw new TypeError("a mistake");
  });
  const coded = await failure(a.invoke("coded"));
  assert.deepEqual([coded.reason, coded.message, { ...coded.data as object }], ["SCHEMA", "not what was agreed", {
    path: "/rev",
  }]);
  const odd = await failure(a.invoke("odd"));
  assert.deepEqual([odd.code, odd.reason, odd.message], [7999, "UNKNOWN", "odd"]);
  assert.equal(await reasonOf(a.invoke("plain")), "HANDLER_ERROR a mistake");
  assert.match(await reasonOf(a.invoke("function")), /^SERIALIZATION/);
});

Deno.test("Channel.invoke() is rejected at its deadline, when cancelled, and when the handler leaves", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  const service = await connect("never", { socket_dir });
  await using client = await connect("never", { socket_dir });
  const reasons: unknown[] = [];
  service.handle(({ signal }) =>
    new Promise(() => signal.addEventListener("abort", () => reasons.push(signal.reason)))
  );
  await service.flush();
  assert.match(await reasonOf(client.invoke("x", { timeout_ms: 30 })), /^TIMEOUT/);
  const abort = new AbortController(), cancelled = reasonOf(client.invoke("x", { signal: abort.signal }));
  await client.flush();
  abort.abort();
  assert.match(await cancelled, /^CANCELLED/);
  assert.match(await reasonOf(client.invoke("x", { signal: abort.signal })), /^CANCELLED/);
  await eventually(() => reasons.length === 2, "two aborted signals");
  assert.ok(reasons.every((reason) => reason instanceof IpcError && reason.reason === "CANCELLED"));
  const left = reasonOf(client.invoke("x"));
  await client.flush();
  await service.close();
  assert.match(await left, /^HANDLER_GONE/);
});

Deno.test("Channel.invoke() with all asks every handler", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using client = await connect("all", { socket_dir });
  assert.match(await reasonOf(client.invoke("x", { all: true })), /^NO_HANDLER/);
  const services = await Promise.all(numbers(3).map(() => connect("all", { socket_dir, handle: true })));
  for (const [n, service] of services.entries()) {
    service.handle(() => {
      if (n === 2) throw new Error("not me");
      return n;
    });
  }
  const replies = await client.invoke("x", { all: true });
  replies.sort((a, b) => a.source - b.source);
  assert.deepEqual(replies.map(({ data }) => data), [0, 1, undefined]);
  assert.deepEqual(replies.map(({ source }) => source), services.map(({ client }) => client));
  assert.equal(replies[2]!.error?.message, "not me");
  await Promise.all(services.map((service) => service.close()));
});

Deno.test("Channel.invokeStream() gives parts as they come, and cancels when it is left", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using service = await connect("stream", { socket_dir, handle: true });
  await using client = await connect("stream", { socket_dir });
  let left = 0;
  service.handle(async function* ({ data }) {
    try {
      for (let n = 0; n < (data as number); n++) {
        yield n;
        if (data === Infinity) await pause(1);
      }
      return data === 2 ? "the end" : undefined;
    } finally {
      left++;
    }
  });
  const parts: Reply[] = [];
  for await (const part of client.invokeStream(3)) parts.push(part);
  assert.deepEqual(parts.map(({ data }) => data), [0, 1, 2]);
  assert.deepEqual(await client.invoke(2), [0, 1, "the end"]);
  assert.deepEqual(await client.invoke(0), new Uint8Array(0));
  assert.equal(left, 3);
  for await (const part of client.invokeStream(Infinity)) if (part.data === 5) break;
  await eventually(() => left === 4, "the generator to be left");
});

Deno.test("Channel.invokeStream() carries a command's status and standard error", async () => {
  await using broker = await startTestBroker();
  await using a = await connect("command", { socket_dir: broker.socket_dir });
  a.handle(async (request) => {
    await request.writeError("warning\n");
    await request.write("line 1\n");
    request.status = Number(request.data);
    return "line 2\n";
  });
  const parts: Reply[] = [];
  for await (const part of a.invokeStream("3")) parts.push(part);
  assert.deepEqual(
    parts.map(({ data, status, more, headers }) => [data, status, more, headers.get("stream")]),
    [["warning\n", 0, true, "stderr"], ["line 1\n", 0, true, undefined], ["line 2\n", 3, false, undefined]],
  );
  assert.deepEqual(await a.invoke("0"), ["line 1\n", "line 2\n"]);
  const failed = await failure(a.invoke("3"));
  assert.equal(failed.reason, "HANDLER_ERROR");
  assert.deepEqual(failed.data, { status: 3, reply: ["line 1\n", "line 2\n"] });
  assert.match(await reasonOf(a.invoke("300")), /^HANDLER_ERROR status 300 is not/);
});

Deno.test("Channel.invokeStream() holds the handler up when its parts are not taken", async () => {
  await using broker = await startTestBroker({ queue_bytes: 200_000 });
  const { socket_dir } = broker;
  await using service = await connect("slow", { socket_dir, handle: true, queue_bytes: 200_000 });
  await using client = await connect("slow", { socket_dir, queue_bytes: 200_000 });
  let made = 0;
  service.handle(async function* () {
    for (; made < 1_000; made++) yield new Uint8Array(10_000).fill(made);
  });
  const stream = client.invokeStream("x");
  let taken = 0;
  for await (const { data } of stream) {
    if (taken === 0) {
      await pause(50);
      assert.ok(made < 500, `${made} parts were made though none was taken`);
    }
    assert.deepEqual(data, new Uint8Array(10_000).fill(taken++));
  }
  assert.equal(taken, 1_000);
});

Deno.test("Channel.invoke() gives a reply up whose parts come to more than it may hold", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using service = await connect("endless", { socket_dir, handle: true });
  await using client = await connect("endless", { socket_dir, queue_bytes: 100_000 });
  let left = false;
  service.handle(async function* () {
    try {
      for (;;) yield new Uint8Array(10_000);
    } finally {
      left = true;
    }
  });
  assert.match(await reasonOf(client.invoke("x")), /^OVERLOADED .* use invokeStream/);
  await eventually(() => left, "the generator to be left");
});

Deno.test("Channel.handle() may ask its own channel from inside a handler", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using a = await connect("recursive", { socket_dir });
  a.handle(async ({ data }): Promise<number> => {
    const n = data as number;
    if (n === 0) return 0;
    await a.broadcast(`at ${n}`, { ack: true });
    await a.flush();
    return n + (await a.invoke(n - 1) as number);
  });
  assert.equal(await a.invoke(20), 210);
});

Deno.test("Channel.handle() keeps to its concurrency, and answers OVERLOADED when its queue is full", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using service = await connect("few", { socket_dir, queue_bytes: 50_000 });
  await using client = await connect("few", { socket_dir });
  let running = 0, most = 0;
  const dispose = service.handle(async () => {
    most = Math.max(most, ++running);
    await pause(5);
    running--;
    return "done";
  }, { concurrency: 2 });
  await service.flush();
  const results = await Promise.all(numbers(12).map(() => reasonOf(client.invoke(new Uint8Array(10_000)))));
  assert.equal(most, 2);
  assert.equal(results.filter((result) => result === 'none, but "done"').length, 4);
  assert.equal(results.filter((result) => result.startsWith("OVERLOADED ")).length, 8);
  assert.throws(() => service.handle(() => {}), /Cannot handle channel "few" twice/);
  dispose();
  await service.flush();
  assert.match(await reasonOf(client.invoke("x")), /^NO_HANDLER/);
  service.handle(() => "second");
  await service.flush();
  assert.equal(await client.invoke("x"), "second");
});

Deno.test("ConnectOptions.handle keeps requests that come before the handler", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using service = await connect("early", { socket_dir, handle: true });
  await using client = await connect("early", { socket_dir });
  const asked = client.invoke("x");
  await client.flush();
  await service.flush();
  service.handle(({ data }) => `re ${data}`);
  assert.equal(await asked, "re x");
});

Deno.test("IncomingRequest.json and Reply.json stay what was written, however many come", async () => {
  await using broker = await startTestBroker();
  const { socket_dir } = broker;
  await using service = await connect("written", { socket_dir, handle: true });
  await using client = await connect("written", { socket_dir });
  const encoder = new TextEncoder(), decoder = new TextDecoder();
  service.handle(async ({ data, json }) => {
    await pause(1);
    if (json === undefined) return data;
    return new WrittenPayload(ENCODINGS.JSON, json);
  }, { concurrency: 10 });
  await Promise.all(
    numbers(500).map(async (n) => {
      const written = `{"n": ${n}.0, "big": 12345678901234567890}`;
      for await (const reply of client.invokeStream(new WrittenPayload(ENCODINGS.JSON, encoder.encode(written)))) {
        assert.equal(decoder.decode(reply.json), written);
        assert.equal((reply.data as { n: number }).n, n);
      }
      for await (const { data, json } of client.invokeStream(`text ${n}`)) {
        assert.deepEqual([data, json], [`text ${n}`, undefined]);
      }
    }),
  );
});
