/**
 * The programs of docs/languages.md against a broker and a TypeScript program on the same channel: each sends, listens,
 * asks and answers, short and long, with everything that a pipe can do to a text, and is killed in the middle.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Channel, connect, IpcError } from "../../client/mod.ts";
import { controlRequest } from "../../daemon/testing.ts";
import { Sandbox } from "../e2e/harness.ts";
import { eventually, pause, within } from "../e2e/wait.ts";
import { build, canRun, commands, type Example, EXAMPLES } from "./examples.ts";
import { installed, Program } from "./program.ts";

type Data = string | Uint8Array;

const encoder = new TextEncoder(), decoder = new TextDecoder();
/** Five MiB of characters of three bytes, one byte off: wherever a read ends, it is within one. */
const LONG = `x${"€".repeat(5 * 1024 * 1024 / 3)}`;
/** Longer than the machine takes to pass a piece on, shorter than the pause that ends a message. */
const BETWEEN_PIECES_MS = 10;
const BINARY = new Uint8Array([0x80, 0xff, 0x00, 0x01, 0x89, 0x7b]);

/** What is written, in pieces, and which events have to come of it. */
const SENT: readonly [what: string, input: readonly Data[], events: readonly Data[]][] = [
  ["a line", ["hello\n"], ["hello"]],
  ["lines in any pieces", ["one\ntw", "o\nthr", "ee\n"], ["one", "two", "three"]],
  ["CR LF", ["one\r\ntwo\r", "\n"], ["one", "two"]],
  ["an empty line", ["one\n\ntwo\n"], ["one", "", "two"]],
  ["no newline at the end", ["hello"], ["hello"]],
  ["a character in two pieces", ["gr", new Uint8Array([0xc3]), new Uint8Array([0xbc]), "n\n"], ["grün"]],
  ["bytes that are no text", [BINARY, "\n"], [BINARY]],
  ["5 MiB", [LONG, "\n"], [LONG]],
];

/** What is sent to a program that listens, and the line that it writes. */
const HEARD: readonly [what: string, data: unknown, line: (example: Example) => string | Uint8Array][] = [
  ["text", "grün", () => "grün"],
  ["an empty text", "", () => ""],
  ["JSON", { rev: ["a1b2", null] }, () => '{"rev":["a1b2",null]}'],
  [
    "bytes",
    BINARY,
    ({ dialect }) => dialect === "text" ? `{"encoding":"base64","data":"${BINARY.toBase64()}"}` : BINARY,
  ],
  ["5 MiB", LONG, () => LONG],
];

const ASKED: readonly [what: string, text: string][] = [["a word", "hello"], ["5 MiB", LONG]];

for (const example of EXAMPLES) {
  Deno.test({
    name: `docs/languages.md: ${example.name} takes part in every way`,
    ignore: !canRun(example),
    fn: (t) => takePart(example, t),
  });
}

async function takePart(example: Example, t: Deno.TestContext): Promise<void> {
  await using sandbox = new Sandbox();
  await sandbox.broker();
  const stage = new Stage(example, sandbox);
  for (const [what, input, events] of SENT) {
    await t.step(`sends ${what}`, () => stage.sends(input, events));
  }
  for (const [what, data, line] of HEARD) await t.step(`hears ${what}`, () => stage.hears(data, line(example)));
  for (const [what, text] of ASKED) await t.step(`asks ${what}`, () => stage.asks(text));
  await t.step("is told of an error", () => stage.isTold());
  if (example.half_closes === true) {
    await t.step("gets a reply that comes after its half-close", () => stage.asksAndWaits());
  }
  if (example.file !== undefined) await t.step("answers, well and badly", () => stage.answers());
  await t.step("is killed while it sends", () => stage.isKilledSending());
  await t.step("is killed while it listens", () => stage.isKilledListening());
  await t.step("is killed while it asks", () => stage.isKilledAsking());
  if (example.file !== undefined) await t.step("is killed while it answers", () => stage.isKilledAnswering());
}

