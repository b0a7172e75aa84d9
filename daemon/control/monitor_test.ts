import assert from "node:assert/strict";
import { NO_ACCESS } from "../../config/keys.ts";
import type { Settings } from "../../config/settings.ts";
import { decodeError, encodeFrame, type Encoding, ENCODINGS, FLAGS, FRAME_TYPES } from "../../protocol/mod.ts";
import { MONITORS_MAX } from "../../protocol/limits.ts";
import { MONITORED_AT_ONCE_MAX } from "../router/monitors.ts";
import { RawClient, startTestBroker, testSettings } from "../testing.ts";

const { BYE, CANCEL, EVENT, PING, PONG, REPLY, REQUEST } = FRAME_TYPES;
const text = (value: string) => new TextEncoder().encode(value);

// deno-lint-ignore no-explicit-any -- what a test looks into
type Shown = Record<string, any>;

/** Reads what one request for `monitor` brings. */
class Watcher implements Disposable {
  readonly #shown: Shown[] = [];

  private constructor(readonly client: RawClient, readonly id: number) {}

  static async start(socket_dir: string, params: unknown = {}, name = "", id = 7): Promise<Watcher> {
    const watcher = new Watcher(await RawClient.join(socket_dir, "ipcd", { name }), id);
    try {
      await watcher.ask(params);
      assert.deepEqual(await watcher.part(), []);
      return watcher;
    } catch (error) {
      watcher.client.close();
      throw error;
    }
  }

  async ask(params: unknown): Promise<void> {
    const payload = text(JSON.stringify({ method: "monitor", params }));
    await this.client.send(encodeFrame({ type: REQUEST, flags: ENCODINGS.JSON, id: this.id, payload }));
  }

  async part(): Promise<Shown[]> {
    const { id, flags, payload } = await this.client.until(REPLY);
    assert.equal(id, this.id);
    if ((flags & FLAGS.ERROR) !== 0) throw decodeError(payload);
    assert.equal(flags, ENCODINGS.JSON | FLAGS.MORE);
    return JSON.parse(new TextDecoder().decode(payload));
  }

