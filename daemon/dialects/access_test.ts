import assert from "node:assert/strict";
import { sha256 } from "../../client/testing.ts";
import type { AccessDocument, AccessTable, Settings } from "../../config/settings.ts";
import { decodeError, encodeFrame, ENCODINGS, FLAGS, type Frame, FRAME_TYPES } from "../../protocol/mod.ts";
import { encodeHello, encodeRoles, type Hello, type IpcError, PREFACE } from "../../protocol/mod.ts";
import { joined } from "../../protocol/joined.ts";
import { RawClient, startTestBroker, type TestBroker } from "../testing.ts";
import { LineClient, simpleIpc } from "./testing.ts";
import { pause } from "../../tests/e2e/wait.ts";

const { ACK, ERROR, EVENT, HELLO, PING, PONG, PRESENCE, REPLY, REQUEST, ROLES, WELCOME } = FRAME_TYPES;

/** Tokens that are their own names. */
const TOKENS = await Promise.all(["ops", "ci"].map(async (name) => ({ name, sha256: await sha256(name) })));

/** A broker whose channel "c" is under rules, and which knows tokens. */
function start(c: AccessTable, more: Partial<AccessDocument> = {}): Promise<TestBroker> {
  const change = (settings: Settings): Settings => ({
    ...settings,
    channels: new Map([["c", settings.defaults]]),
    access: {
      required: false,
      token_file: "tokens",
      all: {},
      globs: [],
      channels: new Map([["c", c]]),
      ...more,
    },
  });
  return startTestBroker({}, change, undefined, undefined, () => TOKENS);
}

/** Says HELLO; returns the client, or why there is no WELCOME. */
async function hello(test: TestBroker, hello: Hello, channel = "c"): Promise<RawClient | IpcError> {
  const client = await RawClient.connect(test.socket_dir, channel);
  await client.send(PREFACE, encodeFrame({ type: HELLO, flags: 3, payload: encodeHello(hello) }));
  if (await client.firstIs(WELCOME)) return client;
  const bye = await client.next();
  client.close();
  return decodeError(bye!.payload);
}

async function welcomed(test: TestBroker, said: Hello = {}, channel = "c"): Promise<RawClient> {
  const client = await hello(test, said, channel);
  assert(client instanceof RawClient, String(client));
  return client;
}

const text = (value: string) => new TextEncoder().encode(value);
const event = (payload: string, id = 0, flags = 0) => encodeFrame({ type: EVENT, flags, id, payload: text(payload) });
const refusalOf = ({ id, payload }: Frame) => `${id} ${decodeError(payload).reason} ${decodeError(payload).message}`;

/** Asks ipcd; returns the answer, or the reason of its refusal. */
async function ask(test: TestBroker, method: string, params: unknown = {}, token?: string): Promise<unknown> {
  using client = await welcomed(test, token === undefined ? {} : { token }, "ipcd");
  await client.send(
    encodeFrame({ type: REQUEST, flags: ENCODINGS.JSON, id: 1, payload: text(JSON.stringify({ method, params })) }),
  );
  const { aux, payload } = await client.until(REPLY);
  return aux === 0 ? JSON.parse(new TextDecoder().decode(payload)) : decodeError(payload).reason;
}

const refused = async (test: TestBroker) => (await ask(test, "stats", {}, "ops") as { refused: number }).refused;

Deno.test("access: HELLO for a role that a rule denies is answered with BYE that says which, where and who", async () => {
  await using test = await start({
    listen: { allow: ["token:ops"] },
    handle: { deny: ["name:w*"] },
    see: { deny: ["token:*"] },
  });
  const cases: [Hello, string][] = [
    [{ listen: true }, 'a client without a token may not listen on channel "c": a rule denies it'],
    [{ listen: true, token: "ci" }, 'token "ci" may not listen on channel "c": a rule denies it'],
    [{ handle: true, name: "worker" }, 'a client called "worker" without a token may not handle on channel "c"'],
    [{ presence: true, token: "ops" }, 'token "ops" may not see who is on channel "c"'],
  ];
  for (const [said, words] of cases) {
    const error = await hello(test, said);
    assert(!(error instanceof RawClient));
    assert.deepEqual([error.reason, error.message.startsWith(words)], ["FORBIDDEN", true], error.message);
  }
  assert.equal(await refused(test), cases.length);
  // Once in ten seconds for each token, and for all who have none.
  assert.equal(test.log.filter((line) => line.includes("refused what a rule denies")).length, 3);
  assert.equal((await ask(test, "clients", { channel: "c" }) as unknown[]).length, 0);
  for (const said of [{ listen: true, token: "ops" }, { handle: true }, { presence: true }, {}]) {
    (await welcomed(test, said)).close();
  }
});

