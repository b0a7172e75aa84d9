import assert from "node:assert/strict";
import ts from "typescript";
import { connect, type Message } from "../../client/mod.ts";
import { certificates, sha256, startNetworkBroker, Wire } from "../../client/testing.ts";
import { installed } from "../interop/program.ts";
import { eventually } from "../e2e/wait.ts";

const PACKAGE = Deno.makeTempDirSync({ prefix: "ipc-npm-" });
addEventListener("unload", () => Deno.removeSync(PACKAGE, { recursive: true }));
// In a process of its own: esbuild's helper would be a leak in the first test.
const BUILD = new Deno.Command(Deno.execPath(), {
  args: [
    "eval",
    `import { buildNpm } from "${import.meta.resolve("../../scripts/build_npm.ts")}"; ` +
    `await buildNpm(${JSON.stringify(PACKAGE)});`,
  ],
}).outputSync();
if (!BUILD.success) throw new Error(`cannot build: ${new TextDecoder().decode(BUILD.stderr)}`);

/** A test that needs Node.js. */
const nodeTest = installed("node") ? Deno.test : Deno.test.ignore;

/** A step of program.mjs, running. */
class NodeStep {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #stderr: Promise<string>;

  constructor(step: string, options: Record<string, unknown>) {
    const program = new URL("program.mjs", import.meta.url).pathname;
    this.#child = new Deno.Command("node", {
      args: [program, `${PACKAGE}/mod.js`, step, JSON.stringify(options)],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lines = lines(this.#child.stdout);
    this.#stderr = new Response(this.#child.stderr).text();
  }

  /** What it tells next. */
  async next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`node ended: ${await this.#stderr}`);
    return JSON.parse(value);
  }

  /** Ends its input, and waits until it ends by itself, having said nothing more. */
  async end(): Promise<void> {
    await this.#child.stdin.close();
    const { code } = await this.#child.status;
    assert.equal(`${code} ${await this.#stderr}`, "0 ");
    assert.deepEqual(await this.#lines.next(), { value: undefined, done: true });
  }

  async write(text: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    writer.releaseLock();
  }
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const all = (rest + text).split("\n");
    rest = all.pop()!;
    yield* all;
  }
}

nodeTest("node: events both ways, structured payloads, five million bytes", async () => {
  await using broker = await startNetworkBroker({ all: {} });
  for (const where of [{ socket_dir: broker.socket_dir }, { url: broker.url("all") }]) {
    const node = new NodeStep("events", { ...where, echo: false });
    assert.equal(await node.next(), "ready");
    await using channel = await connect("events", { socket_dir: broker.socket_dir, echo: false });
    const got: Message[] = [];
    channel.listen((message) => void got.push(message));
    await channel.flush();
    const sent = ["text é", { a: [1, null] }, new Uint8Array(3_000_000), new Map([["k", 1]]), 12345678901234567890n];
    for (const data of sent) await channel.broadcast(data, { headers: { n: 1 } });
    await channel.broadcast("end");
    const told = [];
    for (const _ of sent) told.push(await node.next() as { type: string; shown: unknown; headers: unknown });
    assert.deepEqual(told.map(({ type, shown }) => [type, shown]), [
      ["String", "text é"],
      ["Object", { a: [1, null] }],
      ["Uint8Array", 3_000_000],
      ["Map", [["k", 1]]],
      ["BigInt", "12345678901234567890"],
    ]);
    assert.deepEqual(told[0]!.headers, { n: 1 });
    assert.deepEqual(await node.next(), { listeners: 1 });
    await eventually(() => got.length === 2, "what node sent");
    const circle = got[0]!.data as Record<string, unknown>;
    assert.equal(circle.self, circle);
    assert.deepEqual(circle.map, new Map([[1, new Date(0)]]));
    assert.equal(circle.big, 10n ** 20n);
    assert.deepEqual(got[1]!.data, new Uint8Array(5_000_000).fill(7));
    await node.end();
  }
});