Deno.test({
  name: "docs/languages.md: the commands in its text do what it says",
  ignore: !installed("nc"),
  async fn() {
    await using sandbox = new Sandbox();
    await sandbox.broker();
    const run = (command: string) => new Program(["sh", "-c", command.replaceAll("/tmp/", `${sandbox.socket_dir}/`)]);
    const [open, send, ask] = commands("echo") as [string, string, string], [listen] = commands("nc") as [string];
    {
      await using program = run(open);
      await program.exit();
      const reply = JSON.parse(decoder.decode(program.output));
      assert.deepEqual([reply.channel, reply.path], ["deploys", sandbox.socket("deploys")]);
    }
    await using deploys = await connect("deploys", sandbox);
    await using events = deploys.events();
    await deploys.flush();
    await using listener = run(listen);
    await using wc = await connect("wc", sandbox);
    wc.handle((request) => String(request.data).split(" ").length);
    await wc.flush();
    await eventually(async () => (await deploys.clients()).length === 2, "nc does not listen");
    {
      await using program = run(send);
      assert.equal(await program.exit(), 0);
      assert.equal((await within(events.next(), "the event is missing")).value!.data, "v1.4 is live");
      assert.equal(decoder.decode(await listener.says(13)), "v1.4 is live\n");
    }
    await using program = run(ask);
    assert.equal(await program.exit(), 0);
    assert.equal(decoder.decode(program.output), "3\n");
  },
});

/** One example and its broker. */
class Stage {
  readonly #file: string;

  constructor(readonly example: Example, readonly sandbox: Sandbox) {
    this.#file = build(example, sandbox.socket_dir);
  }

  async sends(input: readonly Data[], wanted: readonly Data[]): Promise<void> {
    await using listener = await this.#join();
    await using events = listener.events();
    await listener.flush();
    await using program = this.#run("send");
    await this.#feed(program, input);
    for (const data of wanted) assertSame((await within(events.next(), "an event is missing")).value!.data, data);
    await this.#ends(program);
    const said = decoder.decode(program.output) + program.stderr;
    if (this.example.dialect !== "text") assert.equal(said, "queued for 1 listeners\n".repeat(wanted.length));
    else assert.equal(said, "", "its own events came back");
  }

  async hears(data: unknown, line: Data): Promise<void> {
    await using publisher = await this.#join();
    await using program = this.#run("listen");
    await this.#counts("listeners", 1);
    await publisher.broadcast(data, { ack: true });
    const wanted = typeof line === "string" ? encoder.encode(`${line}\n`) : new Uint8Array([...line, 10]);
    const got = await program.says(wanted.length);
    // JSON may be written with spaces or without.
    assertSame(typeof data === "object" && typeof line === "string" ? encoder.encode(compact(got)) : got, wanted);
  }

  async asks(text: string): Promise<void> {
    await using handler = await this.#join();
    handler.handle((request) => `[${request.data}]`);
    await this.#counts("handlers", 1);
    await using program = this.#run("request");
    await this.#feed(program, [this.example.dialect === "text" ? `${text}\n` : text]);
    const wanted = encoder.encode(`[${text}]`), got = await program.says(wanted.length);
    assertSame(got.subarray(0, wanted.length), wanted);
    await this.#ends(program);
  }

  async isTold(): Promise<void> {
    await using handler = await this.#join();
    handler.handle(() => Promise.reject(new Error("no such job")));
    await this.#counts("handlers", 1);
    await using program = this.#run("request");
    await this.#feed(program, ["status\n"]);
    if (this.example.dialect === "text") {
      const wanted = "error: HANDLER_ERROR no such job\n";
      assert.equal(decoder.decode(await program.says(wanted.length)), wanted);
      await this.#ends(program);
    } else {
      assert.notEqual(await program.exit(), 0);
      assert.match(program.stderr, /^(HANDLER_ERROR|error 7008): no such job$/m);
    }
  }

  async asksAndWaits(): Promise<void> {
    await using handler = await this.#join();
    const half_closed = Promise.withResolvers<void>();
    handler.handle(async (request) => {
      await half_closed.promise;
      return `[${request.data}]`;
    });
    await this.#counts("handlers", 1);
    await using program = this.#run("request");
    await this.#feed(program, ["hello"]);
    await this.#counts("requests_open", 1);
    half_closed.resolve();
    await program.exit();
    assert.equal(decoder.decode(program.output), "[hello]\n");
  }

  async answers(): Promise<void> {
    await using requester = await this.#join();
    await using _program = this.#run("handle");
    await this.#counts("handlers", 1);
    for (const text of ["hello", "", LONG]) {
      assertSame(await requester.invoke(text), text.toUpperCase());
    }
    await assert.rejects(requester.invoke("fail"), (error) => {
      assert(error instanceof IpcError);
      assert.deepEqual([error.reason, error.message], ["HANDLER_ERROR", "asked to fail"]);
      return true;
    });
    assert.deepEqual(await Promise.all(["a", "b", "c"].map((text) => requester.invoke(text))), ["A", "B", "C"]);
  }

