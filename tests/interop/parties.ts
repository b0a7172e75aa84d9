/**
 * One program of each dialect, all with the same few verbs, so that any can be put opposite any other. What one hears is
 * given back as a value: what its language has instead of the message, if it cannot say it.
 *
 * @module
 */
import { type Channel, connect } from "../../client/mod.ts";
import { LineClient } from "../../daemon/dialects/testing.ts";
import { IpcError } from "../../protocol/errors.ts";
import { socketPath } from "../../protocol/socket_path.ts";
import { within } from "../e2e/wait.ts";

/** The dialects. */
export const DIALECTS = ["binary", "json_lines", "text", "simple_ipc"] as const;

/** One of {@linkcode DIALECTS}. */
export type Dialect = (typeof DIALECTS)[number];

/** What a handler answers, or throws. */
export type Answer = (data: unknown) => unknown;

/** See the module's head. */
export interface Party extends AsyncDisposable {
  /** Publishes. Resolves when the broker has it. */
  send(data: unknown): Promise<void>;
  /** What the next event is for it. Not for those who cannot listen. */
  hear?(): Promise<unknown>;
  /** Asks. What the reply is for it. @throws {Refusal} */
  ask(data: unknown): Promise<unknown>;
  /** Answers all requests from now on. Not for those who cannot. */
  handle?(answer: Answer): Promise<void>;
}

/** An error reply, as far as a dialect can tell it. */
export class Refusal extends Error {
  constructor(readonly reason: string | undefined, message: string, readonly data: unknown = undefined) {
    super(message);
  }
}

/** Joins a channel. */
export async function join(dialect: Dialect, socket_dir: string, channel: string): Promise<Party> {
  switch (dialect) {
    case "binary":
      return new TypeScript(await connect(channel, { socket_dir, echo: false }));
    case "json_lines":
      return await JsonLines.join(socketPath(socket_dir, channel));
    case "text":
      return await Text.join(socketPath(socket_dir, channel));
    case "simple_ipc":
      return new SimpleIpc(socketPath(socket_dir, channel));
  }
}

class TypeScript implements Party {
  readonly #channel: Channel;
  readonly #heard = new Mailbox<unknown>();

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.listen(({ data }) => this.#heard.put(data));
  }

  async send(data: unknown): Promise<void> {
    await this.#channel.broadcast(data, { ack: true });
  }

  async hear(): Promise<unknown> {
    return await this.#heard.take();
  }

  async ask(data: unknown): Promise<unknown> {
    try {
      return await this.#channel.invoke(data);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      // It has no prototype, which is of no interest here.
      throw new Refusal(error.reason, error.message, { ...error.data as object });
    }
  }

  async handle(answer: Answer): Promise<void> {
    this.#channel.handle(({ data }) => answer(data));
    await this.#channel.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel.close();
  }
}

type Line = Record<string, unknown>;

class JsonLines implements Party {
  readonly #client: LineClient;
  readonly #events = new Mailbox<Line>();
  readonly #answers = new Mailbox<Line>();
  readonly #reading: Promise<void>;
  #answer: Answer | undefined;
  #last_id = 0;

  private constructor(client: LineClient) {
    this.#client = client;
    this.#reading = this.#read();
  }

  static async join(path: string): Promise<JsonLines> {
    const party = new JsonLines(await connectTo(path));
    await party.#say({ ipc: 1, type: "hello", listen: true, echo: false });
    await party.#answers.take();
    return party;
  }

  async send(data: unknown): Promise<void> {
    await this.#say({ type: "event", id: 1, ack: true, ...asMessage(data) });
    await this.#answers.take();
  }

  async hear(): Promise<unknown> {
    return ofMessage(await this.#events.take());
  }

  async ask(data: unknown): Promise<unknown> {
    await this.#say({ type: "request", id: ++this.#last_id, ...asMessage(data) });
    const reply = await this.#answers.take(), error = reply["error"] as Line | undefined;
    if (error === undefined) return ofMessage(reply);
    throw new Refusal(String(error["reason"]), String(error["message"]), error["data"]);
  }

  async handle(answer: Answer): Promise<void> {
    this.#answer = answer;
    await this.#say({ type: "roles", id: ++this.#last_id, handle: true });
    await this.#answers.take();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.halfClose();
    await this.#reading;
    this.#client[Symbol.dispose]();
  }

  async #say(line: Line): Promise<void> {
    await this.#client.send(`${JSON.stringify(line)}\n`);
  }

  async #read(): Promise<void> {
    for (let text; (text = await this.#client.line()) !== undefined;) {
      const line: Line = JSON.parse(text);
      if (line["type"] === "event") this.#events.put(line);
      else if (line["type"] === "request") await this.#reply(line);
      else this.#answers.put(line);
    }
  }

  async #reply(request: Line): Promise<void> {
    const to = { type: "reply", target: request["source"], id: request["id"] };
    try {
      await this.#say({ ...to, ...asMessage(this.#answer!(ofMessage(request))) });
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      await this.#say({ ...to, error: { code: error.code, message: error.message, data: error.data } });
    }
  }
}

function asMessage(data: unknown): Line {
  return data instanceof Uint8Array ? { encoding: "base64", data: data.toBase64() } : { data };
}

function ofMessage({ encoding, data }: Line): unknown {
  return encoding === "base64" ? Uint8Array.fromBase64(String(data)) : data;
}

class Text implements Party {
  readonly #client: LineClient;

  private constructor(client: LineClient) {
    this.#client = client;
  }

  /** One that says nothing at first. */
  static async join(path: string): Promise<Text> {
    return new Text(await connectTo(path));
  }

  async send(data: unknown): Promise<void> {
    await this.#client.send(data instanceof Uint8Array ? data : String(data));
    await this.#client.send("\n");
  }

  async hear(): Promise<unknown> {
    return await this.#client.line();
  }

  async ask(data: unknown): Promise<unknown> {
    await this.send(data);
    const line = await this.#client.line(), error = /^error: ([A-Z_]+) (.*)$/.exec(line ?? "");
    if (error === null) return line;
    throw new Refusal(error[1]!, error[2]!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.halfClose();
    await this.#client.rest();
    this.#client[Symbol.dispose]();
  }
}

/** A connection for each message. */
class SimpleIpc implements Party {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async send(data: unknown): Promise<void> {
    const reply = await this.#exchange(data);
    if (reply.length > 0) throw new Error(`a broadcast was answered by ${reply.length} bytes`);
  }

  async ask(data: unknown): Promise<unknown> {
    const reply = await this.#exchange(data), body = reply.subarray(1);
    if (reply.length === 0) throw new Refusal(undefined, "");
    return reply[0] === 1 ? body : JSON.parse(new TextDecoder().decode(body));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #exchange(data: unknown): Promise<Uint8Array> {
    using client = await connectTo(this.#path);
    const is_bytes = data instanceof Uint8Array;
    await client.send(new Uint8Array([is_bytes ? 1 : 0]));
    await client.send(is_bytes ? data : JSON.stringify(data));
    await client.halfClose();
    return await client.rest();
  }
}

async function connectTo(path: string): Promise<LineClient> {
  return new LineClient(await Deno.connect({ transport: "unix", path }));
}

/** What came, until somebody asks for it. */
class Mailbox<T> {
  readonly #items: T[] = [];
  #waiting: (() => void) | undefined;

  put(item: T): void {
    this.#items.push(item);
    this.#waiting?.();
  }

  async take(): Promise<T> {
    if (this.#items.length === 0) {
      await within(new Promise<void>((resolve) => this.#waiting = resolve), "nothing came");
    }
    return this.#items.shift()!;
  }
}
