/**
 * Certificates, keys and tokens of a listener, out of the files that its `[[listen]]` table names.
 *
 * @module
 */
import { ConfigError, type Problem, show } from "./errors.ts";
import { readFile } from "./files.ts";
import type { ListenSecrets, ListenSettings, TokenHash } from "./settings.ts";

/**
 * Reads them.
 *
 * @throws {ConfigError} With everything that is wrong.
 */
export function readListenSecrets({ name, tls, token_file }: ListenSettings): ListenSecrets {
  const problems: Problem[] = [];
  const read = <T>(key: string, path: string | undefined, parse: (text: string, path: string) => T): T | undefined => {
    if (path === undefined) return undefined;
    try {
      return parse(readFile({ path, found: false }), path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems.map((problem) => ({ ...problem, key: `listener ${name}: ${key}` })));
      return undefined;
    }
  };
  const cert = read("tls.cert", tls?.cert, parseCertificate), key = read("tls.key", tls?.key, parseKey);
  const tokens = read("token_file", token_file, parseTokens);
  if (problems.length > 0) throw new ConfigError(problems);
  return { tls: cert === undefined || key === undefined ? undefined : { cert, key }, tokens };
}

function parseCertificate(text: string, path: string): string {
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw wrong(path, "it holds no certificate in PEM");
}

function parseKey(text: string, path: string): string {
  if (((Deno.statSync(path).mode ?? 0) & 0o007) !== 0) {
    throw wrong(path, `it is a secret, and everybody may read it. chmod o= ${show(path)}`);
  }
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return text;
  throw wrong(path, "it holds no private key in PEM");
}

/** One a line, `name:hash`; empty lines and those that begin with `#` are left. */
function parseTokens(text: string, path: string): readonly TokenHash[] {
  const tokens: TokenHash[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const entry = line.trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const parts = /^([^:\s]+):([0-9a-f]{64})$/i.exec(entry);
    // The line is not shown: somebody may have written the token itself there.
    if (parts === null) {
      throw wrong(`${path}:${index + 1}`, 'it is not "name:hash", the hash being SHA-256 in 64 hex digits');
    }
    tokens.push({ name: parts[1]!, sha256: parts[2]!.toLowerCase() });
  }
  if (tokens.length === 0) throw wrong(path, "it holds no token, so nobody could connect");
  return tokens;
}

function wrong(where: string, message: string): ConfigError {
  return new ConfigError([{ where, message: `cannot be used: ${message}` }]);
}
