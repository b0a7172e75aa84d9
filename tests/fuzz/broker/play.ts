/**
 * Does to a broker what an episode says.
 *
 * @module
 */
import { encodeFrame, FRAME_TYPES, OFFSET } from "../../../protocol/frame.ts";
import { pause } from "../../e2e/wait.ts";
import type { Episode, Part, Step } from "./episode.ts";
import { AnyVoice, FrameVoice, LineVoice, type Voice } from "./voice.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A socket, or a port of this machine. */
export type Address = { path: string } | { port: number };

/** How long an answer may take where the machine does much else. */
const ANSWER_MS = 20_000;
/** The broker waits for 200 ms, by a clock that the machine's load does not stop. */
const SILENCE_MS = 150;
const READ_BYTES = 64 * 1024;

/**
 * Plays an episode to its end.
 *
 * @param address Where a client connects.
 * @throws If a client was told what the broker may not say, or was not answered.
 */
export async function play(episode: Episode, address: (part: Part) => Address): Promise<void> {
  const outcomes = await Promise.allSettled(episode.parts.map((part) => new Player(part).play(address(part))));
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") continue;
    const { dialect, channel } = episode.parts[index]!;
    throw new Error(`client ${index} of episode ${episode.number} (${dialect} on ${channel}): ${outcome.reason}`, {
      cause: outcome.reason,
    });
  }
}

type Conn = Deno.UnixConn | Deno.TcpConn;

class Player {
  readonly #part: Part;
  readonly #voice: Voice;
  #conn: Conn | undefined;
  #answered_requests = 0;
  #writing = true;
  #wrong: unknown;
  #heard_pong = Promise.withResolvers<void>();

  constructor(part: Part) {
    this.#part = part;
    this.#voice = voiceOf(part, (requester, id) => this.#answer(requester, id));
  }

  async play(address: Address): Promise<void> {
    const { steps, reads } = this.#part, began_ms = performance.now();
    let conn: Conn;
    try {
      conn = "path" in address
        ? await Deno.connect({ transport: "unix", path: address.path })
        : await Deno.connect({ hostname: "127.0.0.1", port: address.port });
      this.#conn = conn;
    } catch (error) {
      throw new Error(`cannot connect: ${error}`, { cause: error });
    }
    const reading = reads ? this.#read(conn) : undefined;
    let said_ms: number | undefined;
    try {
      for (const step of steps) {
        await this.#step(conn, step);
        said_ms ??= performance.now() - began_ms;
      }
      await this.#end();
    } catch (error) {
      // The broker has closed it, as it may.
      if (!isGone(error)) this.#wrong ??= error;
    } finally {
      this.#close(conn);
      await reading;
    }
    // Who says nothing for so long, because the machine does much else, is taken for somebody who only listens.
    const came_late = said_ms === undefined || said_ms > SILENCE_MS;
    if (this.#wrong !== undefined && !came_late) throw this.#wrong;
  }

  async #end(): Promise<void> {
    const { ping, stays_ms } = this.#part;
    this.#writing = false; // From here on it may answer without cutting itself short.
    if (ping !== undefined) await this.#answered(ping);
    await pause(stays_ms);
  }

  async #step(conn: Conn, step: Step): Promise<void> {
    if (step.do === "pause") return await pause(step.ms);
    if (step.do === "half-close") return await conn.closeWrite();
    if (step.do === "flood") {
      const event = encodeFrame({ type: FRAME_TYPES.EVENT, payload: new Uint8Array(step.bytes) });
      for (let left = step.count; left > 0; left--) await this.#write(conn, event);
      return;
    }
    const bytes = Uint8Array.fromHex(step.hex);
    if (step.do === "direct") new DataView(bytes.buffer).setUint32(OFFSET.target, this.#voice.heard_of, true);
    await this.#write(conn, bytes);
  }

  async #write(conn: Conn, bytes: Bytes): Promise<void> {
    // One who does not read is not read from either, and would stay for ever.
    const gone = setTimeout(() => this.#close(conn), ANSWER_MS);
    try {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    } finally {
      clearTimeout(gone);
    }
  }

  #close(conn: Conn): void {
    try {
      conn.close();
    } catch {
      // Closed already.
    }
  }

  /** As a handler does; what it says may stand between anything else that it says. */
  #answer(requester: number, id: number): void {
    const { answers } = this.#part;
    if (answers.length === 0 || this.#conn === undefined || this.#writing) return;
    const bytes = Uint8Array.fromHex(answers[this.#answered_requests++ % answers.length]!),
      view = new DataView(bytes.buffer);
    view.setUint32(OFFSET.target, requester, true);
    view.setUint32(OFFSET.id, id, true);
    this.#writing = true;
    this.#write(this.#conn, bytes).catch(() => {}).finally(() => this.#writing = false);
  }

  async #answered(ping: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout>;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`PING ${ping} was not answered in ${ANSWER_MS} ms`)), ANSWER_MS);
    });
    await Promise.race([this.#heard_pong.promise, late]).finally(() => clearTimeout(timer));
  }

  async #read(conn: Conn): Promise<void> {
    const into = new Uint8Array(READ_BYTES), { ping } = this.#part;
    try {
      for (let got; (got = await conn.read(into)) !== null;) {
        this.#voice.take(into.subarray(0, got));
        if (ping !== undefined && this.#voice.pongs.has(ping)) this.#heard_pong.resolve();
      }
      this.#heard_pong.reject(
        new Error(`the broker has closed a client that does nothing wrong: ${this.#voice.farewell}`),
      );
    } catch (error) {
      if (!isGone(error)) this.#wrong = error;
      this.#heard_pong.reject(error);
    }
    this.#heard_pong.promise.catch(() => {});
  }
}

/** In what the broker answers. Who changes what it has said may be taken for a speaker of anything. */
function voiceOf({ steps, dialect, ping }: Part, onrequest: (requester: number, id: number) => void): Voice {
  const first = steps.find((step) => step.do === "send")?.hex ?? "", began_late = steps[0]?.do === "pause";
  if (began_late) return new AnyVoice();
  if (first.startsWith("89")) return new FrameVoice(onrequest);
  return dialect === "json" && ping !== undefined ? new LineVoice() : new AnyVoice();
}

function isGone(error: unknown): boolean {
  const { BrokenPipe, ConnectionReset, BadResource, Interrupted, NotConnected } = Deno.errors;
  return [BrokenPipe, ConnectionReset, BadResource, Interrupted, NotConnected].some((gone) => error instanceof gone);
}
