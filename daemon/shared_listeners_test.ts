import assert from "node:assert/strict";
import { certificates, sha256 } from "../client/testing.ts";
import type { ListenSecrets, ListenSettings, Settings } from "../config/settings.ts";
import { encodeFrame, encodeHello, FRAME_TYPES, type Hello, PREFACE } from "../protocol/mod.ts";
import { LineClient } from "./dialects/testing.ts";
import { controlRequest, RawClient, startTestBroker, type TestBroker, testSettings } from "./testing.ts";

const { EVENT, HELLO, WELCOME } = FRAME_TYPES;
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A listener on any free port of the loopback. */
function listener(more: Partial<ListenSettings> = {}): ListenSettings {
  return {
    name: "l",
    hostname: "127.0.0.1",
    port: 0,
    channel: undefined,
    tls: undefined,
    token_file: undefined,
    ...more,
  };
}

/** A broker with such listeners; their secrets by name. */
function start(
  listen: readonly ListenSettings[],
  secrets: Record<string, Partial<ListenSecrets>> = {},
  reload?: () => Promise<Settings>,
) {
  const read = ({ name }: ListenSettings): ListenSecrets => ({ tls: undefined, tokens: undefined, ...secrets[name] });
  const change = (settings: Settings): Settings => ({
    ...settings,
    listen,
    channels: new Map(listen.flatMap(({ channel }) => channel === undefined ? [] : [[channel, settings.defaults]])),
  });
  return startTestBroker({}, change, reload, read);
}

interface Listening {
  name: string;
  hostname: string;
  port: number;
  tls: boolean;
  token: boolean;
  channel: string | null;
}

async function listening(test: TestBroker): Promise<Listening[]> {
  return (await controlRequest(test.socket_dir, "stats") as { listen: Listening[] }).listen;
}

async function portOf(test: TestBroker, name = "l"): Promise<number> {
  return (await listening(test)).find((listener) => listener.name === name)!.port;
}

async function dial(test: TestBroker, name = "l"): Promise<LineClient> {
  return new LineClient(await Deno.connect({ port: await portOf(test, name) }));
}

/** Says HELLO in frames; returns the reason of the end if there is no WELCOME. */
async function binary(test: TestBroker, hello: Hello, name = "l"): Promise<RawClient | string | undefined> {
  const client = RawClient.over(await Deno.connect({ port: await portOf(test, name) }));
  await client.send(PREFACE, encodeFrame({ type: HELLO, flags: 3, payload: encodeHello(hello) }));
  return await client.firstIs(WELCOME) ? client : await client.reasonOfEnd();
}

Deno.test("[[listen]] without a channel: hello names it, in frames and in JSON lines, and opens it", async () => {
  await using test = await start([listener()]);
  const frames = await binary(test, { channel: "d", listen: true });
  assert(frames instanceof RawClient);
  using _frames = frames;
  using lines = await dial(test);
  assert.equal((await lines.hello({ channel: "d" }))["channel"], "d");
  await lines.say({ type: "event", data: "over TCP" });
  assert.equal(decode((await frames.until(EVENT)).payload), "over TCP");
  using local = await RawClient.join(test.socket_dir, "d", { listen: true });
  await lines.say({ type: "event", data: "to both" });
  for (const client of [frames, local]) assert.equal(decode((await client.until(EVENT)).payload), "to both");
  using control = await dial(test);
  await control.hello({ channel: "ipcd" });
  await control.say({ type: "request", id: 1, data: { method: "ping" } });
  assert.equal((await control.json())["status"], 0);
});

Deno.test("[[listen]] without a channel: who names none, or cannot, is refused", async () => {
  await using test = await start([listener()]);
  assert.equal(await binary(test, {}), "CHANNEL_NAME");
  assert.equal(await binary(test, { channel: "no name" }), "CHANNEL_NAME");
  using lines = await dial(test), text = await dial(test), simple = await dial(test);
  await lines.say({ ipc: 1, type: "hello" });
  assert.equal((await lines.json())["reason"], "CHANNEL_NAME");
  await text.send("hello\n");
  assert.match(decode(await text.rest()), /^error: CHANNEL_NAME this listener serves many channels/);
  await simple.send(new Uint8Array([1, 2, 3]));
  assert.equal((await simple.rest()).length, 0);
  const { refused } = await controlRequest(test.socket_dir, "stats") as { refused: number };
  assert.equal(refused, 5);
});

Deno.test("[[listen]] without a channel: who says nothing is no listener of anything, and is closed after 5 s", async () => {
  await using test = await start([listener()]);
  using silent = await dial(test);
  const started_ms = performance.now();
  await silent.hearsNothing(4_000);
  await silent.rest();
  assert(performance.now() - started_ms >= 5_000);
});