nodeTest("node: requests both ways, streamed replies, errors, deadlines", async () => {
  await using broker = await startNetworkBroker({});
  const { socket_dir } = broker;
  await using deno = await connect("deno", { socket_dir });
  deno.handle(async function* ({ data, signal }) {
    if (data === "fail") throw new TypeError("no such thing");
    if (data === "slow") await new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (data === "stream") {
      yield 1;
      yield "two";
      return new Set([3]);
    }
    return { got: data };
  });
  await deno.flush();
  const node = new NodeStep("requests", { socket_dir });
  assert.equal(await node.next(), "ready");
  await using asker = await connect("node", { socket_dir });
  assert.deepEqual(await asker.invoke(3), [{ n: 0 }, { n: 1 }, { n: 2 }]);
  const parts: unknown[] = [];
  for await (const { data } of asker.invokeStream(2)) parts.push(data);
  assert.deepEqual(parts, [{ n: 0 }, { n: 1 }]);
  await assert.rejects(asker.invoke("fail"), { reason: "HANDLER_ERROR", message: "no such thing" });
  assert.deepEqual(await node.next(), { reply: { got: {} } }); // a Map, as JSON shows it
  assert.deepEqual(await node.next(), { parts: [1, "two", {}] });
  const failed = await node.next() as Record<string, unknown>;
  assert.deepEqual([failed.name, failed.reason, failed.is_ipc, failed.message], [
    "IpcError",
    "HANDLER_ERROR",
    true,
    "no such thing",
  ]);
  assert.deepEqual(await node.next(), { reason: "TIMEOUT" });
  await node.write("go on\n");
  await node.end();
});

nodeTest("node: a listener resumes after breaks, nothing missed, nothing doubled", async () => {
  await using broker = await startNetworkBroker({ all: {} });
  const { socket_dir } = broker;
  await using unix = await Wire.lay(socket_dir, "resume");
  await using tcp = Wire.to(broker.port("all"));
  await using publisher = await connect("resume", { socket_dir });
  for (
    const [wire, where] of [
      [unix, { channel: "resume", socket_dir: unix.socket_dir, open: false }],
      [tcp, { channel: `tcp://127.0.0.1:${tcp.port}/resume` }],
    ] as const
  ) {
    const node = new NodeStep("resume", { ...where, count: 4_000 });
    assert.equal(await node.next(), "ready");
    for (let n = 0; n < 4_000; n++) {
      await publisher.broadcast(n);
      if (n % 1_000 !== 500) continue;
      await publisher.flush();
      wire.cut();
    }
    const { next, wrong, notices } = await node.next() as { next: number; wrong: number; notices: string[] };
    assert.deepEqual([next, wrong], [4_000, 0]);
    assert.deepEqual(notices.slice(0, 2), ["disconnected", "reconnected"]);
    await node.end();
  }
});

nodeTest("node: a publisher that is cut sends nothing twice, and counts what may be lost", async () => {
  await using broker = await startNetworkBroker({ all: {} });
  await using tcp = Wire.to(broker.port("all"));
  await using listener = await connect("publish", { socket_dir: broker.socket_dir });
  const got: number[] = [];
  listener.listen(({ data }) => void got.push(data as number));
  await listener.flush();
  const node = new NodeStep("publish", { channel: `tcp://127.0.0.1:${tcp.port}/publish`, count: 20_000 });
  for (let cuts = 1; cuts <= 4; cuts++) {
    await eventually(() => got.length > cuts * 3_000, "more events");
    tcp.cut();
  }
  const { lost } = await node.next() as { lost: number };
  await node.end();
  await listener.flush();
  assert.ok(got.every((n, at) => at === 0 || n > got[at - 1]!), "in order, none twice");
  assert.ok(got.length <= 20_000 && got.length + lost >= 20_000, `${got.length} came, ${lost} may be lost`);
});