  async isKilledSending(): Promise<void> {
    await using canary = await this.#join();
    await using events = canary.events();
    await canary.flush();
    await using program = this.#run("send");
    await program.write(encoder.encode("first\nhalf of the sec"));
    assertSame((await within(events.next(), "the first line is missing")).value!.data, "first");
    await program.kill();
    await this.#counts("clients", 1);
    await canary.broadcast("canary", { ack: true });
    // A text client may have died behind the last character that it wanted to send.
    let next = (await events.next()).value!.data;
    if (this.example.dialect === "text" && next === "half of the sec") next = (await events.next()).value!.data;
    assert.equal(next, "canary");
  }

  async isKilledListening(): Promise<void> {
    await using canary = await this.#join();
    await using events = canary.events();
    await canary.flush();
    await using program = this.#run("listen");
    await this.#counts("listeners", 2);
    for (let count = 0; count < 100; count++) {
      await canary.broadcast(count);
      if (count === 50) await program.kill();
    }
    for (let count = 0; count < 100; count++) {
      assert.equal((await within(events.next(), `event ${count} is missing`)).value!.data, count);
    }
    await this.#counts("clients", 1);
  }

  async isKilledAsking(): Promise<void> {
    await using handler = await this.#join();
    const killed = Promise.withResolvers<void>();
    handler.handle(async ({ data }) => {
      await killed.promise;
      return data;
    });
    await this.#counts("handlers", 1);
    await using program = this.#run("request");
    await this.#feed(program, ["hello\n"]);
    await this.#counts("requests_open", 1);
    await program.kill();
    killed.resolve();
    await this.#counts("requests_open", 0);
    await this.#counts("clients", 1);
    await using other = await this.#join();
    assert.equal(await other.invoke("still there"), "still there");
  }

  async isKilledAnswering(): Promise<void> {
    await using requester = await this.#join();
    await using program = this.#run("handle");
    await this.#counts("handlers", 1);
    program.stop();
    const asked = assert.rejects(requester.invoke("hello"), { reason: "HANDLER_GONE" });
    await this.#counts("requests_open", 1);
    await program.kill();
    await asked;
  }

  #join(): Promise<Channel> {
    return connect("jobs", { socket_dir: this.sandbox.socket_dir });
  }

  #run(verb: string): Program {
    const env = { IPC_SOCKET_DIR: this.sandbox.socket_dir, TMPDIR: this.sandbox.socket_dir };
    return new Program([...this.example.command(this.#file), verb, "jobs"], env);
  }

  async #feed(program: Program, input: readonly Data[]): Promise<void> {
    for (const [at, piece] of input.entries()) {
      if (at > 0) await pause(BETWEEN_PIECES_MS);
      await program.write(bytesOf(piece));
    }
    await program.end();
  }

  /** It has done what it had to. Who cannot half-close waits for more. */
  async #ends(program: Program): Promise<void> {
    if (this.example.file === undefined) await program.kill();
    else assert.equal(await program.exit(), 0, program.stderr);
  }

  /** Waits until the broker has counted so many. */
  async #counts(what: "clients" | "listeners" | "handlers" | "requests_open", count: number): Promise<void> {
    const ask = async () => {
      const channel = await controlRequest(this.sandbox.socket_dir, "channel", { channel: "jobs" });
      return (channel as Record<string, number>)[what];
    };
    let last: number | undefined;
    await eventually(async () => (last = await ask()) === count, () => `${last} ${what} instead of ${count}`);
  }
}

function bytesOf(data: Data): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : data;
}

/** Compares without showing 5 MiB. */
function assertSame(got: unknown, wanted: Data): void {
  const same = typeof wanted === "string"
    ? got === wanted
    : got instanceof Uint8Array && got.length === wanted.length && wanted.every((byte, at) => byte === got[at]);
  if (same) return;
  const show = (data: unknown) =>
    data instanceof Uint8Array ? `${data.length} bytes ${data.slice(0, 50).toHex()}` : data;
  assert.fail(`got ${String(show(got)).slice(0, 200)}, wanted ${String(show(wanted)).slice(0, 200)}`);
}

function compact(line: Uint8Array): string {
  return `${JSON.stringify(JSON.parse(decoder.decode(line)))}\n`;
}
