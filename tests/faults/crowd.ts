/**
 * Crowds: many connections that do what no honest client does, from a program in C (`programs/crowd.c`).
 *
 * @module
 */
import type { Sandbox, Worker } from "../e2e/harness.ts";
import { encodeFrame, encodeHello, FRAME_TYPES, type Hello, PREFACE } from "../../protocol/mod.ts";

const SOURCE = new URL("programs/crowd.c", import.meta.url).pathname;

/** What they do. All of it may be left out. */
export interface CrowdOptions {
  /** Connections at a time. Default 1. */
  at_once?: number;
  /** Connections per second. Default: as they can be had. */
  rate_per_s?: number;
  /** Connections in all. Default: one after another, until the crowd is told to stop. */
  count?: number;
  /** When each is closed. Default: when the broker closes it. */
  life_ms?: number;
  /** What they say, in turn. */
  say?: readonly Uint8Array[];
  /** Up to so many random bytes behind that. */
  random_bytes?: number;
  /** Of what is random. */
  seed?: number;
  /** Says one byte in so many milliseconds. */
  pace_ms?: number;
  /** Reads so many bytes per second. Default: all that come. */
  read_bytes_per_s?: number;
  /** Whether one that was closed is replaced. Default true. */
  again?: boolean;
}

/** What a crowd says of itself. */
export interface CrowdReport {
  connected: number;
  open: number;
  /** How often the socket's backlog was full. */
  full: number;
  /** How often connecting failed otherwise. */
  failed: number;
  closed_by_broker: number;
  sent_bytes: number;
  got_bytes: number;
  /** The least and the greatest age at which the broker has closed one; -1 if it has closed none. */
  first_close_ms: number;
  last_close_ms: number;
}

/** A crowd that runs. */
export class Crowd {
  readonly #worker: Worker;

  /** {@linkcode startCrowd} makes one. */
  constructor(worker: Worker) {
    this.#worker = worker;
  }

  async report(): Promise<CrowdReport> {
    return await this.#worker.ask("report") as CrowdReport;
  }

  /** Resolves when all of them are over. */
  async done(ms?: number): Promise<CrowdReport> {
    return await this.#worker.tells("done", ms) as CrowdReport;
  }

  /** Ends it, with all its connections. */
  async end(): Promise<void> {
    await this.#worker.kill();
  }
}

/** Whether crowds can be had here. */
export const CAN_COMPILE: boolean = (() => {
  try {
    return new Deno.Command("cc", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
})();
if (!CAN_COMPILE) console.error("no C compiler (cc): proofs that need a crowd of connections are left out");

/** Starts a crowd at a socket; resolves when the first of it are there. */
export async function startCrowd(sandbox: Sandbox, path: string, options: CrowdOptions = {}): Promise<Crowd> {
  const program = await programOf(sandbox);
  const { at_once, rate_per_s, count, life_ms, say, random_bytes, seed, pace_ms, read_bytes_per_s, again } = options;
  const given = {
    path,
    at_once,
    rate: rate_per_s,
    count,
    life_ms,
    say: say?.map((bytes) => bytes.toHex()).join(","),
    random: random_bytes,
    seed,
    pace_ms,
    read: read_bytes_per_s,
    again: again === undefined ? undefined : Number(again),
  };
  const args = Object.entries(given).filter(([, value]) => value !== undefined).map(([key, value]) =>
    `${key}=${value}`
  );
  const worker = sandbox.command("the crowd", [program, ...args]);
  await worker.tells("ready");
  return new Crowd(worker);
}

/** What opens a connection in frames. */
export function helloBytes(hello: Hello = {}): Uint8Array<ArrayBuffer> {
  const frame = encodeFrame({ type: FRAME_TYPES.HELLO, flags: 3, payload: encodeHello(hello) });
  const bytes = new Uint8Array(PREFACE.length + frame.length);
  bytes.set(PREFACE);
  bytes.set(frame, PREFACE.length);
  return bytes;
}

const programs = new WeakMap<Sandbox, Promise<string>>();

/** The program, compiled once for a sandbox. */
function programOf(sandbox: Sandbox): Promise<string> {
  let program = programs.get(sandbox);
  if (program === undefined) programs.set(sandbox, program = compile(`${sandbox.directory}/crowd`));
  return program;
}

async function compile(program: string): Promise<string> {
  const args = ["-O2", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE];
  const { success, stderr } = await new Deno.Command("cc", { args, stdout: "null" }).output();
  if (!success) throw new Error(`Cannot compile ${SOURCE}: ${new TextDecoder().decode(stderr)}`);
  return program;
}
