/**
 * What tests of the client share: what a promise fails with, and a wire to a real broker that can be cut.
 *
 * @module
 */
import type { ListenSecrets, ListenSettings } from "../config/settings.ts";
import { startBroker } from "../daemon/mod.ts";
import { testSettings } from "../daemon/testing.ts";
import { socketPath } from "../protocol/socket_path.ts";
import { type Channel, control, IpcError } from "./mod.ts";
import { pause } from "../tests/e2e/wait.ts";

/** The error that a promise is rejected with, as `REASON message`. */
export async function reasonOf(promise: Promise<unknown>): Promise<string> {
  try {
    return `none, but ${JSON.stringify(await promise)}`;
  } catch (error) {
    const { reason, message } = error as { reason?: string; message: string };
    return `${reason} ${message}`;
  }
}

/** The error that a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<IpcError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof IpcError) return error;
    throw error;
  }
  throw new Error("it was not rejected");
}

/** Certificates of an authority of a test's own, by openssl. They are for `localhost` and `127.0.0.1`. */
export interface Certificates {
  /** The authority's certificate, in PEM. */
  ca: string;
  /** Another authority's. */
  other_ca: string;
  /** A server's key, its certificate, one for the same key that has expired, and one for another host. */
  key: string;
  cert: string;
  expired: string;
  elsewhere: string;
}

/** Makes them, in a directory, as `ca.pem`, `other_ca.pem`, `key.pem`, `cert.pem` and so on. */
export async function certificates(dir: string): Promise<Certificates> {
  const openssl = async (args: string): Promise<void> => {
    const { success, stderr } = await new Deno.Command("openssl", { args: args.split(" "), cwd: dir, stdin: "null" })
      .output();
    if (!success) throw new Error(`openssl ${args}: ${new TextDecoder().decode(stderr)}`);
  };
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  await Deno.writeTextFile(`${dir}/hosts`, "subjectAltName=DNS:localhost,IP:127.0.0.1");
  await openssl(`req -x509 ${key} -keyout ca_key.pem -out ca.pem -subj /CN=authority -days 2`);
  await openssl(`req -x509 ${key} -keyout other_key.pem -out other_ca.pem -subj /CN=other -days 2`);
  await openssl(`req ${key} -keyout key.pem -out request.pem -subj /CN=broker`);
  await Deno.writeTextFile(`${dir}/elsewhere`, "subjectAltName=DNS:elsewhere.example");
  const sign = "x509 -req -in request.pem -CA ca.pem -CAkey ca_key.pem -CAcreateserial";
  await openssl(`${sign} -extfile hosts -days 2 -out cert.pem`);
  await openssl(`${sign} -extfile hosts -days -1 -out expired.pem`);
  await openssl(`${sign} -extfile elsewhere -days 2 -out elsewhere.pem`);
  const read = (name: string): string => Deno.readTextFileSync(`${dir}/${name}.pem`);
  return {
    ca: read("ca"),
    other_ca: read("other_ca"),
    key: read("key"),
    cert: read("cert"),
    expired: read("expired"),
    elsewhere: read("elsewhere"),
  };
}

/** Leaves a socket on which nobody listens, as a process does that was killed. */
export function leaveDeadSocket(path: string): void {
  const listener = Deno.listen({ transport: "unix", path: `${path}.1` });
  Deno.renameSync(`${path}.1`, path);
  listener.close();
}

/** What a broker is told of a token. */
export async function sha256(token: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token))).toHex();
}

/** Numbers from 0 on. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

/** Waits until all of a channel's clients have taken what was sent to them. */
export async function settle(...channels: Channel[]): Promise<void> {
  for (const channel of channels) await channel.flush();
  for (const channel of channels) await channel.flush();
}

/** Who may come in by a port, and what it shows. */
export type Ports = { readonly [name: string]: Partial<ListenSecrets> };

/**
 * A broker that listens on a free port for each name given; `url` says where. And on ports of which each leads to one
 * channel.
 */
