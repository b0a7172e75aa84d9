/**
 * What becomes of a client that says nothing more: it gets what it has asked for, and the others do not wait for it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { controlRequest, startTestBroker } from "../../daemon/testing.ts";
import { socketPath } from "../../protocol/mod.ts";
import { eventually } from "../e2e/wait.ts";
import { Raw } from "./raw.ts";

const HELLO = '{"ipc":1,"type":"hello"}\n', HANDLER = '{"ipc":1,"type":"hello","handle":true}\n';
const LISTENER = '{"ipc":1,"type":"hello","listen":true}\n';

/** A channel with plain connections on it. */
class Stage implements AsyncDisposable {
  private constructor(readonly broker: Awaited<ReturnType<typeof startTestBroker>>) {}

  static async open(): Promise<Stage> {
    const broker = await startTestBroker();
    await controlRequest(broker.socket_dir, "open", { channel: "jobs" });
    return new Stage(broker);
  }

  /** Says hello and waits for WELCOME. */
  async join(hello: string): Promise<Raw> {
    const client = await Raw.connect(socketPath(this.broker.socket_dir, "jobs"));
    await client.send(hello);
    await client.lines(1);
    return client;
  }

  async isLeft(clients: number): Promise<void> {
    const count = async () =>
      (await controlRequest(this.broker.socket_dir, "clients", { channel: "jobs" }) as unknown[]).length;
    await eventually(async () => await count() === clients, "somebody has not left", 5_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker[Symbol.asyncDispose]();
  }
}

Deno.test("JSON lines: after half-close a requester gets its replies and the end, and no events", async () => {
  await using stage = await Stage.open();
  using handler = await stage.join(HANDLER);
  using asker = await stage.join(LISTENER);
  await asker.send('{"type":"request","id":1,"data":1}\n{"type":"request","id":2,"data":2}\n');
  await asker.halfClose();
  const [, first, second] = (await handler.lines(3)).map((line) => JSON.parse(line));
  await handler.send(`{"type":"event","data":"not for it","id":1,"ack":true}\n`);
  assert.equal(JSON.parse((await handler.lines(4))[3]!).listeners, 0);
  for (const { source, id } of [second, first]) await handler.send(`{"type":"reply","target":${source},"id":${id}}\n`);
  await asker.end();
  assert.deepEqual(asker.text().trim().split("\n").slice(1).map((line) => JSON.parse(line).id), [2, 1]);
  await stage.isLeft(1);
});

Deno.test("JSON lines: a handler that half-closes fails what it holds, though it waits for a reply itself", async () => {
  await using stage = await Stage.open();
  using handler = await stage.join(HANDLER);
  using asker = await stage.join(HELLO);
  await asker.send('{"type":"request","id":1,"data":1}\n');
  await handler.lines(2);
  using other = await stage.join(HANDLER);
  await handler.send('{"type":"request","id":7,"data":"for the other"}\n');
  const asked = JSON.parse((await other.lines(2))[1]!);
  await handler.halfClose();
  assert.match((await asker.lines(2))[1]!, /"reason":"HANDLER_GONE"/);
  await other.send(`{"type":"reply","target":${asked.source},"id":7,"data":"so"}\n`);
  await handler.end();
  assert.match(handler.text(), /\{"type":"reply","id":7,.*"data":"so"\}\n$/);
  await stage.isLeft(2);
});

for (
  const [what, says] of [
    ["bye", '{"type":"bye"}\n'],
    ["a request to itself", '{"type":"request","id":1,"data":1}\n'],
    ["half a line", '{"type":"ev'],
  ] as const
) {
  Deno.test(`JSON lines: a client whose last words are ${what} leaves at once`, async () => {
    await using stage = await Stage.open();
    using client = await stage.join(HANDLER);
    await client.send(says);
    await client.halfClose();
    await stage.isLeft(0);
    await client.end();
  });
}
