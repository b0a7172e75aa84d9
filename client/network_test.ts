import assert from "node:assert/strict";
import { startTestBroker } from "../daemon/testing.ts";
import { decodeHello } from "../protocol/bodies.ts";
import { FROM_CLIENT, PREFACE } from "../protocol/frame.ts";
import { Scanner } from "../protocol/scanner.ts";
import { socketPath } from "../protocol/socket_path.ts";
import { brokerAddress, channelAddress } from "./address.ts";
import { connect, control, IpcError, type Notice } from "./mod.ts";
import { Session } from "./session.ts";
import { certificates, delay, failure, numbers, until } from "./testing.ts";

/** Takes clients by TCP or TLS, reads their HELLO and passes them on to the socket of the channel that it names. */
class SharedListener implements AsyncDisposable {
  readonly port: number;
  readonly hellos: { channel?: string; token?: string; name?: string }[] = [];
  readonly #listener: Deno.Listener;
  readonly #broker_dir: string;
  readonly #conns: Set<Deno.Conn> = new Set();
  readonly #running: Set<Promise<void>> = new Set();

  constructor(broker_dir: string, tls?: { cert: string; key: string }) {
    this.#broker_dir = broker_dir;
    const place = { hostname: "127.0.0.1", port: 0 };
    this.#listener = tls === undefined ? Deno.listen(place) : Deno.listenTls({ ...place, ...tls });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#follow(this.#accept());
  }

  /** Cuts all connections. */
  cut(): void {
    for (const conn of this.#conns) shut(conn);
    this.#conns.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for (;;) {
      try {
        this.#follow(this.#serve(await this.#listener.accept()));
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      }
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    this.#conns.add(client);
    try {
      const bytes = new Uint8Array(20_000);
      let got = 0;
      const scanner = new Scanner(FROM_CLIENT, 1 << 20);
      for (let taken = 0;;) {
        const count = await client.read(bytes.subarray(got));
        if (count === null) return shut(client);
        got += count;
        if (got <= PREFACE.length) continue;
        const from = Math.max(taken, PREFACE.length), space = scanner.space();
        space.set(bytes.subarray(from, got));
        scanner.filled(got - from);
        taken = got;
        if (scanner.next() !== 0) break;
      }
      const hello = decodeHello(scanner.frame().payload);
      this.hellos.push({ ...hello } as { channel?: string });
      if (hello.channel !== "ipcd") {
        await control("open", { channel: hello.channel! }, { socket_dir: this.#broker_dir });
      }
      const path = socketPath(this.#broker_dir, hello.channel!);
      const broker = await Deno.connect({ transport: "unix", path });
      this.#conns.add(broker);
      for (let done = 0; done < got;) done += await broker.write(bytes.subarray(done, got));
      this.#follow(this.#pass(client, broker));
      this.#follow(this.#pass(broker, client));
    } catch {
      shut(client);
    }
  }

  async #pass(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let got; (got = await from.read(buffer)) !== null;) {
        for (let done = 0; done < got;) done += await to.write(buffer.subarray(done, got));
      }
    } catch {
      // It was cut.
    }
    for (const conn of [from, to]) {
      this.#conns.delete(conn);
      shut(conn);
    }
  }

  #follow(running: Promise<void>): void {
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }
}

function shut(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It was.
  }
}

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
  assert.match(reasonFor("tls://localhost:7411", { ca: "/etc/ca.pem" }), /not the text of a certificate/);
  assert.throws(() => channelAddress("tcp://127.0.0.1:7410", {}), /the channel is missing/);
  assert.throws(() => channelAddress("tcp://127.0.0.1:7410/a/b", {}), /not a channel name/);
  assert.equal(channelAddress("tcp://127.0.0.1:7410/deploys", {}).channel, "deploys");
});

Deno.test("connect() reaches a channel by TCP, and names it in HELLO", async () => {
  await using broker = await startTestBroker();
  await using shared = new SharedListener(broker.socket_dir);
  const url = `tcp://127.0.0.1:${shared.port}`;
  await using far = await connect(`${url}/far`, { name: "far", token: "secret" });
  await using near = await connect("far", { socket_dir: broker.socket_dir });
  assert.equal(far.name, "far");
  assert.deepEqual(shared.hellos.map(({ channel, name, token }) => [channel, name, token]), [["far", "far", "secret"]]);
  near.handle(({ data }) => `${data}!`);
  await near.flush();
  assert.equal(await far.invoke("hello"), "hello!");
  const big = crypto.getRandomValues(new Uint8Array(60_000)), events = near.events();
  await far.broadcast(big);
  assert.deepEqual((await events.next()).value!.data, big);
  assert.equal((await far.clients()).length, 2);
  assert.equal(shared.hellos.at(-1)!.channel, "ipcd");
});

Deno.test("control() asks by TCP", async () => {
  await using broker = await startTestBroker();
  await using shared = new SharedListener(broker.socket_dir);
  const answer = await control("ping", {}, { url: `tcp://127.0.0.1:${shared.port}`, token: "secret" });
  assert.equal((answer as { pid: number }).pid, Deno.pid);
  assert.equal(shared.hellos[0]!.token, "secret");
});

