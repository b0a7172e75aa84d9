/**
 * A listener that reads when it is told to, in the dialect that it is given, and says in the same words what it was told in
 * each.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decodeError, decodeGap, decodeWelcome, encodeHello, type Hello } from "../../protocol/bodies.ts";
import { encodeFrame, type Frame, FRAME_TYPES, FROM_BROKER, PREFACE } from "../../protocol/frame.ts";
import { Scanner } from "../../protocol/scanner.ts";
import { within } from "../e2e/wait.ts";

/** The dialects in which one can listen. */
export const DIALECTS = ["binary", "json", "text"] as const;

/** One of {@linkcode DIALECTS}. */
export type Dialect = typeof DIALECTS[number];

/** What a listener was told. */
export type Told =
  | { event: string; retained?: boolean }
  | { from: number; to: number; reason: string }
  | { closed: string };

/** See the module's head. */
export class SlowListener implements Disposable {
  /** What WELCOME says. Text has none. */
  epoch = "";
  seq = 0;
  readonly #conn: Deno.UnixConn;
  readonly #dialect: Dialect;
  readonly #scanner = new Scanner(FROM_BROKER, 1 << 26);
  readonly #told: Told[] = [];
  readonly #into = new Uint8Array(64 * 1024);
  #partial = "";
  readonly #decoder = new TextDecoder();
  #ended = false;

  private constructor(conn: Deno.UnixConn, dialect: Dialect) {
    this.#conn = conn;
    this.#dialect = dialect;
  }

  /** Connects and listens; reads no further than to WELCOME. */
  static async connect(path: string, dialect: Dialect, hello: Hello = {}): Promise<SlowListener> {
    const listener = new SlowListener(await Deno.connect({ transport: "unix", path }), dialect);
    await listener.#introduce({ ...hello, listen: true });
    return listener;
  }

  /** What it is told next; `undefined` when the connection has ended. */
  async next(): Promise<Told | undefined> {
    while (this.#told.length === 0) if (this.#ended || !await this.#read()) return undefined;
    return this.#told.shift();
  }

  /** Everything up to the event with this payload, or to the end. */
  async until(last: string): Promise<Told[]> {
    const all: Told[] = [];
    for (let told; (told = await this.next()) !== undefined;) {
      all.push(told);
      if ("event" in told && told.event === last && told.retained !== true) break;
    }
    return all;
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }

  async #introduce(hello: Hello): Promise<void> {
    if (this.#dialect === "text") return; // who says nothing for a while listens
    if (this.#dialect === "json") {
      await this.#write(new TextEncoder().encode(line({ ipc: 1, type: "hello", ...hello })));
    } else {
      await this.#write(PREFACE);
      await this.#write(encodeFrame({ type: FRAME_TYPES.HELLO, payload: encodeHello(hello) }));
    }
    while (this.epoch === "") assert(await this.#read(), "no WELCOME came");
  }

  async #write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  async #read(): Promise<boolean> {
    const into = this.#dialect === "binary" ? this.#scanner.space() : this.#into;
    let got: number | null = null;
    try {
      got = await within(this.#conn.read(into), "nothing comes");
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    this.#ended = got === null;
    if (got === null) return false;
    if (this.#dialect === "binary") {
      this.#scanner.filled(got);
      for (; this.#scanner.next() !== 0; this.#scanner.advance()) this.#frame(this.#scanner.frame());
    } else {
      const lines = (this.#partial + this.#decoder.decode(into.subarray(0, got), { stream: true })).split("\n");
      this.#partial = lines.pop()!;
      for (const text of lines) {
        if (this.#dialect === "json") this.#object(JSON.parse(text));
        else this.#text(text);
      }
    }
    return true;
  }

  #frame({ type, flags, payload }: Frame): void {
    if (type === FRAME_TYPES.WELCOME) ({ epoch: this.epoch, seq: this.seq } = decodeWelcome(payload));
    else if (type === FRAME_TYPES.EVENT) this.#event(new TextDecoder().decode(payload), (flags & 0x20) !== 0);
    else if (type === FRAME_TYPES.GAP) this.#told.push(decodeGap(payload));
    else if (type === FRAME_TYPES.BYE) this.#told.push({ closed: decodeError(payload).reason });
  }

  // deno-lint-ignore no-explicit-any -- as the protocol has it
  #object(object: any): void {
    if (object.type === "welcome") ({ epoch: this.epoch, seq: this.seq } = object);
    else if (object.type === "event") this.#event(object.data, object.retain === true);
    else if (object.type === "gap") this.#told.push({ from: object.from, to: object.to, reason: object.reason });
    else if (object.type === "bye") this.#told.push({ closed: object.reason });
  }

  #text(text: string): void {
    const gap = /^error: GAP events (\d+) to (\d+) were missed \((\w+)\)$/.exec(text);
    if (gap !== null) this.#told.push({ from: Number(gap[1]), to: Number(gap[2]), reason: gap[3]! });
    else if (text.startsWith("error: ")) this.#told.push({ closed: text.split(" ")[1]! });
    else this.#event(text, false);
  }

  #event(event: string, retained: boolean): void {
    this.#told.push(retained ? { event, retained } : { event });
  }
}

function line(object: unknown): string {
  return `${JSON.stringify(object)}\n`;
}