Deno.test("access: a client that may do nothing on a channel does not get in, and opens none", async () => {
  const nothing = { allow: ["token:ops"] };
  const table = { send: nothing, listen: nothing, request: nothing, handle: nothing, see: nothing };
  await using test = await start({}, { globs: [{ channels: ["c", "d*"], table }] });
  const error = await hello(test, {}) as IpcError;
  assert.equal(error.message, 'a client without a token may not do anything on channel "c": a rule denies it');
  assert.equal(await ask(test, "open", { channel: "d1" }), "FORBIDDEN");
  assert.equal(await ask(test, "open", { channel: "c" }), "FORBIDDEN");
  assert.deepEqual((await ask(test, "channels", {}, "ops") as { channel: string }[]).map(({ channel }) => channel), [
    ...["c", "ipcd"],
  ]);
  assert.equal((await ask(test, "open", { channel: "d1" }, "ops") as { channel: string }).channel, "d1");
  (await welcomed(test, { token: "ops" }, "d1")).close();
});

Deno.test("access: ROLES that a rule denies is answered with ERROR and its id, and changes nothing", async () => {
  await using test = await start({ listen: { allow: [] }, handle: { deny: ["*"] } });
  using client = await welcomed(test, { presence: true });
  for (const [id, roles] of [[7, { listen: true }], [8, { handle: true, presence: false }]] as const) {
    await client.send(encodeFrame({ type: ROLES, flags: 3, id, payload: encodeRoles(roles) }));
    assert.match(refusalOf(await client.until(ERROR)), new RegExp(`^${id} FORBIDDEN .*may not (listen|handle)`));
  }
  await client.send(encodeFrame({ type: ROLES, flags: 3, id: 9, payload: encodeRoles({ presence: false }) }));
  assert.equal((await client.until(ACK)).id, 9);
});

Deno.test("access: events that a rule denies reach nobody; each that wants an ACK is answered, of others one a read", async () => {
  await using test = await start({ send: { deny: ["name:bad"] } });
  using listener = await welcomed(test, { listen: true }),
    good = await welcomed(test),
    bad = await welcomed(test, { name: "bad" });
  const one = [
    event("a", 5),
    event("b", 0, FLAGS.ACK),
    event("c", 6, FLAGS.ACK),
    event("d", 0),
    event("r", 7, FLAGS.RETAIN),
  ];
  await bad.send(joined([...one, encodeFrame({ type: PING, id: 1 })]));
  const told: string[] = [];
  for (let frame; (frame = await bad.next())!.type !== PONG;) told.push(refusalOf(frame!));
  const words = 'FORBIDDEN a client called "bad" without a token may not send on channel "c": a rule denies it';
  assert.deepEqual(told, [`5 ${words}`, `0 ${words}`, `6 ${words}`]);
  assert.equal(await refused(test), 5);
  // To one client alone.
  const direct = encodeFrame({ type: EVENT, id: 9, target: listener.welcome?.client ?? 1, payload: text("direct") });
  await bad.send(direct);
  assert.equal(refusalOf(await bad.until(ERROR)), `9 ${words}`);
  await good.send(event("from the good one"));
  const heard = await listener.until(EVENT);
  assert.deepEqual([heard.id, new TextDecoder().decode(heard.payload)], [1, "from the good one"]);
});

Deno.test("access: a flood of forbidden events is no flood of answers, and keeps nobody waiting", async () => {
  await using test = await start({ send: { allow: ["token:ops"] } });
  using listener = await welcomed(test, { listen: true }), good = await welcomed(test, { token: "ops" });
  using bad = await welcomed(test);
  const count = 1_000_000, flood = joined(Array.from({ length: 10_000 }, () => event("")));
  const reading = (async () => {
    let answers = 0;
    for (let frame; (frame = await bad.next())!.type !== PONG;) answers += Number(frame!.type === ERROR);
    return answers;
  })();
  for (let sent = 0; sent < count; sent += 10_000) await bad.send(flood);
  await bad.send(encodeFrame({ type: PING, id: 1 }));
  const answers = await reading;
  assert(answers >= 1 && answers < count / 100, `${answers} answers`);
  assert.equal(await refused(test), count);
  await good.send(event("still there"));
  assert.equal((await listener.until(EVENT)).id, 1);
});

