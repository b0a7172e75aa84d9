import assert from "node:assert/strict";
import { sha256 } from "../client/testing.ts";
import { loadSettings } from "../config/load.ts";
import { readListenSecrets } from "../config/listen_secrets.ts";
import type { Settings } from "../config/settings.ts";
import { readTokens } from "../config/tokens.ts";
import { decodeError, encodeFrame, encodeHello, FLAGS, FRAME_TYPES, type Hello, PREFACE } from "../protocol/mod.ts";
import { controlRequest, RawClient, startTestBroker, type TestBroker, testSettings } from "./testing.ts";
import { pause } from "../tests/e2e/wait.ts";

const { ACK, BYE, CANCEL, ERROR, EVENT, HELLO, PING, PONG, REPLY, REQUEST, WELCOME } = FRAME_TYPES;

const text = (value: string) => new TextEncoder().encode(value);
const event = (payload: string | Uint8Array<ArrayBuffer>, id = 0, flags = 0) =>
  encodeFrame({ type: EVENT, flags, id, payload: typeof payload === "string" ? text(payload) : payload });

/** A broker with a file of rules and a file of tokens, both of which can be changed. */
class Ruled implements AsyncDisposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "ipc-rules-" });
  readonly config_file = `${this.#directory}/ipc.toml`;
  readonly token_file = `${this.#directory}/tokens`;
  test!: TestBroker;

  /** @param tokens Each is its own name. */
  static async start(rules: string, tokens: readonly string[] = [], more: Partial<Settings> = {}): Promise<Ruled> {
    const ruled = new Ruled();
    ruled.write(rules);
    await ruled.writeTokens(tokens);
    const settings = await ruled.#load();
    const change = ({ socket_dir }: Settings): Settings => ({ ...settings, socket_dir, ...more });
    ruled.test = await startTestBroker(
      {},
      change,
      async () => ({ ...await ruled.#load(), socket_dir: ruled.test.socket_dir, ...more }),
      readListenSecrets,
      readTokens,
    );
    return ruled;
  }

  /** Who shows the token "ops" may listen on "c". */
  get rules(): string {
    return `[access]\ntoken_file = "${this.token_file}"\n${rules('listen = { allow = ["token:ops"] }')}`;
  }

  write(rules: string): void {
    Deno.writeTextFileSync(this.config_file, rules);
    Deno.chmodSync(this.config_file, 0o600);
  }

  async writeTokens(names: readonly string[]): Promise<void> {
    const lines = await Promise.all(names.map(async (name) => `${name.split("/")[0]}:${await sha256(name)}\n`));
    Deno.writeTextFileSync(this.token_file, `# tokens\n${lines.join("")}`);
    Deno.chmodSync(this.token_file, 0o600);
  }

  /** Writes other rules and has them read. */
  async rule(rules: string): Promise<void> {
    this.write(rules);
    // What was written a moment ago has been taken by then: BYE does not follow a write that is under way.
    await pause(10);
    await this.test.broker.reload();
  }

  join(said: Hello = {}, channel = "c"): Promise<RawClient> {
    return RawClient.join(this.test.socket_dir, channel, said);
  }

  /** Whether somebody may listen now; else why not. */
  async listens(said: Hello = {}): Promise<string | undefined> {
    const client = await RawClient.connect(this.test.socket_dir, "c");
    await client.send(PREFACE, encodeFrame({ type: HELLO, flags: 3, payload: encodeHello({ ...said, listen: true }) }));
    if (!await client.firstIs(WELCOME)) return await client.reasonOfEnd();
    client.close();
    return undefined;
  }

  #load(): Promise<Settings> {
    return loadSettings({ cwd: "/", env: () => undefined, config_file: this.config_file }).then(({ settings }) =>
      settings
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.test[Symbol.asyncDispose]();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

const OPEN = "[channels.c]\n";
const rules = (access: string) => `${OPEN}[channels.c.access]\n${access}\n`;

interface ClientLine {
  name: string;
  bytes_out: number;
  queued_bytes: number;
}

async function clientLine(test: TestBroker, name: string): Promise<ClientLine> {
  const clients = await controlRequest(test.socket_dir, "clients", { channel: "c" }) as ClientLine[];
  return clients.find((client) => client.name === name)!;
}

/** Everything that still comes, up to the end. */
async function restOf({ conn }: RawClient): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [], into = new Uint8Array(64 * 1024);
  try {
    for (let got; (got = await conn.read(into)) !== null;) pieces.push(into.slice(0, got));
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return pieces;
}

Deno.test("reload: a listener with a full queue gets not a byte more than the kernel had been given", async () => {
  await using ruled = await Ruled.start(`queue = "256KiB"\n${OPEN}`);
  const { test } = ruled;
  using deaf = await ruled.join({ listen: true, name: "deaf" }), publisher = await ruled.join();
  const sending = publisher.send(...Array.from({ length: 4096 }, () => event(new Uint8Array(1000))));
  let line: ClientLine;
  do {
    await pause(50);
    line = await clientLine(test, "deaf");
  } while (line.queued_bytes < 200_000);
  const { bytes_out, queued_bytes } = await clientLine(test, "deaf"), kernel_bytes = bytes_out - queued_bytes;
  assert(kernel_bytes > 0 && queued_bytes > 200_000);
  await ruled.rule(`queue = "256KiB"\n${rules('listen = { deny = ["name:deaf"] }')}`);
  // The publisher waited for it alone.
  await sending;
  await publisher.send(encodeFrame({ type: PING, id: 1 }));
  assert.equal((await publisher.until(PONG)).id, 1);
  const got = (await restOf(deaf)).reduce((sum, piece) => sum + piece.length, 0);
  assert.equal(got, kernel_bytes);
  assert.equal(await ruled.listens({ name: "deaf" }), "FORBIDDEN");
});

Deno.test("reload: who reads is told by BYE, and whoever is still allowed loses nothing", async () => {
  await using ruled = await Ruled.start(OPEN, ["ops"]);
  await ruled.rule(`[access]\ntoken_file = "${ruled.token_file}"\n${OPEN}`);
  using gone = await ruled.join({ listen: true }), stays = await ruled.join({ listen: true, token: "ops" });
  using publisher = await ruled.join();
  const count = 2000, pauses = Promise.withResolvers<void>();
  const publishing = (async () => {
    for (let n = 0; n < count; n++) {
      await publisher.send(event(String(n)));
      if (n === 500) {
        pauses.resolve();
        await pause(50);
      }
    }
  })();
  assert.equal((await gone.until(EVENT)).id, 1);
  await pauses.promise;
  await ruled.rule(`[access]\ntoken_file = "${ruled.token_file}"\n${rules('listen = { allow = ["token:ops"] }')}`);
  let last = 1, bye: string | undefined;
  for (let frame; (frame = await gone.next()) !== undefined;) {
    if (frame.type === BYE) bye = `${decodeError(frame.payload).reason} ${decodeError(frame.payload).message}`;
    else assert.equal(frame.id, ++last);
  }
  const words = 'FORBIDDEN a client without a token may not listen on channel "c": a rule denies it';
  assert.equal(bye, words);
  for (let n = 0; n < count; n++) assert.equal((await stays.until(EVENT)).id, n + 1);
  await publishing;
  assert.match(ruled.test.log.join("\n"), /closed clients that the rules do not allow any more {"clients":1}/);
});

Deno.test("reload: handlers, watchers and those who wait for a reply are closed as well, and their partners told", async () => {
  await using ruled = await Ruled.start(OPEN);
  using handler = await ruled.join({ handle: true, name: "handler" }), asker = await ruled.join({ name: "asker" });
  using watcher = await ruled.join({ presence: true, name: "watcher" });
  await asker.send(encodeFrame({ type: REQUEST, id: 1 }));
  assert.equal((await handler.until(REQUEST)).id, 1);
  await ruled.rule(rules('handle = { deny = ["name:handler"] }'));
  assert.equal(await handler.reasonOfEnd(), "FORBIDDEN");
  assert.equal(decodeError((await asker.until(REPLY)).payload).reason, "HANDLER_GONE");
  using other = await ruled.join({ handle: true, name: "other" });
  await asker.send(encodeFrame({ type: REQUEST, id: 2 }));
  assert.equal((await other.until(REQUEST)).id, 2);
  await ruled.rule(rules('request = { deny = ["name:asker"] }\nsee = { deny = ["name:watcher"] }'));
  assert.equal(await asker.reasonOfEnd(), "FORBIDDEN");
  assert.equal((await other.until(CANCEL)).id, 2);
  assert.equal(await watcher.reasonOfEnd(), "FORBIDDEN");
  // Who only could, and did not, stays.
  await other.send(encodeFrame({ type: PING, id: 3 }));
  assert.equal((await other.until(PONG)).id, 3);
});

Deno.test("reload: a watcher that is closed is not told of the others that are", async () => {
  await using ruled = await Ruled.start(OPEN);
  using watcher = await ruled.join({ presence: true, listen: true, name: "a" }),
    other = await ruled.join({ listen: true, name: "b" });
  await watcher.send(encodeFrame({ type: PING, id: 1 }));
  await watcher.until(PONG);
  await ruled.rule(rules("see = { allow = [] }\nlisten = { allow = [] }"));
  const frame = await watcher.next();
  assert.equal(frame!.type, BYE);
  assert.equal(await watcher.next(), undefined);
  assert.equal(await other.reasonOfEnd(), "FORBIDDEN");
});

Deno.test("reload: a publisher that waits for its turn is refused, and what it sent reaches nobody", async () => {
  await using ruled = await Ruled.start(`queue = "64KiB"\n${OPEN}`);
  using slow = await ruled.join({ listen: true, name: "slow" });
  using waiting = await ruled.join({ name: "waiting" });
  const sending = (async () => {
    for (let n = 0; n < 50; n++) await waiting.send(event(new Uint8Array(100_000), n + 1, FLAGS.ACK));
  })();
  const refusal = (async () => {
    let acked = 0;
    for (let frame; (frame = await waiting.next()) !== undefined;) {
      if (frame.type === ACK) acked++;
      else if (frame.type === ERROR) return { acked, id: frame.id, reason: decodeError(frame.payload).reason };
    }
    return undefined;
  })();
  let waits = 0;
  while (waits === 0) {
    await pause(20);
    const found = await controlRequest(ruled.test.socket_dir, "channel", { channel: "c" });
    waits = (found as { publishers_waiting: number }).publishers_waiting;
  }
  await ruled.rule(`queue = "64KiB"\n${rules('send = { deny = ["name:waiting"] }')}`);
  const refused = (await refusal)!;
  assert.deepEqual([refused.id, refused.reason], [refused.acked + 1, "FORBIDDEN"]);
  using good = await ruled.join();
  const last = good.send(event("last"));
  let heard = 0, frame;
  while ((frame = await slow.until(EVENT)).payload.length > 10) heard++;
  assert.deepEqual([heard, frame.id], [refused.acked, refused.acked + 1]);
  await Promise.all([last, sending]);
});

Deno.test("reload: the sessions of a token that is gone end, and of one that is another now, wherever they came in", async () => {
  const listen = [{ name: "l", hostname: "127.0.0.1", port: 0, channel: "c", tls: undefined }];
  const access = () => `[access]\ntoken_file = "${ruled.token_file}"\n`;
  await using ruled = await Ruled.start(OPEN, ["ops", "ci", "old/1"]);
  const more = { listen: [{ ...listen[0]!, token_file: ruled.token_file }] };
  await using other = await Ruled.start(OPEN, ["ops", "ci", "old/1"], { listen: [{ ...more.listen[0]! }] });
  await ruled.rule(access() + OPEN);
  const stats = await controlRequest(other.test.socket_dir, "stats") as { listen: { port: number }[] };
  const dial = async (token: string) => {
    const client = RawClient.over(await Deno.connect({ port: stats.listen[0]!.port }));
    await client.send(PREFACE, encodeFrame({ type: HELLO, flags: 3, payload: encodeHello({ token }) }));
    assert(await client.firstIs(WELCOME));
    return client;
  };
  const here = (token: string) => ruled.join({ token });
  const sessions = {
    local: { ops: await here("ops"), ci: await here("ci"), old: await here("old/1") },
    tcp: { ops: await dial("ops"), ci: await dial("ci"), old: await dial("old/1") },
  };
  using anonymous = await ruled.join();
  await ruled.writeTokens(["ops", "old/2"]);
  await ruled.test.broker.reload();
  await other.test.broker.reload();
  for (const { ops, ci, old } of Object.values(sessions)) {
    assert.equal(await ci.reasonOfEnd(), "UNAUTHORIZED");
    assert.equal(await old.reasonOfEnd(), "UNAUTHORIZED");
    await ops.send(encodeFrame({ type: PING, id: 1 }));
    assert.equal((await ops.until(PONG)).id, 1);
    ops.close();
  }
  await anonymous.send(encodeFrame({ type: PING, id: 1 }));
  assert.equal((await anonymous.until(PONG)).id, 1);
  assert.equal(await ruled.listens({ token: "ci" }), "UNAUTHORIZED");
  assert.equal(await ruled.listens({ token: "old/2" }), undefined);
  const log = ruled.test.log.join() + other.test.log.join();
  for (const secret of ["old/1", "old/2", await sha256("ops")]) assert(!log.includes(secret), secret);
});

/** What can be wrong: how it comes to be so, and what is said of it. */
const WRONG: [what: string, spoil: (ruled: Ruled) => void, said: RegExp][] = [
  ["cut off in the middle", (ruled) => Deno.truncateSync(ruled.config_file, 40), /not TOML/],
  ["empty", (ruled) => ruled.write(""), /Cannot take back all access rules while running/],
  ["without rules", (ruled) => ruled.write(OPEN), /Cannot take back all access rules while running/],
  ["gone", (ruled) => Deno.removeSync(ruled.config_file), /it does not exist/],
  ["a directory", (ruled) => {
    Deno.removeSync(ruled.config_file);
    Deno.mkdirSync(ruled.config_file);
  }, /it is a directory/],
  ["not UTF-8", (ruled) => Deno.writeFileSync(ruled.config_file, new Uint8Array([0x23, 0xff])), /it is not UTF-8/],
  ["writable for others", (ruled) => Deno.chmodSync(ruled.config_file, 0o606), /everybody may write to it/],
  ["writable for its group", (ruled) => Deno.chmodSync(ruled.config_file, 0o660), /its group may write to it/],
  [
    "wrong in one line",
    (ruled) => ruled.write(`${ruled.rules}send = { allow = ["everyone"] }`),
    /cannot hold "everyone"/,
  ],
  ["wrong in one action", (ruled) => ruled.write(`${ruled.rules}lsten = { allow = [] }`), /did you mean listen/],
  ["with empty tokens", (ruled) => Deno.truncateSync(ruled.token_file), /tokens: cannot be used: it is empty/],
  [
    "without the file of tokens",
    (ruled) => Deno.removeSync(ruled.token_file),
    /tokens: cannot be read: it does not exist/,
  ],
  [
    "with tokens that others may write",
    (ruled) => Deno.chmodSync(ruled.token_file, 0o622),
    /everybody may write to it/,
  ],
  ["with tokens that the group may write", (ruled) => Deno.chmodSync(ruled.token_file, 0o620), /its group may write/],
  [
    "with a wrong token",
    (ruled) => Deno.writeTextFileSync(ruled.token_file, "ops:secret\n"),
    /tokens:1: cannot be used/,
  ],
];

for (const [what, spoil, said] of WRONG) {
  Deno.test(`reload: rules that are ${what} are refused whole, and the old ones stay`, async () => {
    await using ruled = await Ruled.start(OPEN, ["ops"]);
    await ruled.rule(ruled.rules);
    using listener = await ruled.join({ listen: true, token: "ops" });
    spoil(ruled);
    await assert.rejects(ruled.test.broker.reload(), said);
    assert.equal(await ruled.listens(), "FORBIDDEN");
    assert.equal(await ruled.listens({ token: "nobody's" }), "UNAUTHORIZED");
    assert.equal(await ruled.listens({ token: "ops" }), undefined);
    await listener.send(event("still here"));
    assert.equal((await listener.until(EVENT)).id, 1);
  });
}

Deno.test("a broker does not start with tokens that cannot be read", async () => {
  const start = (access: Partial<Settings["access"]>) =>
    startTestBroker(
      {},
      (settings) => ({ ...settings, access: { ...settings.access, ...access } }),
      undefined,
      undefined,
      readTokens,
    );
  await assert.rejects(start({ token_file: "/no/such/file" }), /it does not exist/);
});

Deno.test("reload: of several at once the one that was asked for last holds, however long each takes to read", async () => {
  let asked = 0;
  const base = testSettings("").access;
  await using test = await startTestBroker({}, undefined, async () => {
    const n = ++asked;
    await pause(n === 1 ? 100 : 0);
    const access = { ...base, all: { listen: { allow: n === 3 ? ["*"] : [] } } };
    return { ...testSettings(test.socket_dir), access };
  });
  await Promise.all([1, 2, 3].map(() => test.broker.reload()));
  using _listener = await RawClient.join(test.socket_dir, "c", { listen: true });
});

Deno.test("reload: one that fails half way leaves the old rules", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using ruled = await Ruled.start(rules('listen = { deny = ["name:a"] }'));
  const { port } = taken.addr as Deno.NetAddr, others = rules('listen = { deny = ["name:b"] }');
  ruled.write(`${others}[[listen]]\ntcp = "127.0.0.1:${port}"\n`);
  await assert.rejects(ruled.test.broker.reload(), { reason: "CHANNEL_RECV" });
  assert.deepEqual([await ruled.listens({ name: "a" }), await ruled.listens({ name: "b" })], ["FORBIDDEN", undefined]);
  await ruled.rule(others);
  assert.deepEqual([await ruled.listens({ name: "a" }), await ruled.listens({ name: "b" })], [undefined, "FORBIDDEN"]);
});
