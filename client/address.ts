/**
 * Where a broker is: in a directory of sockets, one for each channel, or behind one address that serves them all.
 *
 * @module
 */
import { checkChannelName } from "../protocol/channel_name.ts";
import { IpcError } from "../protocol/errors.ts";
import { defaultSocketDirectory } from "../protocol/socket_path.ts";
import type { BrokerOptions } from "./options.ts";
import { runtime } from "./runtime_deno.ts";

/** Where a broker's shared listener is on this machine unless somebody says otherwise. */
const DEFAULT_URL = "tcp://127.0.0.1:7410";

/** A directory of sockets. */
export interface SocketAddress {
  readonly transport: "unix";
  readonly socket_dir: string;
}

/** A shared listener. */
export interface NetworkAddress {
  readonly transport: "tcp" | "tls";
  /** `tcp://host:port`, for people. */
  readonly url: string;
  readonly hostname: string;
  readonly port: number;
  /** Certificates of authorities in PEM, beside those that the system trusts. */
  readonly ca: readonly string[];
  /** Nobody asked for this address: there are no unix sockets here. */
  readonly fallback: boolean;
}

/** See the module's head. */
export type Address = SocketAddress | NetworkAddress;

/** What the environment says: the operating system, and its variables. */
export interface Environment {
  readonly os: string;
  variable(name: string): string | undefined;
}

/**
 * Where the options lead: `url`, else `socket_dir`, else `$IPC_CONNECT`, else `$IPC_SOCKET_DIR`, else `/tmp`. Windows has
 * no unix sockets; there it is `url`, `$IPC_CONNECT`, `fallback_url` or `tcp://127.0.0.1:7410`.
 *
 * @throws {IpcError} CHANNEL_NAME for what is not the URL of a broker.
 */
export function brokerAddress(options: BrokerOptions, environment: Environment = runtime): Address {
  if (options.url !== undefined) return networkAddress(options.url, options);
  const has_sockets = environment.os !== "windows";
  if (has_sockets && options.socket_dir !== undefined) return { transport: "unix", socket_dir: options.socket_dir };
  const url = environment.variable("IPC_CONNECT");
  if (url !== undefined) return networkAddress(url, options);
  if (!has_sockets) return { ...networkAddress(options.fallback_url ?? DEFAULT_URL, options), fallback: true };
  return {
    transport: "unix",
    socket_dir: environment.variable("IPC_SOCKET_DIR") ?? defaultSocketDirectory(environment.os),
  };
}

/** Whether what was given in place of a channel's name is a URL. */
export function isUrl(text: string): boolean {
  return text.includes("://");
}

/**
 * Takes `tcp://host:port/channel` apart.
 *
 * @throws {IpcError} CHANNEL_NAME if it is something else.
 */
export function channelAddress(text: string, options: BrokerOptions): { address: NetworkAddress; channel: string } {
  const { address, path } = parse(text, options);
  if (path === "") throw wrong(text, "the channel is missing: tcp://host:port/channel");
  return { address, channel: checkChannelName(path) };
}

function networkAddress(text: string, options: BrokerOptions): NetworkAddress {
  const { address, path } = parse(text, options);
  if (path !== "") throw wrong(text, `it has a path, "${path}", but the channel is named elsewhere here`);
  return address;
}

function parse(text: string, { ca = [] }: BrokerOptions): { address: NetworkAddress; path: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong(text, "it does not look like tcp://host:port");
  }
  const transport = url.protocol.slice(0, -1);
  if (transport !== "tcp" && transport !== "tls") throw wrong(text, "it does not begin with tcp:// or tls://");
  // Whoever writes a token into a URL shows it to everybody who can list processes.
  if (url.username !== "" || url.password !== "") throw wrong(text, "it holds a name or password: use the token");
  if (url.search !== "" || url.hash !== "") throw wrong(text, "nothing may stand behind the path");
  if (url.hostname === "") throw wrong(text, "the host is missing");
  if (url.port === "" || url.port === "0") throw wrong(text, "the port is missing");
  const authorities = typeof ca === "string" ? [ca] : ca;
  for (const authority of authorities) {
    if (authority.includes("-----BEGIN CERTIFICATE-----")) continue;
    throw new IpcError("FORBIDDEN", `Cannot trust what "ca" holds: it is not the text of a certificate in PEM format`);
  }
  const address: NetworkAddress = {
    transport,
    url: `${transport}://${url.host}`,
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port),
    ca: authorities,
    fallback: false,
  };
  return { address, path: url.pathname.replace(/^\/|\/$/g, "") };
}

function wrong(text: string, why: string): IpcError {
  // Whatever stands in front of an "@" may be a secret, and so may what stands where nothing should.
  const shown = text.replace(/^(\w+:\/\/)?.*@/s, "$1...@").replace(/([?#]).*/s, "$1...");
  return new IpcError("CHANNEL_NAME", `${JSON.stringify(shown)} is not the URL of a broker: ${why}`);
}
