/**
 * Simple IPC byte by byte, as docs/wire.md has it: a flag, the body, half-close; and a flag, the reply, the end.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect } from "../../client/mod.ts";
import { controlRequest } from "../../daemon/testing.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, within } from "../e2e/wait.ts";
import { Canary } from "./canary.ts";
import { Raw } from "./raw.ts";

const MIB = 1024 * 1024, CLIENTS = 500;
const BINARY = new Uint8Array([0x00, 0x01, 0xff, 0x89, 0x7b]);

/** A message on the wire, and the value that it is. */
const MESSAGES: readonly [what: string, wire: Uint8Array, data: unknown][] = [
  ["JSON", json('{"rev":"a1b2"}'), { rev: "a1b2" }],
  ["a JSON string", json('"grün"'), "grün"],
  ["JSON with spaces", json(" [1, 2]\n"), [1, 2]],
  ["bytes", Uint8Array.from([1, ...BINARY]), BINARY],
  ["an empty body of JSON", new Uint8Array([0]), null],
  ["an empty body of bytes", new Uint8Array([1]), new Uint8Array(0)],
  ["a long string", json(JSON.stringify("€".repeat(MIB))), "€".repeat(MIB)],
];

Deno.test("Simple IPC: what a client sends is an event, or a request whose reply it gets", async (t) => {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  await using channel = await connect("jobs", sandbox);
  await using events = channel.events();
  await channel.flush();
  for (const [what, wire, data] of MESSAGES) {
    await t.step(`${what} is broadcast`, async () => {
      assert.equal((await exchange(sandbox, wire)).length, 0, "a broadcast has no reply");
      assertSame((await within(events.next(), "the event is missing")).value!.data, data);
    });
  }
  using handler = channel.handle((request) => request.data);
  await channel.flush();
  for (const [what, wire, data] of MESSAGES) {
    await t.step(`${what} is asked`, async () => {
      const reply = await exchange(sandbox, wire);
      assert.equal(reply[0], wire[0], "the reply is of another kind");
      const body = reply.subarray(1);
      assertSame(reply[0] === 1 ? body : JSON.parse(new TextDecoder().decode(body)), data);
    });
  }
  await t.step("a message that comes byte by byte is one", async () => {
    using client = await Raw.connect(sandbox.socket("jobs"));
    for (const byte of json('{"a":"ü"}')) await client.send(new Uint8Array([byte]));
    await client.halfClose();
    assert.deepEqual(await client.end(), json('{"a":"ü"}'));
  });
  await t.step("500 clients at once each get their own reply", async () => {
    const replies = await Promise.all(
      Array.from({ length: CLIENTS }, (_, at) => exchange(sandbox, json(JSON.stringify({ at })))),
    );
    for (const [at, reply] of replies.entries()) assert.deepEqual(reply, json(JSON.stringify({ at })));
  });
  void handler;
});

Deno.test("Simple IPC: what fails ends without a byte, and is counted", async (t) => {
  await using sandbox = new Sandbox();
  const broker = await sandbox.broker({ IPC_REQUEST_TIMEOUT: "500ms" });
  await using _canary = await Canary.on("jobs", sandbox.socket_dir);
  await using channel = await connect("jobs", sandbox);
  using _handler = channel.handle((request) => {
    if (request.data === "never") return new Promise(() => {});
    return Promise.reject(new Error("no such job"));
  });
  await channel.flush();
  const failures: [what: string, wire: Uint8Array][] = [
    ["broken JSON", json('{"rev":')],
    ["a handler that fails", json('"status"')],
    ["a handler that never answers", json('"never"')],
    ["20 MiB", new Uint8Array(20 * MIB + 1).fill(1)],
  ];
  for (const [what, wire] of failures) {
    await t.step(what, async () => {
      const refused = await count(sandbox);
      assert.equal((await exchange(sandbox, wire)).length, 0);
      assert.equal(await count(sandbox), refused + 1, "it was not counted");
    });
  }
  await t.step("a client that never half-closes", async () => {
    using client = await Raw.connect(sandbox.socket("jobs"));
    await client.send(json('"status"'));
    assert.equal((await client.end()).length, 0);
  });
  await t.step("a client that is gone before its reply", async () => {
    {
      using client = await Raw.connect(sandbox.socket("jobs"));
      await client.send(json('"never"'));
      await client.halfClose();
    }
    await eventually(async () => {
      const { requests_open } = await controlRequest(sandbox.socket_dir, "stats") as { requests_open: number };
      return requests_open === 0;
    }, "its request is still open");
  });
  // A warning that could come with every connection comes once in a while.
  assert.match(broker.stderr, /refused a connection .*body of 7 bytes is not JSON/);
});

/** A message to the channel "jobs", and all that comes back. */
async function exchange(sandbox: Sandbox, wire: Uint8Array): Promise<Uint8Array> {
  using client = await Raw.connect(sandbox.socket("jobs"));
  if (await client.send(wire)) await client.halfClose().catch(() => {});
  return await client.end();
}

function json(text: string): Uint8Array {
  return new TextEncoder().encode(`\u0000${text}`);
}

/** Compares without showing megabytes. */
function assertSame(got: unknown, wanted: unknown): void {
  if (typeof wanted === "string" && wanted.length > 1000) assert(got === wanted, "the long string arrived otherwise");
  else assert.deepEqual(got, wanted);
}

async function count({ socket_dir }: Sandbox): Promise<number> {
  return (await controlRequest(socket_dir, "stats") as { refused: number }).refused;
}