Deno.test("Channel resumes by TCP after a break: nothing missed, nothing doubled", async () => {
  await using broker = await startTestBroker();
  await using shared = new SharedListener(broker.socket_dir);
  await using publisher = await connect("cut", { socket_dir: broker.socket_dir });
  const notices: Notice[] = [], got: unknown[] = [];
  await using listener = await connect(`tcp://127.0.0.1:${shared.port}/cut`, {
    onnotice: (notice) => void notices.push(notice),
  });
  listener.listen(({ data }) => void got.push(data));
  await listener.flush();
  for (let n = 0; n < 4_000; n++) {
    await publisher.broadcast(n);
    if (n % 2_000 === 1_000) {
      await publisher.flush();
      shared.cut();
    }
    if (n % 2_000 === 1_500) await delay(20);
  }
  await until(() => got.length >= 4_000, "all events");
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
  const accepting = silent.accept();
  for (const transport of ["tcp", "tls"]) {
    const error = await failure(
      connect(`${transport}://127.0.0.1:${silent.addr.port}/deploys`, { connect_timeout_ms: 50 }),
    );
    assert.equal(error.reason, "TIMEOUT", error.message);
  }
  (await accepting).close();
});

Deno.test("connect() tells that it fell back to TCP where there are no unix sockets", async () => {
  await using broker = await startTestBroker();
  await using shared = new SharedListener(broker.socket_dir);
  const windows = { os: "windows", variable: () => undefined }, notices: Notice[] = [];
  const missing = await failure(new Session("deploys", brokerAddress({}, windows), { connect_timeout_ms: 500 }).open());
  assert.match(missing.message, /no unix sockets on this system, so tcp:\/\/127\.0\.0\.1:7410 was tried/);
  const address = { ...channelAddress(`tcp://127.0.0.1:${shared.port}/deploys`, {}).address, fallback: true };
  const session = new Session("deploys", address, { onnotice: (notice) => void notices.push(notice) });
  await session.open();
  await session.close();
  assert.deepEqual(notices, [{ type: "fallback", url: address.url }]);
});

Deno.test("connect() reaches a channel by TLS, and trusts nobody else", async (t) => {
  const dir = Deno.makeTempDirSync({ prefix: "ipc-tls-" });
  await using _dir = { [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
  const { ca, other_ca, key, cert, expired, elsewhere } = await certificates(dir);
  await using broker = await startTestBroker();
  await using good = new SharedListener(broker.socket_dir, { cert, key });
  await using old = new SharedListener(broker.socket_dir, { cert: expired, key });
  await using other = new SharedListener(broker.socket_dir, { cert: elsewhere, key });

  await t.step("events and requests, with the right authority", async () => {
    await using far = await connect(`tls://localhost:${good.port}/far`, { ca: [other_ca, ca] });
    far.handle(({ data }) => (data as Uint8Array).length);
    await far.flush();
    await using near = await connect("far", { socket_dir: broker.socket_dir });
    assert.equal(await near.invoke(new Uint8Array(5_000_000)), 5_000_000);
    const got = near.events();
    for (let n = 0; n < 1_000; n++) await far.broadcast(n);
    for (let n = 0; n < 1_000; n++) assert.equal((await got.next()).value!.data, n);
    await far.flush();
    good.cut();
    await until(() => far.connected && far.client > 3, "the next connection");
    await far.flush();
    assert.equal(await near.invoke("abc", { timeout_ms: 2_000 }), 3);
  });

  const refused = async (url: string, ca: string | undefined, words: RegExp): Promise<void> => {
    const heard = (): number => [good, old, other].reduce((sum, { hellos }) => sum + hellos.length, 0);
    const before = heard();
    const error = await failure(connect(url, { ca, token: "secret" }));
    assert.ok(error instanceof IpcError && error.reason === "FORBIDDEN", error.message);
    assert.match(error.message, words);
    assert.match(error.message, /Nothing was sent/);
    assert.equal(heard(), before);
  };
  await t.step("unknown authority", async () => {
    await refused(`tls://localhost:${good.port}/far`, other_ca, /signed by nobody who is trusted here.*--ca/);
    await refused(`tls://localhost:${good.port}/far`, undefined, /signed by nobody who is trusted here/);
  });
  await t.step("expired", () => refused(`tls://localhost:${old.port}/far`, ca, /has expired/));
  await t.step("another host", () => refused(`tls://localhost:${other.port}/far`, ca, /is for another host/));
  await t.step("a server that does not speak TLS", async () => {
    await using plain = new SharedListener(broker.socket_dir);
    const error = await failure(connect(`tls://localhost:${plain.port}/far`, { ca, connect_timeout_ms: 300 }));
    assert.ok(["CHANNEL_RECV", "TIMEOUT"].includes(error.reason), error.message);
  });
});
