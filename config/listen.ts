/**
 * `[[listen]]`: addresses on the network where clients may connect. Read with care, because what stands here opens the
 * broker to others: outside of the loopback there is no listening without TLS and tokens.
 *
 * @module
 */
import { checkChannelName, CONTROL_CHANNEL } from "../protocol/channel_name.ts";
import { isTable, type Problem, show } from "./errors.ts";
import { isAbsolute } from "./files.ts";
import type { ListenSettings } from "./settings.ts";
import { unknownKey } from "./suggest.ts";

/** What a table may hold. */
export const LISTEN_KEYS = ["tcp", "name", "channel", "tls", "token_file"] as const;
const TLS_KEYS = ["cert", "key"] as const;

/** What a file says about listeners. */
export interface ListenDocument {
  listen: ListenSettings[];
  problems: Problem[];
}

/**
 * Reads all `[[listen]]` tables of a file. What is in the files that they name is not looked at: only a broker needs it.
 *
 * @param raw What stands under `listen`.
 * @param where The file's path; what a table names is relative to its directory.
 */
export function readListen(raw: unknown, where: string): ListenDocument {
  const listen: ListenSettings[] = [], problems: Problem[] = [];
  if (!Array.isArray(raw) || !raw.every(isTable)) {
    const message = `listen = ${show(raw)} is not a list of tables: write [[listen]] and its keys below`;
    return { listen, problems: [{ where, key: "listen", message }] };
  }
  for (const [index, table] of raw.entries()) {
    const reader = new TableReader(table, where, `listen[${index}]`, problems);
    const entry = reader.entry();
    if (entry === undefined) continue;
    const same = listen.find(({ hostname, port, name }) =>
      name === entry.name || port !== 0 && port === entry.port && hostname === entry.hostname
    );
    if (same === undefined) listen.push(entry);
    else {reader.wrong(
        `listen[${index}]`,
        `${entry.name} is there already; each listener needs an address and a name of its own`,
      );}
  }
  return { listen, problems };
}

/** Reads one table. */
class TableReader {
  readonly #table: Record<string, unknown>;
  readonly #where: string;
  readonly #path: string;
  readonly #problems: Problem[];

  constructor(table: Record<string, unknown>, where: string, path: string, problems: Problem[]) {
    this.#table = table;
    this.#where = where;
    this.#path = path;
    this.#problems = problems;
  }

  wrong(key: string, message: string): undefined {
    this.#problems.push({ where: this.#where, key, message });
  }

  /** `undefined` if anything is wrong with it. */
  entry(): ListenSettings | undefined {
    const before = this.#problems.length;
    this.#checkKeys(this.#table, LISTEN_KEYS, this.#path);
    const address = this.#address(), channel = this.#channel(), tls = this.#tls();
    const tokens = this.#table["token_file"];
    const token_file = tokens === undefined ? undefined : this.#file(tokens, `${this.#path}.token_file`);
    if (address === undefined || this.#problems.length > before) return undefined;
    const { hostname, port } = address, name = this.#text("name") ?? `${this.#table["tcp"]}`;
    const entry: ListenSettings = { name, hostname, port, channel, tls, token_file };
    if (!isLoopback(hostname) && (tls === undefined || token_file === undefined)) {
      const missing = [tls === undefined ? "tls" : "", token_file === undefined ? "token_file" : ""].filter((key) =>
        key
      );
      return this.wrong(
        `${this.#path}.tcp`,
        `${this.#path}.tcp = ${show(this.#table["tcp"])} is not a loopback address, so others can reach it: ` +
          `set ${missing.join(" and ")} too, or listen on 127.0.0.1 or [::1]`,
      );
    }
    return this.#problems.length > before ? undefined : entry;
  }

  #address(): { hostname: string; port: number } | undefined {
    const raw = this.#table["tcp"], key = `${this.#path}.tcp`;
    const allowed = 'allowed is host:port, such as "127.0.0.1:7410" or "[::1]:7410"; port 0 is any that is free';
    if (raw === undefined) return this.wrong(key, `${key} is missing: ${allowed}`);
    const parts = typeof raw === "string" ? /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(raw) : null;
    const port = Number(parts?.[3]);
    if (parts === null || port > 65_535) return this.wrong(key, `${key} = ${show(raw)} cannot be used: ${allowed}`);
    return { hostname: (parts[1] ?? parts[2])!, port };
  }

  #channel(): string | undefined {
    const name = this.#text("channel"), key = `${this.#path}.channel`;
    if (name === undefined) return undefined;
    try {
      checkChannelName(name);
    } catch (error) {
      return this.wrong(key, `${key}: ${(error as Error).message}`);
    }
    return name === CONTROL_CHANNEL
      ? this.wrong(key, `${key} = "${name}" cannot be used: that channel is the broker's own`)
      : name;
  }

  #tls(): ListenSettings["tls"] {
    const raw = this.#table["tls"], key = `${this.#path}.tls`;
    if (raw === undefined) return undefined;
    if (!isTable(raw)) {
      return this.wrong(key, `${key} = ${show(raw)} is not a table: write { cert = "...", key = "..." }`);
    }
    this.#checkKeys(raw, TLS_KEYS, key);
    const cert = this.#file(raw["cert"], `${key}.cert`), private_key = this.#file(raw["key"], `${key}.key`);
    return cert === undefined || private_key === undefined ? undefined : { cert, key: private_key };
  }

  #text(name: string): string | undefined {
    const raw = this.#table[name], key = `${this.#path}.${name}`;
    if (raw === undefined || typeof raw === "string" && raw !== "") return raw;
    return this.wrong(key, `${key} = ${show(raw)} cannot be used: allowed is text`);
  }

  /** A path, which may be relative to the directory of the file that names it. */
  #file(raw: unknown, key: string): string | undefined {
    if (typeof raw !== "string" || raw === "") {
      const what = raw === undefined ? "is missing" : `= ${show(raw)} cannot be used`;
      return this.wrong(key, `${key} ${what}: allowed is the path of a file`);
    }
    return isAbsolute(raw) ? raw : `${this.#where.slice(0, this.#where.lastIndexOf("/"))}/${raw}`;
  }

  #checkKeys(table: Record<string, unknown>, known: readonly string[], path: string): void {
    for (const name of Object.keys(table)) {
      if (!known.includes(name)) this.wrong(`${path}.${name}`, unknownKey(path, name, known));
    }
  }
}

/** Addresses that only this machine reaches. */
function isLoopback(hostname: string): boolean {
  return hostname.toLowerCase() === "localhost" || hostname === "::1" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