Deno.test("access: an event for one client alone does not reach one that may not listen", async () => {
  await using test = await start({ listen: { allow: ["token:ops"] } });
  const target = await RawClient.join(test.socket_dir, "c"),
    allowed = await RawClient.join(test.socket_dir, "c", { token: "ops" });
  using sender = await welcomed(test);
  for (const [id, client] of [[1, target], [2, allowed]] as const) {
    const to = client.welcome!.client;
    await sender.send(encodeFrame({ type: EVENT, flags: FLAGS.ACK, id, target: to, payload: text("psst") }));
  }
  assert.match(refusalOf((await sender.next())!), /^1 FORBIDDEN client \d+ may not listen on channel "c"/);
  assert.equal((await sender.next())!.type, ACK);
  assert.equal((await allowed.until(EVENT)).id, 0);
  target.close();
  allowed.close();
});

Deno.test("access: a REQUEST that a rule denies gets a REPLY that says so, and no handler sees it", async () => {
  await using test = await start({ request: { allow: ["token:ops"] } });
  using handler = await welcomed(test, { handle: true }),
    client = await welcomed(test),
    ops = await welcomed(test, { token: "ops" });
  await client.send(encodeFrame({ type: REQUEST, id: 3, payload: text("no") }));
  const reply = await client.until(REPLY);
  assert.match(refusalOf(reply), /^3 FORBIDDEN a client without a token may not request on channel "c"/);
  assert.equal(reply.aux, 7011);
  await ops.send(encodeFrame({ type: REQUEST, id: 3, payload: text("yes") }));
  assert.equal(new TextDecoder().decode((await handler.until(REQUEST)).payload), "yes");
});

Deno.test("access: JSON lines are told the same", async () => {
  await using test = await start({ send: { allow: [] }, request: { allow: [] }, handle: { allow: ["token:ci"] } });
  using denied = await LineClient.connect(test, "ipcd");
  denied[Symbol.dispose]();
  using handler = await LineClient.dial(test);
  await handler.hello({ handle: true, token: "ci" });
  using client = await LineClient.dial(test);
  await client.hello({ name: "j" });
  const say = async (line: Record<string, unknown>) => {
    await client.say(line);
    const { type, id, reason, error } = await client.json();
    return [type, id, reason ?? (error as { reason: string }).reason];
  };
  assert.deepEqual(await say({ type: "event", data: 1, id: 4, ack: true }), ["error", 4, "FORBIDDEN"]);
  assert.deepEqual(await say({ type: "event", data: 1 }), ["error", 0, "FORBIDDEN"]);
  assert.deepEqual(await say({ type: "event", data: 1, retain: true, id: 6 }), ["error", 6, "FORBIDDEN"]);
  assert.deepEqual(await say({ type: "request", data: 1, id: 5 }), ["reply", 5, "FORBIDDEN"]);
  assert.deepEqual(await say({ type: "roles", handle: true, id: 7 }), ["error", 7, "FORBIDDEN"]);
  using other = await LineClient.dial(test);
  await other.say({ ipc: 1, type: "hello", handle: true });
  const bye = await other.json();
  assert.deepEqual([bye["type"], bye["reason"]], ["bye", "FORBIDDEN"]);
});

Deno.test("access: a text client is told on a line, and goes on", async () => {
  await using test = await start({ send: { deny: ["*"] }, request: { deny: ["*"] }, listen: { allow: ["token:*"] } });
  const dial = () => LineClient.dial(test);
  using listener = await welcomed(test, { listen: true, token: "ci" }), client = await dial();
  await client.send("hello\n");
  assert.equal(
    await client.line(),
    'error: FORBIDDEN a client without a token may not send on channel "c": a rule denies it',
  );
  using handler = await welcomed(test, { handle: true });
  await client.send("hello?\n");
  assert.match((await client.line())!, /^error: FORBIDDEN .* may not request on channel "c"/);
  // Who is silent is there to listen, and is told that it may not.
  using silent = await dial();
  assert.match((await silent.line())!, /^error: FORBIDDEN .* may not listen on channel "c"/);
  await silent.hearsNothing(300);
  handler.close();
  await listener.send(encodeFrame({ type: PING, id: 1 }));
  assert.equal((await listener.next())!.type, PONG, "no event came");
});

Deno.test("access: a text client that may do nothing at all is told so in text, and closed", async () => {
  await using test = await start({}, { all: { ...everythingTo("token:ops"), see: { allow: [] } } });
  for (const first of ["", "hello\n"]) {
    using client = await LineClient.dial(test);
    await client.send(first);
    const words = new TextDecoder().decode(await client.rest());
    assert.match(words, /^error: FORBIDDEN a client without a token may not do anything on channel "c": .*\n$/);
  }
});

