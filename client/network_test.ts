import assert from "node:assert/strict";
import { brokerAddress, channelAddress } from "./address.ts";
import { connect, control, type Notice } from "./mod.ts";
import { Session } from "./session.ts";
import { certificates, failure, numbers, sha256, startNetworkBroker, Wire } from "./testing.ts";
import { eventually, pause } from "../tests/e2e/wait.ts";

const NOWHERE = { os: "linux", variable: () => undefined };

function reasonFor(text: string, options = {}): string {
  try {
    brokerAddress({ url: text, ...options }, NOWHERE);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

Deno.test("brokerAddress() takes url before socket_dir before the environment", () => {
  const environment = (variables: Record<string, string>, os = "linux") => ({
    os,
    variable: (name: string) => variables[name],
  });
  const url = "tcp://127.0.0.1:7410", both = { IPC_CONNECT: url, IPC_SOCKET_DIR: "/run/x" };
  assert.deepEqual(brokerAddress({}, NOWHERE), { transport: "unix", socket_dir: "/tmp" });
  assert.deepEqual(brokerAddress({}, environment({ IPC_SOCKET_DIR: "/run/x" })), {
    transport: "unix",
    socket_dir: "/run/x",
  });
  assert.equal(brokerAddress({}, environment(both)).transport, "tcp");
  assert.deepEqual(brokerAddress({ socket_dir: "/a" }, environment(both)), { transport: "unix", socket_dir: "/a" });
  const chosen = brokerAddress({ socket_dir: "/a", url: "tls://[::1]:9" }, environment(both));
  assert.deepEqual(chosen, {
    transport: "tls",
    url: "tls://[::1]:9",
    hostname: "::1",
    port: 9,
    ca: [],
    fallback: false,
  });
});

Deno.test("brokerAddress() takes TCP on Windows, whatever the socket_dir", () => {
  const windows = { os: "windows", variable: () => undefined };
  const address = brokerAddress({ socket_dir: "C:/Windows/Temp" }, windows);
  assert.deepEqual(address, {
    transport: "tcp",
    url: "tcp://127.0.0.1:7410",
    hostname: "127.0.0.1",
    port: 7410,
    ca: [],
    fallback: true,
  });
  const configured = brokerAddress({ socket_dir: "C:/x", fallback_url: "tls://localhost:7411" }, windows);
  assert.ok(configured.transport === "tls" && configured.port === 7411 && configured.fallback);
  assert.equal(brokerAddress({ fallback_url: "tcp://localhost:1" }, NOWHERE).transport, "unix");
  const chosen = brokerAddress({}, { ...windows, variable: () => "tcp://10.0.0.1:99" });
  assert.ok(chosen.transport === "tcp" && chosen.hostname === "10.0.0.1" && !chosen.fallback);
});

Deno.test("brokerAddress() says what is wrong with a URL, and shows no secret", () => {
  assert.match(reasonFor("127.0.0.1:7410"), /does not begin with tcp|does not look like/);
  assert.match(reasonFor("http://127.0.0.1:7410"), /does not begin with tcp:\/\/ or tls:\/\//);
  assert.match(reasonFor("tcp://127.0.0.1"), /the port is missing/);
  assert.match(reasonFor("tcp://:7410"), /does not look like|host is missing/);
  assert.match(reasonFor("tcp://127.0.0.1:7410/deploys"), /it has a path, "deploys"/);
  assert.match(reasonFor("tcp://127.0.0.1:7410?x"), /nothing may stand behind/);
  const secret = reasonFor("tcp://me:geheim@127.0.0.1:7410");
  assert.match(secret, /use the token/);
  assert.ok(!secret.includes("geheim"), secret);
  for (const url of ["me:geheim@127.0.0.1:7410", "tcp://h:1/x?token=geheim", "tcp://h:1/x#geheim", "http://geheim@h"]) {
    assert.ok(!reasonFor(url).includes("geheim"), url);
  }
  assert.match(reasonFor("tls://localhost:7411", { ca: "/etc/ca.pem" }), /not the text of a certificate/);
  assert.throws(() => channelAddress("tcp://127.0.0.1:7410", {}), /the channel is missing/);
  assert.throws(() => channelAddress("tcp://127.0.0.1:7410/a/b", {}), /not a channel name/);
  assert.equal(channelAddress("tcp://127.0.0.1:7410/deploys", {}).channel, "deploys");
});

const TOKEN = "a token";
const TOKENS = [{ name: "ci", sha256: await sha256(TOKEN) }];

Deno.test("connect() reaches any channel by TCP", async () => {
  await using broker = await startNetworkBroker({ all: {} });
  await using far = await connect(`${broker.url("all")}/far`, { name: "far" });
  await using near = await connect("far", { socket_dir: broker.socket_dir });
  assert.equal(far.name, "far");
  near.handle(({ data }) => `${data}!`);
  await near.flush();
  assert.equal(await far.invoke("hello"), "hello!");
  const big = crypto.getRandomValues(new Uint8Array(60_000)), events = near.events();
  await far.broadcast(big);
  assert.deepEqual((await events.next()).value!.data, big);
  assert.deepEqual((await far.clients()).map(({ name }) => name).sort(), ["", "far"]);
  await using other = await connect("other", { url: broker.url("all") });
  assert.equal(other.name, "other");
});

Deno.test("connect() and control() show their token, and are told if it is not accepted", async () => {
  await using broker = await startNetworkBroker({ guarded: { tokens: TOKENS } });
  const url = broker.url("guarded");
  assert.equal((await control("ping", {}, { url, token: TOKEN }) as { pid: number }).pid, Deno.pid);
  await using far = await connect(`${url}/far`, { token: TOKEN });
  assert.equal((await far.clients()).length, 1);
  for (const token of [undefined, "another"]) {
    assert.equal((await failure(connect(`${url}/far`, { token }))).reason, "UNAUTHORIZED");
    assert.equal((await failure(control("ping", {}, { url, token }))).reason, "UNAUTHORIZED");
  }
});

Deno.test("Channel resumes by TCP after a break: nothing missed, nothing doubled", async () => {
  await using broker = await startNetworkBroker({ all: {} });
  await using wire = Wire.to(broker.port("all"));
  await using publisher = await connect("cut", { socket_dir: broker.socket_dir });
  const notices: Notice[] = [], got: unknown[] = [];
  await using listener = await connect(`tcp://127.0.0.1:${wire.port}/cut`, {
    onnotice: (notice) => void notices.push(notice),
  });
  listener.listen(({ data }) => void got.push(data));
  await listener.flush();
  for (let n = 0; n < 4_000; n++) {
    await publisher.broadcast(n);
    if (n % 2_000 === 1_000) {
      await publisher.flush();
      wire.cut();
    }
    if (n % 2_000 === 1_500) await pause(20);
  }
  await eventually(() => got.length >= 4_000, "all events");
  assert.deepEqual(got, numbers(4_000));
  assert.deepEqual(notices.slice(0, 2).map(({ type }) => type), ["disconnected", "reconnected"]);
});

Deno.test("connect() says that nobody listens at an address, and what to do", async () => {
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `tcp://127.0.0.1:${free.addr.port}`;
  free.close();
  const error = await failure(connect(`${url}/deploys`));
  assert.equal(error.reason, "CHANNEL_NOT_FOUND");
  assert.match(error.message, /no broker listens at tcp:.*\[\[listen\]\]/);
  assert.equal((await failure(control("ping", {}, { url }))).reason, "CHANNEL_NOT_FOUND");
  const unknown = await failure(connect("tcp://no.such.host.invalid:1/deploys"));
  assert.equal(unknown.reason, "CHANNEL_RECV");
  assert.match(unknown.message, /Cannot connect to tcp:\/\/no\.such\.host\.invalid:1/);
});

Deno.test("connect() gives up on a host that does not answer", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  for (const transport of ["tcp", "tls"]) {
    const accepting = silent.accept();
    const error = await failure(
      connect(`${transport}://127.0.0.1:${silent.addr.port}/deploys`, { connect_timeout_ms: 50 }),
    );
    assert.equal(error.reason, "TIMEOUT", error.message);
    (await accepting).close();
  }
});

Deno.test("connect() tells that it fell back to TCP where there are no unix sockets", async () => {
  await using broker = await startNetworkBroker({ all: {} });
  const windows = { os: "windows", variable: () => undefined }, notices: Notice[] = [];
  const missing = await failure(new Session("deploys", brokerAddress({}, windows), { connect_timeout_ms: 500 }).open());
  assert.match(missing.message, /no unix sockets on this system, so tcp:\/\/127\.0\.0\.1:7410 was tried/);
  const address = { ...channelAddress(`${broker.url("all")}/deploys`, {}).address, fallback: true };
  const session = new Session("deploys", address, { onnotice: (notice) => void notices.push(notice) });
  await session.open();
  await session.close();
  assert.deepEqual(notices, [{ type: "fallback", url: address.url }]);
});

Deno.test("connect() reaches a channel by TLS, and trusts nobody else", async (t) => {
  const dir = Deno.makeTempDirSync({ prefix: "ipc-tls-" });
  await using _dir = { [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
  const { ca, other_ca, key, cert, expired, elsewhere } = await certificates(dir);
  const tokens = TOKENS;
  await using broker = await startNetworkBroker({
    good: { tls: { cert, key }, tokens },
    expired: { tls: { cert: expired, key }, tokens },
    elsewhere: { tls: { cert: elsewhere, key }, tokens },
    plain: {},
  });
  const joined = async (): Promise<number> =>
    (await control("clients", { channel: "far" }, { socket_dir: broker.socket_dir }) as unknown[]).length;

  await t.step("events and requests, with the right authority, and after a break", async () => {
    await using wire = Wire.to(broker.port("good"));
    await using far = await connect(`tls://localhost:${wire.port}/far`, { ca: [other_ca, ca], token: TOKEN });
    far.handle(({ data }) => (data as Uint8Array).length);
    await far.flush();
    await using near = await connect("far", { socket_dir: broker.socket_dir });
    assert.equal(await near.invoke(new Uint8Array(5_000_000)), 5_000_000);
    const got = near.events();
    for (let n = 0; n < 1_000; n++) await far.broadcast(n);
    for (let n = 0; n < 1_000; n++) assert.equal((await got.next()).value!.data, n);
    await far.flush();
    const { client } = far;
    wire.cut();
    await eventually(() => far.connected && far.client !== client, "the next connection");
    await far.flush();
    assert.equal(await near.invoke("abc", { timeout_ms: 2_000 }), 3);
  });

  const refused = async (name: string, ca: string | undefined, words: RegExp): Promise<void> => {
    const before = await joined(), error = await failure(connect(`${broker.url(name)}/far`, { ca, token: TOKEN }));
    assert.equal(error.reason, "FORBIDDEN", error.message);
    assert.match(error.message, words);
    assert.match(error.message, /Nothing was sent/);
    assert.equal(await joined(), before);
  };
  await t.step("unknown authority", async () => {
    await refused("good", other_ca, /signed by nobody who is trusted here.*--ca/);
    await refused("good", undefined, /signed by nobody who is trusted here/);
  });
  await t.step("expired", () => refused("expired", ca, /has expired/));
  await t.step("another host", () => refused("elsewhere", ca, /is for another host/));
  await t.step("a listener that does not speak TLS", async () => {
    const url = `tls://localhost:${broker.port("plain")}/far`;
    const error = await failure(connect(url, { ca, connect_timeout_ms: 1_000 }));
    assert.ok(["CHANNEL_RECV", "TIMEOUT"].includes(error.reason), error.message);
  });
});
