/**
 * Certificates, keys and tokens of a listener, out of the files that its `[[listen]]` table names.
 *
 * @module
 */
import { ConfigError, type Problem, show } from "./errors.ts";
import { readFile } from "./files.ts";
import type { ListenSecrets, ListenSettings, TokenHash } from "./settings.ts";
import { readTokens } from "./tokens.ts";

/**
 * Reads them.
 *
 * @throws {ConfigError} With everything that is wrong.
 */
export function readListenSecrets({ name, tls, token_file }: ListenSettings): ListenSecrets {
  const problems: Problem[] = [];
  const read = <T>(key: string, path: string | undefined, read: (path: string) => T): T | undefined => {
    if (path === undefined) return undefined;
    try {
      return read(path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems.map((problem) => ({ ...problem, key: `listener ${name}: ${key}` })));
      return undefined;
    }
  };
  const cert = read("tls.cert", tls?.cert, readCertificate), key = read("tls.key", tls?.key, readKey);
  const tokens = read("token_file", token_file, readDoorTokens);
  if (problems.length > 0) throw new ConfigError(problems);
  return { tls: cert === undefined || key === undefined ? undefined : { cert, key }, tokens };
}

function readCertificate(path: string): string {
  const text = readFile({ path, found: false });
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw wrong(path, "it holds no certificate in PEM");
}

function readKey(path: string): string {
  const text = readFile({ path, found: false });
  if (((Deno.statSync(path).mode ?? 0) & 0o007) !== 0) {
    throw wrong(path, `it is a secret, and everybody may read it. chmod o= ${show(path)}`);
  }
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return text;
  throw wrong(path, "it holds no private key in PEM");
}

function readDoorTokens(path: string): readonly TokenHash[] {
  const tokens = readTokens(path);
  if (tokens.length === 0) throw wrong(path, "it holds no token, so nobody could connect");
  return tokens;
}

function wrong(where: string, message: string): ConfigError {
  return new ConfigError([{ where, message: `cannot be used: ${message}` }]);
}
