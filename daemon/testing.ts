/**
 * What tests of the broker share: a broker of their own in a temporary directory, and a client that speaks frames one by
 * one, so that a test can also send what no honest client would.
 *
 * @module
 */
import { NO_ACCESS } from "../config/keys.ts";
import type { ChannelSettings, ListenSecrets, ListenSettings, Settings, TokenHash } from "../config/settings.ts";
import {
  decodeError,
  decodeFrame,
  decodeWelcome,
  encodeFrame,
  encodeHello,
  type Frame,
  FRAME_TYPES,
  FROM_BROKER,
  type Hello,
  PREFACE,
  Scanner,
  socketPath,
  type Welcome,
} from "../protocol/mod.ts";
import type { Log } from "./log.ts";
import { buffers } from "./buffer_pool.ts";
import { type Broker, startBroker } from "./mod.ts";

// Whoever still reads what was put back is found out.
buffers.poison = true;

/** A broker of a test's own. */
export interface TestBroker extends AsyncDisposable {
  readonly broker: Broker;
  readonly socket_dir: string;
  /** What it logged, one line each. */
  readonly log: string[];
}

/** Settings as they are by default, in a directory of the test's own. */
export function testSettings(socket_dir: string, channel: Partial<ChannelSettings> = {}): Settings {
  return {
    socket_dir,
    defaults: {
      max_message_bytes: 16 * 1024 * 1024,
      queue_bytes: 8 * 1024 * 1024,
      history_bytes: 1024 * 1024,
      overflow: "block",
      stall_timeout_ms: 5_000,
      request_timeout_ms: 30_000,
      socket_mode: 0o600,
      socket_gid: undefined,
      ...channel,
    },
    dynamic_channels: true,
    channel_idle_ms: 60_000,
    idle_exit_ms: Infinity,
    drain_timeout_ms: 8_000,
    broker_uid: undefined,
    peer_credentials: false,
    memory_bytes: 1024 * 1024 * 1024,
    quota: {
      defaults: { connections: 4096, queued_bytes: 256 * 1024 * 1024, requests: 16_384, channels: 1024 },
      tokens: new Map(),
    },
    log: { level: "info", format: "text" },
    channels: new Map(),
    access: { required: false, ...NO_ACCESS },
    listen: [],
  };
}

/** Starts a broker in this process. Disposing of it drains it and removes its directory. */
export async function startTestBroker(
  channel: Partial<ChannelSettings> = {},
  change: (settings: Settings) => Settings = (settings) => settings,
  reload?: () => Promise<Settings>,
  secrets?: (listen: ListenSettings) => ListenSecrets,
  tokens?: (path: string) => readonly TokenHash[],
): Promise<TestBroker> {
  const mask = Deno.umask();
  const socket_dir = Deno.makeTempDirSync({ prefix: "ipc-test-" });
  const log: string[] = [];
  const write = (level: string): Log["info"] => (message, properties) =>
    log.push(`${level} ${message} ${JSON.stringify(properties ?? {})}`);
  const broker = await startBroker({
    settings: change(testSettings(socket_dir, channel)),
    state_dir: `${socket_dir}/state`,
    version: "0.0.0-test",
    log: { debug: write("debug"), info: write("info"), warning: write("warning"), error: write("error") },
    ...reload === undefined ? {} : { reload },
    ...secrets === undefined ? {} : { secrets },
    ...tokens === undefined ? {} : { tokens },
  }).catch((error) => {
    Deno.removeSync(socket_dir, { recursive: true });
    throw error;
  }).finally(() => Deno.umask(mask));
  return {
    broker,
    socket_dir,
    log,
    async [Symbol.asyncDispose]() {
      await broker.drain("the test is over");
      Deno.removeSync(socket_dir, { recursive: true });
    },
  };
}

/** A broker in a directory that another one may use as well. */
export function startIn(socket_dir: string, change: (settings: Settings) => Settings = (settings) => settings) {
  const mask = Deno.umask(), log = { debug() {}, info() {}, warning() {}, error() {} };
  const settings = change(testSettings(socket_dir));
  const started = startBroker({ settings, state_dir: `${socket_dir}/state`, version: "second", log });
  return started.finally(() => Deno.umask(mask));
}

/** Whether somebody accepts connections on a channel's socket. */
export async function reachable(test: TestBroker, channel: string): Promise<boolean> {
  try {
    (await RawClient.connect(test.socket_dir, channel)).close();
    return true;
  } catch {
    return false;
  }
}

