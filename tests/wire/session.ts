/**
 * The sessions that docs/wire.md shows, taken out of the page and played against a broker.
 *
 * A session is what all blocks ` ```wire NAME ` of one name say, in the page's order. Its lines:
 *
 *     A connects CHANNEL       A > BYTES    A sends       A closes       both ways
 *                              A < BYTES    A is sent     A half-closes  its own way
 *                                                         A < end        the broker has closed
 *
 * BYTES are hexadecimal digits, which may go on in lines that begin with four spaces, or `{...}`, one line of JSON, or
 * `"..."`, characters as in a JSON string. Behind `;` is what people read.
 *
 * What differs each time is written as an example. In hexadecimal it stands in brackets, in JSON under one of the names of
 * {@linkcode VOLATILE}. An example that a client sends later is sent as what the broker had really said. A frame that ends
 * with `...` is only compared as far as it is written.
 *
 * @module
 */
import assert from "node:assert/strict";
import { pause, within } from "../e2e/wait.ts";

/** For how long a broker says nothing that has nothing more to say. */
const QUIET_MS = 30;

/** Fields of JSON of which only the type is compared. */
export const VOLATILE: ReadonlySet<string> = new Set([
  "epoch",
  "pid",
  "path",
  "memory",
  "uptime_ms",
  "connected_ms",
  "fence",
  "for_ms",
  "bytes_in",
  "bytes_out",
]);

/** One line of a session. */
export interface Step {
  /** Where it stands on the page, for errors. */
  line: number;
  who: string;
  what: "connects" | ">" | "<" | "end" | "closes" | "half-closes";
  /** The channel, or the bytes as they stand on the page. */
  text: string;
}

const LINE = /^(?<who>[A-Z]) (?<what>connects|closes|half-closes|>|<) ?(?<text>.*)$/;

/** Takes the sessions out of a page. */
export function readSessions(page: string): Map<string, Step[]> {
  const sessions = new Map<string, Step[]>();
  let steps: Step[] | undefined;
  for (const [at, whole] of page.split("\n").entries()) {
    const begin = /^```wire (\S+)$/.exec(whole);
    if (begin !== null) {
      steps = sessions.get(begin[1]!) ?? [];
      sessions.set(begin[1]!, steps);
    } else if (whole === "```") steps = undefined;
    else if (steps !== undefined && whole !== "") step(steps, at + 1, whole.replace(/ *(^|\s);.*$/, ""));
  }
  return sessions;
}

