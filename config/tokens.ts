/**
 * Files of tokens, as a broker accepts them: a line each, `name:hash`, the hash being SHA-256 of the token in hex. The
 * tokens themselves are nowhere but with those who show them.
 *
 * @module
 */
import { ConfigError } from "./errors.ts";
import { checkRulesFile, readFile } from "./files.ts";
import type { TokenHash } from "./settings.ts";

const LINE = /^([^:\s]+):([0-9a-f]{64})$/i;

/**
 * Reads such a file.
 *
 * @throws {ConfigError} If it cannot be read, others may write to it, a line is wrong, or there is nothing in it at all,
 *   as in one that was cut off.
 */
export function readTokens(path: string): readonly TokenHash[] {
  const text = readFile({ path, found: false });
  checkRulesFile(path);
  if (text.trim() === "") throw wrong(path, "it is empty. Where nobody is to have a token, a line with # says so");
  return parseTokens(text, path);
}

/** One a line; empty lines and those that begin with `#` are left. */
export function parseTokens(text: string, path: string): readonly TokenHash[] {
  const tokens: TokenHash[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const entry = line.trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const parts = LINE.exec(entry);
    // The line is not shown: somebody may have written the token itself there.
    if (parts === null) {
      throw wrong(`${path}:${index + 1}`, 'it is not "name:hash", the hash being SHA-256 in 64 hex digits');
    }
    tokens.push({ name: parts[1]!, sha256: parts[2]!.toLowerCase() });
  }
  return tokens;
}

function wrong(where: string, message: string): ConfigError {
  return new ConfigError([{ where, message: `cannot be used: ${message}` }]);
}
