import assert from "node:assert/strict";
import {
  checkClientName,
  decodeError,
  decodeGap,
  decodeHello,
  decodePosition,
  decodePresence,
  decodeRoles,
  decodeWelcome,
  encodeError,
  encodeGap,
  encodeHello,
  encodePosition,
  encodePresence,
  encodeRoles,
  encodeWelcome,
  type Gap,
  type Hello,
  type Presence,
  type Welcome,
} from "./bodies.ts";
import { IpcError } from "./errors.ts";
import { encodeBody, type Plain } from "./msgpack.ts";

const HELLO: Hello = {
  name: "backup",
  pid: 4711,
  listen: true,
  handle: false,
  presence: true,
  echo: false,
  token: "secret",
  channel: "deploys",
  schema: "00ff",
  overflow: "drop",
  resume: { epoch: "e1", seq: 2 ** 40 },
};
const WELCOME: Welcome = {
  client: 0xffff_ffff,
  channel: "deploys",
  epoch: "e1",
  seq: 2 ** 40,
  max_message: 16_777_216,
  server: { name: "ipcd", version: "0.1.0" },
  features: ["a", "b"],
};
const GAP: Gap = { from: 1, to: 2 ** 33, reason: "history" };
const PRESENCE: Presence = {
  event: "leave",
  client: 3,
  name: "x",
  listen: true,
  handle: false,
  reason: "SLOW_CONSUMER",
};

function protocolError(run: () => unknown, what: RegExp): void {
  assert.throws(run, (error) => error instanceof IpcError && error.reason === "PROTOCOL" && what.test(error.message));
}

Deno.test("bodies survive encode and decode", () => {
  assert.deepEqual(decodeHello(encodeHello(HELLO)), HELLO);
  assert.deepEqual(decodeHello(encodeHello({})), {});
  assert.deepEqual(decodeWelcome(encodeWelcome(WELCOME)), WELCOME);
  assert.deepEqual(decodeRoles(encodeRoles({ listen: true, overflow: "block" })), { listen: true, overflow: "block" });
  assert.deepEqual(decodePosition(encodePosition(HELLO.resume!)), HELLO.resume);
  assert.deepEqual(decodeGap(encodeGap(GAP)), GAP);
  assert.deepEqual(decodePresence(encodePresence(PRESENCE)), PRESENCE);
});

Deno.test("bodies ignore keys that this version does not know, and take nil for what is left out", () => {
  const more = { later: [1, { x: 2 }] };
  assert.deepEqual(decodeHello(encodeBody({ ...HELLO, ...more } as unknown as { [key: string]: Plain })), HELLO);
  assert.deepEqual(decodeWelcome(encodeBody({ ...WELCOME, ...more } as unknown as { [key: string]: Plain })), WELCOME);
  assert.deepEqual(decodeHello(encodeBody({ name: null, resume: null, listen: null })), {});
});

Deno.test("bodies refuse each key that holds what it may not", () => {
  const wrong: { [key in keyof Hello]: Plain[] } = {
    name: [1, true, "x".repeat(65), "a\nb", "\u009b31m"],
    pid: ["1"],
    listen: [1, "true"],
    handle: ["no"],
    presence: [0],
    echo: ["x"],
    token: [5],
    channel: [["a"]],
    schema: [new Uint8Array(32)],
    overflow: ["wait", 1],
    resume: ["e1", { epoch: 1, seq: 1 }, { epoch: "e" }, { epoch: "e", seq: -1 }, { epoch: "e", seq: 1.5 }],
  };
  for (const [key, values] of Object.entries(wrong)) {
    for (const value of values) protocolError(() => decodeHello(encodeBody({ [key]: value })), new RegExp(key));
  }
  for (const key of ["client", "channel", "epoch", "seq", "max_message"] as const) {
    const { [key]: _, ...rest } = WELCOME;
    protocolError(() => decodeWelcome(encodeBody(rest as unknown as { [key: string]: Plain })), new RegExp(key));
  }
  protocolError(() => decodeGap(encodeBody({ from: 1, to: 2 })), /reason/);
  const presence = { ...PRESENCE, event: "dance" } as unknown as { [key: string]: Plain };
  protocolError(() => decodePresence(encodeBody(presence)), /event/);
});

Deno.test("bodies that are no map are SERIALIZATION", () => {
  for (const decode of [decodeHello, decodeWelcome, decodeRoles, decodeGap, decodePresence]) {
    assert.throws(
      () => decode(new Uint8Array([0xc0])),
      (error) => error instanceof IpcError && error.reason === "SERIALIZATION",
    );
  }
});

Deno.test("checkClientName() counts bytes, not characters", () => {
  assert.equal(checkClientName("ü".repeat(32)), "ü".repeat(32));
  protocolError(() => checkClientName("ü".repeat(33)), /66 bytes, limit is 64/);
});

Deno.test("checkClientName() takes what people write, and nothing that would command a terminal or turn a line round", () => {
  for (const name of ["", "a b", "Zoë's 👩‍💻", "عميل", "[x]"]) assert.equal(checkClientName(name), name);
  for (const code of [0, 7, 0x0a, 0x1b, 0x7f, 0x85, 0x9b, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069]) {
    const name = `a${String.fromCharCode(code)}b`;
    protocolError(() => checkClientName(name), /client name holds control characters/);
  }
});

Deno.test("encodeError() and decodeError() keep code, message and data", () => {
  const error = decodeError(encodeError(new IpcError("SCHEMA", "no", { data: { path: ["a", 1], __proto__x: null } })));
  assert.equal(error.reason, "SCHEMA");
  assert.equal(error.message, "no");
  assert.deepEqual(JSON.parse(JSON.stringify(error.data)), { path: ["a", 1], __proto__x: null });
  const unknown = decodeError(encodeError(new IpcError(7999, "later")));
  assert.deepEqual([unknown.code, unknown.reason, unknown.data], [7999, "UNKNOWN", undefined]);
});

Deno.test("encodeError() leaves out data that a body cannot hold", () => {
  const inside: unknown[] = [];
  inside.push(inside);
  for (const data of [inside, { big: 1n }, () => 0, new Map([[1, 2]])]) {
    const error = decodeError(encodeError(new IpcError("HANDLER_ERROR", "boom", { data })));
    assert.deepEqual([error.reason, error.message, error.data], ["HANDLER_ERROR", "boom", undefined]);
  }
});

Deno.test("decodeError() makes a PROTOCOL error of what it cannot read", () => {
  for (const bytes of [[], [0xc0], [0x81], [0x81, 0xa4, 0x63, 0x6f, 0x64, 0x65, 0xa1, 0x78]]) {
    assert.equal(decodeError(new Uint8Array(bytes)).reason, "PROTOCOL");
  }
  for (const code of [NaN, -1, 0, 1.5, Infinity]) {
    const error = decodeError(encodeError(new IpcError(code, "odd")));
    assert.deepEqual([error.reason, error.message], ["PROTOCOL", "odd"]);
  }
});

Deno.test("decodeError() gives data whose keys reach no prototype", () => {
  const data = JSON.parse('{"__proto__":{"polluted":true}}');
  const error = decodeError(encodeError(new IpcError("SCHEMA", "no", { data })));
  assert.equal((error.data as { polluted?: unknown }).polluted, undefined);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});