export async function startNetworkBroker(
  ports: Ports,
  single: readonly { port: number; channel: string }[] = [],
): Promise<AsyncDisposable & { socket_dir: string; url(name: string): string; port(name: string): number }> {
  const mask = Deno.umask(), socket_dir = Deno.makeTempDirSync({ prefix: "ipc-test-" }), silent = (): void => {};
  const listen: ListenSettings[] = Object.entries(ports).map(([name, { tls, tokens }]) => ({
    name,
    hostname: "127.0.0.1",
    port: 0,
    channel: undefined,
    tls: tls && { cert: "", key: "" },
    token_file: tokens && "",
  }));
  for (const { port, channel } of single) {
    const [tls, token_file] = [undefined, undefined];
    listen.push({ name: channel, hostname: "127.0.0.1", port, channel, tls, token_file });
  }
  const broker = await startBroker({
    settings: { ...testSettings(socket_dir), listen },
    state_dir: `${socket_dir}/state`,
    version: "0.0.0-test",
    log: { debug: silent, info: silent, warning: silent, error: silent },
    secrets: ({ name }) => ({ tls: undefined, tokens: undefined, ...ports[name] }),
  }).finally(() => Deno.umask(mask));
  const stats = await control("stats", {}, { socket_dir }) as { listen: { name: string; port: number }[] };
  const port = (name: string): number => stats.listen.find((entry) => entry.name === name)!.port;
  return {
    socket_dir,
    port,
    url: (name) => `${ports[name]!.tls === undefined ? "tcp" : "tls"}://localhost:${port(name)}`,
    async [Symbol.asyncDispose]() {
      await broker.drain("the test is over");
      Deno.removeSync(socket_dir, { recursive: true });
    },
  };
}

/**
 * A socket in a directory of its own that passes everything on to a channel's real socket, or a port that does so to a
 * broker's, until it is cut. For what a broker does not do by itself: a connection that breaks in the middle of a frame,
 * or that stops taking bytes.
 */
export class Wire implements AsyncDisposable {
  readonly socket_dir: string = Deno.makeTempDirSync({ prefix: "ipc-wire-" });
  /** Connections made through it so far. */
  connections = 0;
  /** While set, nothing is read from clients. */
  held = false;
  /** Where it takes connections, if that is a port. */
  port = 0;
  readonly #listen: () => Deno.Listener;
  readonly #connect: () => Promise<Deno.Conn>;
  #listener: Deno.Listener | undefined;
  readonly #conns: Set<Deno.Conn> = new Set();
  readonly #running: Set<Promise<void>> = new Set();

  private constructor(listen: (wire: Wire) => Deno.Listener, connect: () => Promise<Deno.Conn>) {
    this.#listen = () => listen(this);
    this.#connect = connect;
    this.mend();
  }

  static async lay(broker_dir: string, channel: string): Promise<Wire> {
    await control("open", { channel }, { socket_dir: broker_dir });
    return new Wire(
      ({ socket_dir }) => Deno.listen({ transport: "unix", path: socketPath(socket_dir, channel) }),
      () => Deno.connect({ transport: "unix", path: socketPath(broker_dir, channel) }),
    );
  }

  /** To a port. */
  static to(port: number): Wire {
    return new Wire((wire) => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: wire.port });
      wire.port = listener.addr.port;
      return listener;
    }, () => Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Takes connections again. */
  mend(): void {
    if (this.#listener !== undefined) return;
    this.#listener = this.#listen();
    this.#follow(this.#accept(this.#listener));
  }

  /** Cuts all connections. */
  cut(): void {
    for (const conn of this.#conns) close(conn);
    this.#conns.clear();
  }

  /** Cuts all connections, and refuses new ones until it is mended. */
  sever(): void {
    this.#listener?.close();
    this.#listener = undefined;
    this.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sever();
    this.held = false;
    await Promise.all(this.#running);
    await Deno.remove(this.socket_dir, { recursive: true });
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    try {
      for (;;) {
        const client = await listener.accept(), broker = await this.#connect();
        this.connections++;
        this.#conns.add(client).add(broker);
        this.#follow(this.#pass(client, broker, true));
        this.#follow(this.#pass(broker, client, false));
      }
    } catch {
      // It was closed.
    }
  }

  async #pass(from: Deno.Conn, to: Deno.Conn, up: boolean): Promise<void> {
    const buffer = new Uint8Array(16_384);
    try {
      for (;;) {
        while (up && this.held && this.#conns.has(from)) await pause(2);
        const got = await from.read(buffer);
        if (got === null) break;
        for (let done = 0; done < got;) done += await to.write(buffer.subarray(done, got));
      }
    } catch {
      // It was cut.
    }
    for (const conn of [from, to]) {
      this.#conns.delete(conn);
      close(conn);
    }
  }

  #follow(running: Promise<void>): void {
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It was.
  }
}
