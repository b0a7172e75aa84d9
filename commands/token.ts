/**
 * `ipc token`: makes tokens, lists and revokes them. A token is written to a file and never shown; what a broker is given
 * of it is its hash.
 *
 * @module
 */
import { Argument } from "@commander-js/extra-typings";
import { isChannelName } from "../protocol/channel_name.ts";
import { parseTokens } from "../config/tokens.ts";
import type { Settings } from "../config/settings.ts";
import { EXIT, Failure } from "./exit_codes.ts";
import type { Io } from "./io.ts";
import { writeNewFile } from "./new_file.ts";
import { notice } from "./notice.ts";
import { settingsOf } from "./settings.ts";
import { outputPath } from "./special_files.ts";
import { TokenFile } from "./token/file.ts";
import { argumentParser, parseArguments, usageError, type Verb } from "./verb.ts";

const TOKEN_ACTIONS = ["new", "list", "revoke"] as const;
const TOKEN_BYTES = 32;

/** Options of `ipc token`. */
export interface TokenOptions {
  action: (typeof TOKEN_ACTIONS)[number];
  /** Whose; only `list` does without. */
  name: string;
  /** The file of hashes, if not the configured one. */
  file: string | undefined;
  /** Where the token itself goes. */
  output: string;
  replace: boolean;
  json: boolean;
}

export const verb: Verb<TokenOptions> = { parse: parseToken, run: runToken };

export function parseToken(argv: readonly string[]): TokenOptions {
  const parser = argumentParser("token", "Tokens, by which a broker knows who somebody is.", [
    "ipc token new ci              # the token is in ci.token then, for --token-file",
    "ipc token list",
    "ipc token revoke ci; ipc daemon reload",
  ])
    .addArgument(new Argument("<action>", "what to do").choices(TOKEN_ACTIONS))
    .argument("[name]", "new, revoke: what the broker's rules call it")
    .option("--file <file>", "the broker's file of hashes, if not access.token_file of the configuration")
    .option("-o, --output <file>", "new: where the token goes (<name>.token)")
    .option("--replace", "new: another token in the place of the one of this name")
    .option("--json", "list: one JSON object a line");
  const { args: [action, name], options } = parseArguments(parser, argv);
  const stray = options.json && action !== "list"
    ? "--json is for list"
    : action === "new"
    ? undefined
    : options.output !== undefined
    ? "--output is for new"
    : options.replace
    ? "--replace is for new"
    : undefined;
  if (stray !== undefined) throw usageError(parser, stray);
  if (action === "list" && name !== undefined) throw usageError(parser, "list takes no name");
  if (action !== "list" && name === undefined) throw usageError(parser, `${action} needs a name`);
  if (name !== undefined && !isChannelName(name)) {
    const allowed = '1 to 64 letters, digits, "_", "." or "-", not beginning with "." or "-"';
    throw usageError(parser, `${JSON.stringify(name)} cannot be the name of a token: it is ${allowed}`);
  }
  if (options.output !== undefined && outputPath(options.output) === "-") {
    throw usageError(parser, "a token is not printed, where others might read it: -o FILE");
  }
  return {
    action,
    name: name ?? "",
    file: options.file,
    output: options.output ?? `${name}.token`,
    replace: options.replace ?? false,
    json: options.json ?? false,
  };
}

export async function runToken(options: TokenOptions, io: Io): Promise<number> {
  const settings = await settingsOf(io), path = options.file ?? settings.access.token_file;
  if (path === undefined) {
    throw new Failure(
      EXIT.CONFIGURATION,
      "no file of tokens is configured: set token_file in the table [access], or name one with --file",
    );
  }
  return await ACTIONS[options.action](options, new TokenFile(path), io, settings);
}

type Action = (options: TokenOptions, file: TokenFile, io: Io, settings: Settings) => number | Promise<number>;

const ACTIONS: Readonly<Record<TokenOptions["action"], Action>> = {
  async new({ name, output, replace }, file, io, { broker_uid }) {
    const token = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))
      .toBase64({ alphabet: "base64url", omitPadding: true });
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token))).toHex();
    const is_made = file.change((lines) => {
      const others = lines.filter((line) => nameOf(line) !== name);
      if (others.length < lines.length && !replace) {
        const todo = "use --replace for another token in its place";
        throw new Failure(EXIT.NEGATIVE, `there is a token "${name}" already in "${file.path}": ${todo}`);
      }
      keep(token, output);
      return [...others, `${name}:${hash}`];
    }, () => Deno.removeSync(output));
    notice(io.stderr, `token "${name}" is in ${output}, which only you can read; its hash is in ${file.path}`);
    if (is_made && broker_uid !== undefined && broker_uid !== Deno.uid()) {
      notice(io.stderr, `the broker's user, ${broker_uid}, has to be able to read ${file.path}`);
    }
    tellToReload(io);
    return EXIT.OK;
  },
  list({ json }, file, io) {
    const names = parseTokens(file.read(), file.path).map(({ name }) => name);
    io.stdout.write(names.map((name) => `${json ? JSON.stringify({ name }) : name}\n`).join(""));
    return EXIT.OK;
  },
  revoke({ name }, file, io) {
    file.read();
    file.change((lines) => {
      const others = lines.filter((line) => nameOf(line) !== name);
      if (others.length < lines.length) return others;
      throw new Failure(EXIT.NEGATIVE, `there is no token "${name}" in "${file.path}"`);
    });
    notice(io.stderr, `token "${name}" is revoked in ${file.path}`);
    tellToReload(io);
    return EXIT.OK;
  },
};

function tellToReload(io: Io): void {
  notice(io.stderr, 'a broker that is running learns of it by "ipc daemon reload"');
}

function nameOf(line: string): string | undefined {
  return line.trimStart().startsWith("#") ? undefined : line.split(":")[0]!.trim();
}

/** Writes a token where only its owner can read it. */
function keep(token: string, path: string): void {
  try {
    writeNewFile(path, `${token}\n`, 0o600);
  } catch (error) {
    const why = error instanceof Deno.errors.AlreadyExists
      ? "it exists. Name another file with -o, or remove it"
      : (error as Error).message;
    throw new Failure(EXIT.CONFIGURATION, `cannot write the token to "${path}": ${why}`, { cause: error });
  }
}
