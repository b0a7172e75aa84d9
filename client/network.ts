/**
 * Connects to a broker's shared listener.
 *
 * Who listens on a TCP port of this machine is not known as it is of a socket file; that is why a broker can ask for a
 * token. With TLS it is its certificate that says who it is, and until that is checked, nothing is sent.
 *
 * @module
 */
import { IpcError } from "../protocol/errors.ts";
import type { NetworkAddress } from "./address.ts";
import { runtime } from "./runtime_deno.ts";
import type { Connection, Refusal } from "./runtime.ts";

const UNTRUSTED: { readonly [refusal in Refusal]?: string } = {
  "unknown authority":
    "its certificate is signed by nobody who is trusted here. Give the certificate of its authority " +
    "with ca (--ca, IPC_CA)",
  "expired": "its certificate has expired, or is not valid yet. Have it renewed, and look at both clocks",
  "wrong host": "its certificate is for another host. Use the name that it was made for",
  "bad certificate": "its certificate is wrong",
};

/**
 * @returns `undefined` if nobody listens there.
 * @throws {IpcError} FORBIDDEN if the certificate is not to be trusted, CHANNEL_RECV if it cannot be reached for another
 *   reason.
 */
export async function openNetwork(address: NetworkAddress, signal: AbortSignal): Promise<Connection | undefined> {
  const { transport, url, hostname, port, ca } = address;
  try {
    return transport === "tls"
      ? await runtime.connectTls(hostname, port, ca, signal)
      : await runtime.connectTcp(hostname, port, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const refusal = runtime.refusal(error), message = (error as Error).message;
    if (refusal === "absent") return undefined;
    const untrusted = UNTRUSTED[refusal];
    if (untrusted !== undefined) {
      const text = `Cannot trust the broker at ${url}: ${untrusted}. Nothing was sent. (${message})`;
      throw new IpcError("FORBIDDEN", text, { cause: error });
    }
    if (refusal === "not capable") {
      const text = `Cannot connect to ${url}: ${message}. A client needs --allow-net=${hostname}:${port} for it`;
      throw new IpcError("FORBIDDEN", text, { cause: error });
    }
    throw new IpcError("CHANNEL_RECV", `Cannot connect to ${url}: ${message}`, { cause: error });
  }
}