function step(steps: Step[], line: number, said: string): void {
  const last = steps.at(-1);
  if (said.startsWith("    ") && last !== undefined) {
    last.text += said.replaceAll(" ", "");
    return;
  }
  const { who, what, text } = (LINE.exec(said)?.groups ?? assert.fail(`line ${line}: ${said}`)) as Record<
    string,
    string
  >;
  if (what === "<" && text === "end") steps.push({ line, who: who!, what: "end", text: "" });
  else {
    const bytes = (what === ">" || what === "<") && !/^[{"]/.test(text!);
    steps.push({ line, who: who!, what: what as Step["what"], text: bytes ? text!.replaceAll(" ", "") : text! });
  }
}

/** Plays a session. Fails where the broker says anything else than the page, less, or more. */
export async function play(steps: readonly Step[], connect: (channel: string) => Promise<Deno.Conn>): Promise<void> {
  const clients = new Map<string, Wire>();
  /** What stood in the place of an example. */
  const seen = new Map<string, string>();
  try {
    for (const { line, who, what, text } of steps) {
      if (what === "connects") {
        clients.set(who, new Wire(await connect(text)));
        continue;
      }
      const client = clients.get(who) ?? assert.fail(`line ${line}: ${who} is not connected`);
      const took = `line ${line}: ${who} ${what} ${text}`;
      if (what === ">") await client.send(bytesOf(text, seen));
      else if (what === "<") await expect(client, text, seen, took);
      else if (what === "end") assert.deepEqual(await within(client.take(1), took), new Uint8Array(0), took);
      else if (what === "half-closes") await client.conn.closeWrite();
      else {
        client.conn.close();
        clients.delete(who);
      }
    }
    for (const [who, client] of clients) {
      assert.equal(await client.more(), "", `the page does not say that ${who} gets it`);
    }
  } finally {
    for (const client of clients.values()) client.conn.close();
  }
}

async function expect(client: Wire, text: string, seen: Map<string, string>, what: string): Promise<void> {
  if (text.startsWith("{")) {
    const wanted = JSON.parse(text), line = new TextDecoder().decode(await within(client.takeLine(), what));
    const got = JSON.parse(line);
    assert.deepEqual(mask(got, wanted, seen), wanted, `${what}\n      got ${line}`);
  } else if (text.startsWith('"')) {
    const wanted: string = JSON.parse(text), length = new TextEncoder().encode(wanted).length;
    assert.equal(new TextDecoder().decode(await within(client.take(length), what)), wanted, what);
  } else {
    const shown = text.replace("...", ""), plain = shown.replaceAll(/[[\]]/g, "");
    const length = shown === text
      ? plain.length / 2
      : new DataView(Uint8Array.fromHex(plain).buffer).getUint32(0, true);
    const got = (await within(client.take(length), what)).toHex().slice(0, plain.length);
    let pattern = "";
    const examples: string[] = [];
    for (const [, fixed, example] of shown.matchAll(/([0-9a-f]+)|\[([0-9a-f]+)\]/g)) {
      if (example !== undefined) examples.push(example);
      pattern += fixed ?? `([0-9a-f]{${example!.length}})`;
    }
    const match = new RegExp(`^${pattern}$`).exec(got) ?? assert.fail(`${what}\n      got ${got}`);
    for (const [at, example] of examples.entries()) seen.set(example, match[at + 1]!);
  }
}

/** What was said, with the page's examples in place of what differs each time. */
function mask(got: unknown, wanted: unknown, seen: Map<string, string>): unknown {
  if (Array.isArray(got) && Array.isArray(wanted)) return got.map((item, at) => mask(item, wanted[at], seen));
  if (typeof got !== "object" || typeof wanted !== "object" || got === null || wanted === null) return got;
  return Object.fromEntries(
    Object.entries(got).map(([key, item]) => {
      const example = (wanted as Record<string, unknown>)[key];
      if (!VOLATILE.has(key) || typeof example !== typeof item) return [key, mask(item, example, seen)];
      if (typeof item === "string") seen.set(example as string, item);
      return [key, example];
    }),
  );
}

function bytesOf(text: string, seen: ReadonlyMap<string, string>): Uint8Array<ArrayBuffer> {
  let real = text;
  for (const [example, said] of seen) real = real.replaceAll(example, said);
  if (real.startsWith("{")) return new TextEncoder().encode(`${real}\n`);
  if (real.startsWith('"')) return new TextEncoder().encode(JSON.parse(real));
  return Uint8Array.fromHex(real.replaceAll(/[[\]]/g, ""));
}

/** A socket that is read byte by byte. */
class Wire {
  #bytes = new Uint8Array(0);

  constructor(readonly conn: Deno.Conn) {}

  async send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** So many bytes, or as many as come before the end. */
  async take(count: number): Promise<Uint8Array> {
    while (this.#bytes.length < count && await this.#read());
    return this.#cut(count);
  }

  /** Up to a line feed, without it. */
  async takeLine(): Promise<Uint8Array> {
    while (!this.#bytes.includes(10) && await this.#read());
    const end = this.#bytes.indexOf(10);
    return this.#cut(end < 0 ? this.#bytes.length : end + 1);
  }

  /** What has come and nobody has taken, in hexadecimal. Nothing more can be taken afterwards. */
  async more(): Promise<string> {
    void this.#read().catch(() => false);
    await pause(QUIET_MS);
    return this.#bytes.toHex();
  }

  #cut(count: number): Uint8Array {
    const taken = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.slice(count);
    return taken;
  }

  async #read(): Promise<boolean> {
    const into = new Uint8Array(65536), got = await this.conn.read(into);
    if (got === null) return false;
    const both = new Uint8Array(this.#bytes.length + got);
    both.set(this.#bytes);
    both.set(into.subarray(0, got), this.#bytes.length);
    this.#bytes = both;
    return true;
  }
}
