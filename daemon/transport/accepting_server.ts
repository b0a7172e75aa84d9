/**
 * A server of `node:net` as something that accepts one connection after the other.
 *
 * It takes in whoever connects at once, so those for whom there is no place yet wait here instead of in the kernel.
 * Whoever has spoken comes first: a flood of silent ones keeps nobody out.
 *
 * @module
 */
import type { Server } from "node:net";
import { IpcError } from "../../protocol/errors.ts";
import type { Accepting } from "./acceptor.ts";
import { SocketStream } from "./socket_stream.ts";

/** How many may wait for a place. */
const WAITING_MAX = 512;

/** See the module's head. */
export class AcceptingServer implements Accepting<SocketStream> {
  /** Counts those who connected. */
  accepted = 0;
  closed = false;
  readonly #server: Server;
  readonly #waiting: SocketStream[] = [];
  #asking: PromiseWithResolvers<SocketStream> | undefined;

  /** @param server Listens already. */
  constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.accepted++;
      this.#waiting.push(new SocketStream(socket));
      if (this.#waiting.length > WAITING_MAX) this.#drop();
      this.#serve();
    });
    server.on("error", (error) => {
      const asking = this.#asking;
      this.#asking = undefined;
      asking?.reject(error);
    });
  }

  /**
   * Takes a descriptor over.
   *
   * @throws {IpcError} CHANNEL_RECV if it is no Unix socket that listens.
   */
  static async over(fd: number): Promise<AcceptingServer> {
    const { createServer } = await import("node:net");
    const server = createServer({ allowHalfOpen: true });
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ fd }, resolve);
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new IpcError("CHANNEL_RECV", `Cannot listen on descriptor ${fd}: ${why}`, { cause: error });
    }
    server.removeAllListeners("error");
    if (server.address() !== null) {
      server.close();
      throw new IpcError("CHANNEL_RECV", `Cannot listen on descriptor ${fd}: it is no Unix socket`);
    }
    return new AcceptingServer(server);
  }

  /** As `Deno.Listener` does. */
  accept(): Promise<SocketStream> {
    this.#asking = Promise.withResolvers();
    const { promise } = this.#asking;
    this.#serve();
    return promise;
  }

  /** As `Deno.Listener` does. Who waited is closed, too. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#server.close();
    for (const stream of this.#waiting.splice(0)) stream.close();
    this.#asking?.reject(new Deno.errors.BadResource("the listener was closed"));
    this.#asking = undefined;
  }

  #serve(): void {
    if (this.#asking === undefined || this.#waiting.length === 0) return;
    const spoke = this.#waiting.findIndex((stream) => stream.spoke);
    const [next] = this.#waiting.splice(Math.max(spoke, 0), 1);
    this.#asking.resolve(next!);
    this.#asking = undefined;
  }

  /** Somebody has to go: whoever has gone, whoever said nothing for longest, or the last to come. */
  #drop(): void {
    let at = this.#waiting.findIndex((stream) => stream.gone);
    if (at < 0) at = this.#waiting.findIndex((stream) => !stream.spoke);
    const [dropped] = this.#waiting.splice(at, 1);
    dropped!.close();
  }
}