Deno.test("[[listen]] with a channel: every dialect, and silent listeners", async () => {
  await using test = await start([listener({ channel: "deploys" })]);
  using silent = await dial(test);
  await silent.hearsNothing(300);
  using text = await dial(test), lines = await dial(test), simple = await dial(test);
  await text.send("from text\n");
  assert.equal(await silent.line(), "from text");
  assert.equal((await lines.hello({ channel: "deploys", listen: true }))["channel"], "deploys");
  await simple.send(new Uint8Array([0, 0x31]));
  await simple.halfClose();
  assert.equal((await simple.rest()).length, 0);
  assert.equal((await lines.json())["data"], 1);
  assert.equal(await silent.line(), "1");
  assert.equal(await binary(test, { channel: "other" }), "CHANNEL_NAME");
  const frames = await binary(test, {});
  assert(frames instanceof RawClient);
  frames.close();
});

Deno.test("[[listen]]: a browser that is made to knock is turned away, and nobody hears of it", async () => {
  await using test = await start([listener({ channel: "deploys" })]);
  using heard = await LineClient.join(test, { listen: true }, "deploys");
  const headers = " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nrm -rf\n";
  for (const first of ["POST /", "any-method /", "GET http://x/", `POST /${"a".repeat(300)}`]) {
    using browser = await dial(test);
    await browser.send(first + headers);
    assert.equal(decode(await browser.rest()), "error: PROTOCOL HTTP is not spoken here\n");
  }
  // Wherever a read of 4 KiB cuts the first line.
  for (const bytes of [4080, 4088, 4089, 4090, 4091, 4092, 4093, 4094, 4096, 9_000, 30_000]) {
    using browser = await dial(test);
    await browser.send(`GET /${"a".repeat(bytes - 5)}${headers}`);
    await browser.rest();
  }
  await heard.hearsNothing(50);
});

Deno.test("[[listen]]: a text that only looks like HTTP is one", async () => {
  await using test = await start([listener({ channel: "deploys" })]);
  using heard = await LineClient.join(test, { listen: true }, "deploys");
  for (const text of ["GET /tmp\n", "rm /tmp", "GET / HTT"]) {
    using client = await dial(test);
    await client.send(text);
    assert.equal((await heard.json())["data"], text.trim());
  }
});

Deno.test("[[listen]] with tokens: only who shows one gets in, whatever it speaks", async () => {
  const tokens = [{ name: "a", sha256: await sha256("secret") }, { name: "b", sha256: await sha256("other") }];
  await using test = await start([listener({ channel: "deploys", token_file: "t" })], { l: { tokens } });
  for (const token of ["", "wrong", "Secret", "secret ", undefined]) {
    assert.equal(await binary(test, token === undefined ? {} : { token }), "UNAUTHORIZED", token);
  }
  for (const token of ["secret", "other"]) {
    const client = await binary(test, { token });
    assert(client instanceof RawClient);
    client.close();
  }
  using lines = await dial(test), denied = await dial(test), text = await dial(test), simple = await dial(test);
  await lines.hello({ token: "secret" });
  await denied.say({ ipc: 1, type: "hello", token: "no" });
  assert.equal((await denied.json())["reason"], "UNAUTHORIZED");
  await text.send("hello\n");
  assert.match(decode(await text.rest()), /^error: UNAUTHORIZED a token is needed here/);
  await simple.send(new Uint8Array([1]));
  assert.equal((await simple.rest()).length, 0);
  const { refused } = await controlRequest(test.socket_dir, "stats") as { refused: number };
  assert(refused >= 7);
  assert(test.log.some((line) => line.includes("the token is not accepted here")));
  assert(!test.log.some((line) => line.includes("secret")));
});

