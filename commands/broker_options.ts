/**
 * Which broker a command talks to: that of the configured socket directory, or one that `--connect` names.
 *
 * The options that stand before the verb become variables of its environment, so that a command looks in one place only.
 *
 * @module
 */
import type { BrokerOptions } from "../client/mod.ts";
import type { ListenSettings, Settings } from "../config/settings.ts";
import { CONFIG_BYTES_MAX } from "../protocol/limits.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";

/** Options that stand before the verb, and the variables that mean the same. */
export const GLOBAL_OPTIONS: ReadonlyMap<string, string> = new Map([
  ["--profile", "IPC_PROFILE"],
  ["--config", "IPC_CONFIG"],
  ["--socket-dir", "IPC_SOCKET_DIR"],
  ["--connect", "IPC_CONNECT"],
  ["--ca", "IPC_CA"],
  ["--token-file", "IPC_TOKEN_FILE"],
]);

/** More would not fit into what says hello. */
const TOKEN_CHARACTERS_MAX = 8 * 1024;

/** Variables that say where this machine's broker is. */
export const LOCAL_VARIABLES: readonly string[] = ["IPC_PROFILE", "IPC_CONFIG", "IPC_SOCKET_DIR"];

/** Variables that are about a broker elsewhere. */
export const ELSEWHERE_VARIABLES: readonly string[] = ["IPC_CONNECT", "IPC_CA"];

/** Variables that say which broker is meant, and who we are to it. A profile that is named by an option has its own. */
const WHICH_BROKER: readonly string[] = ["IPC_SOCKET_DIR", ...ELSEWHERE_VARIABLES, "IPC_TOKEN_FILE"];

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
    if (argv[at] === "--") return { argv: argv.slice(at + 1), values };
    const equals = argv[at]!.indexOf("="), name = equals < 0 ? argv[at]! : argv[at]!.slice(0, equals);
    const variable = GLOBAL_OPTIONS.get(name);
    if (variable === undefined) break;
    const value = equals < 0 ? argv[++at] : argv[at]!.slice(equals + 1);
    if (value === undefined || value === "") return { argv: argv.slice(at), values, incomplete: name };
    values.set(variable, value);
  }
  return { argv: argv.slice(at), values };
}

/**
 * The same surroundings, with other values of some variables. An option that says which broker is meant beats a variable
 * that says another.
 */
export function withVariables(io: Io, values: ReadonlyMap<string, string>): Io {
  if (values.size === 0) return io;
  const beaten = values.has("IPC_PROFILE") ? WHICH_BROKER : values.has("IPC_SOCKET_DIR") ? ["IPC_CONNECT"] : [];
  return { ...io, env: (name) => values.get(name) ?? (beaten.includes(name) ? undefined : io.env(name)) };
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
  const url = io.env("IPC_CONNECT"), ca = io.env("IPC_CA"), token = tokenOf(io);
  const options: BrokerOptions = url ? { url } : { socket_dir };
  if (!url && broker_uid !== undefined) options.broker_uid = broker_uid;
  const shared = os === "windows" ? listen.find(({ channel, port }) => channel === undefined && port !== 0) : undefined;
  if (shared !== undefined) options.fallback_url = urlOf(shared);
  if ((url || shared) && ca) options.ca = read(ca, "the certificate", "--ca, IPC_CA").text;
  if (token !== undefined) options.token = token;
  return options;
}

/** This machine's broker, wherever others are sent. A token that is for one elsewhere is not shown to it. */
export function localBrokerOptions(io: Io, { socket_dir, broker_uid }: Settings): BrokerOptions {
  return { socket_dir, broker_uid, token: io.env("IPC_CONNECT") ? undefined : tokenOf(io) };
}

function tokenOf(io: Io): string | undefined {
  const path = io.env("IPC_TOKEN_FILE");
  if (!path) return undefined;
  const wrong = (why: string) => new Failure(EXIT.CONFIGURATION, `Cannot use the token in "${path}": ${why}`);
  const { text, mode } = read(path, "the token", "--token-file, IPC_TOKEN_FILE"), token = text.trim();
  if (token === "") throw wrong("it is empty");
  // Another file than was meant, such as a private key, is not to be sent anywhere.
  if (/[\r\n]/.test(token)) throw wrong("it has several lines, and a token is one");
  if (token.length > TOKEN_CHARACTERS_MAX) {
    throw wrong(`it is ${token.length} characters, limit is ${TOKEN_CHARACTERS_MAX}`);
  }
  if (mode !== null && (mode & 0o007) !== 0) {
    throw wrong(`everybody may read or change it. Make a new one with "ipc token new --replace", or: chmod o= ${path}`);
  }
  return token;
}

function urlOf({ hostname, port, tls }: ListenSettings): string {
  return `${tls === undefined ? "tcp" : "tls"}://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function read(path: string, what: string, option: string): { text: string; mode: number | null } {
  try {
    // It may be a pipe, `<(...)`, or something that never ends.
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(CONFIG_BYTES_MAX + 1);
    let length = 0;
    for (let got; length < bytes.length && (got = file.readSync(bytes.subarray(length))) !== null;) length += got;
    if (length > CONFIG_BYTES_MAX) throw new Error(`more than ${CONFIG_BYTES_MAX} bytes: read '${path}'`);
    return { text: new TextDecoder().decode(bytes.subarray(0, length)), mode: file.statSync().mode };
  } catch (error) {
    throw new Failure(EXIT.CONFIGURATION, `Cannot read ${what} (${option}): ${(error as Error).message}`, {
      cause: error,
    });
  }
}