  async next(): Promise<Shown> {
    while (this.#shown.length === 0) this.#shown.push(...await this.part());
    const { time_ms, ...shown } = this.#shown.shift()!;
    assert(Math.abs(time_ms - Date.now()) < 60_000);
    return shown;
  }

  /** The next frames, in a few words each. */
  async words(count: number): Promise<string[]> {
    const words: string[] = [];
    while (words.length < count) {
      const { direction, type, client, text, status } = await this.next();
      words.push([direction, type, client, text, status].filter((part) => part !== undefined).join(" "));
    }
    return words;
  }

  [Symbol.dispose](): void {
    this.client.close();
  }
}

Deno.test("monitor shows events with their numbers and the listeners that they went to", async () => {
  await using test = await startTestBroker();
  using publisher = await RawClient.join(test.socket_dir, "c", { name: "p" });
  using _listener = await RawClient.join(test.socket_dir, "c", { listen: true });
  using other = await RawClient.join(test.socket_dir, "other");
  using watcher = await Watcher.start(test.socket_dir, { glob: "c*", payload_bytes: 5 });
  const client = publisher.welcome!.client;
  await other.send(encodeFrame({ type: EVENT, payload: text("not shown") }));
  const event = (payload: Uint8Array<ArrayBuffer>, flags: Encoding | 6) => encodeFrame({ type: EVENT, flags, payload });
  await publisher.send(
    event(text("one"), ENCODINGS.TEXT),
    event(text("12345€"), ENCODINGS.TEXT),
    event(text("1234€"), ENCODINGS.TEXT),
    event(new Uint8Array([255, 0, 1]), ENCODINGS.BYTES),
    event(new Uint8Array(0), ENCODINGS.JSON),
  );
  const common = { channel: "c", direction: "in", client, name: "p", type: "event", listeners: 1 };
  assert.deepEqual(await watcher.next(), {
    ...common,
    seq: 1,
    size: 27,
    encoding: "text",
    payload_bytes: 3,
    text: "one",
  });
  assert.deepEqual((await watcher.next())["text"], "12345");
  // A character that does not fit is not cut in two.
  const third = await watcher.next();
  assert.deepEqual([third["seq"], third["text"], third["payload_bytes"]], [3, "1234", 7]);
  const bytes = { ...common, seq: 4, size: 27, encoding: "bytes", payload_bytes: 3, base64: "/wAB" };
  assert.deepEqual(await watcher.next(), bytes);
  assert.deepEqual(await watcher.next(), { ...common, seq: 5, size: 24 });
});

Deno.test("monitor shows requests, replies and what is for one client alone on both of their ways", async () => {
  await using test = await startTestBroker();
  using handler = await RawClient.join(test.socket_dir, "c", { handle: true });
  using asker = await RawClient.join(test.socket_dir, "c");
  using watcher = await Watcher.start(test.socket_dir);
  const [h, a] = [handler, asker].map(({ welcome }) => welcome!.client);
  await asker.send(encodeFrame({ type: REQUEST, flags: ENCODINGS.TEXT, id: 9, payload: text("what") }));
  await handler.until(REQUEST);
  await handler.send(
    encodeFrame({ type: REPLY, flags: ENCODINGS.TEXT, target: a!, id: 9, aux: 3, payload: text("that") }),
  );
  await asker.until(REPLY);
  assert.deepEqual(await watcher.words(4), [
    `in request ${a} what`,
    `out request ${h} what`,
    `in reply ${h} that 3`,
    `out reply ${a} that 3`,
  ]);
  await asker.send(
    encodeFrame({ type: EVENT, flags: ENCODINGS.TEXT | FLAGS.ACK, target: 4000, id: 5, payload: text("psst") }),
    encodeFrame({ type: CANCEL, id: 77 }),
    encodeFrame({ type: PING }),
  );
  await asker.until(PONG);
  const sent = await watcher.next();
  assert.deepEqual([sent["type"], sent["target"], sent["flags"]], ["event", 4000, ["ack"]]);
  const refused = await watcher.next();
  assert.deepEqual([refused["type"], refused["data"].code], ["error", 7002]);
  assert.deepEqual(await watcher.words(3), [`in cancel ${a}`, `in ping ${a}`, `out pong ${a}`]);
});

Deno.test("monitor shows who comes and goes, and no token", async () => {
  await using test = await startTestBroker();
  using _first = await RawClient.join(test.socket_dir, "c", { presence: true });
  using watcher = await Watcher.start(test.socket_dir);
  const client = await RawClient.join(test.socket_dir, "c", { name: "x", listen: true, pid: 7, token: "secret-token" });
  const id = client.welcome!.client;
  const said = [await watcher.next(), await watcher.next(), await watcher.next()];
  client.close();
  said.push(await watcher.next());
  assert(!JSON.stringify(said).includes("secret"));
  assert.deepEqual(said[0], {
    channel: "c",
    direction: "in",
    client: id,
    name: "x",
    size: 0,
    type: "join",
    data: { dialect: "binary", pid: 7, listen: true, handle: false, presence: false },
  });
  assert.deepEqual(said.map(({ type, direction }) => `${direction} ${type}`), [
    "in join",
    "out welcome",
    "out presence",
    "in leave",
  ]);
});

Deno.test("monitor shows ipcd only where it is named, and never what monitors are sent", async () => {
  await using test = await startTestBroker();
  using all = await Watcher.start(test.socket_dir);
  using named = await Watcher.start(test.socket_dir, { glob: "ipcd" });
  using other = await Watcher.start(test.socket_dir, { glob: "ipcd" });
  using _client = await RawClient.join(test.socket_dir, "c");
  const seen: string[] = [];
  while (!seen.includes("client_joined c")) {
    const { text, type } = await named.next();
    assert(!String(text).includes("time_ms"), "a monitor is shown to itself");
    if (type !== "event") continue;
    const { event, channel } = JSON.parse(text);
    seen.push(`${event} ${channel}`);
  }
  assert((await other.next())["channel"] === "ipcd");
  assert.equal((await all.next())["channel"], "c");
});

Deno.test("monitor ends when it is cancelled, and refuses what it cannot show", async () => {
  await using test = await startTestBroker();
  using watcher = await Watcher.start(test.socket_dir);
  await watcher.ask({});
  await assert.rejects(watcher.part(), /request id 7 is in use/);
  await watcher.client.send(encodeFrame({ type: CANCEL, id: 7 }));
  await assert.rejects(watcher.part(), { reason: "CANCELLED" });
  for (
    const [params, reason] of [
      [{ glob: 7 }, "PROTOCOL"],
      [{ glob: "[" }, "CHANNEL_NAME"],
      [{ payload_bytes: -1 }, "PROTOCOL"],
      [{ payload_bytes: 65537 }, "PROTOCOL"],
      [{ payload_bytes: "1" }, "PROTOCOL"],
    ] as const
  ) {
    await watcher.ask(params);
    await assert.rejects(watcher.part(), { reason });
  }
  const simple = await Deno.connect({ transport: "unix", path: `${test.socket_dir}/.deno.ipcd.socket` });
  await simple.write(new Uint8Array([0, ...text('{"method":"monitor"}')]));
  await simple.closeWrite();
  assert.equal(await simple.read(new Uint8Array(100)), null);
  simple.close();
  const watchers = await Promise.all(
    Array.from({ length: MONITORS_MAX }, () => Watcher.start(test.socket_dir)),
  );
  await watcher.ask({});
  await assert.rejects(watcher.part(), { reason: "OVERLOADED" });
  for (const one of watchers) one.client.close();
});

Deno.test("monitor: one that does not read is told how many it missed, and the others pay nothing", async () => {
  await using test = await startTestBroker({ queue_bytes: 64 * 1024 });
  using publisher = await RawClient.join(test.socket_dir, "c");
  using listener = await RawClient.join(test.socket_dir, "c", { listen: true });
  using slow = await Watcher.start(test.socket_dir);
  const count = 4 * MONITORED_AT_ONCE_MAX;
  const received = (async () => {
    for (let seq = 1; seq <= count; seq++) assert.equal((await listener.until(EVENT)).id, seq);
  })();
  for (let sent = 0; sent < count; sent += 100) {
    await publisher.send(...Array.from({ length: 100 }, () => encodeFrame({ type: EVENT, payload: text("x") })));
  }
  await received;
  let shown = 0, missed = 0, last = 0;
  while (shown + missed < count) {
    const { type, seq, missed: more } = await slow.next();
    if (type === "gap") {
      missed += more;
      last += more;
    } else {
      shown++;
      // The gap stands where it is: what follows is numbered accordingly.
      assert.equal(seq, ++last);
    }
  }
  assert.equal(shown + missed, count);
  assert(missed > 0 && shown > 0, `${shown} shown, ${missed} missed`);
});

Deno.test("monitor needs admin, and on each channel listen and see; a reload that takes one closes it", async () => {
  const allow = (...allow: string[]) => ({ allow });
  const rules = (all: Settings["access"]["all"]): Settings["access"] => ({
    ...NO_ACCESS,
    required: false,
    all,
    channels: new Map([
      ["hidden", { see: allow() }],
      ["deaf", { listen: allow("name:nobody") }],
    ]),
  });
  let access = rules({ admin: allow("name:boss") });
  await using test = await startTestBroker(
    {},
    (settings) => ({ ...settings, access }),
    // deno-lint-ignore require-await -- its type wants a promise
    async () => ({ ...settings, access }),
  );
  const settings = testSettings(test.socket_dir);
  await assert.rejects(Watcher.start(test.socket_dir), { reason: "FORBIDDEN" });
  using boss = await Watcher.start(test.socket_dir, {}, "boss");
  for (const channel of ["hidden", "deaf", "open"]) {
    using client = await RawClient.join(test.socket_dir, channel);
    await client.send(encodeFrame({ type: EVENT, flags: 1, payload: text("hello") }));
    await client.send(encodeFrame({ type: PING }));
    await client.until(PONG);
  }
  for (let at = 0; at < 5; at++) assert.equal((await boss.next())["channel"], "open");
  access = rules({ admin: allow("name:boss"), listen: allow("name:nobody") });
  await test.broker.reload();
  assert.equal(await boss.client.reasonOfEnd(), "FORBIDDEN");

  access = rules({ admin: allow("name:boss") });
  await test.broker.reload();
  using again = await Watcher.start(test.socket_dir, {}, "boss");
  using _client = await RawClient.join(test.socket_dir, "open");
  await again.next();
  access = rules({ admin: allow("name:other") });
  await test.broker.reload();
  assert.equal(await again.client.reasonOfEnd(), "FORBIDDEN");

  access = rules({ admin: allow("name:boss") });
  await test.broker.reload();
  using once_more = await Watcher.start(test.socket_dir, {}, "boss");
  using _other = await RawClient.join(test.socket_dir, "open");
  await once_more.next();
  access = rules({ admin: allow("name:boss"), see: allow("name:nobody") });
  await test.broker.reload();
  const why = decodeError((await once_more.client.until(BYE)).payload).message;
  assert.equal(why, 'a client called "boss" without a token may not see who is on channel "open": a rule denies it');
});
