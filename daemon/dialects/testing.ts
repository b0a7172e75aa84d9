/**
 * What tests of the dialects share: a client of lines that waits for nothing it is not asked to, on any connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { socketPath } from "../../protocol/socket_path.ts";
import { controlRequest, RawClient, type TestBroker } from "../testing.ts";

/** Only tells a failure from a slow machine. */
const PATIENCE_MS = 60_000;

type Json = Record<string, unknown>;

/** See the module's head. */
export class LineClient implements Disposable {
  readonly conn: Deno.Conn;
  #held = new Uint8Array(0);
  #reading: Promise<number | null> | undefined;
  readonly #into = new Uint8Array(256 * 1024);

  constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  /** Opens the channel, connects and says nothing. */
  static async connect(test: TestBroker, channel = "c"): Promise<LineClient> {
    if (channel !== "ipcd") await controlRequest(test.socket_dir, "open", { channel });
    return await LineClient.dial(test, channel);
  }

  /** Connects to a channel that is open, and says nothing. */
  static async dial(test: TestBroker, channel = "c"): Promise<LineClient> {
    return new LineClient(await Deno.connect({ transport: "unix", path: socketPath(test.socket_dir, channel) }));
  }

  /** Connects, says hello in JSON lines, and reads the welcome. */
  static async join(test: TestBroker, hello: Json = {}, channel = "c"): Promise<LineClient & { welcome: Json }> {
    const client = await LineClient.connect(test, channel);
    return Object.assign(client, { welcome: await client.hello(hello) });
  }

  async hello(hello: Json = {}): Promise<Json> {
    await this.say({ ipc: 1, type: "hello", ...hello });
    const welcome = await this.json();
    assert.equal(welcome["type"], "welcome", JSON.stringify(welcome));
    return welcome;
  }

  /** Writes all of it. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** Writes objects, a line each. */
  async say(...objects: Json[]): Promise<void> {
    await this.send(objects.map((object) => `${JSON.stringify(object)}\n`).join(""));
  }

  /** The next line without its end; `undefined` at the end. */
  async line(): Promise<string | undefined> {
    while (this.#held.indexOf(0x0a) < 0) if (!await this.#read()) return undefined;
    const end = this.#held.indexOf(0x0a), line = new TextDecoder().decode(this.#held.subarray(0, end));
    this.#held = this.#held.slice(end + 1);
    return line;
  }

  /** The next line as the object that it is. */
  async json(): Promise<Json> {
    const line = await this.line();
    assert(line !== undefined, "the connection has ended");
    return JSON.parse(line);
  }

  /** Says that it will send nothing more. */
  async halfClose(): Promise<void> {
    await (this.conn as Deno.UnixConn).closeWrite();
  }

  /** Everything up to the end. */
  async rest(): Promise<Uint8Array> {
    while (await this.#read());
    return this.#held;
  }

  /** Fails if anything comes, or the end does, within so many milliseconds. */
  async hearsNothing(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
    const got = await Promise.race([this.#pending(), silence]);
    clearTimeout(timer);
    assert.equal(got, undefined, "something came");
  }

  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch {
      // Closed already.
    }
  }

  #pending(): Promise<number | null> {
    return this.#reading ??= this.conn.read(this.#into).catch((error) => {
      // The broker has closed without having read everything.
      if (error instanceof Deno.errors.ConnectionReset) return null;
      throw error;
    });
  }

  async #read(): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) =>
      timer = setTimeout(
        () => reject(new Error(`only this came: ${new TextDecoder().decode(this.#held)}`)),
        PATIENCE_MS,
      )
    );
    const got = await Promise.race([this.#pending(), late]).finally(() => clearTimeout(timer));
    this.#reading = undefined;
    if (got === null) return false;
    const held = new Uint8Array(this.#held.length + got);
    held.set(this.#held);
    held.set(this.#into.subarray(0, got), this.#held.length);
    this.#held = held;
    return true;
  }
}

/** Sends one Simple IPC message and reads what comes back. @param open Whether the channel is to be opened first. */
export async function simpleIpc(
  test: TestBroker,
  flag: number,
  body: string | Uint8Array,
  open = true,
): Promise<Uint8Array> {
  using client = await (open ? LineClient.connect(test) : LineClient.dial(test));
  await client.send(new Uint8Array([flag]));
  await client.send(body);
  await client.halfClose();
  return await client.rest();
}

/** A client of frames on channel "c". */
export function joinBinary(test: TestBroker, hello: Parameters<typeof RawClient.join>[2] = {}): Promise<RawClient> {
  return RawClient.join(test.socket_dir, "c", hello);
}
