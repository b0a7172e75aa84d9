/**
 * What each key may be, and what it becomes: sizes are bytes, durations milliseconds. Every schema has one message, the
 * sentence that says what is allowed.
 *
 * @module
 */
import {
  array,
  boolean,
  check,
  type GenericSchema,
  integer,
  maxValue,
  message,
  minValue,
  number,
  picklist,
  pipe,
  rawTransform,
  safeParse,
  string,
  transform,
  union,
} from "valibot";
import { OVERFLOWS } from "../protocol/bodies.ts";
import { channelGlob } from "../protocol/channel_name.ts";
import { MESSAGE_BYTES_MAX } from "../protocol/limits.ts";
import { asDirectory } from "./files.ts";
import { type Key, SOCKET_MODES, type SocketMode, type Values } from "./keys.ts";
import { formatBytes, parseDuration, parseSize } from "./units.ts";

/** A queue must hold more than the broker's own frames (WELCOME, PRESENCE, replies on `ipcd`). */
const QUEUE_BYTES_MIN = 4 * 1024;
/** Less could not even hold what is read at the moment. */
const TOTAL_BYTES_MIN = 16 * 1024 * 1024;
const TOTAL_BYTES_MAX = 1024 ** 4;
/** More of anything than this cannot be counted on. */
const COUNT_MAX = 1_000_000_000;
/** Queues and histories are per client and per channel: more than this is a slip of the pen. */
const MEMORY_BYTES_MAX = 1024 ** 3;

const SCHEMAS: { [K in Key]: GenericSchema<unknown, Values[K]> } = {
  socket_dir: message(
    pipe(
      string(),
      check((path) => asDirectory(path) !== undefined),
      transform((path) => asDirectory(path)!),
    ),
    "allowed is an absolute path; ~ and variables are not expanded",
  ),
  max_message: size(1, MESSAGE_BYTES_MAX),
  queue: size(QUEUE_BYTES_MIN, MEMORY_BYTES_MAX),
  history: size(0, MEMORY_BYTES_MAX),
  overflow: oneOf(OVERFLOWS),
  stall_timeout: duration(),
  request_timeout: duration(),
  mode: message(
    pipe(union([number(), string()]), transform(asMode), picklist(SOCKET_MODES)),
    'allowed is "0600" (this user), "0660" (and the group) or "0666" (everybody)',
  ),
  group: account("group"),
  dynamic_channels: message(
    union([boolean(), array(pipe(string(), check(isChannelGlob)))]),
    'allowed is true, false, or a list of channel names and globs such as ["deploys", "logs.*"]',
  ),
  channel_idle: duration(),
  idle_exit: duration(),
  drain_timeout: duration(),
  broker_user: account("user"),
  peer_credentials: message(boolean(), "allowed is true or false"),
  "access.required": message(boolean(), "allowed is true or false"),
  memory: size(TOTAL_BYTES_MIN, TOTAL_BYTES_MAX),
  "quota.connections": count(),
  "quota.queued": size(QUEUE_BYTES_MIN, TOTAL_BYTES_MAX),
  "quota.requests": count(),
  "quota.channels": count(),
  "log.level": oneOf(["debug", "info", "warning", "error"]),
  "log.format": oneOf(["text", "json"]),
};

/**
 * Checks one value.
 *
 * @returns The value in bytes or milliseconds, or the sentence that says what is allowed.
 */
export function checkValue<K extends Key>(
  key: K,
  raw: unknown,
): { state: "ok"; value: Values[K] } | { state: "wrong"; allowed: string } {
  const schema: GenericSchema<unknown, Values[K]> = SCHEMAS[key];
  const result = safeParse(schema, raw);
  return result.success ? { state: "ok", value: result.output } : { state: "wrong", allowed: result.issues[0].message };
}

function size(min: number, max: number): GenericSchema<unknown, number> {
  return message(
    pipe(union([number(), string()]), read(parseSize), integer(), minValue(min), maxValue(max)),
    `allowed is a size from ${formatBytes(min)} to ${formatBytes(max)}: bytes, or text such as "64KiB" or "16MiB"`,
  );
}

function duration(): GenericSchema<unknown, number> {
  return message(
    pipe(union([number(), string()]), read(parseDuration)),
    'allowed is a duration up to 24 days: text such as "500ms", "5s", "2m", "1h", seconds as a number, or 0 or "infinity" for none',
  );
}

/** Of `"660"` and TOML's `0o660` the usual form; of `660`, which is something else, what is refused. */
function asMode(raw: number | string): SocketMode {
  const digits = typeof raw === "number" ? raw.toString(8) : raw.replace(/^0o(?=\d)/, "");
  return digits.padStart(4, "0") as SocketMode;
}

/** A name, or a number as text; whether there is such a one is another question. */
function account(kind: string): GenericSchema<unknown, string> {
  return message(
    pipe(
      union([number(), string()]),
      transform(String),
      check((name) => /^(?:[A-Za-z_][\w.@-]*\$?|\d{1,10})?$/.test(name)),
    ),
    `allowed is the name of a ${kind}, or its number`,
  );
}

function count(): GenericSchema<unknown, number> {
  return message(
    pipe(
      union([number(), string()]),
      transform((raw) => /^(?:0|inf|infinity)$/i.test(String(raw).trim()) ? Infinity : Number(raw)),
      check((value) => value === Infinity || Number.isInteger(value) && value >= 1 && value <= COUNT_MAX),
    ),
    'allowed is a whole number from 1 to 1000000000, or 0 or "infinity" for no limit',
  );
}

function oneOf<const T extends string>(options: readonly T[]): GenericSchema<unknown, T> {
  const quoted = options.map((option) => `"${option}"`);
  return message(picklist(options), `allowed is ${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`);
}

function read(parse: (raw: string | number) => number) {
  return rawTransform<string | number, number>(({ dataset, addIssue, NEVER }) => {
    try {
      return parse(dataset.value);
    } catch {
      addIssue();
      return NEVER;
    }
  });
}

/** Refuses too what could never match, such as `logs/*`: it would look like a rule and be none. */
function isChannelGlob(glob: string): boolean {
  if (!/^[A-Za-z0-9_.*?[\]!^-]+$/.test(glob)) return false;
  try {
    channelGlob(glob);
    return true;
  } catch {
    return false;
  }
}
