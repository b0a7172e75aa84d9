/**
 * A listener on the network, with or without TLS.
 *
 * @module
 */
import { IpcError } from "../../protocol/errors.ts";
import { Acceptor, type AcceptorOwner } from "./acceptor.ts";

/** Where to listen. */
export interface NetworkPlace {
  readonly hostname: string;
  readonly port: number;
  /** Certificate chain and private key, in PEM. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

/** See the module's head. */
export class SharedListener {
  /** The address that is bound: the port is known even if any was asked for. */
  readonly address: Deno.NetAddr;
  readonly #acceptor: Acceptor<Deno.Conn>;

  /** @throws {IpcError} CHANNEL_RECV with what the system, or the TLS library, does not like. */
  constructor({ hostname, port, tls }: NetworkPlace, owner: AcceptorOwner<Deno.Conn>) {
    let listener: Deno.TcpListener | Deno.TlsListener;
    try {
      listener = tls === undefined ? Deno.listen({ hostname, port }) : Deno.listenTls({ hostname, port, ...tls });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new IpcError("CHANNEL_RECV", `Cannot listen on ${hostname}:${port}: ${why}${remedy(error)}`, {
        cause: error,
      });
    }
    this.address = listener.addr as Deno.NetAddr;
    this.#acceptor = new Acceptor<Deno.Conn>(listener, {
      ready: () => owner.ready(),
      failed: (error) => owner.failed(error),
      accepted: (conn) => {
        prepare(conn);
        owner.accepted(conn);
      },
    });
  }

  /** Stops accepting. Resolves when the port is free. */
  close(): Promise<void> {
    return this.#acceptor.close();
  }
}

/** The unit of the system's service leaves Unix sockets alone, unless it was installed for more. */
function remedy(error: unknown): string {
  return (error as { code?: string }).code === "EAFNOSUPPORT" ? '. As a service: "ipc service install" allows it' : "";
}

/** Small messages are to leave at once, and a peer that is gone without a word is to be found out. */
function prepare(conn: Deno.Conn): void {
  if (!("setNoDelay" in conn)) return;
  const tcp = conn as Deno.TcpConn;
  try {
    tcp.setNoDelay(true);
    tcp.setKeepAlive(true);
  } catch {
    // It is closed already: the first read will say so.
  }
}