nodeTest("node: TLS with the right authority only, tokens, and what cannot be reached", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "ipc-tls-" });
  await using _dir = { [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
  const { ca, other_ca, key, cert, expired, elsewhere } = await certificates(dir);
  await using broker = await startNetworkBroker({
    good: { tls: { cert, key }, tokens: [{ name: "ci", sha256: await sha256("secret") }] },
    expired: { tls: { cert: expired, key } },
    elsewhere: { tls: { cert: elsewhere, key } },
  });
  const refused = async (options: Record<string, unknown>): Promise<{ reason: string; message: string }> => {
    const node = new NodeStep("refused", options), told = await node.next();
    await node.end();
    return told as { reason: string; message: string };
  };
  const good = `${broker.url("good")}/deploys`, token = "secret";
  assert.equal(await refused({ channel: good, ca, token }), "connected");
  assert.equal((await refused({ channel: good, ca })).reason, "UNAUTHORIZED");
  for (
    const [channel, authority, words] of [
      [good, other_ca, /signed by nobody who is trusted here/],
      [good, undefined, /signed by nobody who is trusted here/],
      [`${broker.url("expired")}/deploys`, ca, /has expired/],
      [`${broker.url("elsewhere")}/deploys`, ca, /is for another host/],
    ] as const
  ) {
    const { reason, message } = await refused({ channel, ca: authority, token });
    assert.equal(reason, "FORBIDDEN", message);
    assert.match(message, words);
  }
  assert.equal((await refused({ channel: "deploys", socket_dir: `${dir}/none` })).reason, "CHANNEL_NOT_FOUND");
  await Deno.writeTextFile(`${dir}/.deno.deploys.socket`, "");
  assert.match((await refused({ channel: "deploys", socket_dir: dir })).message, /it is a file of user/);
});

nodeTest("node: control(), disposal, and mistakes in callbacks", async () => {
  await using broker = await startNetworkBroker({});
  const { socket_dir } = broker;
  const node = new NodeStep("control", { socket_dir });
  assert.equal((await node.next() as { pid: number }).pid, Deno.pid);
  const { disposable, client } = await node.next() as { disposable: string; client: number };
  assert.equal(disposable, "function");
  assert.ok(client > 0);
  await node.end();
  const mistaken = new NodeStep("mistake", { socket_dir });
  assert.deepEqual(await mistaken.next(), { uncaught: "a mistake" });
  await mistaken.end();
});

Deno.test("node: the package's types are complete, and say what the library's do", () => {
  const consumer = `${PACKAGE}/consumer.mts`;
  Deno.writeTextFileSync(
    consumer,
    `import { type Acknowledgement, connect, type Disposer, IpcError, type Message, type Notice } from "@ipc/ipc";
    const channel = await connect("deploys", { url: "tcp://127.0.0.1:1", onnotice: (notice: Notice) => void notice });
    const end: Disposer = channel.listen((message: Message) => message.seq + 1);
    const { listeners }: Acknowledgement = await channel.broadcast(new Map(), { ack: true });
    const nothing: void = await channel.broadcast(1);
    for await (const { data, more } of channel.invokeStream("x", { timeout_ms: 1 })) console.log(data, more);
    if (new IpcError("TIMEOUT", "").reason !== "TIMEOUT") end();
    // @ts-expect-error
    channel.broadcast(1, { akc: true });
    // @ts-expect-error
    connect(5);
    console.log(listeners, nothing);`,
  );
  const program = ts.createProgram([consumer], {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
    types: [],
    strict: true,
    noEmit: true,
  }, npmHost());
  const found = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) =>
    `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
  );
  assert.deepEqual(found, []);
});

Deno.test("node: examples in the package's types are of the package", () => {
  const imports: string[] = [];
  for (const folder of ["client", "protocol"]) {
    for (const { name } of Deno.readDirSync(`${PACKAGE}/types/${folder}`)) {
      const text = Deno.readTextFileSync(`${PACKAGE}/types/${folder}/${name}`);
      assert(!/startTestBroker|\bbroker\.socket_dir/.test(text), name);
      for (const [, from] of text.matchAll(/^ *\* import .* from "(.*)"/gm)) imports.push(from!);
    }
  }
  assert(imports.length > 3, `only ${imports.length} examples`);
  assert.deepEqual([...new Set(imports)], ["@ipc/ipc"]);
});

/** Finds `@ipc/ipc` where it was built. */
function npmHost(): ts.CompilerHost {
  Deno.mkdirSync(`${PACKAGE}/node_modules/@ipc`, { recursive: true });
  Deno.symlinkSync(PACKAGE, `${PACKAGE}/node_modules/@ipc/ipc`);
  return ts.createCompilerHost({});
}
