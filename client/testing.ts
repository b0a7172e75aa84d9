/**
 * What tests of the client share: waiting for something to become true, and a wire to a real broker that can be cut.
 *
 * @module
 */
import { socketPath } from "../protocol/socket_path.ts";
import { type Channel, control, IpcError } from "./mod.ts";

/** Waits until a condition holds. */
export async function until(condition: () => boolean, what: string, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await delay(2);
  }
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

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

/** Numbers from 0 on. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

/** Waits until all of a channel's clients have taken what was sent to them. */
export async function settle(...channels: Channel[]): Promise<void> {
  for (const channel of channels) await channel.flush();
  for (const channel of channels) await channel.flush();
}

/**
 * A socket in a directory of its own that passes everything on to a channel's real socket, until it is cut. For what a
 * broker does not do by itself: a connection that breaks in the middle of a frame, or that stops taking bytes.
 */
export class Wire implements AsyncDisposable {
  readonly socket_dir: string = Deno.makeTempDirSync({ prefix: "ipc-wire-" });
  /** Connections made through it so far. */
  connections = 0;
  /** While set, nothing is read from clients. */
  held = false;
  readonly #target: string;
  readonly #path: string;
  #listener: Deno.UnixListener | undefined;
  readonly #conns: Set<Deno.UnixConn> = new Set();
  readonly #running: Set<Promise<void>> = new Set();

  private constructor(target: string, path_of: (dir: string) => string) {
    this.#target = target;
    this.#path = path_of(this.socket_dir);
    this.mend();
  }

  static async lay(broker_dir: string, channel: string): Promise<Wire> {
    await control("open", { channel }, { socket_dir: broker_dir });
    return new Wire(socketPath(broker_dir, channel), (dir) => socketPath(dir, channel));
  }

  /** Takes connections again. */
  mend(): void {
    if (this.#listener !== undefined) return;
    this.#listener = Deno.listen({ transport: "unix", path: this.#path });
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

  async #accept(listener: Deno.UnixListener): Promise<void> {
    try {
      for (;;) {
        const client = await listener.accept(), broker = await Deno.connect({ transport: "unix", path: this.#target });
        this.connections++;
        this.#conns.add(client).add(broker);
        this.#follow(this.#pass(client, broker, true));
        this.#follow(this.#pass(broker, client, false));
      }
    } catch {
      // It was closed.
    }
  }

  async #pass(from: Deno.UnixConn, to: Deno.UnixConn, up: boolean): Promise<void> {
    const buffer = new Uint8Array(16_384);
    try {
      for (;;) {
        while (up && this.held && this.#conns.has(from)) await delay(2);
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

function close(conn: Deno.UnixConn): void {
  try {
    conn.close();
  } catch {
    // It was.
  }
}
