/**
 * What an operator writes: configuration files, files of tokens, sizes and durations, names and globs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ConfigError } from "../../../config/errors.ts";
import { isAbsolute } from "../../../config/files.ts";
import { readListenSecrets } from "../../../config/listen_secrets.ts";
import { loadSettings } from "../../../config/load.ts";
import type { ListenSettings } from "../../../config/settings.ts";
import { DURATION_MS_MAX, formatBytes, formatDuration, parseDuration, parseSize } from "../../../config/units.ts";
import { channelGlob, checkChannelName, isChannelName } from "../../../protocol/channel_name.ts";
import { channelOfSocket, socketPath } from "../../../protocol/socket_path.ts";
import { quantity, tokens, toml } from "../grammar/config.ts";
import { mutated } from "../mutate.ts";
import { type Choices, Tape } from "../random.ts";
import { attempt, attemptWith, type Target } from "../target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder(), decoder = new TextDecoder();
const isConfigError = (error: unknown): boolean => error instanceof ConfigError && error.problems.length > 0;

/** Where files stand that are read from files only. */
let directory: string | undefined;

function place(): string {
  return directory ??= Deno.makeTempDirSync({ prefix: "ipc-fuzz-" });
}

/** Removes what was written. */
export function forgetFiles(): void {
  if (directory !== undefined) Deno.removeSync(directory, { recursive: true });
  directory = undefined;
}

/** A configuration file as a whole. */
export const CONFIG: Target = {
  name: "config",
  about: "configuration files: TOML, keys, values",
  input: (choices) => perhapsMutated(encoder.encode(toml(choices)), choices),
  async check(input, timed) {
    const file = `${place()}/ipc.toml`;
    Deno.writeFileSync(file, input);
    const outcome = await timed(() => load(file));
    if (outcome instanceof Error) {
      for (const { where, message } of (outcome as ConfigError).problems) {
        assert(where.startsWith(file) && message.length > 5);
      }
      return;
    }
    const { settings, sources } = outcome;
    assert(settings.defaults.queue_bytes > 0 && isAbsolute(settings.socket_dir));
    for (const channel of settings.channels.keys()) assert(isChannelName(channel));
    for (const source of sources.values()) assert(source === "default" || source === file);
  },
};

async function load(config_file: string) {
  try {
    return await loadSettings({ cwd: place(), env: () => undefined, config_file });
  } catch (error) {
    if (isConfigError(error)) return error as ConfigError;
    throw new Error(`an error that is not documented: ${(error as Error).stack}`, { cause: error });
  }
}

/** A file of tokens. */
export const TOKENS: Target = {
  name: "tokens",
  about: "files of tokens",
  input: (choices) => perhapsMutated(encoder.encode(tokens(choices)), choices),
  check(input, timed) {
    const token_file = `${place()}/tokens`;
    Deno.writeFileSync(token_file, input, { mode: 0o600 });
    const listen = { name: "fuzz", token_file } as ListenSettings;
    const read = timed(() => attemptWith(() => readListenSecrets(listen), isConfigError));
    if (read.error !== undefined) {
      // Somebody may have written the token itself there.
      const said = read.error.message.replaceAll(token_file, "");
      for (const line of decoder.decode(input).split("\n")) {
        assert(line.trim().length < 16 || !said.includes(line.trim()));
      }
      return;
    }
    for (const { name, sha256 } of read.value.tokens!) assert(/^[^\s:]+$/.test(name) && /^[0-9a-f]{64}$/.test(sha256));
  },
};

/** Sizes and durations. */
export const UNITS: Target = {
  name: "units",
  about: "sizes and durations",
  input: (choices) => perhapsMutated(encoder.encode(quantity(choices)), choices),
  check(input, timed) {
    const text = decoder.decode(input), isRangeError = (error: unknown) => error instanceof RangeError;
    const duration = timed(() => attemptWith(() => parseDuration(text), isRangeError));
    if (duration.value !== undefined) {
      const ms = duration.value;
      assert(ms === Infinity || Number.isInteger(ms) && ms >= 1 && ms <= DURATION_MS_MAX, `${ms} ms`);
      assert.equal(parseDuration(formatDuration(ms)), ms);
    }
    const size = timed(() => attemptWith(() => parseSize(text), isRangeError));
    if (size.value === undefined) return;
    const bytes = size.value, shown = formatBytes(bytes);
    assert(Number.isSafeInteger(bytes) && bytes >= 0);
    if (!shown.includes(".")) assert.equal(parseSize(shown), bytes);
  },
};

const NAME_LETTERS = [..."abcXYZ019_.-", "*", "?", "[", "]", "!", "^", "/", "\0", "é", "\u{1f600}"];

/** Names and globs. */
export const NAMES: Target = {
  name: "names",
  about: "channel names, their sockets, and globs, against regular expressions",
  input: (choices) => choices.bytes(choices.size(choices.oneIn(9) ? 700 : 60)),
  check(input, timed) {
    const choices = new Tape(input), letters = choices.oneIn(3) ? NAME_LETTERS : NAME_LETTERS.slice(0, 16);
    const word = () => choices.many(choices.below(choices.oneIn(9) ? 300 : 12), () => choices.pick(letters)).join("");
    const name = word(), glob = word();
    const checked = attempt(() => checkChannelName(name), "CHANNEL_NAME");
    const may_be = name.length >= 1 && name.length <= 64 && /^\w/.test(name) && !/[^\w.-]/.test(name);
    assert.equal(checked.value !== undefined, may_be);
    const directory = "/" + "d".repeat(choices.oneIn(4) ? choices.below(120) : 3);
    const path = attempt(() => socketPath(directory, name), "CHANNEL_NAME"),
      file = path.value?.replace(/^.*\//, "");
    if (path.value !== undefined) assert(channelOfSocket(file!) === name && path.value.length <= 107);
    assert.equal(channelOfSocket(glob), undefined);
    const matches = attempt(() => channelGlob(glob), "CHANNEL_NAME").value;
    if (matches === undefined) return;
    const expression = asExpression(glob);
    for (const one of [name, glob.replaceAll("*", "ab"), "", "a".repeat(64)]) {
      const actual = timed((): boolean => matches(one));
      if (expression !== undefined && glob.split("*").length < 5) {
        assert.equal(actual, expression.test(one), `${glob} on ${one}`);
      }
    }
  },
};

/** The same as a regular expression, if it is easily said. */
function asExpression(glob: string): RegExp | undefined {
  if (/[^\w.*?-]/.test(glob)) return undefined;
  return new RegExp(`^${glob.replaceAll(/[.-]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`);
}

function perhapsMutated(bytes: Bytes, choices: Choices): Bytes {
  return choices.oneIn(3) ? mutated(bytes, choices) : bytes;
}
