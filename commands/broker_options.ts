/**
 * Which broker a command talks to: that of the configured socket directory, or one that `--connect` names.
 *
 * The options that stand before the verb become variables of its environment, so that a command looks in one place only.
 *
 * @module
 */
import type { BrokerOptions } from "../client/mod.ts";
import type { ListenSettings, Settings } from "../config/settings.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";

/** Options that stand before the verb, and the variables that mean the same. */
export const GLOBAL_OPTIONS: ReadonlyMap<string, string> = new Map([
  ["--config", "IPC_CONFIG"],
  ["--socket-dir", "IPC_SOCKET_DIR"],
  ["--connect", "IPC_CONNECT"],
  ["--ca", "IPC_CA"],
  ["--token-file", "IPC_TOKEN_FILE"],
]);

/** Variables that say where this machine's broker is; the others are about one elsewhere. */
export const LOCAL_VARIABLES: readonly string[] = ["IPC_CONFIG", "IPC_SOCKET_DIR"];

/** What {@linkcode takeGlobalOptions} found. */
export interface GlobalOptions {
  /** The arguments from the verb on. */
  argv: readonly string[];
  /** Values by variable. */
  values: ReadonlyMap<string, string>;
  /** The option whose value is missing, if there is one. */
  incomplete?: string;
}

/** Takes the options before the verb away. */
export function takeGlobalOptions(argv: readonly string[]): GlobalOptions {
  const values = new Map<string, string>();
  let at = 0;
  for (; argv[at]?.startsWith("--"); at++) {
    const equals = argv[at]!.indexOf("="), name = equals < 0 ? argv[at]! : argv[at]!.slice(0, equals);
    const variable = GLOBAL_OPTIONS.get(name);
    if (variable === undefined) break;
    const value = equals < 0 ? argv[++at] : argv[at]!.slice(equals + 1);
    if (value === undefined || value === "") return { argv: argv.slice(at), values, incomplete: name };
    values.set(variable, value);
  }
  return { argv: argv.slice(at), values };
}

/** The same surroundings, with other values of some variables. An option for a broker here beats a variable for one elsewhere. */
export function withVariables(io: Io, values: ReadonlyMap<string, string>): Io {
  if (values.size === 0) return io;
  const here = values.has("IPC_SOCKET_DIR");
  return { ...io, env: (name) => values.get(name) ?? (here && name === "IPC_CONNECT" ? undefined : io.env(name)) };
}

/** Whether the broker is elsewhere, as it is where there are no unix sockets: none is started for it then. */
export function isElsewhere(io: Io, os: string = Deno.build.os): boolean {
  return (io.env("IPC_CONNECT") ?? "") !== "" || os === "windows";
}

/**
 * Where the broker is, and what opens its door. Where there are no unix sockets it is the configuration's first
 * `[[listen]]` that serves all channels.
 *
 * @throws {Failure} If a file that is named cannot be read.
 */
export function brokerOptions(
  io: Io,
  { socket_dir, broker_uid, listen }: Pick<Settings, "socket_dir" | "broker_uid" | "listen">,
  os: string = Deno.build.os,
): BrokerOptions {
  const url = io.env("IPC_CONNECT"), ca = io.env("IPC_CA"), token_file = io.env("IPC_TOKEN_FILE");
  const options: BrokerOptions = url ? { url } : { socket_dir };
  if (!url && broker_uid !== undefined) options.broker_uid = broker_uid;
  const shared = os === "windows" ? listen.find(({ channel, port }) => channel === undefined && port !== 0) : undefined;
  if (shared !== undefined) options.fallback_url = urlOf(shared);
  if ((url || shared) && ca) options.ca = read(ca, "the certificate", "--ca, IPC_CA");
  if (token_file) {
    const token = read(token_file, "the token", "--token-file, IPC_TOKEN_FILE").trim();
    if (token === "") throw new Failure(EXIT.CONFIGURATION, `Cannot use the token in "${token_file}": it is empty`);
    options.token = token;
  }
  return options;
}

function urlOf({ hostname, port, tls }: ListenSettings): string {
  return `${tls === undefined ? "tcp" : "tls"}://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function read(path: string, what: string, option: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new Failure(EXIT.CONFIGURATION, `Cannot read ${what} (${option}): ${(error as Error).message}`, {
      cause: error,
    });
  }
}