/** A PING, which is answered when what was sent before it has been taken. */
export function ping(id: number): Uint8Array<ArrayBuffer> {
  return encodeFrame({ type: FRAME_TYPES.PING, id });
}

/** A client that sends and takes frames, and does nothing by itself. */
export class RawClient implements Disposable {
  readonly conn: Deno.Conn;
  readonly scanner: Scanner = new Scanner(FROM_BROKER, 1 << 30);
  welcome: Welcome | undefined;

  private constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  /** Takes a connection, on which nothing was said. */
  static over(conn: Deno.Conn): RawClient {
    return new RawClient(conn);
  }

  /** Connects and sends nothing. */
  static async connect(socket_dir: string, channel: string): Promise<RawClient> {
    return new RawClient(await Deno.connect({ transport: "unix", path: socketPath(socket_dir, channel) }));
  }

  /** Opens the channel through `ipcd`, connects, says HELLO and waits for WELCOME. */
  static async join(socket_dir: string, channel: string, hello: Hello = {}): Promise<RawClient> {
    if (channel !== "ipcd") await controlRequest(socket_dir, "open", { channel });
    const client = await RawClient.connect(socket_dir, channel);
    await client.hello(hello);
    return client;
  }

  /** Says HELLO and waits for WELCOME. */
  async hello(hello: Hello = {}): Promise<void> {
    await this.send(PREFACE, encodeFrame({ type: FRAME_TYPES.HELLO, flags: 3, payload: encodeHello(hello) }));
    const frame = await this.next();
    if (frame?.type !== FRAME_TYPES.WELCOME) throw new Error(`no WELCOME but ${frame?.type}`);
    this.welcome = decodeWelcome(frame.payload);
  }

  /** Writes all of it. */
  async send(...pieces: Uint8Array[]): Promise<void> {
    for (const piece of pieces) for (let at = 0; at < piece.length;) at += await this.conn.write(piece.subarray(at));
  }

  /** The next frame in memory of its own, or `undefined` at the end. */
  async next(): Promise<Frame | undefined> {
    while (this.scanner.next() === 0) {
      const got = await this.conn.read(this.scanner.space());
      if (got === null) return undefined;
      this.scanner.filled(got);
    }
    const { bytes, start, frame_bytes } = this.scanner;
    this.scanner.advance();
    return decodeFrame(bytes.slice(start, start + frame_bytes));
  }

  /** Whether the next frame is of one type. If not it is there to be read. */
  async firstIs(type: number): Promise<boolean> {
    while (this.scanner.next() === 0) {
      const got = await this.conn.read(this.scanner.space());
      if (got === null) return false;
      this.scanner.filled(got);
    }
    if (this.scanner.next() !== type) return false;
    this.scanner.advance();
    return true;
  }

  /** Reads until the connection ends; returns the reason that BYE gave, `undefined` if there was no BYE. */
  async reasonOfEnd(): Promise<string | undefined> {
    let reason: string | undefined;
    try {
      for (let frame; (frame = await this.next()) !== undefined;) {
        if (frame.type === FRAME_TYPES.BYE) reason = decodeError(frame.payload).reason;
      }
    } catch (error) {
      // The broker closed without having read everything.
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    this.close();
    return reason;
  }

  /** The next frame of one type; others are passed over. */
  async until(type: number): Promise<Frame> {
    for (let frame; (frame = await this.next()) !== undefined;) if (frame.type === type) return frame;
    throw new Error(`the connection ended before a frame of type ${type}`);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  close(): void {
    try {
      this.conn.close();
    } catch {
      // Closed already.
    }
  }
}

/** Asks the broker something on `ipcd`; returns the REPLY's JSON. */
export async function controlRequest(socket_dir: string, method: string, params: unknown = {}): Promise<unknown> {
  const client = await RawClient.join(socket_dir, "ipcd");
  try {
    const payload = new TextEncoder().encode(JSON.stringify({ method, params }));
    await client.send(encodeFrame({ type: FRAME_TYPES.REQUEST, flags: 2, id: 1, payload }));
    const reply = await client.until(FRAME_TYPES.REPLY);
    if (reply.aux !== 0) throw new Error(`control request failed: ${new TextDecoder().decode(reply.payload)}`);
    return JSON.parse(new TextDecoder().decode(reply.payload));
  } finally {
    client.close();
  }
}
