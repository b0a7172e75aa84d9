/**
 * Every dialect opposite every other: each message keeps its meaning from one to the other, as docs/wire.md has it under
 * "Across dialects". Where one of a pair cannot listen or handle (Simple IPC, and text as a handler) a program in
 * TypeScript does, and what is compared is that both of the pair get the same from it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { controlRequest, startTestBroker } from "../../daemon/testing.ts";
import { IpcError } from "../../protocol/errors.ts";
import { eventually } from "../e2e/wait.ts";
import { type Dialect, DIALECTS, join, type Party, Refusal } from "./parties.ts";

/** What a value is for each dialect that gets it. */
interface Meaning {
  what: string;
  /** Which dialects can say it. */
  said_by: readonly Dialect[];
  value: unknown;
  heard: Record<Dialect, unknown>;
}

const bytes = new Uint8Array([0x00, 0xff, 0xc3, 0x28]), base64 = '{"encoding":"base64","data":"AP/DKA=="}';
const object = { rev: "a1b2", n: [1, null, true], "": { "ü": "€" } };
const map = new Map<string, unknown>([["at", new Date(0)], ["tags", new Set(["x"])], ["raw", bytes]]);
const view = { at: "1970-01-01T00:00:00.000Z", tags: ["x"], raw: { encoding: "base64", data: "AP/DKA==" } };
const ALL = DIALECTS, NOT_TEXT = ["binary", "json_lines", "simple_ipc"] as const;

const MEANINGS: readonly Meaning[] = [
  { what: "text", said_by: ALL, value: 'grün "€"', heard: same('grün "€"') },
  { what: "an empty text", said_by: ALL, value: "", heard: same("") },
  { what: "text that looks like JSON", said_by: ALL, value: '{"a":1}', heard: same('{"a":1}') },
  { what: "an object", said_by: NOT_TEXT, value: object, heard: { ...same(object), text: JSON.stringify(object) } },
  { what: "null", said_by: NOT_TEXT, value: null, heard: { ...same(null), text: "null" } },
  { what: "bytes", said_by: ALL, value: bytes, heard: { ...same(bytes), text: base64 } },
  {
    what: "a Map",
    said_by: ["binary"],
    value: map,
    heard: { ...same(view), binary: map, text: JSON.stringify(view) },
  },
];

function same(value: unknown): Record<Dialect, unknown> {
  return { binary: value, json_lines: value, text: value, simple_ipc: value };
}

const FAILURE = new IpcError("SCHEMA", "no such field", { data: { field: "rev" } });
const whole = { reason: "SCHEMA", message: "no such field", data: { field: "rev" } };
/** The same failure for each. Simple IPC has no way to say it. */
const FAILED: Record<Dialect, Pick<Refusal, "reason" | "message" | "data">> = {
  binary: whole,
  json_lines: whole,
  text: { ...whole, data: undefined },
  simple_ipc: { reason: undefined, message: "", data: undefined },
};

/** A channel with two parties on it, in a broker of their own. */
async function pair(
  left: Dialect,
  right: Dialect,
): Promise<AsyncDisposable & { left: Party; right: Party; third: Party }> {
  const broker = await startTestBroker();
  await controlRequest(broker.socket_dir, "open", { channel: "c" });
  const parties = [] as Party[];
  for (const dialect of [left, right, "binary"] as const) parties.push(await join(dialect, broker.socket_dir, "c"));
  const listening = [left, right, "binary"].filter((dialect) => dialect !== "simple_ipc").length;
  await eventually(async () => {
    const { listeners } = await controlRequest(broker.socket_dir, "channel", { channel: "c" }) as { listeners: number };
    return listeners === listening;
  }, "somebody does not listen");
  return {
    left: parties[0]!,
    right: parties[1]!,
    third: parties[2]!,
    async [Symbol.asyncDispose]() {
      for (const party of parties) await party[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

/** Says what can be said; the others hear what it means to them, in order. */
async function exchangeEvents(from: Party, speaks: Dialect, to: Party, understands: Dialect, third: Party) {
  for (const { what, said_by, value, heard } of MEANINGS) {
    if (!said_by.includes(speaks)) continue;
    await from.send(value);
    if (to.hear !== undefined) assert.deepEqual(await to.hear(), heard[understands], what);
    assert.deepEqual(await third.hear!(), heard.binary, what);
  }
}

/** Asks what can be asked of a handler that says it back, and notes what it was for it. */
async function exchangeRequests(asker: Party, speaks: Dialect, asked: unknown[], understands: Dialect) {
  for (const { what, said_by, value, heard } of MEANINGS) {
    if (!said_by.includes(speaks)) continue;
    const reply = await asker.ask(value), question = asked.shift();
    assert.deepEqual(question, heard[understands], `${what}, as it was asked`);
    // What came back went through the handler's language, so it is what that makes of it.
    const answer = MEANINGS.find((meaning) => meaning.value === question || isSame(meaning.value, question));
    assert.deepEqual(reply, (answer?.heard ?? same(question))[speaks], `${what}, as it was answered`);
  }
}

function isSame(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}

for (const left of DIALECTS) {
  for (const right of DIALECTS) {
    Deno.test(`${left} and ${right}: an event from the first to the second`, async () => {
      await using on = await pair(left, right);
      await exchangeEvents(on.left, left, on.right, right, on.third);
    });

    Deno.test(`${left} and ${right}: a request from the first, a reply and an error from the second`, async () => {
      await using on = await pair(left, right);
      const handler = on.right.handle === undefined ? on.third : on.right;
      const understands = on.right.handle === undefined ? "binary" : right, asked: unknown[] = [];
      await handler.handle!((data) => {
        if (data === "fail") throw FAILURE;
        asked.push(data);
        return data;
      });
      // If the second cannot handle it asks, too: both get the same answers.
      const askers: [Party, Dialect][] = [[on.left, left]];
      if (handler === on.third) askers.push([on.right, right]);
      for (const [asker, speaks] of askers) {
        await exchangeRequests(asker, speaks, asked, understands);
        await assert.rejects(asker.ask("fail"), (error: unknown) => {
          assert(error instanceof Refusal, String(error));
          const { reason, message, data } = error;
          assert.deepEqual({ reason, message, data }, FAILED[speaks]);
          return true;
        });
      }
    });
  }
}