Deno.test("[[listen]] with TLS: frames and lines; who does not speak TLS is closed, and harms nobody", async () => {
  const directory = await Deno.makeTempDir();
  const { ca, cert, key } = await certificates(directory), tls = { cert, key };
  await using test = await start([listener({ channel: "deploys", tls: { cert: "c", key: "k" } })], { l: { tls } });
  const port = await portOf(test);
  assert.deepEqual((await listening(test)).map(({ tls, token }) => [tls, token]), [[true, false]]);
  using plain = await dial(test);
  await plain.send("hello, no TLS\n");
  await plain.rest();
  const connect = async () => await Deno.connectTls({ hostname: "localhost", port, caCerts: [ca] });
  const frames = RawClient.over(await connect());
  using _frames = frames;
  await frames.send(PREFACE, encodeFrame({ type: HELLO, flags: 3, payload: encodeHello({ listen: true }) }));
  assert(await frames.firstIs(WELCOME));
  using lines = new LineClient(await connect());
  await lines.hello({ handle: true });
  const large = "x".repeat(3_000_000);
  await lines.say({ type: "event", data: large });
  assert.equal(decode((await frames.until(EVENT)).payload), large);
  using text = new LineClient(await connect());
  await text.send("ask\n");
  const { source, id } = await lines.json();
  await lines.say({ type: "reply", target: source, id, data: "answer" });
  assert.equal(await text.line(), "answer");
  assert.deepEqual(test.log.filter((line) => line.startsWith("error")), []);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("[[listen]]: a port that is taken, or a certificate that is none, ends the start with what it is", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr, mask = Deno.umask();
  await assert.rejects(start([listener({ port })]), {
    reason: "CHANNEL_RECV",
    message: new RegExp(`Cannot listen on 127.0.0.1:${port}`),
  });
  const tls = { cert: "-----BEGIN CERTIFICATE-----\n", key: "-----BEGIN PRIVATE KEY-----\n" };
  await assert.rejects(start([listener()], { l: { tls } }), { reason: "CHANNEL_RECV" });
  // It is the whole process', and what later tests compile would not be executable.
  assert.equal(Deno.umask(), mask);
});

Deno.test("[[listen]] and reload: what is new opens, what is gone closes, who is connected stays", async () => {
  let settings: Settings | undefined;
  const secrets: Record<string, Partial<ListenSecrets>> = {};
  await using test = await start(
    [listener({ name: "stays" }), listener({ name: "goes", hostname: "localhost" })],
    secrets,
    () => Promise.resolve(settings!),
  );
  const base = await controlRequest(test.socket_dir, "config") as Settings, { access } = testSettings(test.socket_dir);
  const reload = async (listen: readonly ListenSettings[]) => {
    settings = { ...base, channel_idle_ms: 60_000, idle_exit_ms: Infinity, channels: new Map(), access, listen };
    await test.broker.reload();
  };
  const [stays, goes] = [await portOf(test, "stays"), await portOf(test, "goes")];
  const there = await binary(test, { channel: "d" }, "goes");
  assert(there instanceof RawClient);
  using _there = there;
  secrets["stays"] = { tokens: [{ name: "a", sha256: await sha256("secret") }] };
  await reload([listener({ name: "stays", token_file: "t" }), listener({ name: "new", hostname: "127.0.0.2" })]);
  assert.deepEqual((await listening(test)).map(({ name }) => name), ["stays", "new"]);
  assert.equal(await portOf(test, "stays"), stays);
  await assert.rejects(Deno.connect({ hostname: "localhost", port: goes }), Deno.errors.ConnectionRefused);
  assert.equal(await binary(test, { channel: "d" }, "stays"), "UNAUTHORIZED");
  await there.send(encodeFrame({ type: FRAME_TYPES.PING, id: 4 }));
  assert.equal((await there.until(FRAME_TYPES.PONG)).id, 4);
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await assert.rejects(reload([listener({ name: "stays" }), listener({ name: "no", port })]), {
    reason: "CHANNEL_RECV",
  });
  assert.deepEqual((await listening(test)).map(({ name, token }) => [name, token]), [["stays", true], ["new", false]]);
  assert.equal(await binary(test, { channel: "d" }, "stays"), "UNAUTHORIZED");
});

Deno.test("[[listen]] and reload: tokens are those of the listener, whatever another was called before, and go with it", async () => {
  let settings: Settings | undefined;
  const of = async (name: string) => ({ tokens: [{ name: "ops", sha256: await sha256(name) }] });
  const [a, b] = [await of("a"), await of("b")], secrets: Record<string, Partial<ListenSecrets>> = { one: a };
  const one = listener({ name: "one", token_file: "t" });
  await using test = await start([one], secrets, () => Promise.resolve(settings!));
  const reload = async (...listen: ListenSettings[]) => {
    settings = { ...testSettings(test.socket_dir), listen };
    await test.broker.reload();
  };
  const session = await binary(test, { channel: "d", token: "a" }, "one");
  assert(session instanceof RawClient);
  const renamed = { ...one, name: "x" }, second = { ...one, hostname: "localhost" };
  secrets["x"] = a;
  await reload(renamed);
  secrets["one"] = b;
  await reload(renamed, second);
  for (const [name, right, wrong] of [["x", "a", "b"], ["one", "b", "a"]] as const) {
    assert.equal(await binary(test, { channel: "d", token: wrong }, name), "UNAUTHORIZED", name);
    using client = await binary(test, { channel: "d", token: right }, name) as RawClient;
    assert(client instanceof RawClient, name);
  }
  await session.send(encodeFrame({ type: FRAME_TYPES.PING, id: 4 }));
  assert.equal((await session.until(FRAME_TYPES.PONG)).id, 4);
  await reload(second);
  assert.equal(await session.reasonOfEnd(), "UNAUTHORIZED");
});