Deno.test("access: Simple IPC that a rule denies is closed without a byte, counted and logged", async () => {
  await using test = await start({ send: { allow: [] }, request: { allow: [] } });
  using listener = await welcomed(test, { listen: true, token: "ci" });
  assert.equal((await simpleIpc(test, 0, '"event"')).length, 0);
  using handler = await welcomed(test, { handle: true });
  assert.equal((await simpleIpc(test, 0, '"request"')).length, 0);
  assert.equal(await refused(test), 2);
  assert(test.log.some((line) => line.includes("refused what a rule denies")));
  for (const client of [listener, handler]) {
    await client.send(encodeFrame({ type: PING, id: 1 }));
    assert.equal((await client.next())!.type, PONG);
  }
});

Deno.test("access: a token on a unix socket: a known one says who, an unknown one is refused, none is nobody", async () => {
  await using test = await start({ send: { allow: ["token:ops"] } });
  for (const token of ["", "wrong", "Ops", "ops "]) {
    const error = await hello(test, { token }) as IpcError;
    assert.deepEqual([error.reason, error.message], ["UNAUTHORIZED", "the token is not accepted here"]);
  }
  using anonymous = await welcomed(test), ops = await welcomed(test, { token: "ops" });
  const clients = await ask(test, "clients", { channel: "c" }) as { token: string | null }[];
  assert.deepEqual(clients.map(({ token }) => token), [null, "ops"]);
  for (const [client, type] of [[anonymous, ERROR], [ops, ACK]] as const) {
    await client.send(event("x", 1, FLAGS.ACK));
    assert.equal((await client.next())!.type, type);
  }
  assert(test.log.every((line) => !line.includes("wrong") && !line.includes(TOKENS[0]!.sha256)));
});

Deno.test("access: ipcd shows what may be seen, and lets those administer who may", async () => {
  await using test = await start({}, {
    all: { admin: { allow: ["token:ops"] } },
    globs: [{ channels: ["secret*"], table: { see: { allow: ["token:ops"] } } }],
  });
  await ask(test, "open", { channel: "secret" });
  using inside = await welcomed(test, {}, "secret");
  const names = async (method: string, token?: string) =>
    [...new Set((await ask(test, method, {}, token) as { channel: string }[]).map(({ channel }) => channel))].sort();
  assert.deepEqual(await names("channels"), ["c", "ipcd"]);
  assert.deepEqual(await names("channels", "ops"), ["c", "ipcd", "secret"]);
  assert.deepEqual(await names("clients"), ["ipcd"]);
  assert.deepEqual(await names("clients", "ops"), ["ipcd", "secret"]);
  for (const [method, params] of [["channel", { channel: "secret" }], ["clients", { channel: "secret" }]] as const) {
    assert.equal(await ask(test, method, params), "FORBIDDEN");
    assert.equal(typeof await ask(test, method, params, "ops"), "object");
    // Whether there is such a channel is not said either.
    assert.equal(await ask(test, method, { channel: "secret2" }), "FORBIDDEN");
  }
  for (const method of ["config", "reload", "drain", "kick"]) {
    assert.equal(await ask(test, method, { client: 1 }), "FORBIDDEN", method);
    assert.equal(await ask(test, method, { client: 1 }, "ci"), "FORBIDDEN", method);
  }
  assert.equal(typeof await ask(test, "config", {}, "ops"), "object");
  assert.equal(typeof await ask(test, "ping"), "object");
  const denied = await hello(test, { listen: true }, "ipcd") as IpcError;
  assert.match(denied.message, /may not listen on channel "ipcd"/);
  (await welcomed(test, { listen: true, token: "ops" }, "ipcd")).close();
  await inside.send(encodeFrame({ type: PING, id: 1 }));
  assert.equal((await inside.until(PONG)).id, 1);
});

Deno.test("access: whoever may see a channel is told who comes", async () => {
  await using test = await start({ see: { allow: ["token:ops"] } });
  using watcher = await welcomed(test, { presence: true, token: "ops" });
  assert.equal((await watcher.until(PRESENCE)).type, PRESENCE);
  (await welcomed(test, { name: "guest" })).close();
  await watcher.until(PRESENCE);
  await pause(0);
});

function everythingTo(subject: string): AccessTable {
  const lists = { allow: [subject] };
  return { send: lists, listen: lists, request: lists, handle: lists };
}
