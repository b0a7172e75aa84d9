/**
 * Does to a broker what an episode says.
 *
 * @module
 */
import { pause } from "../../e2e/wait.ts";
import type { Episode, Part, Step } from "./episode.ts";
import { AnyVoice, FrameVoice, LineVoice, type Voice } from "./voice.ts";

/** How long an answer may take where the machine does much else. */
const ANSWER_MS = 20_000;
const READ_BYTES = 64 * 1024;

/**
 * Plays an episode to its end.
 *
 * @param socket The path of a channel's socket.
 * @throws If a client was told what the broker may not say, or was not answered.
 */
export async function play(episode: Episode, socket: (channel: string) => string): Promise<void> {
  const outcomes = await Promise.allSettled(episode.parts.map((part) => new Player(part).play(socket(part.channel))));
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") continue;
    const { dialect, channel } = episode.parts[index]!;
    throw new Error(`client ${index} of episode ${episode.number} (${dialect} on ${channel}): ${outcome.reason}`, {
      cause: outcome.reason,
    });
  }
}

class Player {
  readonly #part: Part;
  readonly #voice: Voice;
  #wrong: unknown;
  #heard_pong = Promise.withResolvers<void>();

  constructor(part: Part) {
    this.#part = part;
    this.#voice = voiceOf(part);
  }

  async play(path: string): Promise<void> {
    const { steps, reads, ping, stays_ms } = this.#part;
    let conn: Deno.UnixConn;
    try {
      conn = await Deno.connect({ transport: "unix", path });
    } catch (error) {
      throw new Error(`cannot connect: ${error}`, { cause: error });
    }
    const reading = reads ? this.#read(conn) : undefined;
    try {
      for (const step of steps) await this.#step(conn, step);
      if (ping !== undefined) await this.#answered(ping);
      await pause(stays_ms);
    } catch (error) {
      if (!isGone(error)) throw error; // The broker has closed it, as it may.
    } finally {
      conn.close();
      await reading;
    }
    if (this.#wrong !== undefined) throw this.#wrong;
  }

  async #step(conn: Deno.UnixConn, step: Step): Promise<void> {
    if (step.do === "pause") return await pause(step.ms);
    if (step.do === "half-close") return await conn.closeWrite();
    const bytes = Uint8Array.fromHex(step.hex);
    // One who does not read is not read from either, and would stay for ever.
    const gone = setTimeout(() => conn.close(), ANSWER_MS);
    try {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    } finally {
      clearTimeout(gone);
    }
  }

  async #answered(ping: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout>;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`PING ${ping} was not answered in ${ANSWER_MS} ms`)), ANSWER_MS);
    });
    await Promise.race([this.#heard_pong.promise, late]).finally(() => clearTimeout(timer));
  }

  async #read(conn: Deno.UnixConn): Promise<void> {
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
function voiceOf({ steps, dialect, ping }: Part): Voice {
  const first = steps.find((step) => step.do === "send")?.hex ?? "", began_late = steps[0]?.do === "pause";
  if (began_late) return new AnyVoice();
  if (first.startsWith("89")) return new FrameVoice();
  return dialect === "json" && ping !== undefined ? new LineVoice() : new AnyVoice();
}

function isGone(error: unknown): boolean {
  const { BrokenPipe, ConnectionReset, BadResource, Interrupted, NotConnected } = Deno.errors;
  return [BrokenPipe, ConnectionReset, BadResource, Interrupted, NotConnected].some((gone) => error instanceof gone);
}
